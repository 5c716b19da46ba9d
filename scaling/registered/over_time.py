"""Many registered forecasts and their scores: do the intervals hold what they promise, and since when?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import betaincinv

from scaling import document
from scaling.errors import DataError
from scaling.registered.record import KIND, Registration
from scaling.registered.scoring import KIND as SCORED
from scaling.registered.scoring import Score, in_words
from scaling.rendering import Result, plain
from scaling.words import many

SURE = 0.95  # of the interval of a coverage


@dataclass(frozen=True, eq=False, repr=False)
class History(Result):
    """Registered forecasts over time.

    Attributes
    ----------
    frame : DataFrame, one row per scored forecast, the oldest first: made, law, level, prediction, lower, upper, measured,
        error, inside, interval_score, and coverage: of all forecasts with an interval of this level up to this one.
    coverage : one row per level: forecasts, inside, coverage, and its 95 % interval (Jeffreys), mean |error| and score.
    waiting : registrations that have no score. notes : what does not count, and why.
    """

    frame: pd.DataFrame
    coverage: pd.DataFrame
    waiting: int
    notes: tuple[str, ...] = ()
    fields = ("frame", "coverage", "waiting", "notes")

    def head(self) -> list[tuple[str, str]]:
        held = [
            (f"{level:.0%}", f"{row['inside']:.0f} of {row['forecasts']:.0f} inside, {row['coverage']:.0%} "
             f"({row['lower']:.0%} to {row['upper']:.0%}); mean |error| {100 * row['error']:.2f} %, score {row['score']:.4g}")
            for level, row in self.coverage.iterrows()
        ]  # fmt: skip
        waiting = f"{many(self.waiting, 'registered forecast')} not scored yet"
        return [*held, *([("waiting", waiting)] if self.waiting else []), *(("note", said) for said in self.notes)]

    def table(self) -> pd.DataFrame:
        return in_words(self.frame)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "coverage": plain(self.coverage.reset_index())}


def history(paths: str | Path | Iterable[str | Path]) -> History:
    """The registrations and scores of folders and files.

    Parameters
    ----------
    paths : one folder, or folders and files; other files in a folder are left out.

    Raises
    ------
    DataError : no score is there, or a file of ours is damaged.

    Notes
    -----
    A registration that was scored several times counts as it was scored last. Scores of runs that left their registered
    schedule do not count. Every forecast has one vote, and forecasts of one registration stand or fall together, which
    the interval of the coverage does not know.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    files, notes = _files(given)
    registered: set[str] = set()
    scores: dict[str, Score] = {}
    for path in files:
        found = document.read(path)
        if found.text("kind") == KIND:
            registered.add(Registration.from_saved(found).sha256)
        elif found.text("kind") == SCORED:
            one = Score.from_saved(found)
            last = scores.get(one.registration)
            scores[one.registration] = one if last is None or one.scored >= last.scored else last
    counting = sorted((s for s in scores.values() if s.as_planned), key=lambda s: (s.made, s.registration))
    if apart := len(scores) - len(counting):
        notes.append(f"{apart} scores do not count: those runs left their registered schedule")
    if not counting:
        where = ", ".join(map(str, given))
        there = many(len(registered), "registration") if registered else "no registration"
        raise DataError(f"{where}: no scored forecast here, and {there}. `scaling score FORECAST RUN -o SCORE` makes a score.")
    keep = ["prediction", "lower", "upper", "measured", "error", "inside", "interval_score"]
    rows = [s.frame[keep].assign(made=s.made, law=s.law, level=s.level) for s in counting]
    frame = pd.concat(rows, ignore_index=True)[["made", "law", "level", *keep]]
    known = frame["inside"].notna()
    right = frame["inside"].where(known, 0).astype(float)
    frame["coverage"] = right.groupby(frame["level"]).cumsum() / known.astype(float).groupby(frame["level"]).cumsum()
    return History(frame, _coverage(frame), len(registered - set(scores)), tuple(notes))


def _coverage(frame: pd.DataFrame) -> pd.DataFrame:
    out = {}
    for level, rows in frame[frame["inside"].notna()].groupby("level"):
        n, k = len(rows), int(rows["inside"].astype(bool).sum())
        tails = (1 - SURE) / 2
        low, high = (float(betaincinv(k + 0.5, n - k + 0.5, q)) for q in (tails, 1 - tails))
        low, high = (0.0 if k == 0 else low), (1.0 if k == n else high)
        out[level] = (n, k, k / n, low, high, float(rows["error"].abs().mean()), float(rows["interval_score"].mean()))
    names = ["forecasts", "inside", "coverage", "lower", "upper", "error", "score"]
    return pd.DataFrame.from_dict(out, orient="index", columns=names).rename_axis("level")


def _files(paths: list[Any]) -> tuple[list[Path], list[str]]:
    """Documents of the two kinds; of a folder all of them, and nothing else."""
    found, notes = [], []
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(f"{path}: there is no such folder or file.")
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        ours = [one for one in inside if document.kind_of(one) in (KIND, SCORED)]
        found += ours
        if other := len(inside) - len(ours):
            notes.append(f"{path}: {other} JSON files are no registered forecasts or scores")
    return list(dict.fromkeys(found)), notes
