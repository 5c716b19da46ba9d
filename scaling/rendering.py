"""What every result can do (say itself in lines and a table), and the one text, HTML and JSON made of that.

Nothing is computed here. pandas is not imported: the command line prints its help without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from html import escape
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

LABEL = 12  # characters of the labels before the lines
ROWS = 100  # of a result's table; of a longer one the two ends are shown
COLOURS = {True: "#92CCA6", False: "#c15ef7"}  # green and purple stay apart for colour-blind readers
_NUMBER = r"[-+]?(\d+\.?\d*(e[-+]?\d+)?|inf|nan)( ?%)?"
NUMBERS = re.compile(f"({_NUMBER}( to {_NUMBER})?)?")


class Result:
    """A result prints itself: its verdict first, then its numbers.

    Attributes
    ----------
    ok : may it be trusted? None where it has no verdict; colours the line "verdict" in HTML.
    fields : names of the attributes that `to_dict` holds.
    widths : characters of the table's first columns, so that results printed one below the other line up.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    widths: ClassVar[tuple[int, ...]] = ()

    @property
    def ok(self) -> bool | None:
        return None

    def head(self) -> list[tuple[str, str]]:
        """Lines above the table, (label, text): the fields, unless a kind says it in words."""
        told = ((name, getattr(self, name)) for name in self.fields)
        return [(name, _said(value)) for name, value in told if value is not None and not hasattr(value, "columns")]

    def table(self) -> pd.DataFrame | None:
        """The numbers below: a frame among the fields. Cells are text where an error says how many digits are known."""
        return next((value for name in self.fields if hasattr(value := getattr(self, name), "columns")), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything the text says as plain JSON types, numbers in full; those that are not finite are None."""
        return {name: plain(getattr(self, name)) for name in self.fields}

    def __str__(self) -> str:
        return text(self)

    def __repr__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return html(self)


class Column(NamedTuple):
    """A column as text; numbers stand on the right."""

    name: str
    cells: list[str]
    right: bool


def text(result: Result, rows: int | None = ROWS) -> str:
    """The result as plain text, with at most so many rows of its table."""
    lines = [f"{label:<{LABEL}} {said}".rstrip() for label, said in result.head()]
    return "\n".join([*lines, *_lines(_shown(result, rows), result.widths)])


def html(result: Result) -> str:
    """The result as an HTML fragment, for notebooks and pages."""
    good = {} if result.ok is None else {"verdict": f";background:{COLOURS[result.ok]};color:black"}
    left = "text-align:left"
    head = "".join(
        f'<tr><th style="{left}">{escape(label)}</th><td style="{left}{good.get(label, "")}">{escape(said)}</td></tr>'
        for label, said in result.head()
    )
    rows = zip(*([column.name, *column.cells] for column in _shown(result)), strict=True)
    body = "".join(
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(chain(["th"], repeat("td")), rows, strict=False)
    )
    return f"<table>{head}</table>" + (f"<table>{body}</table>" if body else "")


def plain(x: Any) -> Any:
    """JSON types; a number that is not finite has no value there and becomes None, a frame a list of its rows."""
    if isinstance(x, Result):
        return x.to_dict()
    if isinstance(x, Mapping):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, str | bool | int) or x is None:
        return x
    if hasattr(x, "to_dict") and hasattr(x, "columns"):  # a DataFrame
        return [plain(row) for row in _flat(x).to_dict("records")]
    if hasattr(x, "tolist"):  # numpy array or scalar
        return plain(x.tolist())
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    if isinstance(x, Iterable):
        return [plain(value) for value in x]
    return None if str(x) in ("<NA>", "NaT") else str(x)


def _said(x: Any) -> str:
    if isinstance(x, Mapping):
        return ", ".join(f"{name} = {_said(value)}" for name, value in x.items())
    if isinstance(x, tuple):
        return ", ".join(map(_said, x))
    return f"{x:.6g}" if isinstance(x, float) else str(x)


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The index as the first column, unless it only numbers the rows; one without a name is called so."""
    if frame.index.names != [None]:
        return frame.reset_index(allow_duplicates=True)
    return frame if frame.index.dtype.kind in "iu" else frame.reset_index(names="name", allow_duplicates=True)


def _shown(result: Result, most: int | None = ROWS) -> list[Column]:
    """Columns of the table with a value or a width; of more than `most` rows their two ends."""
    if (table := result.table()) is None:
        return []
    columns = []
    for k, (name, values) in enumerate(_flat(table).items()):
        cells = _cells(plain(values))
        if k < len(result.widths) or any(cells):
            right = all(map(NUMBERS.fullmatch, cells))
            if most is not None and len(cells) > most:
                cells = [*cells[: most // 2], "...", *cells[-(most // 2) :]]
            columns.append(Column(str(name), cells, right))
    return columns


def _cells(column: list[Any]) -> list[str]:
    """Numbers of a column in one form, words as they are."""
    numbers = [abs(x) for x in column if isinstance(x, int | float) and x != 0]
    if numbers and all(x == int(x) and x < 1e7 for x in numbers):
        form = ".0f"
    elif numbers and 0.1 <= max(numbers) < 1e4:
        form = ".4f"
    else:
        form = ".4g"
    return ["" if x is None else x if isinstance(x, str) else format(x, form) for x in column]


def _lines(columns: list[Column], widths: tuple[int, ...] = ()) -> list[str]:
    """One line per row below one of names; two spaces between columns at least."""
    padded = []
    for k, column in enumerate(columns):
        cells = [column.name, *column.cells]
        gap = " " * (k > 0)
        width = widths[k] if k < len(widths) else max(map(len, cells)) + len(gap) * column.right
        padded.append([cell.rjust(width) if column.right else gap + cell.ljust(width) for cell in cells])
    return [" ".join(row).rstrip() for row in zip(*padded, strict=True)]
