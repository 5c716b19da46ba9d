"""CSV: columns of text with the physical line of every row; structural faults are found here."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from scaling.logs.findings import Findings, some
from scaling.logs.opened import decoded, text_of
from scaling.logs.sheet import Sheet, parts_of
from scaling.logs.sources import dialect, large

NAME = "CSV and its dialects"
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
    numbers = sum(map(dialect.is_number, values))
    return len(names) == len(values) > 1 and not any(map(dialect.is_number, names)) and 2 * numbers >= len(values)


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
    rows, lines = _split(text, mark, name, findings)
    if not rows or not _good_header(rows[0], lines[0], name, findings):
        return []
    header, rows, lines = rows[0], rows[1:], lines[1:]
    if "\0" in text:
        rows, lines = _without(rows, lines, _has_nul, "rows with NUL bytes, left by a crash, dropped", name, findings)
    if torn and rows and len(rows[-1]) < len(header):
        findings.note(f"line {lines[-1]} is cut off at the end of the file and was dropped", name)
        rows, lines = rows[:-1], lines[:-1]
    rows, lines = _without(
        rows, lines, lambda row: row == header, "repeats of the header skipped (a resumed or joined log)", name, findings
    )
    if not rows:
        findings.nothing(name, "no rows below the header, so there is no curve to read; log at least one step")
        return []
    if not _good_rows(rows, lines, len(header), name, findings):
        return []
    columns = dialect.plain_numbers(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)), mark, name, findings)
    return [] if columns is None else [Sheet(name, parts_of(path), columns, np.array(lines), torn=torn)]


def _without(
    rows: list[list[str]], lines: list[int], bad: Callable[[list[str]], bool], what: str, name: str, findings: Findings
) -> tuple[list[list[str]], list[int]]:
    """The rows that are good, and their lines."""
    kept = [i for i, row in enumerate(rows) if not bad(row)]
    if len(kept) < len(rows):
        findings.note(f"{len(rows) - len(kept)} {what}", name)
    return [rows[i] for i in kept], [lines[i] for i in kept]


def _has_nul(row: list[str]) -> bool:
    return any("\0" in cell for cell in row)


def _split(text: str, mark: str, name: str, findings: Findings) -> tuple[list[list[str]], list[int]]:
    """Cells and physical line of every row, the header first; nothing after a problem was recorded."""
    comments = 0

    def without_comments() -> Iterator[str]:
        nonlocal comments
        for line in io.StringIO(text, newline=""):
            if line.startswith("#"):
                comments += 1
                line = "\n"  # keeps the count of physical lines
            yield line

    rows: list[list[str]] = []
    lines: list[int] = []
    reader = dialect.split(without_comments(), mark)
    number = 0
    try:
        for row in reader:
            number = getattr(reader, "line_num", number + 1)
            cells = [cell.strip() for cell in row]
            if any(cells) if len(cells) == 1 else cells:
                rows.append(cells)
                lines.append(number)
    except csv.Error as error:
        findings.problem(f"{name}, line {number + 1}", f"{error}; look for an unclosed quote")
        return [], []
    if comments:
        findings.note(f"{comments} comment lines skipped", name)
    if not rows:
        findings.nothing(name, "only comment lines, no header; was the log ever flushed?")
    return rows, lines


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


def _good_rows(rows: list[list[str]], lines: list[int], width: int, name: str, findings: Findings) -> bool:
    bad = [i for i, row in enumerate(rows) if len(row) != width]
    if not bad:
        return True
    if len(bad) == len(rows) > 1 and len({len(row) for row in rows}) == 1:
        findings.problem(
            f"{name}, lines {lines[0]} to {lines[-1]}",
            f"every row has {len(rows[0])} fields, the header has {width} (first: {','.join(rows[0])!r}). "
            "Decimal commas, trailing commas or a missing column name: write 3.5, and one name per field",
        )
        return False
    for i in bad:
        cut, stray = "the line is cut; complete it or remove it", "a decimal comma or a stray comma; correct the line"
        seen = f"{len(rows[i])} fields ({','.join(rows[i])[:60]!r}) where the header has {width}"
        findings.problem(f"{name}, line {lines[i]}", f"{seen}: {cut if len(rows[i]) < width else stray}")
    return False
