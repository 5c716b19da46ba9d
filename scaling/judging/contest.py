"""Laws put to one test on the same rows: what compare prints and what law="auto" decides by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scaling.design.candidates import failure
from scaling.design.checks import table_of
from scaling.design.cuts import Cut, cuts
from scaling.design.inputs import Design
from scaling.design.order import SIZE, TOKENS, WORDS, natural_order, order
from scaling.engine.verdict.judgement import settled
from scaling.errors import OF_A_FORMULA, ArgumentError, FitError, ScalingError
from scaling.fits import Fit
from scaling.fits.fitting import fit
from scaling.formula import Law, find
from scaling.intervals.trials import Trial, needed, splits, thinned, tried, weights
from scaling.logs.sheet import PLACE
from scaling.waits import steps
from scaling.words import by_reason

SURE = 2.0  # standard errors that a difference must exceed to be one
DIGITS = 1e-6  # held-out errors below this are the digits of the losses, not the law


@dataclass(frozen=True, eq=False)
class Contest:
    """What laws did, by label.

    Attributes
    ----------
    fits : to all rows. trials, tests : refits and the cutoffs they were put to, of the laws that could be judged.
    rows, places : the rows of each that were judged, and their place among those that all laws share. counts (F,) : of the
        cutoffs.
    reasons : why a law could not be judged. by : along what rows were held out. holdout : what was, in words.
    """

    by: str | None
    holdout: str
    fits: dict[str, Fit] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    tests: dict[str, list[Cut]] = field(default_factory=dict)
    rows: dict[str, Design] = field(default_factory=dict)
    places: dict[str, np.ndarray] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> np.ndarray:
        return weights(next(iter(self.tests.values()))) if self.tests else np.empty(0)

    def error(self, label: str) -> float:
        """The held-out error of a law, over the cutoffs it could be fitted at."""
        return self.trials[label].held_out(self.counts)

    def apart(self, one: str, other: str) -> tuple[float, float]:
        """Error of a law minus that of another over the cutoffs both were judged at, and its standard error."""
        mine, theirs = (np.minimum(self.trials[k].scores, 1e100) for k in (one, other))  # so far off that squares are none
        common = np.isfinite(mine) & np.isfinite(theirs)
        if not common.any():
            return self.error(one) - self.error(other), np.nan
        if common.sum() == 1 and len(common) == 1:
            return self._over_blocks(one, other)
        return paired((mine - theirs)[common], self.counts[common])

    def _over_blocks(self, one: str, other: str) -> tuple[float, float]:
        mine, theirs = (np.abs(self.errors(label)[0]) for label in (one, other))
        d = np.array([part.mean() for part in np.array_split(mine - theirs, 8) if len(part)])
        return float(mine.mean() - theirs.mean()), float(d.std(ddof=1) / np.sqrt(len(d))) if len(d) > 1 else np.nan

    def determined(self, label: str) -> str:
        """The law chosen; or, where its own fit cannot be trusted, the best whose can that errs more by no more than chance.

        A forecast without an interval helps nobody who has as good a one with it.
        """
        if label not in self.trials or _trusted(self.fits[label]):
            return label
        for other in sorted(self.trials, key=self.error):
            if _trusted(self.fits[other]) and not self.trials[other].explodes:
                difference, se = self.apart(other, label)
                if difference <= SURE * se:
                    return other
        return label

    def errors(self, label: str) -> list[np.ndarray]:
        """Relative errors of the predicted rows at every usable cutoff, in one order for all laws."""
        trial, found = self.trials[label], []
        for f in np.flatnonzero(trial.usable):
            rows = np.flatnonzero(self.tests[label][f].test)
            found.append(trial.relative[f, rows[np.argsort(self.places[label][rows], kind="stable")]])
        return found


def paired(difference: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Mean of differences over cutoffs that count so much, both (k,), and its standard error; NaN where one cutoff decides."""
    w = counts / counts.sum()
    mean = float(w @ difference)
    few = 1 / (w @ w)  # cutoffs are nested, so they count as no more than what differs
    return mean, float(np.sqrt(w @ (difference - mean) ** 2 / (few - 1))) if few > 1.01 else np.nan


