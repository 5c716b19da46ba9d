"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import CoercionError, CycloptsError, Parameter, Token

if TYPE_CHECKING:
    from scaling import Fit, Runs

FIGURES = (".png", ".svg", ".pdf")


class UsageError(ValueError):
    """The command line asks for something that does not exist or does not go together."""


def number(text: str) -> float:
    """Return the number written as 7e9, 7B, 2T, 1.3M or 100k."""
    from scaling.schedules.text import parse_number

    return parse_number(text)


def _number(_: Any, tokens: Sequence[Token]) -> float:
    return number(tokens[0].value)


def _above(value: float) -> float:
    if not value > 0:
        raise ValueError("a number above 0, like 1e22 or 7B")
    return value


def _positive(_: Any, tokens: Sequence[Token]) -> float:
    return _above(number(tokens[0].value))


def _positives(_: Any, tokens: Sequence[Token]) -> list[float]:
    try:
        return [_above(number((token := t).value)) for t in tokens]
    except ValueError as problem:  # of several values cyclopts does not name the wrong one
        raise problem if len(tokens) == 1 else ValueError(f"{token.keyword} {token.value}: must be {problem}") from None


def _count(_: Any, tokens: Sequence[Token]) -> int:
    value = number(tokens[0].value)
    if value < 0 or value != int(value):
        raise ValueError("a whole number like 24000 or 24k")
    return int(value)


Number = Annotated[float, Parameter(converter=_number)]
Positive = Annotated[float, Parameter(converter=_positive)]
Positives = Annotated[Sequence[float], Parameter(converter=_positives, negative="", show_default=False)]
Count = Annotated[int, Parameter(converter=_count)]
Many = Annotated[Sequence[str], Parameter(negative="", show_default=False)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]


def explain(problem: CycloptsError) -> str:
    """Return what is wrong with a command line; a value that cannot be read is named with its option."""
    if isinstance(problem, CoercionError) and problem.msg and problem.token is not None:
        return f"{problem.token.keyword or 'argument'} {problem.token.value}: must be {problem.msg}"
    return str(problem)


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return the mapping that an option given as `name=value`, once or many times, stands for."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} {text}: write {option} name=value")
        if name in found:
            raise UsageError(f"{option} {name} is given twice; keep one")
        found[name] = value
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" where one of the known words is close, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def check_figure(path: Path | None) -> None:
    """Refuse a figure that cannot be written before any work is done."""
    if path is not None and path.suffix.lower() not in FIGURES:
        raise UsageError(f"--plot {path}: a figure is saved as {', '.join(FIGURES)}")
    check_saved(path, "--plot")


def check_saved(path: Path | None, option: str = "-o") -> None:
    """Refuse a file that cannot be written before any work is done."""
    if path is not None and path.is_dir():
        raise UsageError(f"{option} {path}: this is a folder; name a file in it")
    if path is not None and not path.parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {path.parent} to save in; make it first")


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How logs are read.

    Parameters
    ----------
    where : str
        Keep rows for which this pandas query holds, over columns and facts: "n_params > 1e6 and step > 500".
    loss : str
        The column that is the loss, where a log has several.
    map : list of str
        Where a column has another name: `--map step=_step`; may be repeated.
    warmup : Count
        Warm-up updates before the first logged row, which the rates before it are rebuilt from.
    """

    where: str | None = None
    loss: str | None = None
    map: Many = ()
    warmup: Count | None = None

    def columns(self) -> dict[str, str]:
        """Return canonical name -> name in the file."""
        return pairs(self.map, "--map")

    def read(self, paths: Sequence[str], *, quiet: bool) -> Runs:
        """Read the logs; what the reader noticed goes to stderr."""
        import scaling
        from scaling.cli import output

        runs = scaling.read(
            list(paths),
            columns=self.columns() or None,
            loss=self.loss,
            warmup=self.warmup,
        )
        if self.where is not None:
            runs = runs.select(self.where)
        output.notes(runs.notes, quiet=quiet)
        return runs


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

    json: Flag = False
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False)] = False
    debug: Flag = False


def saved_fit(path: str | Path) -> Fit:
    """A saved fit of a law; a saved relation between two data sets is refused."""
    import scaling

    found = scaling.load(path)
    if not isinstance(found, scaling.Fit):
        raise UsageError(
            f"{path} holds a relation between two data sets, which only `scaling predict` takes; give a fit"
        )
    return found


def is_constants(text: str) -> bool:
    """Is it the name of published constants, or at least of a law, rather than a file?"""
    import scaling

    path = Path(text)
    return not path.exists() and path.suffix != ".json" and ("/" in text or text in scaling.laws)  # type: ignore[attr-defined]
