"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, overload

from cyclopts import CoercionError, CycloptsError, MissingArgumentError, Parameter, Token, UnknownOptionError

import scaling
from scaling import document
from scaling.cli import output
from scaling.errors import ArgumentError, DataError, ScalingError
from scaling.schedules import SHAPES
from scaling.schedules.text import keys
from scaling.words import did_you_mean, listed, parse_number

if TYPE_CHECKING:
    import pandas as pd

    from scaling import Fit, Runs
    from scaling.counting import Shape
    from scaling.formula import Law
    from scaling.registered import Registration
    from scaling.transfer import Relation

DELTA = 1e-3  # where losses turn, unless told otherwise
FIGURES = (".png", ".svg", ".pdf")


def _number(good: Callable[[float], bool], wanted: str, kind: type = float) -> Callable[[Any, Sequence[Token]], Any]:
    """How a number that must be `good` is read."""

    def read(_: Any, tokens: Sequence[Token]) -> Any:
        try:
            number = parse_number(tokens[0].value)
        except ValueError:
            number = math.nan
        if not good(number):
            raise ValueError(wanted)
        return kind(number)

    return read


_positive = _number(lambda x: x > 0, "a number above 0, like 1e22 or 7B")


def _each(read: Callable[[Any, Sequence[Token]], Any]) -> Callable[[Any, Sequence[Token]], list[Any]]:
    """How an option is read that may be repeated."""

    def several(hint: Any, tokens: Sequence[Token]) -> list[Any]:
        try:
            return [read(hint, [token := t]) for t in tokens]
        except ValueError as problem:  # of several values cyclopts does not name the wrong one
            said = f"{token.keyword or 'argument'} {token.value}: must be {problem}"
            raise problem if len(tokens) == 1 else ValueError(said) from None

    return several


_level = _number(lambda x: 0 < x < 1, "a probability between 0 and 1, like 0.9")
_whole = _number(lambda x: x >= 0 and x % 1 == 0, "a whole number like 24000 or 24k", int)


def _count(hint: Any, tokens: Sequence[Token]) -> int:
    text = tokens[0].value.strip()  # digits as they are: a float holds 15 of them
    return int(text) if text.isdecimal() and len(text) < 100 else int(_whole(hint, tokens))


def _delta(_: Any, tokens: Sequence[Token]) -> float | str:
    text = tokens[0].value
    try:
        return text if text == "mad" else parse_number(text)
    except ValueError as problem:
        raise ValueError(f"{problem}, or mad") from None


Number = Annotated[float, Parameter(converter=lambda _, tokens: parse_number(tokens[0].value))]
Positive = Annotated[float, Parameter(converter=_positive)]
Positives = Annotated[Sequence[float], Parameter(converter=_each(_positive), negative="", show_default=False)]
Count = Annotated[int, Parameter(converter=_count)]
Counts = Annotated[Sequence[int], Parameter(converter=_each(_count), negative="", show_default=False)]
Many = Annotated[Sequence[str], Parameter(negative="", show_default=False)]
Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Level = Annotated[float, Parameter(converter=_level, help="Probability that the interval is meant to cover.")]
Seed = Annotated[int, Parameter(converter=_count, help="Of the starts.")]
Delta = Annotated[
    float | str,
    Parameter(
        converter=_delta,
        help="Where the Huber loss turns from square to straight; mad: at the robust scatter of the residuals.",
    ),
]
Device = Annotated[Literal["cpu", "cuda"] | None, Parameter(help="cuda if there is one, if not given.")]
Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Objective = Literal[
    "log_huber", "huber", "log_squares", "squares", "log_soft_l1", "soft_l1", "log_student_t", "student_t",
    "log_one_sided", "one_sided",
]  # fmt: skip
Minimised = Annotated[Objective, Parameter(help="What is minimised, summed over rows.")]