def surely(less: np.ndarray, more: np.ndarray, counts: np.ndarray) -> bool:
    """Are errors smaller than others by more than chance, over the cutoffs (F,) that both have and that count so much?

    By their ratios, which early cutoffs with large errors do not drown; what a single cutoff says is no proof.
    """
    both = np.isfinite(less) & np.isfinite(more)
    if both.sum() < 2:
        return False
    ratio = np.log(np.maximum(more[both], DIGITS) / np.maximum(less[both], DIGITS))
    mean, se = paired(ratio, counts[both])
    return mean > SURE * se


def contest(
    data: Any,
    laws: Iterable[Law | str],
    holdout: float | str | None,
    *,
    objective: str,
    delta: float | str,
    seed: int,
    designs: Mapping[str, Design] = MappingProxyType({}),
) -> Contest:
    """Fit laws to the data and hold out the same rows of each; arguments as in `compare`. designs : rows of curves, by name of
    the law that reads them, where they are known."""
    chosen = labelled([find(law) for law in laws])
    _check_holdout(data, list(chosen.values()), holdout)
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        data = table_of(data)
    if isinstance(data, pd.DataFrame):
        data = data.reset_index(drop=True)  # the index says which rows laws have in common
    fits: dict[str, Fit] = {}
    reasons: dict[str, str] = {}
    for label, law in steps(list(chosen.items()), "fitting laws"):
        try:
            known = designs.get(law.name) if law.over_schedules and law.hooks.units is None else None
            fits[label] = fit(data, law, objective=objective, delta=delta, seed=seed, made=known)
        except ArgumentError:
            raise
        except (ScalingError, *OF_A_FORMULA) as problem:
            reasons[label] = failure(problem)
    if not fits:
        raise FitError("no law could be compared: " + by_reason(reasons))
    by = holdout if isinstance(holdout, str) else direction([found.law for found in fits.values()])
    out = Contest(by, words(by, holdout), fits, reasons=reasons)
    for label, place in steps(list(_places(fits).items()), "predicting rows held out"):
        try:
            _judge(out, label, place, holdout, seed)
        except (ScalingError, *OF_A_FORMULA) as problem:
            reasons[label] = failure(problem)
    return out


def _judge(out: Contest, label: str, place: np.ndarray, holdout: float | str | None, seed: int) -> None:
    """Put a fitted law to the test on the rows it shares with the others."""
    found = out.fits[label]
    rows = np.flatnonzero(place >= 0)
    rows = rows[np.argsort(place[rows], kind="stable")]
    rows = rows[thinned(len(rows))]
    made = found.design.take(np.sort(rows))
    place = place[np.sort(rows)]
    tests = (
        splits(made, out.by) if holdout is None or isinstance(holdout, str) else cuts(order(made, str(out.by)), [1 - holdout])
    )
    if out.by == "schedule":  # in one order for all laws
        tests = sorted(tests, key=lambda cut: place[cut.test].min())
    if not tests:
        differ = [k for k, x in made.inputs.items() if isinstance(x, np.ndarray) and np.ptp(x) > 0]
        say = f"one along which the {len(made)} rows differ: holdout={differ[0]!r}" if differ else "another holdout="
        raise FitError(
            f"no row lies beyond a cutoff by {WORDS.get(str(out.by), out.by)}, so there is nothing to predict; say {say}"
        )
    trial = tried(
        found.law, made, found.loss, tests, fixed=found.fixed, params=found.coordinates.params,
        coordinates=found.coordinates, warm=found.t[None], seed=seed,
    )  # fmt: skip
    if trial is None or not trial.usable.any():
        if found.law.hooks.needs is not None and (lacks := found.law.hooks.needs(*made.inputs.values())):
            raise FitError("; ".join(lacks))
        need = needed(len(found.t))
        most = max(int(cut.train.sum()) for cut in tests)
        raise FitError(
            f"the part that is fitted has {most} of {len(made)} rows at most, and {len(found.t)} parameters want {need}; "
            "add runs, or hold parameters"
            if most < need
            else "cannot be fitted to the smaller part of the data, or says nothing finite of the larger, at any cutoff; "
            "say another holdout=, or leave it out"
        )
    out.trials[label], out.tests[label], out.rows[label], out.places[label] = trial, tests, made, place


def _trusted(fit: Fit) -> bool:
    """Does nothing speak against a fit but a parameter at an edge, which backtests judge?"""
    return settled(fit.verdict, "").ok


