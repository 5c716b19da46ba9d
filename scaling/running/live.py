"""Forecasts inside a training loop: one line per evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError, DataError
from scaling.logs import Runs
from scaling.running.jobs import Forecast, forecast
from scaling.running.prefix import FEWEST
from scaling.running.references import References
from scaling.schedules import schedule as schedule_of
from scaling.words import check_level


class Live:
    """Collects losses as they come and forecasts the end: ``live = Live("wsd:peak=3e-4,steps=24k,warmup=2k")``, then
    ``live(step, loss)`` returns a Forecast, or None while there is too little to say and at the end of the run.

    Parameters
    ----------
    schedule : the planned schedule: Schedule, text, or array of rates.
    references, level : as in `scaling.forecast`.
    every : rows between forecasts.
    """

    def __init__(self, schedule: Any, references: Runs | None = None, level: float = 0.9, every: int = 1) -> None:
        check_level(level)  # now, and not at the first forecast, hours later
        if not isinstance(every, int) or every < 1:
            raise ArgumentError(f"every={every!r} must be a whole number of rows, 1 or more.")
        self.plan, self.level, self.every = schedule_of(schedule), level, every
        self.references = None if references is None else References(references)  # learned from once
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.last: Forecast | None = None

    def add(self, step: int, loss: Any) -> bool:
        """Remember a row; whether its loss can be used, which an infinite one or one of 0 cannot."""
        if self.steps and step <= self.steps[-1]:
            raise DataError(f"step {step} comes after step {self.steps[-1]}; give every step once, in order.")
        try:
            value = float(loss.detach() if hasattr(loss, "detach") else loss)
        except (TypeError, ValueError):
            raise DataError(f"step {step}: the loss is {loss!r}; give a number.") from None
        usable = 0 < value < np.inf
        self.steps.append(int(step))
        self.losses.append(value if usable else np.nan)
        return usable

    def __call__(self, step: int, loss: Any) -> Forecast | None:
        usable = self.add(step, loss)
        warm = self.plan.first + self.plan.warmup - 1
        told = sum(s >= warm and np.isfinite(x) for s, x in zip(self.steps, self.losses, strict=True))
        if len(self.steps) % self.every or not usable or told < FEWEST or step >= self.plan.last:
            return None
        frame = pd.DataFrame({"run": "live", "step": self.steps, "loss": self.losses})
        self.last = forecast(Runs.from_frame(frame, schedule=self.plan), self.references, self.level)
        return self.last
