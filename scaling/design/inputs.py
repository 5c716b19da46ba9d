"""From data to what a law takes: its inputs row by row, the loss, and which run each row belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, compute, counted
from scaling.errors import DataError, FitError, ScalingError
from scaling.formula import ANY_POSITIVE, Domain, Law
from scaling.formula.monomials import trace
from scaling.logs import Runs
from scaling.logs.columns import LOSSES
from scaling.schedules import Schedule, schedule
from scaling.schedules.drops import RateDrops

# inputs of laws, by the name they have in logs
COLUMNS = {
    "N": "n_params",
    "D": "tokens",
    "C": "flops",
    "S": "step",
    "B": "batch_tokens",
    "U": "unique_tokens",
    "M": "tokens_per_param",
}
ROUNDED = 0.005 + 1e-9  # by how much shares written with few digits may miss a sum of 1
PREDICTED_ROWS = 400  # rows shown of a schedule when no steps are asked for


@dataclass(frozen=True, eq=False)
class Design:
    """n rows of a law's inputs. `frame` shows them (with run, step, loss where known); `inputs` is what the law is given."""

    frame: pd.DataFrame
    inputs: dict[str, Any]
    loss: np.ndarray
    weights: np.ndarray
    notes: tuple[str, ...] = ()
    asked: pd.DataFrame | None = None  # rows to predict, if some lie in the warm-up, where schedule laws say nothing

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows) -> Design:
        return Design(
            self.frame.iloc[rows],
            {k: v[rows] for k, v in self.inputs.items()},
            self.loss[rows],
            self.weights[rows],
            self.notes,
        )

    @property
    def runs(self) -> np.ndarray:
        """Run codes (n,), 0 ... in order of appearance; one code per row where rows are runs of their own."""
        if "run" not in self.frame or "step" not in self.frame:
            return np.arange(len(self))
        return pd.factorize(self.frame["run"])[0]


def design(data: Any, law: Law, *, fitting: bool, steps: Any = None, positive: bool = True) -> Design:
    """Rows of `data` as inputs of `law`.

    Parameters
    ----------
    data : Runs, DataFrame or mapping of columns; for prediction also a Schedule or its text.
    fitting : rows need a loss (rows without one are counted in the notes), and rows shared by runs count once.
    steps : step labels to predict at, when data is a schedule.
    positive : losses must be positive, as the logarithm of a log objective asks.
    """
    if isinstance(data, (Schedule, str)):
        if fitting or not law.over_schedules:
            raise DataError(f"law '{law.name}' cannot be used on a schedule here; it takes {', '.join(law.inputs)}.")
        return _planned(data, law, steps)
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        data = pd.DataFrame({k: np.atleast_1d(v) for k, v in data.items()})
    if isinstance(data, pd.DataFrame):
        if not fitting and law.over_schedules and not {"loss", *LOSSES} & set(data.columns):
            data = data.assign(loss=np.nan)  # a run nobody has made yet
        if law.over_schedules:
            return _from_runs(Runs.from_frame(data), law, fitting)
        return _table(data, law, fitting, positive)
    if isinstance(data, Runs):
        return _from_runs(data, law, fitting) if law.over_schedules else _ends(data, law, fitting)
    raise DataError(f"data must be Runs or a DataFrame, not {type(data).__name__}; read logs with scaling.read(paths).")


def _whole(frame: pd.DataFrame, law: Law, columns: Mapping[str, np.ndarray]) -> None:
    """Refuse rows whose shares do not sum to 1."""
    for name, each in law.layout.inputs if law.layout is not None else ():
        parts = [f"{name}_{d}" for d in law.layout.domains] if each else []  # type: ignore[union-attr]
        if not parts or any(p not in law.ranges or law.ranges[p].hi != 1 for p in parts):
            continue
        total = np.sum([columns[p] for p in parts], axis=0)
        off = np.abs(total - 1.0)
        if (off > ROUNDED).any():
            worst = int(np.argmax(off))
            raise DataError(
                f"row {frame.index[worst]}: the shares {', '.join(parts)} sum to {total[worst]:.4g}, "
                f"not 1 ({(off > ROUNDED).sum()} such rows); give a column for every domain, and divide by the sum."
            )


