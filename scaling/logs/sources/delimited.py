"""CSV: columns of text with the physical line of every row; structural faults are found here."""

import csv
import io
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.logs.findings import Findings, some
from scaling.logs.opened import decoded, text_of
from scaling.logs.sheet import Sheet, parts_of
from scaling.logs.sources import dialect, large
from scaling.words import many

NAME = "CSV and its dialects"
_SHOWN = 6  # rows with other numbers of fields that are kept to be named
_ENDINGS = (".csv", ".tsv", ".psv")


def claims(path: Path, head: bytes) -> bool:
    """A file that is named so, or whose first lines are names and as many values; what is not there is answered by `sheets`."""
    if path.is_dir():
        return False
    if not head or any(ending in _ENDINGS for ending in path.suffixes):
        return True
    lines = [line for line in decoded(head).splitlines() if line.strip() and not line.startswith("#")][:3]
    if len(lines) < 2:
        return False
    mark = dialect.separator(lines)
    names, values = ([cell.strip() for cell in next(iter(dialect.split([line], mark)), [])] for line in lines[:2])
    numbers = sum(dialect.is_number(value.replace(",", ".")) for value in values)
    return len(names) == len(values) > 1 and not any(map(dialect.is_number, names)) and 2 * numbers >= len(values)


def header_in(head: bytes) -> list[str]:
    """The names that a file begins with."""
    lines = [line for line in decoded(head).splitlines() if line.strip() and not line.startswith("#")]
    rows = dialect.split(lines[:1], dialect.separator(lines))
    return [cell.strip() for cell in next(iter(rows), [])] if lines else []


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The sheet in a CSV file, or none after its problems were recorded."""
    if (regular := large.sheet(path)) is not None:
        return [regular]
    text = text_of(path, findings)
    if text is None:
        return []
    name = str(path)
    torn = not text.endswith(("\n", "\r"))
    mark = dialect.separator(text[:10_000].splitlines())
    rows = _Rows()
    try:
        for line, row in _split(text, mark, rows):
            rows.add(line, row)
    except csv.Error as error:
        findings.problem(f"{name}, line {rows.line + 1}", f"{error}; look for an unclosed quote")
        return []
    del text
    if rows.comments:
        findings.note(f"{many(rows.comments, 'comment line')} skipped", name)
    if not rows.header:
        findings.nothing(name, "only comment lines, no header; was the log ever flushed?")
        return []
    if not _good_header(rows.header, rows.first, name, findings) or not rows.good(torn, name, findings):
        return []
    if not rows.lines:
        findings.nothing(name, "no rows below the header, so there is no curve to read; log at least one step")
        return []
    columns = dialect.plain_numbers(dict(zip(rows.header, rows.columns, strict=True)), mark, name, findings)
    return [] if columns is None else [Sheet(name, parts_of(path), columns, np.array(rows.lines), torn=torn)]


class _Rows:
    """Rows as they come, column by column, so that no row costs more than its cells; what is wrong with them is counted."""

    def __init__(self) -> None:
        self.header: list[str] = []
        self.columns: list[list[str]] = []
        self.lines = array("q")
        self.first = self.line = self.comments = self.repeats = self.nuls = 0
        self.bad: list[tuple[int, list[str]]] = []  # the first that have not as many fields as the header, and the last
        self.widths: Counter[int] = Counter()  # of all such
        self._short: dict[str, str] = {}

    def add(self, line: int, row: list[str]) -> None:
        """Take a row that stands on this line; the first is the header."""
        if not self.header:
            self.header, self.first = row, line
        elif any("\0" in cell for cell in row):
            self.nuls += 1
        elif len(row) != len(self.header):
            self.bad = [*self.bad[:_SHOWN], (line, row)]
            self.widths[len(row)] += 1
        elif row == self.header:
            self.repeats += 1
        else:
            self.columns = self.columns or [[] for _ in row]
            self.lines.append(line)
            for cells, cell in zip(self.columns, row, strict=True):
                cells.append(self._short.setdefault(cell, cell) if len(cell) < 4 else cell)

    def good(self, torn: bool, name: str, findings: Findings) -> bool:
        """Say what was left out; False after a problem."""
        width = len(self.header)
        if torn and self.bad and self.bad[-1][0] == self.line and len(self.bad[-1][1]) < width:
            self.widths[len(self.bad.pop()[1])] -= 1
            findings.note(f"line {self.line} is cut off at the end of the file and was dropped", name)
        if self.nuls:
            findings.note(f"{many(self.nuls, 'row')} with NUL bytes, left by a crash, dropped", name)
        if self.repeats:
            findings.note(f"{self.repeats} repeats of the header skipped (a resumed or joined log)", name)
        bad = +self.widths
        if not bad:
            return True
        line, row = self.bad[0]
        if not self.lines and bad.total() > 1 and len(bad) == 1:
            findings.problem(
                f"{name}, lines {line} to {self.line}",
                f"every row has {len(row)} fields, the header has {width} (first: {','.join(row)!r}). "
                "Decimal commas, trailing commas or a missing column name: write 3.5, and one name per field",
            )
            return False
        for line, row in self.bad[:_SHOWN]:
            cut, stray = "the line is cut; complete it or remove it", "a decimal comma or a stray comma; correct the line"
            seen = f"{len(row)} fields ({','.join(row)[:60]!r}) where the header has {width}"
            findings.problem(f"{name}, line {line}", f"{seen}: {cut if len(row) < width else stray}")
        return False


def _split(text: str, mark: str, rows: _Rows) -> Iterator[tuple[int, list[str]]]:
    """Cells and physical line of every row; the line and the comments so far are kept in `rows`."""

    def without_comments() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            if line.startswith("#"):
                rows.comments += 1
                line = "\n"  # keeps the count of physical lines
            yield line

    reader = dialect.split(without_comments(), mark)
    number = 0
    for row in reader:
        number = getattr(reader, "line_num", number + 1)
        cells = [cell.strip() for cell in row]
        if any(cells) if len(cells) == 1 else cells:
            rows.line = number
            yield number, cells


def _good_header(header: list[str], line: int, name: str, findings: Findings) -> bool:
    names = [cell for cell in header if cell]
    doubled = sorted(cell for cell, count in Counter(names).items() if count > 1)
    if names and all(dialect.is_number(cell) for cell in names):
        findings.problem(f"{name}, line {line}", f"numbers ({some(header, 3)}) where column names must be; add a header")
    elif doubled:
        where = [f"{cell!r} (columns {some([i + 1 for i, c in enumerate(header) if c == cell], 4)})" for cell in doubled]
        findings.problem(name, f"column names given twice: {some(where, 5)}; rename or remove one of each")
    else:
        return True
    return False