def explain(problem: CycloptsError) -> str:
    """Return what is wrong with a command line; a value that cannot be read is named with its option."""
    if isinstance(problem, CoercionError) and problem.msg and problem.token is not None:
        return f"{problem.token.keyword or 'argument'} {problem.token.value}: must be {problem.msg}"
    if isinstance(problem, MissingArgumentError) and problem.argument is not None and problem.command_chain:
        name = problem.argument.name
        if "[KEYWORD]" in name:  # options that are the law's inputs
            return f"{problem.command_chain[0]} needs a number after each input; a negative one is written --N=-1"
        return f"{problem.command_chain[0]} needs {name}{' with a value' if name.startswith('-') else ''}"
    if isinstance(problem, UnknownOptionError):
        return _unknown(problem)
    said = str(problem)
    if isinstance(problem, CoercionError) and problem.token is not None and problem.argument is not None:
        name = problem.token.keyword or problem.argument.name.lstrip("-").upper()
        if choices := get_args(problem.target_type):
            hint = did_you_mean(problem.token.value, choices)
            return f"{name} {problem.token.value}: must be one of {', '.join(map(str, choices))}{hint}"
        return f"{name} {problem.token.value}: must be a number"
    exclusive = re.fullmatch(r"Mutually exclusive arguments: \{(.*)\}", said)
    return f"{listed(exclusive[1].split(', '))} do not go together; keep one" if exclusive else said[:1].lower() + said[1:]


def _unknown(problem: UnknownOptionError) -> str:
    """What is said of an option that a verb does not have: where the word belongs, or the option that is close."""
    said = (problem.token.keyword or problem.token.value).partition("=")[0]
    there = [name for argument in problem.argument_collection if argument.parse for name in argument.names]
    key = said.removeprefix("--")
    if "--schedule" in there and len(key) > 1 and any(key in keys(name) for name in SHAPES):
        return f"unknown option {said}; a schedule says it: --schedule NAME:{key}=VALUE,..."
    return f"unknown option {said}{did_you_mean(said, there)}"


def check_folder(path: str | Path) -> None:
    """Refuse a file where a folder is to be written."""
    if Path(path).exists() and not Path(path).is_dir():
        raise ArgumentError(f"{path}: this is a file; name a folder")


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return the mapping that an option given as `name=value`, once or many times, stands for."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ArgumentError(f"{option} {text}: write {option} name=value")
        if name in found:
            raise ArgumentError(f"{option} {name} is given twice; keep one")
        found[name] = value
    return found


def value(said: str, text: str) -> float:
    """Return the number that `text` stands for; `said` is how the command line has it."""
    try:
        return parse_number(text)
    except ValueError as wanted:
        raise ArgumentError(f"{said}: must be {wanted}") from None


def values(texts: Iterable[str], option: str) -> dict[str, float]:
    """Return the numbers by name that an option given as `name=number`, once or many times, stands for."""
    return {name: value(f"{option} {name}={text}", text) for name, text in pairs(texts, option).items()}


def check_files(
    saved: Path | None, kind: str, plot: Path | None = None, *, inputs: Iterable[str | Path | None], force: bool
) -> None:
    """Refuse what -o and --plot name where it cannot be written, or something would be lost, before any work is done."""
    read = [path for path in inputs if path is not None]
    if saved is not None:
        document.check_target(saved, kind, force=force, inputs=read, option="-o")
    if plot is None:
        return
    if plot.suffix.lower() not in FIGURES:
        raise ArgumentError(f"--plot {plot}: a figure is saved as {', '.join(FIGURES)}")
    document.check_target(plot, "figure", force=force, inputs=read, option="--plot")
    if saved is not None and saved.resolve() == plot.resolve():
        raise ArgumentError(f"--plot {plot}: -o names the same file; name two")


