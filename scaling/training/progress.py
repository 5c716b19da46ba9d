"""How far a sweep is, read from the files that its runs write, wherever they are trained; and the bar of one run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scaling.training.records import RunFiles
from scaling.training.spec import RunSpec
from scaling.training.tree import forest


class Progress(NamedTuple):
    """State of a sweep."""

    runs: int
    done: int  # runs that have ended
    share: float  # of the work (FLOPs, what runs share counted once) that is done
    new: list[dict[str, Any]]  # records of the runs that ended since the last look
    first: bool  # this is the first look: `new` has what had ended before


class Watch:
    """Looks at the files of a sweep, again and again."""

    def __init__(self, specs: Mapping[str, RunSpec], out_dir: str | Path):
        self.files, self.specs = {name: RunFiles(out_dir, name) for name in specs}, specs
        self.ended: set[str] = set()
        self.first = True
        # segments, and FLOPs of an update
        self.work = [(segment, specs[tree.runs[0]].flops) for tree in forest(specs) for segment in tree.walk()]
        self.total = sum((segment.end - segment.start) * flops for segment, flops in self.work)

    def look(self) -> Progress:
        """The state now; every run is reported as new once."""
        found = {name: files.finished(self.specs[name]) for name, files in self.files.items() if name not in self.ended}
        new = [record for record in found.values() if record]
        self.ended |= {name for name, record in found.items() if record}
        step = {name: _last_step(self.files[name].curve) for name, record in found.items() if not record}
        done = 0
        for segment, flops in self.work:
            reached = max(step.get(name, segment.end) for name in segment.runs)
            done += max(0, min(reached, segment.end) - segment.start) * flops
        first, self.first = self.first, False
        return Progress(len(self.files), len(self.ended), done / self.total, new, first)


def _last_step(curve: Path) -> int:
    """Updates behind the last whole row of a curve; 0 where there is none."""
    try:
        with curve.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 400))  # two rows at least
            lines = file.read().split(b"\n")[:-1]
    except OSError:  # not there yet, or nothing to be read: who writes it says so
        return 0
    first = lines[-1].split(b",")[0] if lines else b""
    return int(first) if first.isdigit() else 0


@contextmanager
def bar(name: str, done: int, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with the time left, told of updates done; nothing at all where stderr is no terminal."""
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
