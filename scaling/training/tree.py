"""Which updates runs share: a tree of their update tables, each branch trained once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.training.spec import RunSpec


@dataclass(eq=False)
class Segment:
    """Updates that some runs share and others do not."""

    start: int  # updates done before it, and after
    end: int
    runs: list[str]  # all that pass through, in order; the first lends its settings
    children: list["Segment"]  # shortest subtree first; a run whose length is `end` has no part in them

    def walk(self) -> Iterator["Segment"]:
        """This segment and all below, in a fixed order."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def steps(self) -> int:
        """Updates in this segment and all below it."""
        return sum(segment.end - segment.start for segment in self.walk())


def parts(tree: Segment, lanes: int, least: float) -> list[list[str]]:
    """Subtrees that other processes can take: for each part the names of its runs, which leave the rest at one step.

    A part has at least `lanes` subtrees, to be trained side by side, and `least` updates, or it would not pay. The
    longest of what follows a segment is never in one, so that nobody waits for another on the longest path.
    """
    found = []
    while tree.children:
        tree, *others = sorted(tree.children, key=lambda child: -child.steps)
        part: list[Segment] = []
        for child in others:
            part.append(child)
            if len(part) >= lanes and sum(segment.steps for segment in part) >= least:
                found.append([name for segment in part for name in segment.runs])
                part = []
    return found


def forest(specs: Mapping[str, RunSpec]) -> list[Segment]:
    """The prefix trees of some runs, one for each set of settings that must agree for anything to be shared.

    Runs share a segment if their `trunk` is equal and their `updates` (rate, decay, quantisation) are equal to the
    last bit in all rows up to its end.
    """
    trunks: dict[tuple[Any, ...], list[str]] = {}
    for name, spec in specs.items():
        trunks.setdefault(spec.trunk, []).append(name)
    return [tree for names in trunks.values() for tree in _grow(specs, names, 0)]


def _grow(specs: Mapping[str, RunSpec], names: list[str], start: int) -> list[Segment]:
    groups: dict[bytes, list[str]] = {}
    for name in names:  # by the next update
        groups.setdefault(specs[name].updates[start].tobytes(), []).append(name)
    found = []
    for group in groups.values():
        tables = [specs[name].updates[start:] for name in group]
        shared = min(map(len, tables))
        for table in tables[1:]:
            differs = (table[:shared] != tables[0][:shared]).any(axis=1)
            shared = int(np.argmax(differs)) if differs.any() else shared
        end = start + shared
        going_on = [name for name in group if len(specs[name].updates) > end]
        children = sorted(_grow(specs, going_on, end), key=lambda child: child.steps)
        found.append(Segment(start, end, group, children))
    return found
