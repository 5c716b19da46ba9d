"""Forecasts inside a training loop: one line per evaluation, or a callback for the Hugging Face Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError, MissingExtra
from scaling.forecasting.running import FEWEST, Forecast, finished, forecast
from scaling.logs import Runs
from scaling.schedules import schedule as schedule_of


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
        self.plan, self.level, self.every = schedule_of(schedule), level, every
        self.references = None if references is None else finished(references)
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.last: Forecast | None = None

    def __call__(self, step: int, loss: float) -> Forecast | None:
        if self.steps and step <= self.steps[-1]:
            raise DataError(f"step {step} comes after step {self.steps[-1]}; give every step once, in order.")
        self.steps.append(int(step))
        self.losses.append(float(loss))
        warm = self.plan.first + self.plan.warmup - 1
        told = sum(s >= warm and np.isfinite(x) for s, x in zip(self.steps, self.losses, strict=True))
        if len(self.steps) % self.every or not np.isfinite(loss) or told < FEWEST or step >= self.plan.last:
            return None
        frame = pd.DataFrame({"run": "live", "step": self.steps, "loss": self.losses})
        self.last = forecast(Runs.from_frame(frame, schedule=self.plan), self.references, self.level)
        return self.last


def trainer_callback(schedule: Any, references: Runs | None = None, level: float = 0.9, every: int = 1) -> Any:
    """A callback for `transformers.Trainer` that logs ``forecast``, ``forecast_lower``, ``forecast_upper`` after evaluations.

    Raises
    ------
    MissingExtra : transformers is not installed.
    """
    try:
        from transformers import TrainerCallback
    except ImportError:
        raise MissingExtra(
            "the Trainer callback needs the package transformers; install it, or call Live yourself."
        ) from None

    live = Live(schedule, references, level, every)

    class ForecastCallback(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
            if not metrics or "eval_loss" not in metrics or (live.steps and state.global_step <= live.steps[-1]):
                return
            found = live(state.global_step, metrics["eval_loss"])
            if found is not None:
                end = found.end
                row = {"forecast": end["prediction"], "forecast_lower": end["lower"], "forecast_upper": end["upper"]}
                state.log_history.append({"step": state.global_step, **row})

    return ForecastCallback()
