"""What every result can do (say itself in lines and a table), and the one text, HTML and JSON made of that.

Nothing is computed here. pandas is not imported: the command line prints its help without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from scaling.typeset import Column, labelled, table
from scaling.words import amount

if TYPE_CHECKING:
    import pandas as pd

Paint = Callable[[str, bool], str]

LABEL = 12  # characters of the labels before the lines
LONG = 40  # characters of a cell that is a sentence
ROWS = 100  # of a result's table; of a longer one the two ends are shown
COLOURS = {True: "#92CCA6", False: "#c15ef7"}  # green and purple stay apart for colour-blind readers
_NUMBER = r"[-+]?(\d+\.?\d*([kMBT]|e[-+]?\d+)?|inf|nan)( ?%)?"
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


def text(
    result: Result, rows: int | None = ROWS, *, width: int | None = None, paint: Paint | None = None,
    words: Callable[[str], str] = str,
) -> str:  # fmt: skip
    """The result as plain text.

    Parameters
    ----------
    rows : of its table at most. width : of its lines, if they shall fit anything. paint : colours the state of a verdict.
    words : how its lines are said where that is not Python.
    """
    lines = []
    for label, said in result.head():
        told = labelled(label, words(said), LABEL, width)
        if paint is not None and label == "verdict" and result.ok is not None:
            state = said.partition(":")[0]
            told[0] = told[0].replace(state, paint(state, result.ok), 1)
        lines += told
    return "\n".join([*lines, *table(_shown(result, rows), result.widths, width)])


def html(result: Result) -> str:
    """The result as an HTML fragment, for notebooks and pages."""
    good = "" if result.ok is None else f";background:{COLOURS[result.ok]};color:black"
    left, head = "text-align:left", ""
    for label, said in result.head():
        name = f'<th scope="row" style="{left}">{escape(label)}</th>' if label.strip() else "<td></td>"
        head += f'<tr>{name}<td style="{left}{good if label == "verdict" else ""}">{escape(said)}</td></tr>'
    columns = _shown(result)
    names = "".join(f'<th scope="col"{_aside(c)}>{escape(c.name)}</th>' if c.name else "<td></td>" for c in columns)
    rows = zip(*([f"<td{_aside(c)}>{escape(cell)}</td>" for cell in c.cells] for c in columns), strict=True)
    body = f"<tr>{names}</tr>" + "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>{head}</table>" + (f"<table>{body}</table>" if columns else "")


def _aside(column: Column) -> str:
    wide = ";min-width:24em" if max(map(len, column.cells), default=0) > LONG else ""  # a sentence is no pillar of words
    return f' style="text-align:{"right" if column.right else "left"}{wide}"'


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
    """Numbers of a column in one form, large ones as people write them, words as they are."""
    numbers = [abs(x) for x in column if isinstance(x, int | float) and x != 0]
    form: Callable[[float], str] = amount
    if numbers and all(x == int(x) and x < 1e6 for x in numbers):
        form = "{:.0f}".format
    elif numbers and 0.1 <= max(numbers) < 1e4:
        form = "{:.4f}".format
    return ["" if x is None else x if isinstance(x, str) else form(x) for x in column]
