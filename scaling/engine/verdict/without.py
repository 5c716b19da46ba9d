"""Runs that do not follow the law of the others though the fit bends to them: each is forecast from all others alone.

A law over sizes, tokens, batches and peaks has parameters that few runs speak of, so that one run whose size or tokens are
told wrong is met as well as any other. What gives it away is that the others, fitted without it, forecast another loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from scaling.design.bins import evenly
from scaling.design.inputs import Design
from scaling.design.ladders import NAMES
from scaling.engine.prior import spent
from scaling.engine.refit import refit
from scaling.engine.threads import one_thread
from scaling.engine.verdict.again import starts
from scaling.engine.verdict.curves import LEAST, LITTLE, MOST
from scaling.engine.verdict.near import Near
from scaling.engine.verdict.rows import robust_scale

ROWS = 6  # of a run, that say what the others make of it
TRIED = 4  # runs left out by each of two reasons: their rows pull the parameters most, and their residuals do
FAR = 6.0  # standard deviations of a forecast from the others: 107 healthy ladders reached 5.1
LEVEL = 0.9  # of the interval that the law must stay in when they are left out
FACTORS = {10.0: "10 times", 0.1: "a tenth of", 1e3: "1000 times", 1e-3: "1/1000 of", 1e6: "1e6 times", 1e-6: "1e-6 of"}
EXPLAINED = 0.2  # of a miss, up to which another value of a fact may leave it
ROUNDS, STALL = 60, 1e-3  # iterations of a refit; gain in 20 of them below which it goes no further


@dataclass(frozen=True, eq=False)
class Without:
    """runs (k,) : codes of those that do not belong, furthest first. miss (k,) : of each by the law of the others, in the
    objective's units. t (p,) : the optimum without them. moved, half : by how much they move the law where they move it most
    beside its interval, and half of that; relative where `log`."""

    runs: np.ndarray
    miss: np.ndarray
    t: np.ndarray
    moved: float
    half: float
    log: bool

    @property
    def said(self) -> str:
        """What they do to the law, where that is more than its interval allows; else ""."""
        if not self.moved > self.half:
            return ""
        size, half = (f"{100 * x:.2g} %" if self.log else f"{x:.3g}" for x in (self.moved, self.half))
        return f"leaving {'them' if len(self.runs) > 1 else 'it'} out moves the law by up to {size}, its half-width is {half}"


@dataclass(frozen=True, eq=False)
class _Left:
    """Of each candidate (c,) left out: its miss, by its standard deviation, the rms of what the others leave; parameters
    (c, p); the law and its standard deviation on the rows (c, n)."""

    miss: np.ndarray
    away: np.ndarray
    rest: np.ndarray
    t: np.ndarray
    middle: np.ndarray
    sd: np.ndarray


@np.errstate(all="ignore")
def without(near: Near, apart: np.ndarray) -> Without | None:
    """The runs that the law of the others does not forecast, one after the other; None where all belong.

    Parameters
    ----------
    apart (k,) : rows of runs that stand apart from the fit as it is.
    """
    count = int(near.design.runs.max()) + 1
    if not near.law.hooks.facts or near.exact or count < LEAST:
        return None
    made = near.design.take(evenly(near.design.runs, ROWS))
    out: list[int] = []
    misses: list[float] = []
    last: tuple[_Left, int] | None = None
    while len(out) < max(1, int(MOST * count)):
        tried = _candidates(near, out, apart)
        found = _left_out(near, made, [[*out, k] for k in tried])
        off = (found.away > FAR) & (np.abs(found.miss) > LITTLE * near.spread)
        if not off.any():
            break
        best = int(np.flatnonzero(off)[found.rest[off].argmin()])
        out.append(tried[best])
        misses.append(float(found.miss[best]))
        last = found, best
    if last is None:
        return None
    found, best = last
    moved = np.abs(found.middle[best] - near.law_at(made.inputs))
    half = ndtri(0.5 + LEVEL / 2) * found.sd[best]
    most = int(np.nanargmax(moved / half))
    return Without(np.array(out), np.array(misses), found.t[best], float(moved[most]), float(half[most]), near.loss.log)


def _candidates(near: Near, out: list[int], apart: np.ndarray) -> list[int]:
    """Runs worth leaving out besides those that are: which gain most for the others, and which weigh most, to first order."""
    free = ~near.held
    known = np.sqrt(near.model.coordinates.strength) * near.model.coordinates.known[:, free]
    A = near.effect[free].T
    kept = ~np.isin(near.design.runs, out)
    inverse = np.linalg.pinv(A[kept].T @ A[kept] + known.T @ known, rcond=1e-12, hermitian=True)
    gain, weight = [], []
    for k in range(int(near.design.runs.max()) + 1):
        rows = near.design.runs == k
        H = A[rows] @ inverse @ A[rows].T
        gain.append(near.rest[rows] @ np.linalg.lstsq((1 + 1e-9) * np.eye(len(H)) - H, near.rest[rows], rcond=None)[0])
        weight.append(np.trace(H))
    most = [k for of in (gain, weight) for k in np.argsort(-np.array(of))[: TRIED + len(out)]]
    found = [*near.design.runs[apart], *most]
    return [int(k) for k in dict.fromkeys(found) if k not in out]


def _left_out(near: Near, made: Design, parts: list[list[int]]) -> _Left:
    """The law fitted without each of several parts of the runs, and what it makes of the last run of each."""
    runs, count = made.runs, int(made.runs.max()) + 1
    kept = np.array([~np.isin(runs, part) for part in parts])
    scale = near.design.weights.sum() / made.weights.sum()
    with one_thread():
        fits = refit(
            near.law, made, near.loss, kept * made.weights * scale, fixed=near.fixed, params=near.model.coordinates.params,
            coordinates=near.model.coordinates, warm=starts(near), starts=0, stall=STALL, rounds=ROUNDS,
        )  # fmt: skip
    model = fits.model(made)
    middle, variance = fits.predict(model)
    terms = model.terms(fits.t)
    value = model.value(terms)
    slopes = model.jacobian(terms, value) / (value[:, None] if near.loss.log else 1.0)
    error = near.loss.link(made.loss) - middle
    off = np.array([[np.median(e[runs == k]) for k in range(count)] for e in error])
    miss, away, rest = [], [], []
    for f, part in enumerate(parts):
        others, rows = np.delete(off[f], part), runs == part[-1]
        known, weights = fits.alike[f] * fits.noise[f] ** 2, kept[f] * made.weights * scale
        used = spent(slopes[f], -error[f], weights, near.loss, near.model.coordinates, known)
        # runs err as a whole, so that it is their number, less what the parameters had of them, that says how far
        spread = robust_scale(others, min(len(near.t), len(others) // 2)) ** 2 * len(others) / max(len(others) - used, 1.0)
        sd = np.sqrt(np.median(variance[f, rows]) - fits.noise[f] ** 2 + spread)
        miss.append(off[f, part[-1]])
        away.append(abs(miss[-1]) / sd if fits.ok[f] else 0.0)
        rest.append(np.sqrt(np.mean(others**2)))
    return _Left(np.array(miss), np.nan_to_num(away), np.array(rest), fits.t, middle, np.sqrt(variance))


def facts_told_wrong(near: Near, code: int, found: Without) -> str:
    """Which fact of a run, wrong by a power of ten, would explain what it misses of the law of the others; "" where none."""
    rows = np.flatnonzero(near.design.runs == code)
    frame = near.design.frame.iloc[rows]
    features, name, facts = near.law.hooks.features, str(frame["run"].iloc[0]), near.law.hooks.facts
    if features is None or near.runs is None or name not in near.runs.schedules:
        return ""
    plan, steps, left = near.runs.schedules[name], frame["step"].to_numpy(int), {}
    for fact in facts:
        for factor, said in FACTORS.items():
            values = [float(frame[k].iloc[0]) / (factor if k == fact else 1.0) for k in facts]
            there = near.law_at(features(steps, plan, *values, **near.law.conventions), found.t)
            left[f"{NAMES[fact][0]} were {said}"] = abs(float(np.median(near.y[rows] - there)))
    best = min(left, key=lambda k: left[k])
    miss = abs(float(found.miss[found.runs == code][0]))
    return f", as if its {best} what it should be" if left[best] < EXPLAINED * miss else ""
