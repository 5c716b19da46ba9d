"""Which share of the tokens each language or domain should get, and whether that is worth more than noise.

`own_shares` serves laws in which a family's loss depends on its own share (multilingual): exact, by one equation;
`whole_shares` beside it laws of the whole mixture (additive, joint, exponential).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scaling.counting import alike
from scaling.errors import ArgumentError, FitError
from scaling.fits import Fit
from scaling.intervals.trust import FOREIGN
from scaling.numerics import root
from scaling.planning.asked import number
from scaling.planning.shares import Solved, bounds, least_sum, least_worst
from scaling.rendering import Result, plain
from scaling.words import check_level

OBJECTIVES = {  # what is minimised, in words
    "normalised": "sum of losses, each in units of its own loss alone,",
    "sum": "sum of losses",
    "worst": "largest loss in units of its own loss alone",
}
DRAWS = 400  # parameter vectors drawn from the fits' covariances, for the intervals


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(Result):
    """A mixture, what it is expected to win over a reference, and how sure that is.

    Attributes
    ----------
    frame : DataFrame indexed by family or domain: share, lower, upper, reference, bound ("floor", "cap" or "").
    losses : DataFrame indexed by target: loss at the optimum and at the reference.
    objective : what was minimised, in words. value, at_reference : its value there.
    gain : at_reference - value. gain_lower, gain_upper : its interval from the fits' covariances.
    residual : of the optimality conditions (own shares), or of the first-order conditions on the simplex (whole mixtures).
    others : shares under the other objectives, for comparison. notes : what to know before using it.
    trusted : are all fits, and is the run asked for, counted as theirs?
    """

    frame: pd.DataFrame
    losses: pd.DataFrame
    objective: str
    value: float
    at_reference: float
    gain_lower: float
    gain_upper: float
    level: float
    residual: float
    others: pd.DataFrame
    notes: tuple[str, ...]
    trusted: bool = True
    fields = (
        "objective", "value", "at_reference", "gain", "gain_lower", "gain_upper", "level", "worth_it", "residual",
        "losses", "others", "notes",
    )  # fmt: skip

    @property
    def shares(self) -> dict[str, float]:
        return {str(name): float(p) for name, p in self.frame["share"].items()}

    @property
    def gain(self) -> float:
        return self.at_reference - self.value

    @property
    def worth_it(self) -> bool:
        """Is the gain over the reference larger than the fits' uncertainty?"""
        return self.gain_lower > 0

    @property
    def ok(self) -> bool:
        """Is it better than the reference by fits that can be trusted?"""
        return self.worth_it and self.trusted

    def head(self) -> list[tuple[str, str]]:
        than = "better than" if self.worth_it else "indistinguishable from"
        values = f"{self.objective} {self.value:.6g} against {self.at_reference:.6g}, gain {self.gain:.3g}"
        interval = f"({self.level:.0%} interval {self.gain_lower:.3g} to {self.gain_upper:.3g})"
        sure = "" if self.trusted else "NOT TRUSTWORTHY: "
        verdict = f"{sure}{than} the reference: {values} {interval}"
        return [("verdict", verdict), *(("note", said) for said in self.notes)]

    def table(self) -> pd.DataFrame:
        return self.frame.join(self.others)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"shares": plain(self.frame)}