def _table(frame: pd.DataFrame, law: Law, fitting: bool, positive: bool = True) -> Design:
    for name in law.inputs:  # an input such as x may be named by a convention: x=tokens
        if name not in frame and law.conventions.get(name) in frame:
            frame = frame.assign(**{name: frame[law.conventions[name]]})
    for what, (names, _, _) in KINDS.items():
        if any(n in (*law.inputs, *law.conventions.values()) for n in names):
            counted(frame, what)  # refuses rows counted in several ways
    needed = [*law.inputs, *(["loss"] if fitting else [])]
    if missing := [c for c in needed if c not in frame]:
        raise DataError(
            f"law '{law.name}' needs columns {', '.join(needed)}; missing {', '.join(missing)}. "
            f"The data has {', '.join(map(str, frame.columns))}."
        )
    columns = {c: _numbers(frame[c], c) for c in dict.fromkeys([*needed, *(["loss"] if "loss" in frame else [])])}
    weights = _numbers(frame["weight"], "weight") if "weight" in frame else np.ones(len(frame))
    if fitting and "loss_se" in frame:
        weights = weights * _precision(_numbers(frame["loss_se"], "loss_se"), columns["loss"], positive)
    powers = {base for term in trace(law) or [] for base, (_, slopes) in term.powers.items() if slopes}
    for name in law.inputs:
        x, range_ = columns[name], law.ranges.get(name, ANY_POSITIVE if name in powers else Domain())
        inside = (x >= range_.lo if range_.closed else x > range_.lo) & (x <= range_.hi) & np.isfinite(x)
        if not inside.all():
            bad = np.flatnonzero(~inside)
            wanted = (
                "a positive number"
                if range_ is ANY_POSITIVE
                else "a finite number"
                if name not in law.ranges
                else (f"{range_.lo:g} {'<=' if range_.closed else '<'} {name} <= {range_.hi:g}")
            )
            raise DataError(
                f"column '{name}', row {frame.index[bad[0]]}: {x[bad[0]]} is not {wanted} "
                f"({len(bad)} such rows), as law '{law.name}' needs; remove or mend these rows."
            )
    _whole(frame, law, columns)
    kept = np.arange(len(frame))
    notes: tuple[str, ...] = ()
    if fitting:
        empty = np.isnan(columns["loss"])
        if empty.any():
            notes = (f"{empty.sum()} of {len(frame)} rows have no loss and are not fitted",)
        bad = np.flatnonzero(~empty & (~np.isfinite(columns["loss"]) | (positive & (columns["loss"] <= 0))))
        if len(bad):
            raise DataError(
                f"column 'loss', row {frame.index[bad[0]]}: {columns['loss'][bad[0]]} is not a "
                f"{'positive' if positive else 'finite'} number ({len(bad)} such rows); remove diverged rows."
            )
        bad = np.flatnonzero(~(weights >= 0) | ~np.isfinite(weights))
        if len(bad):
            raise DataError(f"column 'weight', row {frame.index[bad[0]]}: weights must be finite and not negative.")
        kept = np.flatnonzero(~empty & (weights > 0))
        order = np.lexsort([weights[kept], columns["loss"][kept], *(columns[c][kept] for c in reversed(law.inputs))])
        kept = kept[order]  # results must not depend on the order of rows
    out = frame.iloc[kept]
    loss = columns["loss"][kept] if "loss" in columns else np.full(len(kept), np.nan)
    return Design(out, {k: columns[k][kept] for k in law.inputs}, loss, weights[kept], notes)


def _precision(se: np.ndarray, loss: np.ndarray, relative: bool) -> np.ndarray:
    """Weights 1 / se^2, scaled to a mean of one so that rows keep counting as rows."""
    if (bad := ~((se > 0) & np.isfinite(se)) & ~np.isnan(loss)).any():
        raise DataError(
            f"column 'loss_se', row {np.flatnonzero(bad)[0]}: standard errors must be positive and finite; "
            "leave out rows that say nothing."
        )
    weight = 1 / (se / loss if relative else se) ** 2
    return weight / np.nanmean(weight)


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    if not len(column):
        raise DataError(f"column '{name}' has no rows.")
    if column.dtype == object and all(isinstance(x, Real) and not isinstance(x, bool) for x in column):
        column = column.astype(float)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise DataError(
            f"column '{name}' holds {column.dtype} values such as {column.iloc[0]!r}, not numbers; "
            "convert it with pandas.to_numeric."
        )
    return column.to_numpy(float)


def _ends(runs: Runs, law: Law, fitting: bool) -> Design:
    """One row per run, its last evaluated one; every row of a curve where the law's input is the step itself."""
    names = {i: law.conventions.get(i, COLUMNS.get(i, i)) for i in law.inputs}
    frame = runs.joined()
    notes = []
    if fitting:
        frame = frame[frame["loss"].notna()]
    if "step" not in names.values():
        before = len(frame)
        frame = frame.groupby("run", sort=False).tail(1)
        if len(frame) < before:
            notes.append(
                f"law '{law.name}' is fitted to the last evaluated row of each run: {len(frame)} of {before} rows"
            )
        if "flops" in names.values() and "flops" not in frame and {"n_params", "tokens"} <= set(frame.columns):
            frame = frame.assign(flops=compute(frame["n_params"], frame["tokens"]))
            notes.append("compute C counted as 6 N D")
        if "tokens_per_param" in names.values() and {"n_params", "tokens"} <= set(frame.columns):
            frame = frame.assign(tokens_per_param=frame["tokens"] / frame["n_params"])
    if missing := [f"{i} (column '{c}')" for i, c in names.items() if c not in frame]:
        raise DataError(
            f"law '{law.name}' needs {', '.join(missing)}; these runs have "
            f"{', '.join(map(str, frame.columns))}. Add the fact to runs.csv or pass facts=."
        )
    made = _table(frame.assign(**{i: frame[c] for i, c in names.items()}), law, fitting)
    return Design(made.frame, made.inputs, made.loss, made.weights, (*runs.notes, *notes, *made.notes))


