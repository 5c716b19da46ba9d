"""From data to what a law takes: its inputs row by row, the loss, and which run each row belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, completed, compute, counted
from scaling.design import checks, ladders
from scaling.design.curves import curves, lost
from scaling.design.described import described, is_described
from scaling.errors import DataError, FitError, ScalingError
from scaling.formula import Law, find
from scaling.logs import Runs
from scaling.logs.columns import LOSSES
from scaling.logs.findings import some
from scaling.logs.sheet import PLACE, rows_named
from scaling.logs.tables import listed_columns
from scaling.schedules import Schedule, schedule
from scaling.schedules.drops import RateDrops
from scaling.words import many, verb

# inputs of laws, by the name they have in logs
COLUMNS = {
    "N": "n_params",
    "D": "tokens",
    "C": "flops",
    "compute": "flops",
    "S": "step",
    "B": "batch_tokens",
    "U": "unique_tokens",
    "M": "tokens_per_param",
    "lr": "peak_lr",  # of a whole run
    "batch": "batch_tokens",
}
SHORT = {"n_params": "N", "tokens": "D", "batch_tokens": "B"}  # facts of runs by the names that laws have for them
# columns that mean the same, and those that are never an input by themselves
SAME = (("C", "flops", "compute"), ("N", "n_params", "params"), ("D", "tokens"), ("S", "step"), ("B", "batch_tokens", "batch"))
BESIDE = {
    "loss", "weight", "loss_se", "lr", "peak_lr", "grad_norm", "elapsed_s", "train_window", "val_tokens", "val_se", "seed",
    *LOSSES, *PLACE,
}  # fmt: skip
STEPS = ("step", "S")  # columns of updates made
TINY = 5e3  # parameters, and tokens
FEW_DIGITS = 1e4
PREDICTED_ROWS = 400  # rows shown of a schedule when no steps are asked for


@dataclass(frozen=True, eq=False)
class Design:
    """n rows of a law's inputs.

    Attributes
    ----------
    frame : DataFrame, shape (n, columns), the rows as a reader knows them, with run, step and loss where known.
    inputs : name -> what the law is given, in its order: ndarray (n,), or RateDrops of length n.
    loss : ndarray, shape (n,), NaN where it is to be predicted. weights : ndarray, shape (n,), what each row counts.
    notes : what was counted, assumed or left out on the way.
    asked : the rows to predict, if some lie in the warm-up, where laws of schedules say nothing.
    """

    frame: pd.DataFrame
    inputs: dict[str, Any]
    loss: np.ndarray
    weights: np.ndarray
    notes: tuple[str, ...] = ()
    asked: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: np.ndarray) -> Design:
        """Some of the rows, by number."""
        inputs = {k: v[rows] for k, v in self.inputs.items()}
        return Design(self.frame.iloc[rows], inputs, self.loss[rows], self.weights[rows], self.notes)

    def sketch(self, rows: np.ndarray) -> Design:
        """Some of the rows, by number, to see where a fit begins; of long curves the drops behind a row are those of the next
        node."""
        inputs = {k: v.near(rows) if isinstance(v, RateDrops) else v[rows] for k, v in self.inputs.items()}
        return Design(self.frame.iloc[rows], inputs, self.loss[rows], self.weights[rows], self.notes)

    @property
    def runs(self) -> np.ndarray:
        """Run codes (n,), 0 ... in order of appearance; one code per row where rows are runs of their own.

        Rows that go by steps and name no run are one curve for each value of the other inputs."""
        named = "run" in self.frame
        grown = self._along((*STEPS, *SAME[2]) if named and len(self.inputs) == 1 else STEPS)
        if named and ("step" in self.frame or grown):
            return pd.factorize(self.frame["run"], use_na_sentinel=False)[0]
        if named or not grown:
            return np.arange(len(self))
        others = [pd.factorize(x)[0] for k, x in self.inputs.items() if k not in grown]
        return pd.factorize(pd.MultiIndex.from_arrays(others))[0] if others else np.zeros(len(self), int)

    def _along(self, columns: Iterable[str]) -> list[str]:
        """The inputs that are one of these columns."""
        said = [self.frame[c].to_numpy() for c in columns if c in self.frame]
        return [k for k, x in self.inputs.items() if any(np.array_equal(x, column) for column in said)]


def design(data: Any, law: Law, *, fitting: bool, steps: Any = None, positive: bool = True) -> Design:
    """Rows of `data` as inputs of `law`.

    Parameters
    ----------
    data : Runs, DataFrame or mapping of columns; for prediction also a Schedule or its text.
    fitting : rows need a loss (rows without one are counted in the notes), and rows shared by runs count once.
    steps : step labels to predict at, when data is a schedule.
    positive : losses must be positive, as the logarithm of a log objective asks.
    """
    if fitting and isinstance(data, str):
        raise DataError(
            f"data is the text {data[:80]!r}: read logs with scaling.read(path), tables with scaling.logs.read_table([path])."
        )
    if isinstance(data, (Schedule, str)):
        if fitting or not law.over_schedules:
            raise DataError(
                f"law '{law.name}' cannot be used on a schedule here; it takes {', '.join(law.inputs)}: "
                f"predict({{{', '.join(f'{name!r}: [...]' for name in law.inputs)}}})."
            )
        if "N" in law.hooks.facts:
            raise DataError(
                f"law '{law.name}' needs more than a schedule: predict({{'N': 1e9, 'tokens': 2e10, 'schedule': 'cosine:...'}})."
            )
        if not law.hooks.facts:
            return _planned(data, law, steps)
        data = {"schedule": data}  # in the batch that is usual
    if is_described(data, law):
        data = described(data, law, fitting=fitting, steps=steps)
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        data = checks.table_of(data)
    if isinstance(data, pd.DataFrame):
        if not fitting and law.over_schedules and not {"loss", *LOSSES} & set(data.columns):
            data = data.assign(loss=np.nan)  # a run nobody has made yet
        if law.over_schedules:
            return _from_runs(Runs.from_frame(data), law, fitting)
        return _table(data, law, fitting, positive)
    if isinstance(data, Runs):
        return _from_runs(data, law, fitting) if law.over_schedules else _ends(data, law, fitting)
    raise DataError(f"data must be Runs or a DataFrame, not {type(data).__name__}; read logs with scaling.read(paths).")


def of_columns(law: Law, data: Any) -> tuple[Law, tuple[str, ...]]:
    """The law for these data, whatever they call its only input, and a note where the name had to be taken from them.

    A law of mixtures that was named without its domains takes those the data have columns for (h_web, h_code, ...). A law of
    one input x takes column x, the one its convention names, or the only other column of numbers: its convention from then on.
    """
    frame = data.joined() if isinstance(data, Runs) else data
    if isinstance(frame, Mapping):
        frame = checks.table_of(frame)
    if not isinstance(frame, pd.DataFrame) or law.over_schedules:
        return law, ()
    if law.domains:
        return (law.over_columns(map(str, frame)) if law is find(law.name) else law), ()
    if len(law.inputs) != 1:
        return law, ()
    (x,) = law.inputs
    said = str(law.conventions.get(x, x))
    if x in frame or said in frame:
        return law, ()
    same = next((names for names in SAME if said in names), ())
    if isinstance(data, Runs) and ({"n_params", "tokens"} <= {*frame} or any(name in frame for name in same)):
        return law, ()  # counted from size and tokens
    found = [name for name in same if name in frame] or _numeric(frame)
    if len(found) != 1:
        return law, ()
    return law.using(**{x: found[0]}), (f"{x} of law '{law.name}' is column '{found[0]}'",)


def _numeric(frame: pd.DataFrame) -> list[str]:
    """The columns of numbers that differ from row to row and may be an input."""
    kinds = {str(name): column.dtype.kind for name, column in frame.items()}
    return [c for c, kind in kinds.items() if kind in "iuf" and c not in BESIDE and frame[c].nunique() > 1]


def _table(frame: pd.DataFrame, law: Law, fitting: bool, positive: bool = True) -> Design:
    checks.once(frame)
    given = frame
    for name in law.inputs:  # an input such as x may be named by a convention: x=tokens
        said = law.conventions.get(name)
        same = next((names for names in SAME if said in names), (said,))
        if name not in frame and (column := next((c for c in (said, *same) if c in frame), None)) is not None:
            frame = frame.assign(**{name: frame[column]})
    frame, counts = completed(frame, [*law.inputs, *(["loss"] if fitting else [])])
    for what, (names, _, _) in KINDS.items():
        if any(n in (*law.inputs, *law.conventions.values()) for n in names):
            counted(frame, what)  # refuses rows counted in several ways
    needed = [*law.inputs, *(["loss"] if fitting else [])]
    if missing := [c for c in needed if c not in frame]:
        if len(law.inputs) == 1 and missing == [*law.inputs]:
            raise _unnamed(law, frame)
        if law.shares and {*law.shares[0]} <= {*missing}:
            raise _unshared(law, frame)
        raise DataError(
            f"law '{law.name}' needs columns {', '.join(needed)}; missing {', '.join(missing)}. "
            f"The data has {listed_columns(given)}. Add or rename columns, or take a law of what is there."
        )
    if fitting and len(frame) and frame["loss"].isna().all():
        raise DataError(f"column 'loss' is empty in all {many(len(frame), 'row')}, so there is nothing to fit.")
    columns = {c: checks.numbers(frame[c], c, frame) for c in (*law.inputs, "loss") if c in frame}
    loss = columns.get("loss", np.full(len(frame), np.nan))
    weights = checks.weights(frame, loss if fitting else None, positive)
    checks.inside(columns, law, frame)
    checks.whole(columns, law, frame)
    made = Design(frame, {k: columns[k] for k in law.inputs}, loss, weights, counts)
    if not fitting:
        return made
    kept = np.flatnonzero(checks.fittable(loss, weights, positive, frame))
    # results must not depend on the order of rows
    order = np.lexsort([weights[kept], loss[kept], *(columns[c][kept] for c in reversed(law.inputs))])
    empty, notes = frame[np.isnan(loss)], list[str]()
    if len(empty):
        notes.append(f"{lost(len(empty), len(frame))}: {rows_named(empty)}")
    made = made.take(kept[order])
    made, copies = _once(made, law)
    made = replace(made, notes=(*counts, *notes, *copies, *_in_units(made.inputs)))
    said = [*("run", "step")] if {"run", "step"} <= set(frame) else []
    once = len(made.frame[[*dict.fromkeys([*said, *law.inputs, "loss"])]].drop_duplicates())
    return replace(made, weights=checks.relative(made.weights, once if 2 * once <= len(made) else len(made)))


def _once(made: Design, law: Law) -> tuple[Design, list[str]]:
    """Every row once, and what is told of copies: a row that is there twice is no second measurement, nor another held out."""
    frame = made.frame
    again = frame.duplicated([*law.inputs, "loss", *({"run", "step"} & {*frame} if "step" in frame else ())]).to_numpy()
    if not again.any():
        return made, []
    whole = frame.drop(columns=[*PLACE], errors="ignore").astype(str).duplicated().to_numpy()
    # measurements of few digits, or of a place that is measured several times, may agree by chance; all rows do not
    digits = np.abs(made.loss * FEW_DIGITS - np.round(made.loss * FEW_DIGITS)) > 1e-6
    measured = bool((frame.duplicated([*law.inputs]).to_numpy() & ~again).any())
    copies = whole & again & ((digits & (not measured)) if 2 * (~whole).sum() > len(made) else True)
    notes = [f"rows that repeat another to the last digit, counted once: {rows_named(frame[copies])}"] if copies.any() else []
    if (like := again & digits & ~copies).any():
        notes.append(f"rows that repeat another to the last digit (copies?): {rows_named(frame[like])}")
    return made.take(np.flatnonzero(~copies)) if copies.any() else made, notes


def _unnamed(law: Law, frame: pd.DataFrame) -> DataError:
    x, names = law.inputs[0], [name for name in map(str, frame) if name not in BESIDE]
    said = law.conventions.get(x)
    return DataError(
        f"law '{law.name}' needs its input {x}{f' or {said}' if said else ''}, and no such column is there; the data has "
        f"{listed_columns(frame)}. Say which it is: '{law.name}:{x}={next(iter(names), 'COLUMN')}'."
    )


def _unshared(law: Law, frame: pd.DataFrame) -> DataError:
    """Of a table of mixtures whose columns of shares are not called as the law calls them."""
    prefix = law.shares[0][0].removesuffix(law.domains[0])
    return DataError(
        f"law '{law.name}' needs the share of every domain in a column {prefix}DOMAIN, and there is none; the data has "
        f"{listed_columns(frame)}. Rename the columns of shares: {prefix}web, {prefix}code, ..."
    )


def _ends(runs: Runs, law: Law, fitting: bool) -> Design:
    """One row per run, its last evaluated one; every row of a curve where the law's input is the step itself."""
    names = {i: COLUMNS.get(c, c) for i in law.inputs for c in [law.conventions.get(i, i)]}
    frame, notes = runs.joined(), []
    if "tokens" in names.values():
        said = {known: frame[short] for known, short in SHORT.items() if known not in frame and short in frame}
        frame = frame.assign(**said)
        if "tokens" not in frame and {"batch_tokens", "step"} <= {*frame}:
            frame = frame.assign(tokens=frame["step"] * frame["batch_tokens"])
            notes.append("tokens D counted as step times batch_tokens")
    if fitting:
        frame = frame[frame["loss"].notna()]
    if "step" not in names.values():
        before = len(frame)
        frame = frame.groupby("run", sort=False).tail(1)
        if len(frame) < before:
            notes.append(f"law '{law.name}' is fitted to the last evaluated row of each run: {len(frame)} of {before} rows")
        if "flops" in names.values() and "flops" not in frame and {"n_params", "tokens"} <= set(frame.columns):
            frame = frame.assign(flops=compute(frame["n_params"], frame["tokens"]))
            notes.append("compute C counted as 6 N D")
        if "tokens_per_param" in names.values() and {"n_params", "tokens"} <= set(frame.columns):
            frame = frame.assign(tokens_per_param=frame["tokens"] / frame["n_params"])
    if missing := [f"{i} (column '{c}')" for i, c in names.items() if c not in frame]:
        raise DataError(
            f"law '{law.name}' needs {', '.join(missing)}; these runs have "
            f"{', '.join(map(str, frame.columns))}. Add the fact to runs.csv or pass facts="
            + (": tokens, or batch_tokens, the tokens of one update." if "tokens" in "".join(missing) else ".")
        )
    made = _table(frame.assign(**{i: frame[c] for i, c in names.items()}), law, fitting)
    return replace(made, notes=(*runs.notes, *notes, *made.notes))


