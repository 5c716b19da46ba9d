"""A forecast as it was made: its rows and intervals, what made it, from which data, with which code, and when."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from scaling import document
from scaling.document import Fields
from scaling.engine.fitted import Fitted
from scaling.errors import LawError
from scaling.formula import Law, find
from scaling.registered import target as targets
from scaling.rendering import Result, plain
from scaling.version import __version__
from scaling.words import many

KIND = "registration"
BOUNDS = ("prediction", "lower", "upper")


@dataclass(frozen=True, eq=False, repr=False)
class Registration(Result):
    """A forecast registered before its run.

    Attributes
    ----------
    made : when, UTC. level : probability that the intervals are meant to cover.
    keys : columns that say which run, or which step of it, a row is of: inputs of the law, or step.
    frame : DataFrame of the keys (and run, lr where known), prediction, lower, upper, and ok, one row per forecast.
    law : what made it: name, formula, conventions, values and how it was fitted; of a job in progress its method.
    data : rows and their sha256. code : versions, and a sha256 of the package's sources.
    words : what the interval assumes, how far it extrapolates, what speaks against it. ok : does nothing?
    """

    made: str
    level: float
    keys: tuple[str, ...]
    frame: pd.DataFrame
    law: Mapping[str, Any]
    data: Mapping[str, Any]
    code: Mapping[str, str]
    words: Mapping[str, Any]
    ok: bool = True
    asked_for: Mapping[str, Any] = field(default_factory=dict)
    fields = ("made", "level", "ok", "keys", "law", "data", "code", "words", "sha256", "frame")

    @property
    def sha256(self) -> str:
        """The digest of the whole document: publish it, and nobody can doubt later what was registered."""
        return str(document.sealed(KIND, self._content())["sha256"])

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of `Fit.register` that make this record again; empty for a job in progress."""
        found = targets.asked(Fields(self.asked_for, "this registration", "target."))
        return {**found, "level": self.level} if found else {}

    @property
    def curves(self) -> bool:
        """Is it a forecast of loss curves, by their steps?"""
        return self.keys == ("step",)

    @property
    def formula(self) -> Law:
        """The law behind a forecast that is none of curves.

        Raises
        ------
        LawError : it is not known here, as the module that defines it was not imported.
        """
        name = str(self.law["name"])
        try:
            return find(name).using(**self.law.get("conventions", {}))
        except LawError as problem:
            raise LawError(
                f"{problem} Import the module that defines '{name}': the forecast was made by this law."
            ) from problem

    def save(self, path: str | Path) -> None:
        """Write it where there is no file yet. A registration is never replaced.

        Raises
        ------
        ArgumentError : there is a file, or no folder.
        """
        document.write_once(path, KIND, self._content())

    def differences(self, again: Registration) -> list[str]:
        """Where a forecast that was made again is not this one to the last bit; when it was made does not count."""
        told = []
        if self.data["sha256"] != again.data["sha256"]:
            told.append(
                f"the data differ: {many(self.data['rows'], 'row')} then, {again.data['rows']} now, or other numbers in them"
            )
        told += [
            f"{name}: {mine.get(name)} then, {other.get(name)} now"
            for mine, other in ((self.law, again.law), (self.code, again.code))
            for name in sorted({*mine, *other})
            if document.exact(mine.get(name)) != document.exact(other.get(name))
        ]
        if self.level != again.level or not self.frame[list(self.keys)].equals(again.frame[list(again.keys)]):
            told.append("another level, or other rows were asked for")
        elif not self.frame[list(BOUNDS)].equals(again.frame[list(BOUNDS)]):
            apart = (again.frame[list(BOUNDS)] / self.frame[list(BOUNDS)] - 1).abs().max().max()
            told.append(f"the forecast differs by up to {apart:.3g} of itself")
        return told

    def head(self) -> list[tuple[str, str]]:
        sure = "OK" if self.ok else "NOT TRUSTWORTHY"
        told = [(name, str(said)) for name, said in self.words.items() if said and name != "why"]
        return [
            (str(self.law["name"]), str(self.law.get("formula", ""))),
            ("verdict", f"{sure}: registered {self.made}, before the run"),
            *(("note" if self.ok else "  not ok", said) for said in self.words.get("why", ())),
            *told,
            ("data", f"{many(self.data['rows'], 'row')}, sha256 {self.data['sha256']}"),
            ("code", ", ".join(f"{name} {said[:12]}" for name, said in self.code.items())),
            ("sha256", self.sha256),
        ]

    def table(self) -> pd.DataFrame:
        shown = self.frame.assign(ok=np.where(self.frame["ok"], "yes", "no"))
        if not self.curves:
            return shown
        ends = shown.groupby("run", sort=False).tail(1) if "run" in shown else shown.tail(1)
        return ends.reset_index(drop=True)

    def _content(self) -> dict[str, Any]:
        columns = {name: [None if v is None or v is pd.NA else v for v in self.frame[name].tolist()] for name in self.frame}
        return {
            "made": self.made, "level": self.level, "keys": list(self.keys), "law": self.law, "data": self.data,
            "code": self.code, "words": self.words, "ok": self.ok, "target": self.asked_for, "rows": columns,
        }  # fmt: skip

    @classmethod
    def from_saved(cls, found: Fields) -> Registration:
        """The registration of a document; DataError, naming the field, if it is not as it was written."""
        rows, keys = found.part("rows"), found.texts("keys")
        for name in (*keys, *BOUNDS):
            rows.array(name, None, finite=name in keys)
        count = len(rows.found["prediction"])
        columns = {
            name: rows.array(name, count, finite=name in keys) if name in (*keys, *BOUNDS) else rows.get(name, list, "a list")
            for name in rows.found
        }
        if "step" in columns:
            columns["step"] = np.asarray(columns["step"]).astype(int)
        law, data, code = found.part("law"), found.part("data"), found.part("code")
        law.text("name"), data.text("sha256"), data.whole("rows")
        try:
            frame = pd.DataFrame(columns)
        except ValueError as problem:
            raise found.wrong("rows", f"are not columns of one length ({problem})") from problem
        return cls(
            found.text("made"), found.number("level"), keys, frame, law.found, data.found,
            {name: code.text(name) for name in code.found}, found.part("words").found, found.flag("ok"),
            found.part("target").found,
        )  # fmt: skip


