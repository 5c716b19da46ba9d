"""`Runs`: loss curves in one tidy table, the facts of every run, and the schedules behind them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.expressions import holds
from scaling.logs.assemble import assemble, pieces
from scaling.logs.columns import ALIASES, by_any_name, check_names, check_resumed, loss_named
from scaling.logs.findings import Findings, near
from scaling.logs.planned import Plan, Schedules
from scaling.logs.sheet import PLACE, sheet_of
from scaling.rendering import Result, plain
from scaling.schedules import MOST_UPDATES
from scaling.words import FORMER, many

SCHEMA = "scaling.runs/1"
BADLY = ("diverged", "failed", "crashed", "killed")  # a status that no finished run has


@dataclass(frozen=True, eq=False, repr=False)
class Runs(Result):
    """Loss curves of one or more runs; immutable. Make one with `scaling.read` or `Runs.from_frame`.

    Attributes
    ----------
    notes : everything that was counted, assumed or dropped while reading.
    warnings : what a fit of these rows may go wrong by; none for healthy logs.
    """

    _frame: pd.DataFrame
    _facts: pd.DataFrame
    _schedules: Schedules
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        *,
        columns: Mapping[str, str] | None = None,
        loss: str | None = None,
        facts: Any = None,
        schedule: Any = None,
        warmup: int | None = None,
        resumed: str | None = None,
    ) -> "Runs":
        """Runs from a DataFrame with the columns of a log, checked like a file.

        Parameters
        ----------
        df : one row per run and step; NaN in a loss column means not evaluated.
        columns, loss, facts, schedule, warmup : as in `read`, but a column `loss` is the loss, whatever else is there.
        resumed : `"newest"`: of rows of one step the later is the newer; without it rows may come in any order.
        """
        if df.empty:
            raise DataError("DataFrame: no rows, so there is no curve to read")
        findings = Findings()
        sheet = sheet_of(df)
        rest, loss = loss_named(columns, loss)
        loss = "loss" if loss is None and "loss" in sheet.columns else loss
        found = pieces(sheet, check_names(rest), loss, None, {}, check_resumed(resumed), findings)
        return cls(*assemble(found, facts, schedule, warmup, findings))

    @classmethod
    def together(cls, parts: Sequence["Runs"]) -> "Runs":
        """The runs of several, in their order; DataError where two have one name."""
        names = [name for part in parts for name in part.names]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"run {twice[0]!r} is in several of these ({len(twice)} such runs): give each a name of its own.")
        frames, facts = (pd.concat([getattr(part, name) for part in parts]) for name in ("_frame", "_facts"))
        plans = {run: plan for part in parts for run, plan in part.plans.items()}
        said = [tuple(dict.fromkeys(s for part in parts for s in getattr(part, name))) for name in ("notes", "warnings")]
        return cls(frames.reset_index(drop=True), facts, Schedules(plans), *said)

    @property
    def frame(self) -> pd.DataFrame:
        """One row per run and step, sorted (a copy): run, step, tokens and lr if logged, loss, other metrics.

        loss is NaN where it was not evaluated; such rows with a rate are part of the planned schedule.
        """
        return self._frame.drop(columns=[*PLACE], errors="ignore").copy()  # its columns may be read-only: parsed in one piece

    @property
    def placed(self) -> pd.DataFrame:
        """`frame` with the file and line each row was read from, where it was a file (a copy)."""
        return self._frame.copy(deep=False)

    @property
    def facts(self) -> pd.DataFrame:
        """One row per run (a copy), indexed by run: n_params, batch_tokens, schedule, loss_from, ..."""
        return self._facts.copy()

    def with_facts(self, facts: pd.DataFrame) -> "Runs":
        """The same runs with other facts, one row per run."""
        if list(facts.index) != list(self.names):
            raise DataError(f"with_facts needs one row for each of {', '.join(self.names[:8])}, in this order")
        return replace(self, _facts=facts.copy())

    @property
    def schedules(self) -> Mapping[str, Any]:
        """run -> Schedule, for the runs whose rates are known; built on first use.

        Raises
        ------
        DataError : on access, if the logged rates contradict the run's schedule text, naming the first row.
        """
        return self._schedules

    @property
    def plans(self) -> Mapping[str, Plan]:
        """run -> what is known of its schedule, before it is built."""
        return self._schedules.plans

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self._facts.index)

    def joined(self) -> pd.DataFrame:
        """The rows with their places and the facts of their run (a copy); a fact named like a column is `<name>_of_run`."""
        return self._joined.copy(deep=False)

    @cached_property
    def _joined(self) -> pd.DataFrame:
        clash = {c: f"{c}_of_run" for c in self._facts if c in self._frame}
        return self._frame.join(self._facts.rename(columns=clash), on="run")

    def select(self, query: str, names: Mapping[str, str] = MappingProxyType({})) -> "Runs":
        """Rows for which a condition holds, over the frame joined with the facts; schedules stay whole.

        `runs.select("n_params < 1e8 and step > 2000 and run in ['a', 'b']")`: comparisons, arithmetic, and, or, not, in.
        A fact with the name of a column is `<name>_of_run`; a name with spaces stands in backticks. Columns may also be called
        what logs call them (`global_step`, or by `names`: name here -> name there).
        """
        table = self.joined()
        known = by_any_name(table, names)
        for here, alias in ((here, alias) for here, aliases in ALIASES.items() for alias in aliases if here in table):
            known.setdefault(alias, table[here])
        if "loss_from" in self._facts and self._facts["loss_from"].nunique() == 1:
            known.setdefault(str(self._facts["loss_from"].iloc[0]), table["loss"])
        try:
            rows = self._frame[holds(query, known)]
        except ValueError as problem:
            raise DataError(f"where={problem}; columns and facts: {', '.join(map(str, table))}") from None
        if rows.empty:
            raise DataError(f"where={query!r}: no row is left; the runs are {', '.join(self.names[:8])}")
        return self.part(rows)

    def __getitem__(self, run: str) -> "Runs":
        if run not in self.names:
            raise KeyError(f"no run {run!r}{near(run, list(self.names), 'the runs are')}")
        return self.part(self._frame[self._frame["run"] == run])

    def part(self, frame: pd.DataFrame) -> "Runs":
        """The runs that these rows of `frame` are of, in their order, and nothing but these rows; schedules stay whole."""
        names = list(frame["run"].unique())
        schedules = self._schedules.only(names)
        return replace(self, _frame=frame.reset_index(drop=True), _facts=self._facts.loc[names], _schedules=schedules)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def table(self) -> pd.DataFrame:
        """One row per run, indexed by run.

        Columns: n_params, steps (last step, planned ones included), last_step (last evaluated), tokens
        (there), peak_lr, schedule, evaluated and planned (numbers of rows), final_loss (there: what a law of final losses is
        fitted to), loss_from (the column of the log that this loss is: training or validation) and flags. The fact final_loss
        in a record of our trainer is the validation loss of the same weights on more text.
        """
        return pd.DataFrame(
            [self._summary(str(run), rows) for run, rows in self._frame.groupby("run", sort=False)],
            index=pd.Index(self.names, name="run"),
        )

    def _summary(self, run: str, rows: pd.DataFrame) -> dict[str, Any]:
        facts = self._facts.loc[run].dropna()
        done = rows[rows["loss"].notna()]
        last = done.iloc[-1] if len(done) else None
        steps, last_step = int(rows["step"].iloc[-1]), int(last["step"]) if last is not None else 0
        planned = facts.get("steps", 0)
        steps = max(steps, int(planned)) if isinstance(planned, (int, float, np.number)) and planned < MOST_UPDATES else steps
        tokens = last.get("tokens", np.nan) if last is not None else np.nan
        if np.isnan(tokens) and "batch_tokens" in facts:
            tokens = last_step * facts["batch_tokens"]
        peak = rows["lr"].max() if "lr" in rows else np.nan
        text = str(facts.get("schedule", ""))
        return {
            "n_params": facts.get("n_params", np.nan),
            "steps": steps,
            "last_step": last_step,
            "tokens": tokens,
            "peak_lr": facts.get("peak_lr", np.nan) if np.isnan(peak) else peak,
            "schedule": text.partition(":")[0] or ("lr column" if run in self._schedules else ""),
            "evaluated": len(done),
            "planned": len(rows) - len(done),
            "final_loss": np.nan if last is None else last["loss"],
            "loss_from": facts.get("loss_from", ""),
            "flags": ", ".join((*_ended(facts), *_flags(done, steps))),
        }

    def head(self) -> list[tuple[str, str]]:
        rows = many(len(self._frame), "row")
        told = [*(("  warning", text) for text in self.warnings), *(("  note", text) for text in self.notes)]
        return [("runs", f"{many(len(self), 'run')}, {rows}"), *told]

    def to_dict(self) -> dict[str, Any]:
        return {"runs": plain(self.table()), "warnings": list(self.warnings), "notes": list(self.notes)}

    def to_saved(self) -> dict[str, Any]:
        """Everything, as plain types that JSON holds exactly; `Runs.from_saved` reads it back."""
        return {
            "schema": SCHEMA,
            "frame": {name: _plain(self._frame[name]) for name in self._frame if name not in PLACE},
            "facts": {name: _plain(self._facts[name]) for name in self._facts},
            "runs": list(self.names),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "schedules": {run: plan.to_dict() for run, plan in self._schedules.plans.items()},
        }

    @classmethod
    def from_saved(cls, data: Mapping[str, Any]) -> "Runs":
        if data.get("schema") != SCHEMA:
            raise DataError(f"saved runs have schema {data.get('schema')!r}, this version reads {SCHEMA!r}; read the logs")
        frame, facts = ({name: _column(values) for name, values in data[k].items()} for k in ("frame", "facts"))
        plans = {run: Plan.from_dict(plan) for run, plan in data["schedules"].items()}
        table = pd.DataFrame(facts, index=pd.Index(data["runs"], name="run")).rename(columns=FORMER)
        return cls(pd.DataFrame(frame), table, Schedules(plans), tuple(data["notes"]), tuple(data.get("warnings", ())))


def _ended(facts: Any) -> Iterator[str]:
    """What the record of the run says of its end."""
    if (status := str(facts.get("status", ""))).lower() in BADLY:
        yield status.lower()


def _flags(done: pd.DataFrame, steps: int) -> Iterator[str]:
    """What a reader should look at before fitting."""
    step, loss = done["step"].to_numpy(), done["loss"].to_numpy()
    if not len(step):
        yield "nothing evaluated"
        return
    if step[-1] < steps:
        yield f"unfinished: {step[-1]} of {steps}"
    stride = np.diff(step)
    if len(stride) > 2:
        if step[0] > 5 * np.median(stride):
            yield f"starts at step {step[0]}"
        if stride.max() > 10 * np.median(stride):
            yield f"gap after step {step[stride.argmax()]}"
        rise = np.diff(loss)
        if rise.max() > max(20 * np.median(np.abs(rise)), 0.02 * loss[-1]):
            yield f"loss jumps at step {step[rise.argmax() + 1]}"


def _plain(column: pd.Series) -> list[Any]:
    values = column.astype(object).where(column.notna(), None)
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _column(values: list[Any]) -> Any:
    if any(isinstance(value, (str, bool)) for value in values):
        return [np.nan if value is None else value for value in values]
    whole = bool(values) and all(isinstance(value, int) for value in values)
    return np.array(values, np.int64 if whole else np.float64)
