"""How a registered forecast went: measured losses beside it, inside its intervals or not, and the score of those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling import document
from scaling.counting import matched
from scaling.design.inputs import design
from scaling.document import Fields
from scaling.errors import DataError
from scaling.logs import Runs
from scaling.registered.record import BOUNDS, Registration, now
from scaling.rendering import Result
from scaling.words import many

KIND = "score"
NEAR = 0.02  # by how much size, tokens, ... of a run may differ from what was registered: planned numbers are round
OVER = 0.98  # of the registered steps: logs rarely end on the very last one
RATES = 0.02  # of the peak rate, by which a run may leave its registered schedule


@dataclass(frozen=True, eq=False, repr=False)
class Score(Result):
    """A registered forecast beside what was measured.

    Attributes
    ----------
    frame : DataFrame, one row per forecast that was asked for and measured (of a curve its end): the keys, prediction,
        lower, upper, measured, error (measured / predicted - 1), inside, and interval_score: the width plus 2 / (1 - level)
        times what lies outside, in nats, lower is better (Gneiting and Raftery 2007). Empty without an interval.
    along : of a curve the part of all its measured rows that lie inside; NaN else.
    as_planned : was this the run that was registered? notes : what was left out, and why it was not.
    registration : sha256 of the registration; made, law, level : of it too. scored : when.
    """

    registration: str
    made: str
    scored: str
    law: str
    level: float
    frame: pd.DataFrame
    along: float = np.nan
    as_planned: bool = True
    notes: tuple[str, ...] = ()
    fields = ("registration", "made", "scored", "law", "level", "along", "as_planned", "notes", "frame")

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write it for `history`; it replaces an earlier score, and anything else only by `force`."""
        content = {name: getattr(self, name) for name in self.fields if name != "frame"}
        columns = {name: [None if x is None else x for x in self.frame[name].astype(object)] for name in self.frame}
        document.write(path, KIND, {**content, "rows": columns}, force=force)

    @classmethod
    def from_saved(cls, found: Fields) -> Score:
        """The score of a document; DataError, naming the field, if it is not as it was written."""
        rows = found.part("rows")
        numbers = (*BOUNDS, "measured", "error", "interval_score")
        for name in numbers:
            rows.array(name, len(rows.get("prediction", list, "a list")), finite=name in ("prediction", "measured", "error"))
        columns = {
            name: rows.array(name, None, finite=False) if name in numbers else given for name, given in rows.found.items()
        }
        try:
            frame = pd.DataFrame(columns)
        except ValueError as problem:
            raise found.wrong("rows", f"are not columns of one length ({problem})") from problem
        return cls(
            found.text("registration"), found.text("made"), found.text("scored"), found.text("law"), found.number("level"),
            frame, found.unbounded("along"), found.flag("as_planned"), found.texts("notes"),
        )  # fmt: skip

    def head(self) -> list[tuple[str, str]]:
        known = self.frame["inside"].dropna()
        inside = f"{int(known.sum())} of {len(known)} inside" if len(known) else "no interval was registered"
        off = f"{100 * self.frame['error'].abs().mean():.2f} %"
        along = "" if np.isnan(self.along) else f"; {self.along:.0%} of the curve's rows"
        return [
            ("score", f"{inside} the {self.level:.0%} interval, mean |error| {off}{along}"),
            ("registered", f"{self.made} by {self.law}, sha256 {self.registration}"),
            *(() if self.as_planned else (("warning", "not the run that was registered: see the notes"),)),
            *(("note", said) for said in self.notes),
        ]

    def table(self) -> pd.DataFrame:
        return in_words(self.frame)