def own_shares(
    fits: Mapping[str, Fit], *, N: float, D: float, objective: str = "normalised",
    weights: Mapping[str, float] | None = None, floors: Any = 0.0, caps: Any = 1.0,
    unique_tokens: Mapping[str, float] | None = None, epochs: float = 4.0,
    reference: Mapping[str, float] | None = None, level: float = 0.9, seed: int = 0,
) -> Mixture:  # fmt: skip
    """Optimal shares of families whose loss depends on their own share.

    Parameters
    ----------
    fits : family -> Fit of `multilingual` or `multilingual_reducible`.
    N, D : parameters and total tokens of the planned run, counted as in the fits.
    objective : "normalised" (each loss counts in units of its own loss when trained alone), "sum" (losses as they are), or
        "worst" (the largest normalised loss is made as small as it can be).
    weights, floors, caps, reference, level, seed : as in `mix`.
    unique_tokens, epochs : a family with U unique tokens gets at most epochs * U / D.

    Raises
    ------
    FitError : another law, an unknown family, or bounds that no shares satisfy.

    Notes
    -----
    With "normalised", shares do not depend on N and D under `multilingual`: that is a property of the normalisation, not
    evidence for the law. The gain is of second order in the distance from the optimum, so expect it to be small.
    """
    names = list(fits)
    check(fits, level, {"N": N, "D": D})
    if objective not in OBJECTIVES:
        raise ArgumentError(f"objective '{objective}' is unknown; use one of {', '.join(OBJECTIVES)}.")
    for name, one in fits.items():
        if one.law.own_share is None:
            other = (
                "use scaling.planning.mix, which knows laws of the whole mixture too."
                if one.law.domains
                else "a law of the whole mixture for all, such as 'mixture_additive'."
            )
            raise FitError(
                f"{name}: law '{one.law.name}' does not say how a family's loss depends on its own share; fit "
                f"'multilingual' or 'multilingual_reducible', or {other}"
            )
    w = counts(weights, names)
    lo, hi = by_name(floors, names, 0.0, "floors"), by_name(caps, names, 1.0, "caps")
    if unique_tokens is not None:
        hi = np.minimum(hi, epochs * by_name(unique_tokens, names, np.inf, "unique_tokens") / D)
    ref = mixture_of(reference, names)
    if not ref.all():
        none = names[int(ref.argmin())]
        raise FitError(f"the reference gives {none} no share, where its loss is infinite; give every family a part.")
    centre = _losses(fits, [one.values for one in fits.values()], N, D)[0]
    drawn = _losses(fits, draws(fits, seed), N, D)
    solved = centre.best(objective, w, lo, hi, names)
    spread = np.array([one.best(objective, w, lo, hi, names).p for one in drawn])
    gains = [one.value(objective, w, ref) - one.value(objective, w, solved.p) for one in drawn]
    same_anywhere = objective == "normalised" and not centre.rest.any()
    tails = [50 * (1 - level), 50 * (1 + level)]
    (lower, upper), (low, high) = np.percentile(spread, tails, 0), np.percentile(gains, tails)
    bound = np.where(solved.at_floor, "floor", np.where(solved.at_cap, "cap", ""))
    columns = {"share": solved.p, "lower": lower, "upper": upper, "reference": ref, "bound": bound}
    others = {o: centre.best(o, w, lo, hi, names).p for o in OBJECTIVES if o != objective}
    doubts = doubted(fits, {"N": N, "D": D})
    return Mixture(
        pd.DataFrame(columns, index=names),
        pd.DataFrame({"loss": centre.at(solved.p), "reference": centre.at(ref)}, index=names),
        OBJECTIVES[objective], centre.value(objective, w, solved.p), centre.value(objective, w, ref), float(low), float(high),
        level, solved.residual, pd.DataFrame(others, index=names), (*doubts, *_notes(fits, solved, same_anywhere)), not doubts,
    )  # fmt: skip


class Losses(NamedTuple):
    """Losses a p^-gamma + rest of k families at their shares p; a, gamma, rest (k,)."""

    a: np.ndarray
    gamma: np.ndarray
    rest: np.ndarray

    def at(self, p: np.ndarray) -> np.ndarray:
        return np.asarray(self.a * p**-self.gamma + self.rest)

    def value(self, objective: str, w: np.ndarray, p: np.ndarray) -> float:
        """The objective at shares p (k,), with weights w (k,)."""
        with np.errstate(divide="ignore"):
            losses = w * self.at(p)
        losses = losses if objective == "sum" else losses / (self.a + self.rest)
        return float(losses.max() if objective == "worst" else losses.sum())

    def best(self, objective: str, w: np.ndarray, lo: np.ndarray, hi: np.ndarray, names: list[str]) -> Solved:
        """Exact shares; the worst family of a law with a constant needs its level found first."""
        w = w if objective == "sum" else w * (1 / (self.a + self.rest))
        if objective != "worst":
            return least_sum(w * self.a, self.gamma, lo, hi, names)
        if not self.rest.any():
            return least_worst(w * self.a, self.gamma, lo, hi, names)
        return _level(w * self.a, self.gamma, w * self.rest, lo, hi, names)


def _losses(fits: Mapping[str, Fit], values: Sequence[Mapping[str, Any]], N: float, D: float) -> list[Losses]:
    """One for each of m sets of the constants of every family, arrays (m,) or one number each."""
    parts = []
    for one, v in zip(fits.values(), values, strict=True):
        gamma = np.atleast_1d(v["gamma"])
        rest = 0 * gamma + one.law(N, D, np.inf, **v)  # what no share could win
        parts.append((one.law(N, D, 1.0, **v) - rest, gamma, rest))
    return [Losses(*row) for row in np.transpose(parts, (2, 1, 0))]


def check(fits: Any, level: float, asked: Mapping[str, float | None]) -> None:
    """Refuse what are no fits by name, and what is no size or number of tokens."""
    if not isinstance(fits, Mapping) or not all(isinstance(one, Fit) for one in fits.values()):
        raise ArgumentError("a mixture needs fits by the name of their family or target: {'de': fit, 'fr': other}.")
    if not fits:
        raise FitError("a mixture needs the fit of at least one family or target.")
    for name, x in asked.items():
        if x is not None:
            number(name, x)
    check_level(level)
    alike(**{name: one.data for name, one in fits.items()})


