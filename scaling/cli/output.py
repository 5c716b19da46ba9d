"""What the verbs print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from cyclopts import Parameter

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RED, YELLOW = "31", "33"


@Parameter(name="*")
@dataclass(frozen=True)
class Printing:
    """What is printed.

    Parameters
    ----------
    json : bool
        Print one JSON document on stdout.
    quiet : bool
        Print no notes on stderr.
    debug : bool
        Show the traceback of an error.
    """

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False)] = False
    debug: Annotated[bool, Parameter(negative="", show_default=False)] = False


def _marked(word: str, colour: str) -> str:
    plain = "NO_COLOR" in os.environ or not sys.stderr.isatty()
    return word if plain else f"\033[{colour}m{word}\033[0m"


def error(text: str) -> None:
    """Print an error on stderr."""
    print(f"{_marked('error:', RED)} {text}", file=sys.stderr)


def warning(text: str) -> None:
    """Print a warning on stderr."""
    print(f"{_marked('warning:', YELLOW)} {text}", file=sys.stderr)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Stand in for `warnings.showwarning`: the message without the line of source it came from."""
    warning(str(message))


def notes(texts: Iterable[str], *, quiet: bool) -> None:
    """Print notes on stderr, unless they are not wanted."""
    if not quiet:
        for text in texts:
            print(f"note: {text}", file=sys.stderr)


def plain(x: Any) -> Any:
    """Return `x` as JSON types; a number that is not finite has no value there and becomes null."""
    if isinstance(x, Mapping):
        return {str(key): plain(value) for key, value in x.items()}
    if isinstance(x, str | bool | int) or x is None:
        return x
    if hasattr(x, "to_dict") and hasattr(x, "columns"):  # a DataFrame, without importing pandas to ask
        return [plain(row) for row in x.to_dict("records")]
    if hasattr(x, "tolist"):  # numpy array or scalar
        return plain(x.tolist())
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    if isinstance(x, Iterable):
        return [plain(value) for value in x]
    return None if str(x) in ("<NA>", "NaT") else str(x)


def table(frame: pd.DataFrame) -> str:
    """Return the frame as aligned text: words left, numbers right, columns without a value left out."""
    columns = []
    for name in frame:
        cells = [str(name), *_cells(list(plain(frame[name])))]
        if any(cells[1:]):
            align = str.ljust if any(isinstance(value, str) for value in frame[name]) else str.rjust
            columns.append([align(cell, max(map(len, cells))) for cell in cells])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def _cells(column: list[Any]) -> list[str]:
    numbers = [abs(x) for x in column if isinstance(x, int | float) and x != 0]
    if numbers and all(x == int(x) and x < 1e7 for x in numbers):
        form = ".0f"
    elif numbers and 0.1 <= max(numbers) < 1e4:
        form = ".4f"
    else:
        form = ".4g"
    return ["" if x is None else x if isinstance(x, str) else format(x, form) for x in column]


def figure(axes: Axes | Mapping[str, Axes], path: Path) -> None:
    """Save the figure that the axes belong to."""
    first = next(iter(axes.values())) if isinstance(axes, Mapping) else axes
    root = first.get_figure(root=True)
    assert root is not None  # drawn axes have a figure
    root.savefig(path)


class Result(Protocol):
    """What a library call returns and a verb prints."""

    def to_dict(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Said:
    """A result where the library returns a frame or a record: its text, and what --json prints of it."""

    text: str
    content: Mapping[str, Any]

    def __str__(self) -> str:
        return self.text

    def to_dict(self) -> Mapping[str, Any]:
        return self.content


def show(
    result: Result,
    printing: Printing,
    *,
    saved: Path | None = None,
    save: Callable[[Path], Any] | None = None,
    plot: Path | None = None,
    draw: Callable[[], Axes | Mapping[str, Axes]] | None = None,
    doubts: Sequence[str] = (),
    strict: bool = False,
) -> int:
    """Save and draw a result where asked to, then print it.

    Parameters
    ----------
    result : its text is printed, or with --json its `to_dict`.
    saved, save : file that -o names, and what writes it. plot, draw : likewise of --plot; `draw` returns the axes.
    doubts : why the fit behind the result is not to be trusted. strict : then the exit code is 4.
    """
    files: dict[str, Path | None] = {}
    if save is not None:
        files["saved"] = saved
        if saved is not None:  # before anything is printed: whoever reads along may close the pipe
            save(saved)
            notes([f"saved {saved}"], quiet=printing.quiet)
    if draw is not None:
        files["figure"] = plot
        if plot is not None:
            figure(draw(), plot)
            notes([f"drew {plot}"], quiet=printing.quiet)
    if printing.json:
        print(json.dumps(plain({**result.to_dict(), **files}), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(result)
    if doubts:
        warning("this fit is not trustworthy: " + "; ".join(doubts))
    return 4 if strict and doubts else 0