def in_words(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `judged` as they are printed."""
    inside = ["" if x is None or x != x else "yes" if x else "no" for x in rows["inside"]]
    return rows.assign(inside=inside, error=[f"{100 * x:+.2f} %" for x in rows["error"]])


def score(registration: Registration | str | Path, data: Any) -> Score:
    """Compare a registered forecast with the run that was made.

    Parameters
    ----------
    registration : a `Registration`, or the file of one.
    data : Runs, or a DataFrame: of curves step and loss (lr is compared with what was registered); of other laws their
        inputs and loss, one row per run, or logs whose last evaluated rows count.

    Raises
    ------
    DataError : nothing in the data is what was registered; says what is closest. LawError : the law is not known here.
    """
    if not isinstance(registration, Registration):
        registration = Registration.from_saved(document.read(registration))
    rows, notes, planned, along = (_along if registration.curves else _runs)(registration, data)
    facts = (registration.sha256, registration.made, now(), str(registration.law["name"]), registration.level)
    return Score(*facts, judged(rows, registration.level), along, planned, tuple(notes))


def judged(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Rows with prediction, lower, upper and measured (n,), and with error, inside and interval_score."""
    y, low, high = (rows[name].to_numpy(float) for name in ("measured", "lower", "upper"))
    known = np.isfinite(low) & np.isfinite(high)
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    with np.errstate(invalid="ignore"):
        scores = np.where(known, high - low + 2 / (1 - level) * outside, np.nan)
    inside = [bool(low <= y <= high) if ok else None for low, high, y, ok in zip(low, high, y, known, strict=True)]
    return rows.assign(error=y / rows["prediction"] - 1, inside=pd.Series(inside, rows.index, object), interval_score=scores)


def _runs(registration: Registration, data: Any) -> tuple[pd.DataFrame, list[str], bool, float]:
    """Measured runs of the registered sizes, tokens, ...: each beside the nearest forecast."""
    keys = list(registration.keys)
    measured = _measured(registration, data)
    ours = registration.frame
    apart = np.abs(_logs(measured[keys])[:, None] - _logs(ours[keys])[None]).max(2)  # measured x registered
    order = np.argsort(apart.argmin(1), kind="stable")  # as they were registered
    measured, apart = measured.iloc[order], apart[order]
    nearest, near = apart.argmin(1), apart.min(1) <= np.log1p(NEAR)
    if not near.any():
        i = int(apart.min(1).argmin())
        pairs = ", ".join(f"{k} = {measured[k].iloc[i]:.6g} (registered {ours[k].iloc[nearest[i]]:.6g})" for k in keys)
        raise DataError(
            f"none of {many(len(measured), 'measured row')} is of a registered run: the closest has {pairs}, and "
            f"{NEAR:.0%} is allowed. A run that has not reached its end is scored when it has; another run needs a forecast of "
            "its own."
        )
    rows = ours.iloc[nearest[near]].reset_index(drop=True).assign(measured=measured["loss"].to_numpy()[near])
    notes = []
    if left := int((~near).sum()):
        notes.append(f"{left} of {len(measured)} measured rows are of no registered run, and are left out")
    if open_ := len(ours) - len(set(nearest[near])):
        notes.append(f"{open_} of {len(ours)} registered rows have not been measured")
    return rows.drop(columns=["ok", "lr"], errors="ignore"), notes, True, np.nan


def _measured(registration: Registration, data: Any) -> pd.DataFrame:
    """Rows with the keys and loss; as the law reads them, in the counts that were registered."""
    law = registration.formula
    if said := registration.data.get("counts"):
        data = matched(data, pd.DataFrame([said]), law.inputs)
    made = design(data, law, fitting=True)
    return pd.DataFrame(made.inputs).assign(loss=made.loss)


def _along(registration: Registration, data: Any) -> tuple[pd.DataFrame, list[str], bool, float]:
    """The measured rows of every registered curve; its end is what is scored."""
    if not isinstance(data, (Runs, Mapping, pd.DataFrame)):
        raise DataError(
            f"a curve is scored by Runs or a DataFrame, not {type(data).__name__}; read logs with scaling.read(paths)."
        )
    runs = data if isinstance(data, Runs) else Runs.from_frame(pd.DataFrame(data))
    logged = runs.frame[runs.frame["loss"].notna()]
    names = list(dict.fromkeys(registration.frame["run"])) if "run" in registration.frame else [None]
    if len(names) == 1 == len(runs):
        pairs = {names[0]: runs.names[0]}  # called as you like
    elif missing := [str(name) for name in runs.names if name not in names]:
        raise DataError(f"run '{missing[0]}' was not registered; registered are {', '.join(map(str, names))}. Pick those.")
    else:
        pairs = {name: name for name in runs.names}
    ends, notes, planned, inside = [], [], True, []
    for name, run in pairs.items():
        ours = registration.frame if name is None else registration.frame[registration.frame["run"] == name]
        rows, first, last = logged[logged["run"] == run], int(ours["step"].min()), int(ours["step"].max())
        rows = rows[rows["step"].between(first, last)]
        if rows.empty or rows["step"].iloc[-1] < OVER * last:
            reached = f"its last loss is at step {rows['step'].iloc[-1]}" if len(rows) else "no loss of it lies there"
            notes.append(f"run '{run}' was registered for steps {first} to {last}: {reached}, so its end is not scored yet")
            continue
        columns = [*BOUNDS, *(["lr"] if "lr" in ours else [])]
        beside = {c: np.interp(rows["step"], ours["step"], ours[c]) for c in columns}
        known = {"run": run, "step": rows["step"].to_numpy(), **beside, "measured": rows["loss"].to_numpy()}
        found = judged(pd.DataFrame(known), registration.level)
        if run in runs.schedules and "lr" in ours:
            rates = runs.schedules[run].rates[runs.schedules[run].index(rows["step"].to_numpy())]
            off = np.abs(rates - beside["lr"]) > RATES * np.max(ours["lr"])
            if off.mean() > RATES:
                planned = False
                at = int(rows["step"].to_numpy()[off][0])
                notes.append(f"run '{run}' left the registered schedule: {off.mean():.0%} of its rows, from step {at} on")
        inside += found["inside"].dropna().tolist()
        ends.append(found.drop(columns="lr", errors="ignore").tail(1))
    if not ends:
        raise DataError("; ".join(notes) + ". Score it when it has ended.")
    return pd.concat(ends, ignore_index=True)[["run", "step", *BOUNDS, "measured"]], notes, planned, _share(inside)


def _share(inside: list[Any]) -> float:
    return float(np.mean(inside)) if inside else np.nan


def _logs(frame: pd.DataFrame) -> np.ndarray:
    """ln of positive inputs; of shares and others that may be 0 or below, the numbers."""
    x = frame.to_numpy(float)
    positive = (x > 0).all(0)
    return np.where(positive, np.log(np.where(x > 0, x, 1.0)), x)
