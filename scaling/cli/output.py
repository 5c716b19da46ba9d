"""What the verbs print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

import scaling
from scaling import document
from scaling.cli import progress
from scaling.cli.spoken import spoken
from scaling.rendering import Result, plain, text
from scaling.typeset import folded
from scaling.words import many

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from scaling.logs import Runs

NOBODY = ("80", "24")  # what GNU readline, without a terminal, leaves in the environment of whatever a program starts
RED, GREEN, YELLOW, PURPLE = "31", "32", "33", "35"


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
    laws : list of Path
        Python file with laws of your own, imported first; may be repeated.
    """

    json: Annotated[bool, Parameter(negative="", show_default=False)] = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False)] = False
    debug: Annotated[bool, Parameter(negative="", show_default=False)] = False
    laws: Annotated[Sequence[Path], Parameter(negative="", show_default=False)] = ()


_given: list[str] = []  # the words of the command line


def heard(tokens: Sequence[str]) -> None:
    """Remember the command line, for what says how it was made."""
    _given[:] = tokens


def command() -> str:
    """The command line, as it is typed."""
    return shlex.join(["scaling", *_given])


def _painted(word: str, colour: str, stream: TextIO) -> str:
    bare = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty()
    return word if bare else f"\033[{colour}m{word}\033[0m"


def _width(stream: TextIO) -> int | None:
    """Characters of a line where somebody reads: a terminal's, or what COLUMNS says; None where a program does."""
    asked = os.environ.get("COLUMNS"), os.environ.get("LINES")
    if not stream.isatty() and (asked[0] is None or asked == NOBODY):
        return None
    return shutil.get_terminal_size().columns


def _say(label: str, colour: str, said: str) -> None:
    """Print what is said on stderr, each line no wider than a terminal."""
    lines = "\n".join(line for one in f"{label} {spoken(said)}".split("\n") for line in folded(one, _width(sys.stderr), 4))
    with progress.hidden():
        print(lines.replace(label, _painted(label, colour, sys.stderr) if colour else label, 1), file=sys.stderr)


def error(said: str) -> None:
    """Print an error on stderr."""
    _say("error:", RED, said)


def warning(said: str) -> None:
    """Print a warning on stderr."""
    _say("warning:", YELLOW, said)


def notes(texts: Iterable[str], *, quiet: bool) -> None:
    """Print notes on stderr, unless they are not wanted."""
    if not quiet:
        for said in texts:
            _say("note:", "", said)


def account(data: Runs | pd.DataFrame, paths: Sequence[str], *, quiet: bool) -> None:
    """Say what was read, at once: what is made of it takes longer."""
    runs = isinstance(data, scaling.Runs)
    counts = [(len(data), "run"), (len(data.placed), "row")] if runs else [(len(data), "row")]
    read = ", ".join(many(count, word) for count, word in counts)
    notes([f"read {read} of {paths[0]}{f' and {len(paths) - 1} more' * (len(paths) > 1)}"], quiet=quiet)


@dataclass(frozen=True, repr=False)
class Told(Result):
    """A result where the library returns a frame or a record: lines and a table to print, and what --json prints."""

    lines: list[tuple[str, str]]
    frame: pd.DataFrame | None
    content: Mapping[str, Any]

    def head(self) -> list[tuple[str, str]]:
        return self.lines

    def table(self) -> pd.DataFrame | None:
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        return dict(self.content)


def table(rows: pd.DataFrame, kind: str) -> Callable[..., None]:
    """What writes a table of this kind as CSV."""
    return lambda path, *, force: document.put(path, rows.to_csv(index=False).encode(), kind, force=force)


def line(said: str) -> None:
    """Print a sentence at once, in lines no wider than a terminal."""
    print("\n".join(folded(said, _width(sys.stdout), 4)), flush=True)


def write(said: str, *, doubts: Sequence[str] = ()) -> int:
    """Print a text as it stands, for other programs; return the exit code."""
    with progress.hidden():
        print(said, end="")
    if doubts:
        warning("this fit is not trustworthy: " + "; ".join(doubts))
    return 0


def show(
    result: Result,
    printing: Printing,
    *,
    saved: Path | None = None,
    save: Callable[..., Any] | None = None,
    plot: Path | None = None,
    draw: Callable[[], Axes | Mapping[str, Axes]] | None = None,
    doubts: Sequence[str] = (),
    strict: bool = False,
    force: bool = False,
) -> int:
    """Save and draw a result where asked to, then print it.

    Parameters
    ----------
    result : its text is printed, or with --json its `to_dict`.
    saved, save : file that -o names, and what writes it. plot, draw : likewise of --plot; `draw` returns the axes.
    force : may they replace files that this program did not write?
    doubts : why the fit behind the result is not to be trusted. strict : then the exit code is 4.
    """
    files: dict[str, Path | None] = {}
    if save is not None:
        files["saved"] = saved
        if saved is not None:  # before anything is printed: whoever reads along may close the pipe
            save(saved, force=force)
            notes([f"saved {saved}"], quiet=printing.quiet)
    if draw is not None:
        files["figure"] = plot
        if plot is not None:
            document.put(plot, scaling.plots.image(draw(), plot.suffix), "figure", force=force)
            notes([f"drew {plot}"], quiet=printing.quiet)
    if printing.json:
        said = json.dumps(plain({**result.to_dict(), **files}), indent=2, ensure_ascii=False, allow_nan=False)
    else:
        paint = lambda state, ok: _painted(state, GREEN if ok else PURPLE, sys.stdout)
        said = text(result, rows=None, width=_width(sys.stdout), paint=paint, words=spoken)
    with progress.hidden():
        print(said)
    if doubts:
        warning("this fit is not trustworthy: " + "; ".join(doubts))
    return 4 if strict and doubts else 0
