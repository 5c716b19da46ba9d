"""Runs told by size, tokens and schedule instead of rows: finals in a table, or a run that nobody has made."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError, ScalingError
from scaling.formula import Law
from scaling.logs import Runs
from scaling.schedules import Schedule, schedule
from scaling.schedules.text import names_file

COLUMNS = {
    "n_params": ("n_params", "N", "params"), "tokens": ("tokens", "D"), "steps": ("steps",), "peak": ("peak", "peak_lr", "lr"),
    "batch_tokens": ("batch_tokens", "B", "batch"), "schedule": ("schedule",), "loss": ("loss",), "run": ("run", "run_id"),
}  # fmt: skip
NUMBERS = {"n_params", "tokens", "steps", "peak", "batch_tokens", "loss"}
ROWS = 400  # of a curve that is shown when no steps are asked for


def is_described(data: Any, law: Law) -> bool:
    """Is this a table of runs, or one run, without rows of curves, for a law over such runs?"""
    columns = set(data) if isinstance(data, Mapping) else set(data.columns) if isinstance(data, pd.DataFrame) else set()
    return bool(law.hooks.facts) and "step" not in columns and "schedule" in columns


def described(data: Any, law: Law, *, fitting: bool, steps: Any = None) -> Runs:
    """Runs from a table with one row each.

    Parameters
    ----------
    data : DataFrame or mapping with N, schedule (text or Schedule) and what that does not say: D (tokens) or steps, peak; batch
        (tokens of one update). Batch and peak may be left out of what is predicted: then they are as usual for the size.
    fitting : every run needs its loss, and has one row, its last.
    steps : rows to be predicted of every run; by default its last, of a single mapping's the whole curve.

    Raises
    ------
    DataError : a column that is missing, or a row that is no run.
    """
    one = isinstance(data, Mapping) and not any(isinstance(v, (list, tuple, np.ndarray, pd.Series)) for v in data.values())
    table = data if isinstance(data, pd.DataFrame) else pd.DataFrame({k: [v] if one else v for k, v in dict(data).items()})
    names = {column: here for here, names in COLUMNS.items() for column in reversed(names)}
    found = {here: next((c for c in columns if c in table), None) for here, columns in COLUMNS.items()}
    needed = [*(["n_params"] if "N" in law.hooks.facts else []), *(["loss"] if fitting else [])]
    if missing := [COLUMNS[name][-1 if name != "n_params" else 1] for name in needed if found[name] is None]:
        raise DataError(
            f"runs told by their schedule need {', '.join(missing)} too; there are {', '.join(map(str, table))}. Known are "
            f"{', '.join(names)}."
        )
    parts, facts = [], {}
    for i, row in enumerate(table.to_dict("records")):
        told = {here: row[column] for here, column in found.items() if column is not None and _given(row[column])}
        for name in NUMBERS & told.keys():
            if isinstance(told[name], bool) or not isinstance(told[name], Real):
                raise DataError(f"row {table.index[i]}: {found[name]}={told[name]!r} is no number.")
        run = str(told.get("run", told["schedule"] if one else f"row {table.index[i]}"))
        try:
            batch, plan = _planned(told, law, fitting)
        except ScalingError as problem:
            raise DataError(f"run '{run}': {problem}") from None
        at = np.array([plan.last])
        if not fitting and (one or steps is not None):
            at = np.unique(np.linspace(max(plan.warmup, 1), plan.last, ROWS).round().astype(int)) if steps is None else steps
            at = np.atleast_1d(at)
        loss = float(told.get("loss", np.nan))
        parts.append(pd.DataFrame({"run": run, "step": at, "lr": plan.rates[plan.index(at)], "loss": loss}))
        size = {"n_params": float(told["n_params"])} if "n_params" in told else {}
        facts[run] = {**size, "batch_tokens": batch, "plan": plan}
    if len(facts) < len(parts):
        raise DataError("two rows have one name in column 'run': a row is a run here.")
    plans = {run: fact.pop("plan") for run, fact in facts.items()}
    made = Runs.from_frame(pd.concat(parts, ignore_index=True), facts=facts, schedule=plans)
    return made.part(made.frame.set_index("run").loc[list(facts)].reset_index())  # in the order of the table


def _given(value: Any) -> bool:
    return isinstance(value, (str, Schedule)) or (value is not None and value == value)


def _planned(told: dict[str, Any], law: Law, fitting: bool) -> tuple[float, Schedule]:
    """Tokens of one update, and the schedule."""
    usual = {} if fitting or law.hooks.usual is None else law.hooks.usual(told.get("n_params"), **law.conventions)
    text = told["schedule"]
    whole = isinstance(text, Schedule) or names_file(text)  # all rates are told
    keys = {} if whole else {part.partition("=")[0].strip() for part in text.partition(":")[2].split(",")}
    batch, tokens = told.get("batch_tokens", usual.get("B")), told.get("tokens")
    if batch is None:
        raise DataError("the tokens of one update are not told; add batch (in tokens).")
    settings: dict[str, Any] = {}
    if not whole:
        if "peak" not in keys and (peak := told.get("peak", usual.get("peak"))) is not None:
            settings["peak"] = float(peak)
        if "steps" not in keys and text.partition(":")[0].strip() != "table":
            if "steps" not in told and tokens is None:
                raise DataError("how long it runs is not told; add tokens, or steps.")
            settings["steps"] = int(told.get("steps", round(tokens / batch) if tokens is not None else 0))
    plan = schedule(text, **settings)
    if whole and plan.steps != told.get("steps", plan.steps):
        raise DataError(f"the schedule has {plan.steps} updates, and {told['steps']:g} steps are told; leave out one of them.")
    if tokens is not None and abs(plan.steps * batch / tokens - 1) > max(0.01, batch / tokens):
        raise DataError(
            f"{plan.steps} updates of {batch:g} tokens are {plan.steps * batch:.4g} tokens, and {tokens:.4g} are told."
        )
    return float(batch), plan


def together(data: Any, law: Law) -> Any:
    """What a law over runs is fitted to, as Runs: curves, a table of finals, or a list of both."""
    if isinstance(data, (list, tuple)):
        if not data:
            raise DataError("an empty list holds no runs.")
        return Runs.together([together(part, law) for part in data])
    if is_described(data, law):
        return described(data, law, fitting=True)
    return Runs.from_frame(pd.DataFrame(data)) if isinstance(data, (pd.DataFrame, Mapping)) else data
