"""The log of one run as forecasts see it: its evaluated rows, its planned schedule, and how noisy they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs import Runs
from scaling.schedules import Schedule

FEWEST = 8  # evaluated rows without which nothing is forecast
ROWS = 110  # of a run that a fit sees; longer logs are given to it as means over as many stretches
EARLY = 0.15  # of what is known, which is left out: the power law of the first updates is another one
JUMP = 0.1  # of the peak rate between two rows: no mean is taken across it
STRETCHES = 12  # of the later half of a log, whose means show what wanders
NEAR = 2e-3  # of the peak rate, by which a logged rate may differ from the planned one: logs are rounded, to three digits too


@dataclass(frozen=True, eq=False)
class Prefix:
    """Evaluated rows of one run after its warm-up: step, loss; its whole schedule; its size (NaN: unknown).

    noise, wander : sd of one logged loss, from row to row and over longer stretches, in nats.
    """

    name: str
    step: np.ndarray
    loss: np.ndarray
    plan: Schedule
    size: float = np.nan
    noise: float = 0.0
    wander: float = 0.0

    @classmethod
    def of(cls, runs: Runs, name: str) -> Prefix:
        """The run of that name. DataError: its logged rates are not those of its plan."""
        frame = runs.frame
        frame = frame[frame["run"] == name]
        plan = runs.schedules[name]
        _refuse_other_rates(name, frame, plan)
        rows = frame[frame["loss"].notna() & (frame["step"] >= plan.first + plan.warmup - 1)]
        step, loss = rows["step"].to_numpy(int), rows["loss"].to_numpy(float)
        facts = runs.facts.loc[name]
        told = facts.get("n_params", facts.get("N", np.nan))
        made = cls(name, step, loss, plan, float(told) if isinstance(told, int | float | np.number) else np.nan)
        return made.measured() if len(step) else made

    def measured(self) -> Prefix:
        late = self.loss[-max(4, int((self.step >= self.step[-1] / 2).sum())) :]
        noise, wander = scatter(late)
        return replace(self, noise=noise, wander=wander)

    @property
    def done(self) -> int:
        return int(self.step[-1])

    def until(self, step: float) -> Prefix:
        """What was known at a step."""
        keep = self.step <= step
        return replace(self, step=self.step[keep], loss=self.loss[keep])

    def means(self, most: int = ROWS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of a fit: step, loss and sd of its noise; those after the warm-up's wake and the first updates, as means over
        at most so many stretches, none across a jump of the rate."""
        warm = self.plan.first + self.plan.warmup - 1
        begin = min(max(2 * self.plan.warmup, EARLY * self.done), warm + (self.done - warm) / 2)
        keep = self.step >= begin
        step, loss = self.step[keep], self.loss[keep]
        if len(step) <= most:
            return step, loss, np.full(len(step), np.hypot(self.noise, self.wander))
        rates = self.plan.rates[self.plan.index(step)]
        jumps = np.cumsum(np.abs(np.diff(rates, prepend=rates[0])) > JUMP * self.plan.peak)
        stretch = np.unique(np.arange(len(step)) * most // len(step) + most * jumps, return_inverse=True)[1]
        many = np.bincount(stretch)
        middle = np.rint(np.bincount(stretch, step) / many).astype(int)
        return middle, np.bincount(stretch, loss) / many, np.hypot(self.noise / np.sqrt(many), self.wander)


def scatter(loss: np.ndarray) -> tuple[float, float]:
    """sd of a logged loss about its trend: what changes from row to row, and what wanders over longer stretches."""

    def sd(x: np.ndarray) -> float:
        return float(np.median(np.abs(np.diff(x, 3)))) / 0.6745 / np.sqrt(20) if len(x) > 3 else 0.0

    row, size = sd(loss), len(loss) // STRETCHES
    if size < 4:
        return row, 0.0
    slow = sd(loss[-size * STRETCHES :].reshape(STRETCHES, size).mean(1))
    return row, float(np.sqrt(max(slow**2 - row**2 / size, 0.0)))


def _refuse_other_rates(name: str, frame: pd.DataFrame, plan: Schedule) -> None:
    """A loss belongs to the rates it was trained with: a plan that contradicts them is of another run."""
    if "lr" not in frame:
        return
    rows = frame[frame["loss"].notna() & frame["lr"].notna()]
    step, logged = rows["step"].to_numpy(int), rows["lr"].to_numpy(float)
    planned = plan.rates[plan.index(step)]
    # a label may be that of the update or of the one after it
    around = np.stack([planned, plan.rates[np.maximum(plan.index(step) - 1, 0)]])
    wrong = (np.abs(around - logged) > NEAR * plan.peak).all(0)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"run '{name}': the logged rate at step {step[i]} is {logged[i]:.6g}, but its plan {plan!r} has {planned[i]:.6g} "
            "there, so it was trained with another schedule. Give the one it follows, or, if it is to leave it now, the "
            "schedule to come with --then (scaling.running.then), which keeps the logged rates so far."
        )