def labelled(laws: list[Law]) -> dict[str, Law]:
    """Laws by name, with the conventions in which they differ from the law registered; refuses one given twice."""
    named: dict[str, Law] = {}
    for law in laws:
        changed = ",".join(f"{k}={v}" for k, v in law.conventions.items() if find(law.name).conventions.get(k) != v)
        label = f"{law.name}:{changed}" if changed else law.name
        if (twin := named.get(label)) and (twin.fn, twin.held, twin.params) == (law.fn, law.held, law.params):
            raise ArgumentError(f"law '{label}' is given twice, and would be compared with itself; name every law once.")
        named[label if twin is None else f"{label} ({len(named) + 1})"] = law
    return named


def _check_holdout(data: Any, laws: list[Law], holdout: Any) -> None:
    """A direction that is misspelt must not decide which law wins."""
    if holdout is None or (isinstance(holdout, str) and holdout in WORDS):
        return
    table = getattr(data, "frame", data)
    names = map(str, table if isinstance(table, Mapping | pd.DataFrame) else ())
    columns = {*names}.union(*(law.inputs for law in laws)) - {*PLACE}
    if isinstance(holdout, str) and holdout not in columns:
        raise ArgumentError(
            f"holdout='{holdout}': no such column; say {', '.join(WORDS)}, a fraction, or one of {', '.join(sorted(columns))}."
        )
    if not isinstance(holdout, str) and not (isinstance(holdout, int | float | np.number) and 0 < holdout < 1):
        raise ArgumentError(
            f"holdout={holdout!r}: give a fraction of the rows between 0 and 1, or a direction: {', '.join(WORDS)} or a column."
        )


def direction(laws: list[Law]) -> str | None:
    """One order for all laws, so that the same rows are held out; compute where their own orders are sizes and tokens."""
    found = {natural_order(law) for law in laws} - {None}
    if not found:
        return None
    if len(found) == 1:
        return str(found.pop())
    if "compute" in found or found <= {*SIZE, *TOKENS, "size", "tokens"}:
        return "compute"
    if "step" in found:
        return "step"
    if all(len(law.inputs) == 1 for law in laws) and len(rest := found - {"tokens"}) == 1:
        return str(rest.pop())  # of a table of one column, which some laws would have called tokens
    which = ", ".join(sorted(map(str, found)))
    raise FitError(f"these laws are extrapolated along different columns ({which}); say holdout=, the column for all.")


def words(by: str | None, holdout: Any) -> str:
    """What was held out."""
    if by is None:
        return "a fifth of the rows at a time"
    if by == "schedule":
        return "one run at a time"
    if isinstance(holdout, Real):
        return f"the largest {holdout:.3g} of the rows by {WORDS.get(by, by)}"
    return f"cutoffs along {WORDS.get(by, by)}, late ones first"


def _places(fits: dict[str, Fit]) -> dict[str, np.ndarray]:
    """For the rows of every law their place among the rows that all laws have, -1 for others: laws of schedules leave out the
    warm-up, laws of sizes take the end of a run."""
    frames = {label: found.design.frame for label, found in fits.items()}
    if any(found.law.over_schedules for found in fits.values()):
        named = _steps(frames)
    else:
        named = {label: frame.index for label, frame in frames.items()}
    shared = next(iter(named.values())).unique()
    for names in named.values():
        shared = shared[shared.isin(names)]
    if not len(shared):
        raise FitError(f"{', '.join(fits)} are fitted to rows of which none is common; compare laws of the same rows.")
    shared = shared.sort_values()
    return {k: np.where(names.duplicated(), -1, shared.get_indexer(names)) for k, names in named.items()}


def _steps(frames: dict[str, pd.DataFrame]) -> dict[str, pd.Index]:
    """Rows of curves by run and step (a table of one curve need not name its run)."""
    if not all("step" in frame for frame in frames.values()):
        raise FitError("laws of schedules know rows by step; name that column step, or pass Runs.from_frame(data).")
    runs = all("run" in frame for frame in frames.values())
    return {
        k: pd.MultiIndex.from_arrays([frame["run"].astype(str) if runs else np.full(len(frame), ""), frame["step"]])
        for k, frame in frames.items()
    }
