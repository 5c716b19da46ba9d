"""Forecasts inside the Hugging Face Trainer: its own schedule is read, and its loggers get the numbers."""

from __future__ import annotations

import contextlib
import copy
import inspect
import warnings
from typing import Any

import numpy as np

from scaling.errors import DataError, MissingExtra, ScalingError
from scaling.logs import Runs
from scaling.running.live import Live
from scaling.schedules import Schedule


def trainer_callback(trainer: Any, references: Runs | None = None, level: float = 0.9, every: int = 1) -> Any:
    """Forecast the end of a `transformers.Trainer`'s run after each evaluation: ``trainer_callback(trainer)``, before `train`.

    The schedule is the Trainer's own (its scheduler over its `max_steps`). `forecast`, `forecast_lower` and `forecast_upper`
    go through `trainer.log`, so into `state.log_history` and to every logger it reports to (TensorBoard, W&B). After a resume
    it begins with the evaluations found there. It warns where it cannot forecast, and never stops the training.

    Parameters
    ----------
    trainer : the Trainer; the callback is added to it. references, level, every : as in `Live`.

    Returns
    -------
    The callback; `live` is its `Live`, None before `train`.

    Raises
    ------
    MissingExtra : transformers is not installed. ArgumentError, DataError : references, level or every are wrong.
    """
    try:
        from transformers import TrainerCallback
    except ImportError:
        raise MissingExtra("the Trainer callback needs transformers; install it, or call Live yourself.") from None

    known = Live(np.ones(1), references, level, every)  # refuses wrong settings now, and learns from the references once

    class ForecastCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
        live: Live | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **kwargs: Any) -> None:
            try:
                plan = planned(lr_scheduler, state.max_steps, state.log_history)
            except ScalingError as problem:
                warnings.warn(f"no forecasts of this run: {problem}", stacklevel=2)
                return
            self.live = Live(plan, None, level, every)
            self.live.references = known.references
            for row in state.log_history:
                if "eval_loss" in row:
                    with contextlib.suppress(ScalingError):  # a step seen before, or no number
                        self.live.add(row["step"], row["eval_loss"])

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
            live = self.live
            if live is None or not metrics or "eval_loss" not in metrics:
                return
            if live.steps and state.global_step <= live.steps[-1]:
                return
            try:
                found = live(state.global_step, metrics["eval_loss"])
            except ScalingError as problem:
                warnings.warn(f"no forecast at step {state.global_step}: {problem}", stacklevel=2)
                return
            if found is not None:
                end = found.end
                names = {"forecast": "prediction", "forecast_lower": "lower", "forecast_upper": "upper"}
                trainer.log({name: end[key] for name, key in names.items()})

    callback = ForecastCallback()
    trainer.add_callback(callback)
    return callback


def planned(scheduler: Any, updates: int, history: list[dict[str, Any]]) -> Schedule:
    """The rates that a torch scheduler will give all updates of a run, read from copies of it.

    Parameters
    ----------
    scheduler : LambdaLR or any other whose rates follow from the step alone. updates : of the whole run.
    history : rows with step and learning_rate that tell the rates so far, where the run is a resumed one.

    Raises
    ------
    DataError : no scheduler, one that follows the loss, or a resumed one whose rates so far are unknown.
    """
    scheduler = getattr(scheduler, "scheduler", scheduler)  # of accelerate
    if scheduler is None or updates < 1:
        raise DataError("the Trainer has no scheduler or no number of updates; set max_steps, or call Live with a schedule.")
    group = int(np.argmax([group.get("initial_lr", group["lr"]) for group in scheduler.optimizer.param_groups]))
    if hasattr(scheduler, "lr_lambdas"):
        rate, base = scheduler.lr_lambdas[group], scheduler.base_lrs[group]
        return Schedule(np.array([base * rate(k) for k in range(updates)]))
    if "metrics" in inspect.signature(scheduler.step).parameters:
        raise DataError(
            f"{type(scheduler).__name__} follows the loss, so its rates are not known yet; take a scheduler that follows the "
            "step, or call Live with the schedule that is expected."
        )
    done = int(scheduler.last_epoch)
    told = [(row["step"] - 1, row["learning_rate"]) for row in history if "learning_rate" in row]
    if done and not told:
        raise DataError(f"the run goes on from update {done}, and its rates so far are in no row of log_history.")
    past = np.interp(np.arange(done), *np.array(told).T) if done else np.empty(0)
    optimizer = copy.copy(scheduler.optimizer)
    optimizer.param_groups = [{**group, "params": []} for group in scheduler.optimizer.param_groups]
    twin = copy.deepcopy(scheduler, {id(scheduler.optimizer): optimizer})
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch: no optimizer step came before
        for _ in range(done, updates):
            rates.append(float(optimizer.param_groups[group]["lr"]))
            twin.step()
    return Schedule(np.r_[past, rates])
