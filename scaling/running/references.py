"""Finished runs that a running one learns from, as groups of one size and peak rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs import Runs
from scaling.running.beliefs import Family, carried, widening
from scaling.running.hierarchy import SIZE, Curve, Hierarchy, Link
from scaling.running.path import Path
from scaling.running.prefix import FEWEST, Prefix
from scaling.schedules import Schedule

ROWS = 60  # of a reference that a fit sees
# standard deviations off its family from which on what references show is believed instead; how often that is asked again
UNLIKE, AGAIN = 2.0, 4
MISFIT = 0.01  # of the loss, by which the law may miss a run: where it holds it misses by a tenth of it


@dataclass(frozen=True, eq=False)
class Group:
    """References of one size (NaN: unknown) and peak rate: one set of constants, counted by the longest plan."""

    size: float
    curves: tuple[Curve, ...]

    @property
    def horizon(self) -> Schedule:
        return self.curves[0].path.unit.schedule

    @property
    def loss(self) -> float:
        """Where they ended, on average."""
        return float(np.mean([curve.loss[-1] for curve in self.curves]))

    def link(self, target: Prefix, family: Family) -> Link:
        peak = self.horizon.peak
        spread = widening(target.size / self.size, target.plan.peak / peak)
        return Link(self.horizon, family.belief(peak, self.loss), spread)


class References:
    """Finished runs, and what is learned from them: keep one where many forecasts have the same references.

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
        self._groups: dict[Family, tuple[list[Group], list[str]]] = {}

    @cached_property
    def prefixes(self) -> tuple[list[Prefix], list[str]]:
        """The runs that can be learned from, and why others cannot."""
        found = [Prefix.of(self.runs, name) for name in self.runs]
        short = [p.name for p in found if len(p.step) < FEWEST]
        said = [f"reference '{name}' left out: fewer than {FEWEST} evaluated rows after its warm-up" for name in short]
        return [p for p in found if len(p.step) >= FEWEST], said

    def groups(self, family: Family) -> tuple[list[Group], list[str]]:
        """Their groups, and what to say of them. Runs of unknown size are one group where one law fits them all."""
        if family not in self._groups:
            self._groups[family] = self._grouped(family)
        return self._groups[family]

    def _grouped(self, family: Family) -> tuple[list[Group], list[str]]:
        prefixes, said = self.prefixes
        keyed: dict[tuple[str, str], list[Prefix]] = {}
        for p in prefixes:
            keyed.setdefault((f"{p.size:.3g}", f"{p.plan.peak:.2g}"), []).append(p)
        groups = []
        for (size, peak), members in keyed.items():
            group = _group(members)
            if len(members) > 1 and (worst := _misfit(group, family)) > MISFIT:
                if size != "nan":
                    said.append(f"one law misses a reference of {size} parameters and peak {peak} by {worst:.1%}")
                else:
                    said.append(
                        f"one law misses a reference by {worst:.1%}, so those of peak rate "
                        f"{peak} are not of one model, and each is taken for one of its own; log n_params"
                    )
                    groups += [_group([p]) for p in members]
                    continue
            groups.append(group)
        return groups, said


def _group(members: list[Prefix]) -> Group:
    horizon = max((p.plan for p in members), key=len)
    curves = []
    for p in members:
        step, loss, noise = p.means(ROWS)
        curves.append(Curve(Path(p.plan, step, horizon), loss, noise))
    return Group(members[0].size, tuple(curves))


def _misfit(group: Group, family: Family) -> float:
    """The largest median |residual| among the runs of a group fitted alone."""
    found = Hierarchy(group.curves, family.belief(group.horizon.peak, group.loss)).x
    return max(float(np.median(np.abs(c.loss / c.path(found)[0] - 1))) for c in group.curves)


def as_runs(given: Any, what: str) -> Runs:
    if isinstance(given, Runs):
        return given
    if isinstance(given, pd.DataFrame):
        return Runs.from_frame(given)
    raise DataError(f"{what}: Runs or a DataFrame, not {type(given).__name__}; scaling.read('log.csv') makes Runs of a log.")


def hierarchy(target: Prefix, references: References | None, family: Family) -> tuple[Hierarchy, list[str]]:
    """The fit of a running log with its references, and what to say of them.

    Families are few: where the references are unlike them, the family is believed less, by as much as they are off it. Else
    what it says a decay saves pulls a run away from what the runs beside it have shown.
    """
    step, loss, noise = target.means()
    curves = [Curve(Path(target.plan, step), loss, noise)]
    groups, said = references.groups(family) if references is not None else ([], [])
    for b, group in enumerate(groups, 1):
        curves += [replace(curve, block=b) for curve in group.curves]
    links = [group.link(target, family) for group in groups]
    belief = family.belief(target.plan.peak, float(loss[-1]))
    model = Hierarchy(curves, belief, links)
    for _ in range(AGAIN):
        unlike = _unlike(model)
        if not (unlike > UNLIKE).any():
            break
        wider = np.where(unlike > UNLIKE, unlike, 1.0)
        belief = replace(belief, precision=belief.precision / np.outer(wider, wider))
        model = Hierarchy(curves, belief, links)
    return model, said


def _unlike(model: Hierarchy) -> np.ndarray:
    """How many standard deviations (8,) of the family the constants of the references are off it, of the nearest group."""
    if not model.links:
        return np.zeros(SIZE)
    groups = [carried(model.x[SIZE * b :][:SIZE], link.horizon, model.plan)[0] for b, link in enumerate(model.links, 1)]
    return np.asarray(np.abs(np.array(groups) - model.prior.mean).min(0) * np.sqrt(np.diag(model.prior.precision)))
