"""Finished runs that a running one is compared with, what is learned from them, and the methods this makes possible."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError, FitError, ScalingError
from scaling.fits import fit
from scaling.logs import Runs
from scaling.running.methods import Kernel, Kind, Method, Prefix, affine, alone, same_schedule, transferred

FEWEST = 8  # evaluated rows without which nothing is forecast
MISFIT = 0.01  # of the loss, by which a curve may miss what it was fitted to: laws that hold miss by a tenth of it
MOST, TENTHS = 6, 10  # references on which methods are tried, and how finely the fraction done is matched to do it once
# factor within which nine in ten kernels of one family have their strength: the strongest and the weakest are 1.2 apart
# (two of arXiv:2503.12811, three of runs/)
FAMILY = 1.25


class References:
    """Finished runs, and what is learned from them, each thing once: keep one where many forecasts have the same references.

    Parameters
    ----------
    runs : Runs or DataFrame, each run with its schedule.

    Raises
    ------
    DataError : no runs, or one whose schedule is unknown.
    """

    def __init__(self, runs: Runs | pd.DataFrame) -> None:
        self.runs = as_runs(runs, "references=")
        if unknown := [name for name in self.runs if name not in self.runs.schedules]:
            raise DataError(
                f"reference '{unknown[0]}': its schedule is unknown, so nothing can be learned from it. Log a column lr, give "
                "schedule=, or leave it out."
            )
        self._others: dict[str, References | None] = {}
        self._errors: dict[int, pd.DataFrame] = {}

    @cached_property
    def twins(self) -> bool:
        """Are two of them on one schedule?"""
        plans = [self.runs.schedules[name] for name in self.runs]
        return any(same_schedule(one, other) for k, one in enumerate(plans) for other in plans[:k])

    @cached_property
    def kernels(self) -> tuple[list[tuple[str, Kernel]], list[str]]:
        """The kernel of every model size among them, with what to call it, and why others have none.

        A model has an L0 and A of its own, so runs of several sizes are never fitted together where their sizes are known
        (n_params or N), and are refused where one fit misses them.
        """
        facts = self.runs.facts
        size_of = next((c for c in ("n_params", "N") if c in facts), None)
        sizes = pd.to_numeric(facts[size_of], errors="coerce") if size_of else pd.Series(np.nan, facts.index)
        found, problems = [], []
        for size, names in sizes.groupby(sizes, dropna=False, sort=True):
            label = "the references" + ("" if sizes.nunique(dropna=False) == 1 else f" of {size:,.4g} parameters")
            try:
                found.append((label, _kernel(self.runs.select(f"run in {list(names.index)}"))))
            except ScalingError as problem:
                problems.append(f"kernel of {label} left out: {str(problem).splitlines()[0]}")
        return found, problems

    def without(self, name: str) -> References | None:
        """The others: the same object at every fraction of a run, so that their kernels are fitted once."""
        if name not in self._others:
            others = [n for n in self.runs if n != name]
            self._others[name] = References(self.runs.select(f"run in {others}")) if others else None
        return self._others[name]

    def errors(self, tenths: int) -> pd.DataFrame:
        """|error| of the final loss by kind of method (NaN: cannot be tried), one row per reference, treated as running and
        stopped after so many tenths while the others are its references."""
        if tenths not in self._errors:
            tried = [self._tried(name, tenths) for name in self.runs.names[:MOST]]
            self._errors[tenths] = pd.DataFrame([row for row in tried if row])
        return self._errors[tenths]

    def _tried(self, name: str, tenths: int) -> dict[Kind, float]:
        whole = Prefix.of(self.runs, name)
        part = whole.until(tenths / TENTHS * whole.plan.last)
        found: dict[Kind, float] = {}
        for method in candidates(part, self.without(name)) if len(part.step) >= FEWEST else ():
            try:
                error = abs(float(method.carry(part)(whole.step[-1:])[0]) - whole.loss[-1])
            except ScalingError:
                error = np.inf
            found.setdefault(method.kind, error)
        return found


def as_runs(given: Any, what: str) -> Runs:
    if isinstance(given, Runs):
        return given
    if isinstance(given, pd.DataFrame):
        return Runs.from_frame(given)
    raise DataError(f"{what}: Runs or a DataFrame, not {type(given).__name__}; scaling.read('log.csv') makes Runs of a log.")


def candidates(prefix: Prefix, references: References | None) -> list[Method]:
    """The methods that can be used here, the most trusted first."""
    found = []
    if references is not None:
        for name in references.runs:
            other = Prefix.of(references.runs, name)
            if len(other.step) and same_schedule(prefix.plan, other.plan) and other.step[-1] > 0.98 * other.plan.last:
                way = partial(affine, reference=other)
                found.append(Method(Kind.MAP, f"{Kind.MAP} of {name}", way, peak=other.plan.peak))
        for label, known in reversed(references.kernels[0]):
            found.append(Method(Kind.KERNEL, f"{Kind.KERNEL} of {label}", transferred, known, FAMILY, known.peak))
    return [*found, alone(prefix)]


def _kernel(runs: Runs) -> Kernel:
    """The kernel of runs of one model; FitError where they tell of none."""
    made = fit(runs, "multi_power_5")
    missed = np.abs(made.law(*made.design.inputs.values(), **made.values) / made.design.loss - 1)
    apart = pd.Series(missed).groupby(made.design.frame["run"].to_numpy()).median().max()
    if not np.any(made.design.inputs["drops"].d):
        raise FitError("none of them lowered its rate")
    if apart > MISFIT:
        raise FitError(f"one law misses a run by {apart:.1%}, so they are not of one model; log n_params")
    return Kernel.of({**made.law.held, **made.values}, max(runs.schedules[name].peak for name in runs))
