"""A CSV file as columns of text with the physical line of every row; structural faults are found here."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.logs.findings import Findings, some


@dataclass
class Sheet:
    """Columns of cells (text, or numbers from a DataFrame) and where each row stands."""

    name: str  # for messages
    parts: tuple[str, ...]  # folders and stem, from which run ids are made
    columns: dict[str, Any]
    lines: np.ndarray
    unit: str = "line"
    torn: bool = False  # the file does not end with a newline: its last row may be cut

    def place(self, row: int, column: str | None = None) -> str:
        where = f"{self.name}, {self.unit} {self.lines[row]}"
        return where if column is None else f"{where}, column {column!r}"


def sheet_of(df: pd.DataFrame) -> Sheet:
    columns = {str(name): df[name].to_numpy() for name in df.columns}
    return Sheet("DataFrame", ("run",), columns, np.asarray(df.index), "row")


def from_file(path: Path, findings: Findings) -> Sheet | None:
    """The sheet in a CSV file, or None after its problems were recorded."""
    text = _text(path, findings)
    if text is None:
        return None
    name = str(path)
    torn = not text.endswith(("\n", "\r"))
    rows, lines = _split(text, name, findings)
    if not rows or not _good_header(rows[0], lines[0], name, findings):
        return None
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
        return None
    if not _good_rows(rows, lines, len(header), name, findings):
        return None
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    return Sheet(name, (*path.absolute().parent.parts[1:], path.stem), columns, np.array(lines), torn=torn)


def _text(path: Path, findings: Findings) -> str | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        findings.problem(str(path), "no such file; check the path")
        return None
    except OSError as error:
        findings.problem(str(path), f"cannot be read ({error.strerror}); check its permissions")
        return None
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = f"not {encoding.removesuffix('-sig')} text; is it a CSV file? Save it as UTF-8"
        findings.problem(f"{path}, line {line}", said)
        return None
    if nuls := text.count("\0"):
        findings.note(f"{nuls} NUL bytes left by a crash skipped", str(path))
        text = text.replace("\0", "")
    if not text.strip():
        findings.problem(str(path), "the file is empty; was the log ever flushed?")
        return None
    return text


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
