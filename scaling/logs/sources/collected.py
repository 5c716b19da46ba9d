"""The rows of a text log, line by line: fields -> columns of one run."""

import math
import re
from array import array
from collections import deque
from collections.abc import Mapping

import numpy as np

from scaling.logs.cells import Numbers
from scaling.logs.sources.dialects import Dialect
from scaling.logs.sources.printed import RANK, UNITS, UNREADABLE, Field, fields, resolution, value

CUT = "cut off, without a newline at its end"  # as the last line of a running job may be
APART = "with a loss of an evaluation but no step (print both in one line)"
IN_BITS = {"train_loss": "train/bpb", "val_loss": "val/bpb"}  # where the unit is printed behind the number
PEERS = 50  # numbers that tell how long one should be


def is_loss(column: str) -> bool:
    return column in ("train_loss", "val_loss", *IN_BITS.values()) or column.startswith("eval/")


class Collected:
    """What the lines of one log hold.

    Parameters
    ----------
    torn : the last line has no end, so it may be cut.
    """

    def __init__(self, dialect: Dialect, *, torn: bool) -> None:
        self.dialect, self.torn = dialect, torn
        self.evaluation, self.summary = (re.compile(p) if p else None for p in (dialect.evaluation, dialect.summary))
        self.steps, self.lines, self.ranks = array("d"), array("q"), array("q")
        self.cells: dict[str, tuple[array[int], array[float]]] = {}  # column -> rows and values
        self.totals = array("d")  # planned length, as each row says
        self.lost = False  # was there a step since a line that was dropped?
        self.early: dict[str, Field] = {}  # fields of lines before that of their step
        self.lengths: dict[str, deque[int]] = {}  # of the last numbers of each column, as printed
        self.finest: dict[str, float] = {}  # column -> its last digit
        self.rounded: set[str] = set()  # columns printed as 1.2K
        self.dropped: dict[str, list[int]] = {}  # why -> lines

    def add(self, number: int, line: str, *, last: bool = False) -> None:
        """Take one line; `last`: of the file."""
        found = [(field, *known) for field in fields(line) if (known := self.dialect.known(field.key))]
        found = [(field, IN_BITS.get(column, column) if field.bits else column, rank) for field, column, rank in found]
        if self.dialect.below and ("\0" in line or UNREADABLE in line):
            self._drop("with bytes that are no text", number)
            return
        if not found or (self.summary and self.summary.search(line)):
            return
        row: dict[str, Field] = {}
        ranks: dict[str, int] = {}
        for field, column, rank in found:
            if not field.number or (is_loss(column) and "," in field.number):  # a loss has no thousands
                if field.key != "^" and any(other.number for other, *_ in found):
                    self._drop("with a damaged number", number)
                    return
            elif column in row and ranks[column] == rank and row[column].number != field.number:
                self._drop("with two values under one key (two lines in one?)", number)
                return
            elif rank < ranks.get(column, 99):
                row[column], ranks[column] = field, rank
        if "\0" in line or UNREADABLE in line:
            self._drop("with bytes that are no text", number)
        elif last and self.torn and self._cut(row):
            self._drop(CUT, number)
        else:
            self._place(number, line, row)

    def _drop(self, why: str, number: int) -> None:
        self.lost = True  # it may have been the line of a step
        self.dropped.setdefault(why, []).append(number)

    def _cut(self, row: Mapping[str, Field]) -> bool:
        """Does the line end in a number that is not as long as its peers? How long a step is cannot be known."""
        end = next(((column, field) for column, field in row.items() if field.last), None)
        peers = self.lengths.get(end[0]) if end else None
        return end is not None and (peers is None or len(peers) < 3 or len(end[1].number) < max(peers))

    def _place(self, number: int, line: str, row: dict[str, Field]) -> None:
        """Where the fields of a line belong: a row of its own, the one above, or the one after."""
        below, step = self.dialect.below, row.pop("step", None)
        row.pop("other", None)
        loss = row.get("train_loss")
        if loss and "train" not in loss.key and "val_loss" not in row and self.evaluation and self.evaluation.search(line):
            row = {"val_loss": loss, **{c: field for c, field in row.items() if c != "train_loss"}}
        if step is None and not below and any(is_loss(column) and not column.startswith("train") for column in row):
            self.dropped.setdefault(APART, []).append(number)
        elif step is None and below == "after":
            self.early = {**self.early, **row}
        elif step is None and below == "above":
            at = len(self.lines) - 1
            if self.lost or any(rows[-1] == at >= 0 for column in row if (rows := self.cells.get(column, ((-1,),))[0])):
                self._drop("with values of a step whose own line is missing", number)
                return
            if at < 0:
                self._start(0.0, math.nan, number, line)
            self._put(row)
        elif step is not None and (row or below == "above"):
            if step.number[-1] in UNITS:
                self.rounded.add("step")
            self._start(value(step.number), value(step.total) if step.total else math.nan, number, line)
            self._put({**self.early, **row})
            self.early = {}

    def _start(self, step: float, total: float, number: int, line: str) -> None:
        rank = RANK.search(line)
        self.lost = False
        self.steps.append(step)
        self.totals.append(total)
        self.lines.append(number)
        self.ranks.append(int(next(filter(None, rank.groups()))) if rank else -1)

    def _put(self, row: Mapping[str, Field]) -> None:
        for column, field in row.items():
            rows, cells = self.cells.setdefault(column, (array("q"), array("d")))
            rows.append(len(self.lines) - 1)
            cells.append(x := value(field.number))
            self.lengths.setdefault(column, deque(maxlen=PEERS)).append(len(field.number))
            if field.number[-1] in UNITS:
                self.rounded.add(column)
            if is_loss(column) and math.isfinite(x):
                self.finest[column] = min(self.finest.get(column, math.inf), resolution(field.number))

    def columns(self) -> dict[str, Numbers]:
        """All columns, step first, with a cell for each row."""
        found = {"step": Numbers(np.array(self.steps), np.zeros(len(self.steps), bool))}
        for column, (rows, cells) in self.cells.items():
            values, missing = np.full(len(self.lines), np.nan), np.ones(len(self.lines), bool)
            values[rows], missing[rows] = cells, False
            found[column] = Numbers(values, missing)
        return found
