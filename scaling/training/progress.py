"""How far a sweep is, read from the files that its runs write, wherever they are trained."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaling.training.counts import flops_per_token
from scaling.training.records import RunFiles
from scaling.training.spec import RunSpec
from scaling.training.tree import Segment, forest


@dataclass(frozen=True)
class Progress:
    """
    State of a sweep.

    Attributes
    ----------
    runs, done : int
        Runs in all, and those that have ended.
    share : float
        Of the work (FLOPs, what runs share counted once) that is done, 0 to 1.
    new : list of dict
        Records of the runs that ended since the last look.
    first : bool
        This is the first look: `new` has what had ended before.
    """

    runs: int
    done: int
    share: float
    new: list[dict[str, Any]]
    first: bool


class Watch:
    """
    Looks at the files of a sweep, again and again.

    Parameters
    ----------
    specs : mapping
        Name -> spec of all runs.
    out_dir : path
    """

    def __init__(self, specs: Mapping[str, RunSpec], out_dir: str | Path):
        self.files = {name: RunFiles(out_dir, name) for name in specs}
        self.ended: set[str] = set()
        self.looks = 0
        self.work: list[tuple[Segment, float]] = []  # FLOPs of an update
        for tree in forest(specs):
            spec = specs[tree.runs[0]]
            flops = spec.batch_tokens * flops_per_token(spec.shape, "exact")
            self.work += [(segment, float(flops)) for segment in tree.walk()]
        self.total = sum((segment.end - segment.start) * flops for segment, flops in self.work)

    def look(self) -> Progress:
        """The state now; every run is reported as new once."""
        self.looks += 1
        new = []
        for name, files in self.files.items():
            if name not in self.ended and (record := files.finished()) is not None:
                self.ended.add(name)
                new.append(record)
        step = {name: _last_step(files.curve) for name, files in self.files.items() if name not in self.ended}
        done = 0.0
        for segment, flops in self.work:
            if all(name in self.ended for name in segment.runs):
                reached = segment.end
            else:
                reached = min(max(step.get(name, segment.end) for name in segment.runs), segment.end)
            done += max(0, reached - segment.start) * flops
        return Progress(len(self.files), len(self.ended), done / self.total, new, self.looks == 1)


def _last_step(curve: Path) -> int:
    """Updates behind the last whole row of a curve; 0 where there is none."""
    try:
        with curve.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 400))  # two rows at least
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    first = lines[-1].split(b",")[0] if lines else b""
    return int(first) if first.isdigit() else 0


@contextmanager
def bar(name: str, done: int, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with the time left; nothing at all where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda updates: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(name, total=total, completed=done)
        yield lambda updates: shown.advance(task, updates)
