"""Which separator and which decimal mark a table of text has; decided for the file as a whole, by its content."""

import csv
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from scaling.logs.findings import Findings

SEPARATORS = (",", ";", "\t", "|")
SPACES = " "  # any number of them
_LINES = 50
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?([eE][-+]?\d+)?")
_DECIMAL = re.compile(r"[-+]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][-+]?\d+)?")
_DOTTED = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+")


def separator(lines: Sequence[str]) -> str:
    """The one that splits the header into most names and most rows into as many; "," where none does."""
    lines = [line for line in lines if line.strip() and not line.startswith("#")][:_LINES]
    there = [mark for mark in SEPARATORS if lines and mark in lines[0]]
    if len(there) == 1 and '"' not in lines[0]:
        return there[0]
    best, most = ",", (1, 0)
    for mark in (*SEPARATORS, SPACES):
        try:
            widths = [len(row) for row in islice(split(lines, mark), _LINES) if row]
        except csv.Error:
            continue
        if widths and widths[0] > 1:
            agree = sum(width == widths[0] for width in widths[1:]) / max(1, len(widths) - 1)
            score = (agree >= 0.5, widths[0] if mark != SPACES else 1)
            best, most = (mark, score) if score > most and (mark != SPACES or agree == 1) else (best, most)
    return best


def split(lines: Iterable[str], mark: str) -> Any:
    """Rows of cells, as csv.reader has them."""
    if mark == SPACES:
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=mark, skipinitialspace=mark != "\t")


def is_number(cell: str) -> bool:
    """Is it a number as Python reads one?"""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def plain_numbers(columns: dict[str, list[str]], mark: str, name: str, findings: Findings) -> dict[str, list[str]] | None:
    """The cells with a point as decimal mark and no separators of thousands; None after a problem."""
    marked = [cell for cells in columns.values() for cell in cells if "," in cell and _NUMBER.fullmatch(cell)]
    if not marked:
        return columns
    dotted = [
        cell for cells in columns.values() for cell in cells if "." in cell and "," not in cell and _NUMBER.fullmatch(cell)
    ]
    thousands = all(map(_THOUSANDS.fullmatch, marked))
    decimal = all(map(_DECIMAL.fullmatch, marked)) and all(map(_DOTTED.fullmatch, dotted))
    if thousands and decimal:
        findings.problem(
            name,
            f"{marked[0]!r} may be {marked[0].replace(',', '')} or {marked[0].replace(',', '.')}: read it as you know it is, "
            f"scaling.Runs.from_frame(pandas.read_csv({name!r}, sep={mark!r}, decimal=',')), or with thousands=','",
        )
        return None
    if not thousands and not decimal:
        return columns  # what is no number is answered with its line and column
    said = "commas separate thousands" if thousands else "decimal commas"
    findings.note(f"{said}, as in {marked[0]}", name)
    old, new = (",", "") if thousands else (".", "")
    return {
        column: [
            cell.replace(old, new).replace(",", ".") if ("," in cell or not thousands) and _NUMBER.fullmatch(cell) else cell
            for cell in cells
        ]
        for column, cells in columns.items()
    }