def check_delta(objective: str, delta: float | str) -> None:
    """Refuse --delta where the objective has none."""
    if objective.endswith("squares") and delta != DELTA:
        said = delta if isinstance(delta, str) else f"{delta:g}"
        raise ArgumentError(f"--delta {said}: least squares have no delta; --objective log_huber has")


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How logs are read.

    Parameters
    ----------
    where : str
        Keep rows for which this holds, over columns and facts: "n_params > 1e6 and run in ['a', 'b']".
    loss : str
        The column that is the loss, where a log has several.
    map : list of str
        Where a column has another name: `--map step=_step`; may be repeated.
    fact : list of str
        What holds of every run and the logs do not say: `--fact batch_tokens=524288`; may be repeated.
    warmup : Count
        Warm-up updates before the first logged row, which the rates before it are rebuilt from.
    resumed : str
        `newest`: of steps that were written again take the newest, also where that is not sure.
    """

    where: str | None = None
    loss: str | None = None
    map: Many = ()
    fact: Many = ()
    warmup: Count | None = None
    resumed: Literal["newest"] | None = None

    def columns(self) -> dict[str, str]:
        """Return canonical name -> name in the file."""
        return pairs(self.map, "--map")

    def arguments(self) -> dict[str, Any]:
        """Return what `scaling.read` takes."""
        facts = {name: scaling.logs.fact(text) for name, text in pairs(self.fact, "--fact").items()}
        same: dict[str, Any] = {"columns": self.columns() or None, "loss": self.loss, "facts": facts or None}
        return {**same, "warmup": self.warmup, "resumed": self.resumed}

    def read(self, paths: Sequence[str], *, quiet: bool, schedule: str | None = None) -> Runs:
        """Read the logs; what the reader noticed goes to stderr."""
        runs = scaling.read(list(paths), schedule=schedule, **self.arguments())
        for said in runs.warnings:
            output.warning(said)
        if self.where is not None:
            runs = runs.select(self.where, self.columns())
        output.notes(runs.notes, quiet=quiet)
        return runs

    def measurements(
        self, paths: Sequence[str], laws: Sequence[Law] | None = None, *, quiet: bool = True, predicted: bool = False
    ) -> Runs | pd.DataFrame:
        """Read curves as Runs, or tables of losses and what one of the laws takes (N and D without laws) as they stand.

        `quiet`: what the reader of curves noticed is part of the report. `predicted`: tables need no loss.
        """
        names = self.columns() | ({} if self.loss is None else {"loss": self.loss})
        headers = [scaling.logs.columns_of(path, names) for path in paths]
        loss = () if predicted else ("loss",)
        wanted = [("N", "D")] if laws is None else _tables(laws, headers[0] if headers else [])
        needed = next((n for n in wanted if headers and all(_holds(there, n, loss) for there in headers)), None)
        if needed is None:
            asked = [(name, column) for name, column in names.items() if name not in scaling.logs.columns.ALIASES]
            for path, (name, column) in product(paths, asked):
                if (header := scaling.logs.columns_of(path)) and column not in header:
                    hint = scaling.logs.findings.near(column, header)
                    raise DataError(f"{path}: no column {column!r}, asked for by --map as {name}{hint}")
            for path, header in zip(paths, headers, strict=True):
                check_columns(path, header, laws, loss, log=bool(self.fact) or "step" in names)
            return self.read(paths, quiet=quiet)
        if self.warmup is not None:
            raise ArgumentError("--warmup goes with loss curves, not with a table of runs")
        absent = set(names).difference(*headers)
        there = [name for name in (*needed, "loss") if all(name in header for header in headers)]
        return scaling.logs.read_table(paths, columns=names, needed=[*there, *absent], where=self.where)


def _holds(header: list[str], inputs: tuple[str, ...], loss: tuple[str, ...]) -> bool:
    """Is a file of these columns a table of these inputs? One whose loss has a name of logs is, where it has no steps."""
    plain = "loss" in header or (inputs and not _steps(header))
    return scaling.counting.reachable(header, (*inputs, *loss)) and bool(plain or not loss)


def _steps(header: Sequence[str]) -> bool:
    """Does a file of these columns have the steps of a run? Of W&B's it has, where it is no list of runs with their state."""
    exported = "_step" in header and not {"name", "state"} <= {name.lower() for name in header}
    return exported or bool({*header} & {*scaling.logs.columns.ALIASES["step"]})


def check_columns(path: str, header: list[str], laws: Sequence[Law] | None, loss: Sequence[str], *, log: bool = False) -> None:
    """Refuse a table, a file without steps, that lacks a column of the one law asked for, or of every law.

    `laws`: None where N and D are meant. `loss`: ("loss",) where a table must have one. `log`: do options say that it is one?
    """
    if not header or not all(map(str.isprintable, header)) or any(law.over_schedules for law in laws or ()):
        return
    named = laws[0].over_columns(header) if laws is not None and len(laws) == 1 else None
    wanted = ("N", "D", *loss) if named is None else (*named.inputs, *loss)
    missing = [name for name in wanted if not scaling.counting.reachable(header, (name,))]
    x, unit = scaling.logs.columns.x_of(header)
    x = "" if unit == "updates" else x  # which a list of runs has, too
    if log or not missing or _steps(header) or (named is None and x and "lr" in header):
        return
    said, names = f"the file has {', '.join(header)}; ", _named(header, missing)
    if named is None:
        fact = scaling.logs.units.STEPS[unit][0] if x else ""
        curve = f"of one run whose steps are its {x}: --fact {fact}=NUMBER" if x else "--map step=COLUMN"
        raise DataError(
            f"{path}: no table of N, D{' and loss' if loss else ''}, and no log with a column for step; {said}name "
            f"{'it' if len(missing) == 1 else 'them'}: {names}, or {curve}"
        )
    raise DataError(
        f"{path}: law '{named.name}' needs columns {', '.join(wanted)}; missing {', '.join(missing)}; {said}name "
        f"{'it' if len(missing) == 1 else 'them'}: {names}; `scaling laws --for {path}` says which laws these allow"
    )


