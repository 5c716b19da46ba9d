"""A growing log, looked at again and again: a forecast of its end whenever there are new rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import DataError
from scaling.logs import Runs
from scaling.rendering import plain
from scaling.running.jobs import Forecast, forecast
from scaling.running.references import References

FEW = 50  # evaluated rows below which a forecast that fails is only too early
PATIENCE = 10  # times in a row that a file changes and still cannot be read, before that is an error


@dataclass(frozen=True)
class Update:
    """What one look at the log showed.

    Attributes
    ----------
    step, loss : of the last evaluated row. last : the last planned step, 0 where it is not known yet.
    forecast : of the end; None while it is too early, and once the run has ended or diverged.
    state : running, early, ended or diverged. why : what it is too early for.
    """

    step: int
    loss: float
    last: int
    state: str
    forecast: Forecast | None = None
    why: str = ""

    def worse_than(self, loss: float) -> bool:
        """Will the end certainly be worse: does the whole interval of the forecast lie above, or did the run diverge?"""
        return self.state == "diverged" or (self.forecast is not None and self.forecast.end["lower"] > loss)

    def line(self) -> str:
        of = f" of {self.last:,} ({self.step / self.last:.0%})" if self.last else ""
        if self.state == "diverged":
            return f"step {self.step:,}{of}: the loss is no finite number any more"
        if self.state == "ended":
            return f"step {self.step:,}{of}: ended with loss {self.loss:.4f}"
        if self.forecast is None:
            return f"step {self.step:,}{of}: loss {self.loss:.4f}; too early, {self.why}"
        end = self.forecast.end
        known = f" ({end['lower']:.4f} to {end['upper']:.4f}, {self.forecast.level:.0%})" if np.isfinite(end["lower"]) else ""
        doubt = "" if self.forecast.ok else "; NOT TRUSTWORTHY"
        return f"step {self.step:,}{of}: loss {self.loss:.4f}, will end at {end['prediction']:.4f}{known}{doubt}"

    def to_dict(self) -> dict[str, Any]:
        made = self.forecast
        about = {} if made is None else {**made.end, "level": made.level, "ok": made.ok, "warnings": list(made.warnings)}
        told: dict[str, Any] = plain(
            {"step": self.step, "last": self.last, "loss": self.loss, "state": self.state, "why": self.why}
        )
        return {**told, **plain({"prediction": None, "lower": None, "upper": None, **about})}


def updates(
    look: Callable[[], Runs],
    paths: list[str],
    references: References | None = None,
    level: float = 0.9,
    *,
    planned: bool = False,
    every: float = 60.0,
    once: bool = False,
    waiting: Callable[[str], Any] = print,
) -> Iterator[Update]:
    """Forecasts of a log as it grows, until the run has ended or diverged.

    Parameters
    ----------
    look : reads the log, one run with its planned schedule. paths : of the log; it is read again when one of them changes.
    references, level : as in `scaling.forecast`. planned : is the schedule given, so that its end is that of the run?
    every : seconds between looks. once : look once, and raise what is wrong. waiting : is told why there is no row yet.

    Raises
    ------
    DataError : a log that cannot be read, not even after it changed several times, or that cannot be forecast.
    """
    seen: list[tuple[str, int, int]] | None = None
    failed, told = 0, -1
    while True:
        stamp = _stamp(paths)
        runs = None
        if stamp != seen:
            seen = stamp
            try:
                runs = look()
                failed = 0
            except DataError as problem:
                failed += 1
                if once or failed > PATIENCE:
                    raise
                if failed == 1:
                    waiting(f"no row can be read yet, waiting (Ctrl-C ends it): {problem}")
        if runs is not None:
            update = _update(runs, references, level, planned or told >= 0)
            if update.step != told or update.state != "running":
                told = update.step
                yield update
            if update.state in ("ended", "diverged"):
                return
        if once:
            return
        time.sleep(every)


def _update(runs: Runs, references: References | None, level: float, planned: bool) -> Update:
    if len(runs) != 1:
        raise DataError(f"{len(runs)} runs in the log ({', '.join(runs.names[:4])}); watch one of them, picked by --where")
    (name,) = runs.names
    done = runs.frame.dropna(subset="loss")
    step, loss = (int(done["step"].iloc[-1]), float(done["loss"].iloc[-1])) if len(done) else (0, float("nan"))
    flags = str(runs.table()["flags"].iloc[0])
    last = int(runs.schedules[name].last) if name in runs.schedules else 0
    if "diverged" in flags:
        return Update(step, loss, last, "diverged")
    over = bool(last) and step >= last
    if over and (planned or runs.facts.loc[name].get("steps") == last):  # as long as its log says that it was to be
        return Update(step, loss, last, "ended")
    try:
        return Update(step, loss, last, "running", forecast(runs, references, level))
    except DataError as problem:
        if len(done) >= FEW or not last or over:  # no plan
            raise
        return Update(step, loss, last, "early", why=str(problem).split(": ", 1)[-1].splitlines()[0].rstrip("."))


def _stamp(paths: list[str]) -> list[tuple[str, int, int]]:
    """Size and time of the files, also of those in folders."""
    files = [f for path in map(Path, paths) for f in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [(str(f), stat.st_size, stat.st_mtime_ns) for f in files if f.exists() and (stat := f.stat())]
