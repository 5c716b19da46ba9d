"""Large regular CSV files, by the parser of pandas: numbers in columns, only those that are asked for.

Whatever is not regular (quotes, comments, blank or ragged lines, NULs) is left to the reader that knows every line.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from scaling.logs.cells import Cells, Lazy, Numbers
from scaling.logs.columns import ALIASES, curve_columns
from scaling.logs.findings import Findings
from scaling.logs.opened import raw_of, unpacker
from scaling.logs.sheet import Sheet, parts_of
from scaling.logs.sources import dialect

LARGE = 2**18  # bytes, from which on it pays
_CHUNK = 2**20  # bytes: in the cache while they are looked at
_LONGEST = 2**16  # bytes of a line; longer ones are damage
_TAIL = 50  # cells of which the text is kept, to see whether the last is cut
Given = Path | io.BytesIO


class Columns(Lazy):
    """Name -> cells of a regular file; those of a curve are read together, others when they are asked for."""

    def __init__(self, given: Given, mark: str, header: list[str], tail: list[str]) -> None:
        self._given, self._mark, self._header, self._tail = given, mark, header, tail
        self._read: dict[str, Cells] = {}

    def __getitem__(self, name: str) -> Cells:
        if name not in self._read:
            if name not in self._header:
                raise KeyError(name)
            wanted = {name, *(curve_columns(self._header) if not self._read else ())}
            texts = wanted & {*_runs(self._header)}
            try:
                self._take(wanted - texts, np.float64)
            except ValueError:  # some cell is no number
                texts = wanted
            self._take(texts, str)
        return self._read[name]

    def has_header(self) -> bool:
        """Does one stand within the rows? Only the careful reader knows what to do."""
        return any(isinstance(cells, list) and name in cells for name, cells in self._read.items())

    def _take(self, names: set[str], kind: Any) -> None:
        frame = self._frame(names, dtype=kind) if names else pd.DataFrame()
        for name in frame:
            values = frame[name]
            if kind is str:
                self._read[str(name)] = [text.strip() for text in values.fillna("").tolist()]
            else:
                numbers = values.to_numpy()
                tail = self._tail if name == self._header[-1] else ()
                self._read[str(name)] = Numbers(numbers, np.isnan(numbers), tail)

    def __iter__(self) -> Iterator[str]:
        return iter(self._header)

    def __len__(self) -> int:
        return len(self._header)

    def first(self, name: str, count: int) -> list[str]:
        """The first cells of a column, without reading the rest."""
        return self._frame({name}, nrows=count, dtype=str)[name].fillna("").tolist()

    def _frame(self, names: set[str], **how: Any) -> pd.DataFrame:
        if isinstance(self._given, io.BytesIO):
            self._given.seek(0)
        at = sorted(self._header.index(name) for name in names)
        frame: pd.DataFrame = pd.read_csv(
            self._given, sep=self._mark, usecols=at if len(at) < len(self._header) else None, keep_default_na=False,
            na_values=[""], encoding="utf-8-sig", **how,
        )  # fmt: skip
        return frame.set_axis([self._header[i] for i in at], axis=1)


def sheet(path: Path) -> Sheet | None:
    """The sheet of a large file; None where it is not regular, not large, or cannot be read."""
    try:
        given: Given = path
        with path.open("rb") as packed:
            if packed.seek(0, io.SEEK_END) < LARGE:
                return None
            packed.seek(0)
            if unpacker(packed.read(8)) is not None:
                raw = raw_of(path, Findings())
                if raw is None:
                    return None
                given = io.BytesIO(raw)
        with path.open("rb") if isinstance(given, Path) else nullcontext(given) as file:
            return _sheet(path, given, file)
    except OSError:
        return None


def _sheet(path: Path, given: Given, file: IO[bytes]) -> Sheet | None:
    first, second = file.readline(_CHUNK), file.readline(_CHUNK)
    if max(len(first), len(second)) > _LONGEST:
        return None
    try:
        header_line, row = first.decode("utf-8-sig"), second.decode()
    except UnicodeDecodeError:
        return None
    mark = dialect.separator([header_line, row])
    header = [cell.strip() for cell in next(csv.reader([header_line], delimiter=mark, skipinitialspace=True), [])]
    width = len(header)
    if mark not in dialect.SEPARATORS or width < 2 or len(set(header)) < width or "" in header[1:] or header_line[0] == "#":
        return None
    if row.count(mark) != width - 1 or all(map(dialect.is_number, header)):
        return None
    file.seek(len(first))
    rows = _regular(file, mark, width, every={*curve_columns(header)} == {*header} and not _runs(header))
    if rows is None:
        return None
    file.seek(-1, io.SEEK_END)
    torn = file.read(1) not in (b"\n", b"\r")
    columns = Columns(given, mark, header, _tail(file, mark) if torn else [])
    try:
        if len(columns[header[-1]]) != rows or columns.has_header():
            return None
    except (pd.errors.ParserError, UnicodeDecodeError):
        return None
    return Sheet(str(path), parts_of(path), columns, range(2, rows + 2), torn=torn)


def _regular(file: IO[bytes], mark: str, width: int, every: bool) -> int | None:
    """The number of rows, if all have as many fields as the header and nothing is quoted, commented or damaged; else None.

    Where `every` field is parsed afterwards, a line with too many fails there, so that it is enough to count them all.
    """
    foreign = (b'"', b"\0", b"#", *((b",",) if mark != "," else ()))
    rows = marks = returns = pairs = 0
    torn = False
    while lines := file.read(_CHUNK):
        if not every or lines.endswith(b"\r"):
            lines += file.readline(_CHUNK)
        if any(text in lines for text in foreign):
            return None
        torn = not lines.endswith(b"\n")
        rows, marks = rows + lines.count(b"\n"), marks + lines.count(mark.encode())
        if b"\r" in lines:
            returns, pairs = returns + lines.count(b"\r"), pairs + lines.count(b"\r\n")
        if not every and not _even(lines + b"\n" * torn, mark, width):
            return None
    rows += torn
    return rows if marks == rows * (width - 1) and returns == pairs else None


def _even(lines: bytes, mark: str, width: int) -> bool:
    """Do all lines have as many fields?"""
    data = np.frombuffer(lines, np.uint8)
    ends, marks = np.flatnonzero(data == 10), np.flatnonzero(data == ord(mark))
    if len(marks) != len(ends) * (width - 1):
        return False
    starts = np.append(0, ends[:-1] + 1)
    return bool((marks[:: width - 1] >= starts).all() and (marks[width - 2 :: width - 1] < ends).all())


def _runs(header: list[str]) -> list[str]:
    """The columns of names of runs, which are texts whatever they look like."""
    return [name for name in header if name.lower() in ALIASES["run"]]


def _tail(file: IO[bytes], mark: str) -> list[str]:
    """The texts of the last cells of the last column."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - 2**14))
    lines = file.read().decode("utf-8", errors="replace").splitlines()[1:]
    return [line.rpartition(mark)[2].strip() for line in lines[-_TAIL:]]