def _named(header: list[str], missing: list[str]) -> str:
    """The options that name what is missing; the column itself where only one is left that may be it."""
    known = [*scaling.counting.ALIASES, *scaling.logs.columns.ALIASES]
    left = [c for c in header if not any(scaling.counting.reachable([c], (name,)) for name in known)]
    column = left[0] if len(left) == len(missing) == 1 else "COLUMN"
    return " ".join(f"--map {shlex.quote(f'{name}={column}')}" for name in missing)


def auto_laws() -> list[Law]:
    """The laws that a table may be for, where none is named."""
    return [law for law in scaling.laws.values() if law.predicts == "loss" and not law.over_schedules]


def _tables(laws: Sequence[Law], columns: list[str]) -> list[tuple[str, ...]]:
    """The columns that make a file a table for one of the laws; none where it is a log and one of them reads whole curves.

    Of one input a law takes what there is, if the file is no log.
    """
    log = _steps(columns)
    if log and any(law.over_schedules for law in laws):
        return []
    found = []
    for law in sorted((law for law in laws if not law.over_schedules), key=lambda law: -len(law.inputs)):
        alone = len(law.inputs) == 1 and law.inputs[0] not in columns
        if not alone:
            found.append(law.over_columns(columns).inputs)
        elif not log:
            found.append(())
    return found


@overload
def saved_fit(path: str | Path) -> Fit: ...
@overload
def saved_fit(path: str | Path, *, relations: Literal[True]) -> Fit | Relation: ...
def saved_fit(path: str | Path, *, relations: bool = False) -> Fit | Relation:
    """A saved fit of a law, or where they are wanted a relation between two data sets; other documents are refused."""
    found = scaling.load(path)
    if isinstance(found, scaling.Fit) or (relations and isinstance(found, scaling.transfer.Relation)):
        return found
    if isinstance(found, scaling.transfer.Relation):
        raise ArgumentError(f"{path} holds a relation between two data sets, which only `scaling predict` takes; give a fit")
    raise ArgumentError(f"{path} holds a registered forecast or the score of one, which `scaling score` takes; give a fit")


def registration(path: str | Path, option: str = "") -> Registration:
    """A saved registration; `option` is how the command line calls the path."""
    ours = not Path(path).is_file() or document.kind_of(Path(path)) is not None
    if ours and isinstance(found := scaling.load(path), scaling.registered.Registration):
        return found
    said = f"{option} {path}".strip()
    raise ArgumentError(f"{said}: this is no registered forecast; `scaling register FIT ... -o FILE` writes one")


def fit_or_constants(text: str) -> Fit | str:
    """A saved fit, or the name of published constants or at least of a law, which Python takes as it stands."""
    path = Path(text)
    named = not path.exists() and path.suffix != ".json" and ("/" in text or text in scaling.laws)
    return text if named else saved_fit(text)


def proportions(text: str | None) -> Shape | None:
    """Return the shape that `--shape` stands for."""
    if text is None:
        return None
    known = [f.name for f in fields(scaling.counting.Shape)]
    named = ", ".join(name for name in known if name not in ("gated", "tied"))
    example = f"write d_model=2048,n_layer=24,vocab=50257,context=2048 ({named})"
    given = values(text.split(","), "--shape")
    if unknown := [name for name in given if name not in known]:
        raise ArgumentError(f"--shape {text}: unknown {unknown[0]!r}{did_you_mean(unknown[0], known)}; {example}")
    try:
        return scaling.counting.Shape(**given)  # type: ignore[arg-type]
    except TypeError:  # one without a default is missing
        raise ArgumentError(f"--shape {text}: not all of a model; {example}") from None
    except ScalingError as problem:
        raise ArgumentError(f"--shape {text}: {problem}; {example}") from None