def of_fit(fit: Fitted, target: Any, predicted: pd.DataFrame, level: float) -> Registration:
    """The registration of what a fit predicts: `predicted` is the frame of `Fit.predict`."""
    law = fit.law
    keys = ("step",) if law.over_schedules else law.inputs
    rows = predicted[predicted["prediction"].notna()].reset_index(drop=True)
    names = dict.fromkeys([*(c for c in ("run", "lr") if c in rows), *keys, *BOUNDS, "ok"])
    loss = fit.loss
    how = {"objective": loss.objective, "delta": loss.delta, "fixed": fit.fixed, "seed": fit.seed}
    said = {"name": law.name, "formula": law.formula, "cite": law.cite, "conventions": law.conventions, "ties": law.ties}
    words = {name: predicted.attrs.get(name, "") for name in ("interval", "extrapolation")}
    words["why"] = list(predicted.attrs.get("why", ()))
    steps = predicted["step"].tolist() if "step" in predicted else []
    data = {"sha256": targets.digest_of_rows(fit), "rows": len(fit.design), "counts": targets.counts(fit)}
    return Registration(
        now(), level, keys, rows[list(names)], plain({**said, "values": fit.values, **how}), data, code(), words,
        bool(rows["ok"].all()), targets.saved(target, steps),
    )  # fmt: skip


def of_job(
    run: str, frame: pd.DataFrame, log: pd.DataFrame, level: float, method: str, warnings: tuple[str, ...], ok: bool
) -> Registration:
    """The registration of a forecast of a job in progress: step, lr, prediction, lower, upper from its last loss to its end."""
    known = {"step": log["step"].tolist(), "loss": log["loss"].tolist(), "rates": frame[["step", "lr"]].to_dict("list")}
    rows = frame.assign(run=run, ok=ok)[["run", "step", "lr", *BOUNDS, "ok"]]
    words = {"interval": f"{level:.0%} interval", "why": list(warnings)}
    law = {"name": "job in progress", "formula": method}
    return Registration(
        now(), level, ("step",), rows, law, {"sha256": document.digest(known), "rows": len(log)}, code(), words, ok
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def code() -> dict[str, str]:
    """Versions of what computes, and a digest of this package's own sources."""
    root = Path(__file__).parents[1]
    files = ((path.relative_to(root).as_posix().encode(), path.read_bytes()) for path in sorted(root.rglob("*.py")))
    sources = document.digest(b"".join(name + b"\0" + source + b"\0" for name, source in files))
    versions = {
        "scaling": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    return {**versions, "sources": sources}
