"""What a registered forecast was asked for, and which rows it came from, as plain data: enough to ask again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scaling import document
from scaling.counting import KINDS, counted
from scaling.design.checks import table_of
from scaling.document import Fields
from scaling.engine.fitted import Fitted
from scaling.errors import DataError, ScalingError
from scaling.logs import Runs
from scaling.logs.columns import LOSSES
from scaling.schedules import Schedule, schedule
from scaling.words import verb


def saved(target: Any, steps: list[int]) -> dict[str, Any]:
    """A target of `Fit.predict` as JSON types: columns, runs, or a schedule with the steps predicted."""
    if isinstance(target, (Schedule, str)):
        plan = schedule(target)
        rates = {"text": plan.text} if plan.text is not None else {"rates": plan.rates.tolist()}
        return {"schedule": {**rates, "first": plan.first}, "steps": steps}
    if isinstance(target, Runs):
        return {"runs": target.to_saved()}
    table = table_of(target)
    return {"columns": {str(name): _plain(table[name]) for name in table if name not in _losses(table)}}


def check_open(target: Any) -> None:
    """Refuse rows with a measured loss: their run has been made, at least in part."""
    if isinstance(target, Runs):
        table = target.frame
    elif isinstance(target, Mapping) or hasattr(target, "columns"):
        table = table_of(target)
    else:
        return
    if known := int(table[_losses(table)].notna().any(axis=1).sum()):
        raise DataError(
            f"{known} of {len(table)} rows to be registered {verb(known, 'has', 'have')} a measured loss: a forecast is "
            "registered before its run. Leave those rows, or their column of losses, out. "
            "For a job in progress register what scaling.forecast says (command line: A job in progress is registered by "
            "`scaling forecast LOG --register FILE`)."
        )


def _losses(table: pd.DataFrame) -> list[str]:
    return [c for c in ("loss", *LOSSES) if c in table]


def asked(found: Fields) -> dict[str, Any]:
    """The arguments `target` and `steps` that were saved; nothing for a job in progress, which is no question to a fit."""
    try:
        if "schedule" in found.found:
            plan = found.part("schedule")
            given = plan.text("text") if "text" in plan.found else plan.array("rates", None)
            whole = schedule(given, first=plan.whole("first"))
            return {"target": whole, "steps": found.array("steps", None).astype(int).tolist()}
        if "runs" in found.found:
            return {"target": Runs.from_saved(found.part("runs").found), "steps": None}
        if "columns" in found.found:
            return {"target": pd.DataFrame(found.part("columns").found), "steps": None}
    except (ScalingError, LookupError, TypeError, ValueError, AttributeError) as problem:
        if isinstance(problem, DataError) and str(found.path) in str(problem):
            raise
        raise found.wrong("schedule", f"or runs, or columns cannot be used ({problem})") from problem
    return {}


def digest_of_rows(fit: Fitted) -> str:
    """SHA-256 of what a fit was made from: inputs, losses and weights of its rows, whatever their order was.

    Of a law of schedules runs, steps, losses, and all rates of each run.
    """
    made = fit.design
    rows: dict[str, Any] = {"loss": made.loss, "weight": [f"{w:.12g}" for w in made.weights]}  # they are rescaled when read
    if fit.runs is None:
        rows |= {name: made.inputs[name] for name in fit.law.inputs}
    else:
        rows |= {name: list(made.frame[name]) for name in ("run", "step")}
        plans = fit.runs.schedules
        rows["rates"] = {run: document.digest(plans[run].rates.tobytes()) for run in plans if run in set(rows["run"])}
        if not fit.law.over_schedules:
            rows |= {name: made.inputs[name] for name in fit.law.inputs}
    return document.digest(rows)


def counts(fit: Fitted) -> dict[str, str]:
    """How the fitted rows count parameters and FLOP, where they say it."""
    found = {said: counted(fit.data, what) for what, (_, said, _) in KINDS.items()}
    return {said: how for said, how in found.items() if how is not None}


def _plain(column: pd.Series) -> list[Any]:
    values = column.astype(object).where(column.notna(), None)
    return [v if v is None or isinstance(v, (str, bool, int, float)) else str(v) for v in np.asarray(values).tolist()]
