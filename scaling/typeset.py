"""Labelled lines and tables as plain text, no wider than a terminal is."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

NARROWEST = 24  # characters to which a column of words is folded beside others
PARAGRAPH = 40  # characters that a long text needs to be readable
LEAST = 2  # characters by which the further lines of a label are indented


class Column(NamedTuple):
    """A column as text; numbers stand on the right."""

    name: str
    cells: list[str]
    right: bool


def folded(said: str, width: int | None, indent: int = 0) -> list[str]:
    """A sentence in lines of at most `width`, those after the first indented; a longer word, such as a path, stays whole."""
    if width is None or len(said) <= width:
        return [said]
    least = max(width, indent + 20 if indent else 1)
    return textwrap.wrap(
        said, least, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True,
        replace_whitespace=False,
    )  # fmt: skip


def labelled(label: str, said: str, gap: int, width: int | None = None) -> list[str]:
    """A label, padded to `gap`, and what is said of it, under which its further lines begin; further left where a word,
    such as a schedule to be copied, is too long to stand there."""
    indent = min(max(gap, len(label)) + 1, (width or gap) // 3)
    room = (width or math.inf) - max(map(len, said.split()), default=0)  # to the left of the longest word
    indent = int(min(indent, room)) if room >= LEAST else indent
    return folded(f"{label:<{gap}} {said}".rstrip(), width, indent)


def table(columns: Sequence[Column], widths: tuple[int, ...] = (), width: int | None = None) -> list[str]:
    """One line per row below one of names; two spaces between columns at least.

    Parameters
    ----------
    widths : characters of the first columns, where there is room. width : of all. Where the columns need more, words are folded
        a little; where that is not enough, the table goes on in blocks, which all begin with the first column.
    """
    if not columns:
        return []
    whole = _block(columns, widths)
    if width is None or max(map(len, whole)) <= width:
        return whole
    narrow = _folded(columns, width, NARROWEST)
    if _together(narrow) <= width:
        return _block(narrow)
    first, *rest = columns
    lines: list[str] = []
    while rest or not lines:
        taken = [rest.pop(0)] if rest else []
        while rest and (_together([first, *taken, rest[0]]) <= width or _room(rest[0], [first, *taken], width)):
            taken.append(rest.pop(0))
        lines += ([""] if lines else []) + _block(_folded([first, *taken], width, 1))
    return lines


def _width(column: Column) -> int:
    return max(len(line) for cell in (column.name, *column.cells) for line in cell.split("\n"))


def _together(columns: Sequence[Column]) -> int:
    return sum(map(_width, columns)) + 2 * (len(columns) - 1)


def _room(column: Column, beside: Sequence[Column], width: int) -> bool:
    """Is it of words, and is there room for a paragraph of them?"""
    return not column.right and width - _together(beside) - 2 >= PARAGRAPH


def _folded(columns: Sequence[Column], width: int, least: int) -> list[Column]:
    """The columns with words folded, the widest first and none to less than `least`, until all fit or none can be narrower."""
    found = list(columns)
    while (over := _together(found) - width) > 0:
        wide = [k for k, c in enumerate(found) if not c.right and _width(c) > max(least, _longest(columns[k]))]
        if not wide:
            break
        k = max(wide, key=lambda k: _width(found[k]))
        most = max(_width(found[k]) - over, least, _longest(columns[k]))
        name, *cells = ("\n".join(folded(cell, most)) for cell in (columns[k].name, *columns[k].cells))
        narrower = Column(name, cells, right=False)
        if _width(narrower) >= _width(found[k]):
            break
        found[k] = narrower
    return found


def _longest(column: Column) -> int:
    """Characters of the longest word."""
    return max(len(word) for cell in (column.name, *column.cells) for word in (cell.split() or [""]))


def _block(columns: Sequence[Column], widths: tuple[int, ...] = ()) -> list[str]:
    padded = []
    for k, column in enumerate(columns):
        gap = " " * (k > 0)
        width = widths[k] if k < len(widths) else _width(column) + len(gap) * column.right
        cells = [cell.split("\n") for cell in (column.name, *column.cells)]
        padded.append([[line.rjust(width) if column.right else gap + line.ljust(width) for line in cell] for cell in cells])
    lines = []
    for row in zip(*padded, strict=True):
        for k in range(max(map(len, row))):
            pieces = [cell[k] if k < len(cell) else " " * len(cell[0]) for cell in row]
            lines.append(" ".join(pieces).rstrip())
    return lines
