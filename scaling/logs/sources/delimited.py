"""CSV: columns of text with the physical line of every row; structural faults are found here."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scaling.logs.findings import Findings, some
from scaling.logs.opened import text_of
from scaling.logs.sheet import Sheet, parts_of

NAME = "CSV and its dialects"


def claims(path: Path, head: bytes) -> bool:
    """Any file that is not there or empty is answered here; else what looks like text."""
    return not path.is_dir()


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The sheet in a CSV file, or none after its problems were recorded."""
    text = text_of(path, findings)
    if text is None:
        return []
    name = str(path)
    if nuls := text.count("\0"):
        findings.note(f"{nuls} NUL bytes left by a crash skipped", name)
        text = text.replace("\0", "")
    torn = not text.endswith(("\n", "\r"))
    rows, lines = _split(text, name, findings)
    if not rows or not _good_header(rows[0], lines[0], name, findings):
        return []
    header, rows, lines = rows[0], rows[1:], lines[1:]
    if torn and rows and len(rows[-1]) < len(header):
        findings.note(f"line {lines[-1]} is cut off at the end of the file and was dropped", name)
        rows, lines = rows[:-1], lines[:-1]
    if repeats := rows.count(header):
        findings.note(f"{repeats} repeats of the header skipped (a resumed or joined log)", name)
        lines = [line for line, row in zip(lines, rows, strict=True) if row != header]
        rows = [row for row in rows if row != header]
    if not rows:
        findings.problem(name, "no rows below the header, so there is no curve to read; log at least one step")
        return []
    if not _good_rows(rows, lines, len(header), name, findings):
        return []
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    return [Sheet(name, parts_of(path), columns, np.array(lines), torn=torn)]


def _split(text: str, name: str, findings: Findings) -> tuple[list[list[str]], list[int]]:
    """Cells and physical line of every row, the header first; nothing after a problem was recorded."""
    comments = 0

    def without_comments() -> Iterator[str]:
        nonlocal comments
        for line in io.StringIO(text, newline=""):
            if line.startswith("#"):
                comments += 1
                line = "\n"  # keeps the count of physical lines
            yield line

    reader = csv.reader(without_comments(), skipinitialspace=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if len(cells) > 1 or any(cells):
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        findings.problem(f"{name}, line {reader.line_num}", f"{error}; look for an unclosed quote")
        return [], []
    if comments:
        findings.note(f"{comments} comment lines skipped", name)
    if not rows:
        findings.problem(name, "only comment lines, no header; was the log ever flushed?")
    return rows, lines


def _good_header(header: list[str], line: int, name: str, findings: Findings) -> bool:
    names = [cell for cell in header if cell]
    doubled = sorted({cell for cell in names if names.count(cell) > 1})
    if len(header) == 1 and (mark := next((m for m in (";", "\t", "|", " ") if m in header[0]), None)):
        findings.problem(
            name,
            f"read as ONE column named {header[0]!r}: the separator seems to be {mark!r}, not a comma. Save "
            f"it with commas, or Runs.from_frame(pandas.read_csv({name!r}, sep={mark!r}, decimal=...))",
        )
    elif names and all(_is_number(cell) for cell in names):
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


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