def _from_runs(runs: Runs, law: Law, fitting: bool) -> Design:
    frame, notes = runs.frame, list(runs.notes)
    if fitting:
        planned = int(frame["loss"].isna().sum())
        if planned:
            notes.append(f"{planned} of {len(frame)} rows have no loss (planned or not evaluated) and are not fitted")
        frame = frame[frame["loss"].notna()]
    if not len(frame):
        raise DataError("none of these rows has a loss; there is nothing to fit.")
    frames, features, rising = [], [], 0
    for name, rows in frame.groupby("run", sort=False):
        plan = runs.schedules.get(str(name))
        if plan is None:
            raise DataError(
                f"run '{name}': law '{law.name}' needs its learning rates, and there is neither a column 'lr' nor "
                "a schedule. Add the column, or pass schedule='cosine:peak=...,steps=...'."
            )
        warm = rows["step"].to_numpy() < max(plan.first, plan.first + plan.warmup - 1)  # the laws hold from the peak on
        rising, rows = rising + int(warm.sum()), rows[~warm]
        if not len(rows):
            continue
        features.append(_features(law, rows["step"].to_numpy(int), plan, str(name)))
        frames.append(rows)
        notes += [f"run '{name}': {n}" for n in plan.notes]
    if rising:
        notes.append(f"{rising} rows lie in the warm-up and are not {'fitted' if fitting else 'predicted'}")
    if not frames:
        raise DataError("all rows lie in the warm-up, where the law does not hold.")
    if not fitting:
        made = _joined(pd.concat(frames), features, law, notes)
        return replace(made, asked=frame if rising else None)
    made = _joined(pd.concat(frames, ignore_index=True), features, law, notes)
    peaks = {runs.schedules[n].peak for n in frame["run"].unique()}
    if len(peaks) > 1 and max(peaks) > 1.001 * min(peaks):
        raise FitError(
            f"these runs have different peak learning rates ({', '.join(f'{p:g}' for p in sorted(peaks))}). "
            f"The constants of '{law.name}' hold for one peak; select runs of one peak rate."
        )
    return _shared_once(made, law)


def _features(law: Law, steps: np.ndarray, plan: Schedule, run: str) -> dict[str, Any]:
    try:
        return law.hooks.features(steps, plan, **law.conventions)
    except ScalingError as error:
        raise type(error)(f"run '{run}': {error}") from error


def _joined(frame: pd.DataFrame, features: list[dict[str, Any]], law: Law, notes) -> Design:
    inputs = {}
    for key in law.inputs:
        parts = [f[key] for f in features]
        inputs[key] = RateDrops.concatenate(parts) if isinstance(parts[0], RateDrops) else np.concatenate(parts)
    loss = frame["loss"].to_numpy(float) if "loss" in frame else np.full(len(frame), np.nan)
    shown = frame.assign(**{k: v for k, v in inputs.items() if isinstance(v, np.ndarray)})
    return Design(shown, inputs, loss, np.ones(len(frame)), tuple(dict.fromkeys(notes)))


def _shared_once(made: Design, law: Law) -> Design:
    """Runs branched from one trunk repeat its rows; they are one measurement and count once."""
    keys = ["step", "loss", *(c for c in ("n_params", *law.inputs) if c in made.frame)]
    repeated = made.frame.duplicated(keys).to_numpy()
    if not repeated.any():
        return made
    kept = made.take(np.flatnonzero(~repeated))
    note = f"{repeated.sum()} rows repeat a row of another run (a shared trunk) and count once"
    return Design(kept.frame, kept.inputs, kept.loss, kept.weights, (*kept.notes, note))


def _planned(plan: Schedule | str, law: Law, steps) -> Design:
    plan = schedule(plan)
    last = plan.first + plan.steps - 1
    if steps is None:
        start = max(plan.first + plan.warmup - 1, 1)
        steps = np.unique(np.linspace(min(start, last), last, PREDICTED_ROWS).round().astype(int))
    try:
        steps = np.atleast_1d(np.asarray(steps, float))
    except (TypeError, ValueError):
        raise DataError(f"steps={steps!r} must be step labels, whole numbers such as [12000, 24000].") from None
    if (steps != steps.round()).any():
        raise DataError(f"steps must be whole numbers, not {steps[steps != steps.round()][0]}.")
    steps = steps.astype(int)
    frame = pd.DataFrame({"run": plan.text or "schedule", "step": steps, "lr": plan.rates[plan.index(steps)]})
    return _joined(frame, [_features(law, steps, plan, plan.text or "schedule")], law, plan.notes)
