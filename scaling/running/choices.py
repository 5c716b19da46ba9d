"""Several schedules for the rest of a running job: where each would end, and the chance that it ends lowest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError, DataError
from scaling.logs import Runs
from scaling.rendering import Result, plain
from scaling.running.beliefs import FAMILY
from scaling.running.jobs import Forecast, made, running
from scaling.running.path import Path
from scaling.running.prefix import Prefix
from scaling.running.references import References, as_runs, hierarchy
from scaling.schedules import Schedule
from scaling.schedules import schedule as schedule_of
from scaling.words import check_level

DRAWS = 20_000  # of the final losses together: chances to a third of a per cent


@dataclass(frozen=True, repr=False)
class Choices(Result):
    """The same job under several schedules from now on.

    Attributes
    ----------
    run, step, level : as in `Forecast`.
    frame : DataFrame, one row per schedule: last (planned step), prediction, lower, upper, lowest (chance to end below all the
        others, in the mean of many rows).
    forecasts : the Forecast of each, by the schedule's text. warnings, ok : of all of them.
    """

    run: str
    step: int
    level: float
    frame: pd.DataFrame
    forecasts: dict[str, Forecast]
    warnings: tuple[str, ...]
    ok: bool = True
    fields = ("run", "step", "level", "frame", "ok", "warnings")

    @property
    def curves(self) -> pd.DataFrame:
        """The frames of all forecasts, with the schedule in the column `then`."""
        return pd.concat([f.frame.assign(then=name) for name, f in self.forecasts.items()], ignore_index=True)

    def head(self) -> list[tuple[str, str]]:
        best = str(self.frame["lowest"].idxmax())
        row, sure = self.frame.loc[best], "" if self.ok else "NOT TRUSTWORTHY: "
        return [
            ("verdict", f"{sure}{best} ends lowest, with a chance of {row['lowest']:.0%}, at {row['prediction']:.4f}"),
            *(("warning", said) for said in self.warnings),
            ("run", f"{self.run}, at step {self.step}; {self.level:.0%} intervals of one logged loss"),
        ]

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "forecasts": {name: plain(f.to_dict()) for name, f in self.forecasts.items()}}


def then(run: Runs | pd.DataFrame, plan: Any) -> Runs:
    """The run with its losses and rates as logged, and another schedule from the next update on.

    Parameters
    ----------
    run : one run; the rates up to its last evaluated step come from its rows or its schedule.
    plan : schedule of the whole run (text, path, rates or Schedule), of which the part after that step is used: its steps
        count from the run's first one.

    Raises
    ------
    DataError : several runs, unknown rates so far, or a plan that ends before the last evaluated step.
    """
    return _continued(as_runs(run, "the run to continue"), plan)


def choose(
    run: Runs | pd.DataFrame,
    plans: Sequence[Any],
    references: References | Runs | pd.DataFrame | None = None,
    level: float = 0.9,
) -> Choices:
    """Compare schedules for the rest of a running job.

    Parameters
    ----------
    run, references, level : as in `forecast`. plans : two or more schedules, as in `then`.

    Raises
    ------
    ArgumentError : fewer than two different plans, or level. DataError : as in `forecast` and `then`.
    """
    check_level(level)
    if references is not None and not isinstance(references, References):
        references = References(references)
    runs = as_runs(run, "the run to continue")
    named = {plan if isinstance(plan, str) else repr(schedule_of(plan)): plan for plan in plans}
    prefixes = {name: running(_continued(runs, plan)) for name, plan in named.items()}
    if len(prefixes) < 2:
        raise ArgumentError("comparing schedules needs two different ones or more; for one there is forecast(then(run, plan)).")
    found = {name: made(prefix, references, level) for name, prefix in prefixes.items()}
    table = pd.DataFrame(
        [{"last": f.last, **{k: f.end[k] for k in ("prediction", "lower", "upper")}} for f in found.values()],
        index=pd.Index(list(found), name="then"),
    ).assign(lowest=_chances(list(prefixes.values()), [f.end["prediction"] for f in found.values()], references))
    one = next(iter(found.values()))
    said = tuple(dict.fromkeys(w for f in found.values() for w in f.warnings))
    return Choices(one.run, one.step, level, table, found, said, all(f.ok for f in found.values()))


def _chances(prefixes: list[Prefix], ends: list[float], references: References | None) -> np.ndarray:
    """Chance of each to end lowest: one fit, in the units of the longest plan, tells how the ends vary together."""
    longest = max(prefixes, key=lambda prefix: prefix.plan.steps)
    model, _ = hierarchy(longest, references, FAMILY)
    paths = [Path(p.plan, np.array([p.plan.last]), longest.plan) for p in prefixes]
    covariance = model.ahead(paths)[1]
    drawn = np.random.default_rng(0).multivariate_normal(np.log(ends), covariance, DRAWS, method="eigh")
    return np.bincount(drawn.argmin(1), minlength=len(prefixes)) / DRAWS


def _continued(runs: Runs, plan: Any) -> Runs:
    if len(runs) != 1:
        some = ", ".join(runs.names[:5])
        raise DataError(f"a schedule to come is for one run, these are {len(runs)}: {some}. Pick runs['name'].")
    name = runs.names[0]
    frame = runs.frame
    known = frame[frame["loss"].notna()]
    if name not in runs.schedules:
        raise DataError(
            f"run '{name}': its rates so far are unknown. Log a column lr, or give schedule= for the part that is done."
        )
    past, done = runs.schedules[name], int(known["step"].max())
    coming = schedule_of(plan, first=past.first)
    if coming.last <= done:
        raise DataError(f"run '{name}' is at step {done} and {coming!r} ends at {coming.last}; give steps= of the whole run.")
    at = done - past.first + 1
    joined = Schedule(np.r_[past.rates[:at], coming.rates[at:]], first=past.first)
    return Runs.from_frame(frame[frame["step"] <= done], facts=_facts(runs), schedule=joined)


def _facts(runs: Runs) -> dict[str, Any]:
    """Facts that stay true under another schedule."""
    row = runs.facts.iloc[0].dropna().to_dict()
    return {str(k): v for k, v in row.items() if k not in ("schedule", "loss_from", "steps", "tokens")}