def by_name(given: Any, names: list[str], missing: float, what: str) -> np.ndarray:
    every = given if isinstance(given, Mapping) else dict.fromkeys(names, given)
    if unknown := [n for n in every if n not in names]:
        raise FitError(f"{what} names {', '.join(map(repr, unknown))}; the families are {', '.join(names)}.")
    if wrong := [f"{n}={x!r}" for n, x in every.items() if isinstance(x, bool) or not isinstance(x, Real)]:
        raise ArgumentError(f"{what}: {wrong[0]} must be a number.")
    return np.array([float(every.get(n, missing)) for n in names])


def counts(weights: Mapping[str, float] | None, names: list[str]) -> np.ndarray:
    """How much each family or target counts (k,)."""
    found = by_name(weights or 1.0, names, 1.0, "weights")
    if (bad := ~((found > 0) & np.isfinite(found))).any():
        wrong = f"{names[bad.argmax()]}={found[bad][0]:g}"
        raise ArgumentError(f"weights: {wrong} must be positive; leave out what does not count.")
    return found


def doubted(fits: Mapping[str, Fit], asked: Mapping[str, float | None]) -> list[str]:
    """Why a mixture from these fits for this run is not to be trusted."""
    out = [f"{name}: its fit is not trustworthy ({one.warnings[0]})" for name, one in fits.items() if not one.ok]
    for name, x in asked.items():
        seen = np.concatenate([one.design.inputs[name] for one in fits.values() if name in one.design.inputs] or [[]])
        if x is not None and len(seen) and (x > seen.max() * FOREIGN[name] or x * FOREIGN[name] < seen.min()):
            told = f"{seen.min():.3g} to {seen.max():.3g}"
            out.append(f"the rows fitted have {name} {told}, this run {x:.3g}: is it in the same units?")
    return out


def outside(name: str, share: float, seen: Any) -> list[str]:
    """Said of a share beyond those fitted, seen (n,)."""
    least, most = float(np.min(seen)), float(np.max(seen))
    if least * (1 - 1e-9) <= share <= most * (1 + 1e-9):
        return []
    return [f"{name}: share {share:.3f} lies outside the shares it was fitted on ({least:.3g} to {most:.3g})"]


def mixture_of(given: Mapping[str, float] | None, names: list[str]) -> np.ndarray:
    if given is None:
        return np.full(len(names), 1 / len(names))
    p = by_name(given, names, 0.0, "reference")
    if not (p >= 0).all() or abs(p.sum() - 1) > 0.005:
        raise FitError(f"the reference shares sum to {p.sum():.4g}; they must be at least 0 and sum to 1.")
    return np.asarray(p / p.sum())


def draws(fits: Mapping[str, Fit], seed: int) -> list[dict[str, Any]]:
    """Of every fit DRAWS sets of constants, each an array (DRAWS,), from its normal approximation inside its box."""
    found: list[dict[str, Any]] = []
    for fit in fits.values():
        values, vectors = np.linalg.eigh(fit.cov.matrix)
        normal = np.random.default_rng(seed + len(found)).normal(size=(DRAWS, len(fit.t)))
        drawn = fit.t + normal @ (vectors * np.sqrt(np.maximum(values, 0))).T
        with np.errstate(all="ignore"):  # what is not determined is drawn from anywhere
            params = fit.coordinates.to_params(np.clip(drawn, fit.coordinates.lower, fit.coordinates.upper))
        found.append({**fit.fixed, **dict(zip(fit.coordinates.names, params.T, strict=True))})
    return found


def _level(a: np.ndarray, g: np.ndarray, rest: np.ndarray, lo: np.ndarray, hi: np.ndarray, names: list[str]) -> Solved:
    """min max_i (a_i p_i^-g_i + rest_i): the least level that shares of sum 1 can reach, by bisection."""
    low, high = bounds(len(a), lo, hi, names)

    def need(level: float) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.where(level > rest, (a / np.maximum(level - rest, 1e-300)) ** (1 / g), np.inf)

    bottom = float((a * high**-g + rest).max())
    top = max(bottom, float((a * np.maximum(low, 1e-12) ** -g + rest).max()))
    over = np.vectorize(lambda level, _: np.clip(need(level), low, high).sum() - 1)
    top = float(root(over, bottom, top))
    p = np.clip(need(top), low, high)
    free = (p > low) & (p < high)
    spare = 1 - p.sum()
    p = np.where(free, p * (1 + spare / max(p[free].sum(), 1e-300)), p)
    return Solved(p, float(np.log(top)), (p <= low) & (low < high), (p >= high) & (low < high), abs(p.sum() - 1), 0)


def _notes(fits: Mapping[str, Fit], solved: Solved, same_anywhere: bool) -> list[str]:
    out: list[str] = []
    for (name, one), p in zip(fits.items(), solved.p, strict=True):
        out += outside(name, float(p), one.data[one.law.own_share])
    if same_anywhere:
        out.append("these shares depend on no N, D, E, A or B: a property of normalised losses, not evidence for the law")
    return [*out, "rule of thumb: a family's share follows weight x loss x gamma"]
