"""`check`: everything that reading logs turns up, with its severity and what to do about it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.errors import DataError
from scaling.logs.reader import read
from scaling.logs.runs import Runs

COLUMNS = ("severity", "where", "found", "remedy")
FLAGS = {  # of `Runs.table`: what it begins with -> severity and remedy; {run} and {step} are filled in
    "unfinished": ("note", "nothing to mend; `scaling forecast LOG` says where it will end"),
    "starts at step": ("note", "if the rates before it are unknown, say how long the warm-up was: --warmup 100"),
    "gap after step": (
        "warning",
        "rows are missing there; a fit weighs rows, not steps, so log evenly or average: --decimate 50",
    ),
    "loss jumps at step": (
        "warning",
        "drop what stands alone: `scaling runs import LOG --spikes -o DIR`; or leave the run out",
    ),
    "nothing evaluated": ("warning", "leave the run out: --where \"run != '{run}'\""),
    "": ("warning", "leave the run out: --where \"run != '{run}'\""),
}


def check(paths: str | Path | Iterable[str | Path], **reading: Any) -> pd.DataFrame:
    """Read logs and list everything found, the worst first; what cannot be read hides nothing of the rest.

    Parameters
    ----------
    paths, reading : as in `scaling.read`.

    Returns
    -------
    DataFrame with the columns severity (error, warning or note), where, found, remedy.
    """
    several = isinstance(paths, Iterable) and not isinstance(paths, (str, Path))
    given: list[Any] = [*paths] if several else [paths]  # type: ignore[misc]
    found: list[tuple[str, str, str, str]] = []
    try:
        found += _of_runs(read(given, **reading))
    except DataError as error:
        found += [("error", *_split(problem)) for problem in error.problems]
        for path in given if len(given) > 1 else ():
            try:
                found += _of_runs(read(path, **reading))
            except DataError:
                continue
    rank = ("error", "warning", "note")
    return pd.DataFrame(sorted(dict.fromkeys(found), key=lambda row: rank.index(row[0])), columns=[*COLUMNS])


def _of_runs(runs: Runs) -> Iterator[tuple[str, str, str, str]]:
    yield from (("warning", *_split(text)) for text in runs.warnings)
    yield from (("note", *_split(text)) for text in runs.notes)
    for run, flags in runs.table()["flags"].items():
        for flag in filter(None, str(flags).split(", ")):
            severity, remedy = next(answer for words, answer in FLAGS.items() if flag.startswith(words))
            yield severity, str(run), flag, remedy.format(run=run)


def _split(text: str) -> tuple[str, str, str]:
    """Where, what, and what to do, of `where: what; what to do`."""
    where, colon, said = text.partition(": ")
    if not colon:
        where, said = "", text
    cut = re.search(r"; |(?<![0-9])\. ", said)
    return (where, said[: cut.start()], said[cut.end() :]) if cut else (where, said, "")