def _from_runs(runs: Runs, law: Law, fitting: bool) -> Design:
    known, said = ladders.known(runs, law.hooks.facts)
    found = curves(runs, law, fitting)
    notes = [*runs.notes, *said, *found.notes]
    frames, features, rising, told = [], [], 0, dict[str, list[str]]()
    for name, rows, plan, last, warm, joined in found.runs:
        rising, notes = rising + warm, [*notes, *joined]
        if law.hooks.facts:
            rows = ladders.told(rows, law.hooks.facts, known[name], plan)
            rows = ladders.settled(rows, len(found.runs), last) if fitting else rows
        if not len(rows):
            continue
        features.append(_features(law, rows["step"].to_numpy(int), plan, name, known.get(name, ())))
        frames.append(rows)
        for said_of in plan.notes:
            told.setdefault(said_of, []).append(repr(name))
    notes += [f"run{'s' * (len(names) > 1)} {some(names, 3)}: {text}" for text, names in told.items()]
    if rising:
        within = f"{many(rising, 'row')} {verb(rising, 'lies', 'lie')} in the warm-up and {verb(rising)}"
        notes.append(f"{within} not {'fitted' if fitting else 'predicted'}")
    if not frames:
        raise DataError("all rows lie in the warm-up, where the law does not hold.")
    if not fitting:
        made = _joined(pd.concat(frames), features, law, notes)
        return replace(made, asked=found.asked if rising else None)
    made = _joined(pd.concat(frames, ignore_index=True), features, law, notes)
    if law.hooks.facts:
        made = _shared_once(made, law)
        return replace(made, weights=ladders.weights(made.runs))
    peaks = {plan.peak for _, _, plan, *_ in found.runs}
    if len(peaks) > 1 and max(peaks) > 1.001 * min(peaks):
        raise FitError(
            f"these runs have different peak learning rates ({', '.join(f'{p:g}' for p in sorted(peaks))}). "
            f"The constants of '{law.name}' hold for one peak; select runs of one peak rate."
        )
    return _shared_once(made, law)


