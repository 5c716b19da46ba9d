"""Runs -> a folder of CSV files that reads back as the same runs: runs.csv with the facts, curves/ with a file a run."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.document import write_atomically
from scaling.errors import ArgumentError, DataError
from scaling.logs.columns import LOSSES
from scaling.logs.facts import TABLE
from scaling.logs.reader import read
from scaling.logs.runs import Runs
from scaling.logs.sheet import PLACE
from scaling.waits import steps

FOLDER = "curves"


def write(runs: Runs, folder: str | Path, *, force: bool = False) -> list[Path]:
    """Write runs as CSV under the canonical names, and read them again to see that nothing changed.

    Frames, schedules and facts come back bit for bit; the fact loss_from, which names the column of the loss, then names the
    canonical one. Where a loss was chosen that `scaling.read` would not choose by itself, it is written alone.

    Parameters
    ----------
    folder : made if need be. force : replace a runs.csv and curves that are there.

    Returns
    -------
    The files.

    Raises
    ------
    ArgumentError : there are runs in the folder already. DataError : runs that CSV cannot hold.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: there is a file of this name; name a folder")
    there = [path for path in (folder / TABLE, folder / FOLDER) if path.exists()]
    if there and not force:
        raise ArgumentError(f"{there[0]}: there are runs already; name another folder, or force=True (--force) replaces them")
    if (folder / FOLDER).is_dir():
        for old in (folder / FOLDER).glob("*.csv"):
            old.unlink()
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    frame = _columns(runs)
    files = []
    curves = [*zip(_stems(runs.names), frame.groupby("run", sort=False), strict=True)]
    for stem, (_, rows) in steps(curves, "writing curves"):
        files.append(folder / FOLDER / f"{stem}.csv")
        write_atomically(files[-1], rows.dropna(axis=1, how="all").to_csv(index=False).encode())
    files.append(folder / TABLE)
    write_atomically(files[-1], _table(runs.facts).to_csv(index=False).encode())
    _compare(runs, read(folder), frame)
    return files


def _columns(runs: Runs) -> pd.DataFrame:
    """The rows under canonical names."""
    frame = runs.frame.drop(columns=[*PLACE], errors="ignore")
    both = all(name in frame for name in LOSSES)
    usual = "val_loss" if both and frame["val_loss"].notna().any() else "train_loss"
    if both and frame["loss"].equals(frame[usual]):
        return frame.drop(columns="loss")
    kinds = runs.facts["loss_from"].astype(str).str.contains("val|eval", case=False)
    return frame.drop(columns=[*LOSSES], errors="ignore").rename(columns={"loss": "val_loss" if kinds.all() else "train_loss"})


def _table(facts: pd.DataFrame) -> pd.DataFrame:
    kept = facts.drop(columns="loss_from").dropna(axis=1, how="all")
    return kept.astype(object).where(kept.notna(), "").rename_axis("run_id").reset_index()


def _stems(names: tuple[str, ...]) -> list[str]:
    """A file name for each run, whatever its name is."""
    stems: list[str] = []
    for name in names:
        stem = re.sub(r"[^\w.+=-]+", "_", name).lstrip(".") or "run"
        stem = stem[:100]
        stems.append(stem if stem.lower() not in map(str.lower, stems) else f"{stem}-{len(stems)}")
    return stems


def _compare(runs: Runs, again: Runs, frame: pd.DataFrame) -> None:
    """DataError where the files do not read back as what was written."""
    was, now = (r.frame.drop(columns=[*PLACE], errors="ignore") for r in (runs, again))
    one = sum(name in frame for name in LOSSES) == 1  # then it is `loss`
    shared = ["run", "step", "loss", *(c for c in frame.dropna(axis=1, how="all") if c in was and not (one and c in LOSSES))]
    facts, facts_now = (r.facts.drop(columns="loss_from") for r in (runs, again))
    wrong = [str(name) for name in dict.fromkeys(shared) if name not in now or not _same(was[name], now[name])]
    wrong += [
        str(name)
        for name in facts.dropna(axis=1, how="all")
        if name not in facts_now or not _same(facts[name], facts_now[name])
    ]
    if list(again.names) != list(runs.names) or wrong:
        raise DataError(
            f"the runs do not read back as they were: {', '.join(wrong) or 'names'}. Please report it; until then save them "
            "with runs.to_saved()"
        )


def _same(was: pd.Series, now: pd.Series) -> bool:
    a, b = (np.array([None if pd.isna(x) else x for x in s], object) for s in (was, now))
    return len(a) == len(b) and all(x == y for x, y in zip(a, b, strict=True))