def _features(law: Law, steps: np.ndarray, plan: Schedule, run: str, known: Iterable[float] = ()) -> dict[str, Any]:
    assert law.hooks.features is not None
    try:
        return law.hooks.features(steps, plan, *known, **law.conventions)
    except ScalingError as error:
        raise type(error)(f"run '{run}': {error}") from error


def _in_units(inputs: Mapping[str, Any]) -> Iterable[str]:
    """A note where no model is as small, nor trained on as little, as the table says."""
    if {"N", "D"} <= {*inputs} and max(inputs["N"].max(), inputs["D"].max()) < TINY:
        yield (
            f"N is at most {inputs['N'].max():g} and D at most {inputs['D'].max():g}: in millions or billions? Forecasts then "
            "take them so too, but plans (C = 6 N D) and published constants count parameters and tokens one by one"
        )


def _joined(frame: pd.DataFrame, features: list[dict[str, Any]], law: Law, notes: Iterable[str]) -> Design:
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
    again = int(repeated.sum())
    same, once = verb(again, "repeats", "repeat"), verb(again, "counts once", "count once")
    notes = [f"{many(again, 'row')} {same} a row of another run (a shared trunk) and {once}"]
    runs = made.frame["run"].to_numpy()
    for run in [run for run in dict.fromkeys(runs[repeated]) if repeated[runs == run].all()]:
        own = made.frame[keys][runs == run].iloc[-1]
        other = runs[(made.frame[keys] == own).all(axis=1).to_numpy().argmax()]
        notes.append(f"all rows of run '{run}' are rows of run '{other}' too: a copy?")
    return replace(made.take(np.flatnonzero(~repeated)), notes=(*made.notes, *notes))


def _planned(plan: Schedule | str, law: Law, steps: Any) -> Design:
    plan = schedule(plan)
    if steps is None:
        start = min(max(plan.first + plan.warmup - 1, 1), plan.last)
        steps = np.unique(np.linspace(start, plan.last, PREDICTED_ROWS).round().astype(int))
    try:
        steps = np.atleast_1d(np.asarray(steps, float))
    except (TypeError, ValueError):
        raise DataError(f"steps={steps!r} must be step labels, whole numbers such as [12000, 24000].") from None
    if not (np.abs(steps) < 2**53).all():
        raise DataError(f"steps must be whole numbers, not {steps[~(np.abs(steps) < 2**53)][0]}.")
    if (steps != steps.round()).any():
        raise DataError(f"steps must be whole numbers, not {steps[steps != steps.round()][0]}.")
    steps = steps.astype(int)
    frame = pd.DataFrame({"run": plan.text or "schedule", "step": steps, "lr": plan.rates[plan.index(steps)]})
    return _joined(frame, [_features(law, steps, plan, plan.text or "schedule")], law, plan.notes)
