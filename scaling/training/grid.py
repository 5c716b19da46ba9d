"""A sweep file: settings for every run, and axes whose values are combined.

    [base]                       # settings of every run (RunSpec), over the defaults
    batch = 32
    [schedules]                  # names for schedules; peak and steps may be left to the axes
    linear = "wsd:warmup=100,decay=0.2"
    [[axes]]                     # every combination is a run; more than one [[axes]] gives several grids
    size = [{name = "d16", d_model = 16}, {name = "d32", d_model = 32}]
    schedule = ["linear", "cosine:warmup=100"]
    peak = [3e-3, 1e-2]
    horizon = [{steps = 2000}, {tokens = "10M"}, {flops = 1e13}, {tokens_per_param = 20}]

An axis is a setting, or `peak`, `horizon`, `qat_fraction` (the last part of the run, in `qat_bits`), or any other word
if its values are tables: they move several settings together, and `name` says how. `labels` adds columns to `runs.csv`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from scaling.counting import flops_per_token
from scaling.errors import ScheduleError, TrainingDataError, TrainingError
from scaling.schedules import schedule as make_schedule
from scaling.training.records import NAMING, PLAIN_NAME, refuse_labels
from scaling.training.spec import RunSpec
from scaling.words import did_you_mean, parse_number

_SETTINGS = {field.name for field in fields(RunSpec)} | {"peak", "horizon", "qat_fraction"}
MOST_STEPS = 100_000_000  # of a run, and of all together: tables of rates are in memory
MOST_RUNS = 10_000
MOST_BYTES = 2**20  # of a sweep file


@dataclass(frozen=True)
class Planned:
    """A run of a sweep: its spec, and further columns of its row."""

    spec: RunSpec
    labels: dict[str, str]


def read_sweep(path: str | Path) -> dict[str, Planned]:
    """The runs of a sweep file by name, in its order. A name is made of the values of all axes that have more than one.

    Raises
    ------
    TrainingDataError : a file that is missing or no TOML, unknown settings, values that cannot be named, or equal names.
    """
    path = Path(path)
    content = _read(path)
    if not content:
        raise TrainingDataError(f"{path}: it has no part, so there is no run in it; a sweep has base, schedules and axes")
    base, schedules = (_table(f"{path}, {part}", content.get(part, {})) for part in ("base", "schedules"))
    for setting in base:
        _known(f"{path}, base", setting)
    for name, text in schedules.items():
        if not isinstance(text, str):
            raise TrainingDataError(f"{path}, schedules: {name} = {text!r} is no text like 'wsd:warmup=100,decay=0.2'")
    grids = content.get("axes", {})
    runs: dict[str, Planned] = {}
    steps = 0
    taken: set[str] = set()
    for number, grid in enumerate(grids if isinstance(grids, list) else [grids], 1):
        where = f"{path}, axes {number}"
        axes = _table(where, grid)
        labels = {key: str(value) for key, value in _table(f"{where}, labels", axes.get("labels", {})).items()}
        try:
            refuse_labels(labels)
        except TrainingError as problem:
            raise TrainingDataError(f"{where}: {problem}") from None
        for name, settings in _combinations(where, axes, schedules):
            try:
                spec = make_spec(base | settings, schedules)
            except (ValueError, TypeError, OverflowError) as problem:  # errors of this project are ValueErrors too
                if isinstance(problem, ScheduleError) and not {"schedule", "peak"} & {*base, *settings}:
                    write = 'write schedule = "cosine:peak=1e-2,steps=2000" in base, or schedules to take in turn in axes'
                    problem = TrainingDataError(f"it has no schedule\n{write}")
                raise TrainingDataError(f"{where}, run {name or 'single'}: {problem}") from None
            name = name or spec.default_name
            if not PLAIN_NAME.fullmatch(name):
                raise TrainingDataError(f"{where}: run {name!r} makes no file name\n{NAMING}")
            if name.lower() in taken:  # some file systems do not tell A from a
                raise TrainingDataError(f"{where}: two runs are named {name!r}; give the values that differ a `name`")
            taken.add(name.lower())
            if (steps := steps + spec.table.steps) > MOST_STEPS:
                raise TrainingDataError(
                    f"{where}: with run {name!r} it is {steps:,} updates, a sweep file has {MOST_STEPS:,} at most in all\n"
                    "divide it into several files"
                )
            runs[name] = Planned(spec, labels)
    return runs


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise TrainingDataError(f"{path}: no such sweep file") from None
    except IsADirectoryError:
        raise TrainingDataError(f"{path}: a folder; name the sweep file (TOML) itself") from None
    except OSError as problem:
        raise TrainingDataError(f"{path}: cannot be read as text: {problem.strerror}") from None
    if len(found) > MOST_BYTES:
        raise TrainingDataError(f"{path}: too long for a sweep file, which has {MOST_BYTES:,} bytes at most")
    try:
        content = tomllib.loads(found.decode())
    except UnicodeDecodeError:
        raise TrainingDataError(f"{path}: not utf-8 text, so no sweep file; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as problem:
        raise TrainingDataError(f"{path}: no valid TOML: {problem}") from None
    except ValueError:  # of `int`: thousands of digits
        raise TrainingDataError(f"{path}: there is a number of thousands of digits; settings have 19 at most") from None
    except RecursionError:
        raise TrainingDataError(f"{path}: lists or tables are nested too deep; a sweep needs three levels") from None
    if unknown := content.keys() - {"base", "schedules", "axes"}:
        raise TrainingDataError(f"{path}: unknown part {min(unknown)!r}; a sweep has base, schedules and axes")
    return content


def _table(where: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TrainingDataError(f"{where}: {found!r} is no table; write it as `key = value` lines or {{key = value}}")
    return found


def _known(where: str, setting: str) -> None:
    if setting not in _SETTINGS:
        raise TrainingDataError(f"{where}: no setting {setting!r}{did_you_mean(setting, _SETTINGS)}")


def _combinations(where: str, axes: dict[str, Any], schedules: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    values = {axis: value if isinstance(value, list) else [value] for axis, value in axes.items() if axis != "labels"}
    for axis, options in values.items():
        if not options:
            raise TrainingDataError(f"{where}: axis {axis!r} has no value, so there is nothing to run")
    if (size := prod(map(len, values.values()))) > MOST_RUNS:
        raise TrainingDataError(f"{where}: the axes make {size:,} runs, {MOST_RUNS:,} are the most; divide them or drop values")
    for chosen in product(*values.values()):
        parts: list[str] = []
        settings: dict[str, Any] = {}
        for axis, value in zip(values, chosen, strict=True):
            moved = dict(value) if isinstance(value, dict) and axis != "horizon" else {axis: value}
            label = str(moved.pop("name", "")) or _label(where, axis, value, schedules, len(values[axis]) > 1)
            for setting in moved:
                _known(where, setting)
                if setting in settings:
                    raise TrainingDataError(f"{where}: setting {setting!r} is on two axes; keep one")
            settings |= moved
            if len(values[axis]) > 1:
                parts.append(label)
        yield "-".join(parts), settings


def _label(where: str, axis: str, value: Any, schedules: Mapping[str, str], needed: bool) -> str:
    if axis == "horizon" and isinstance(value, dict):
        what, amount = next(iter(value.items()), ("", ""))
        return f"{amount}{what}"
    if isinstance(value, bool | int | float):
        return f"{axis}{value}"
    if isinstance(value, str) and (value in schedules or PLAIN_NAME.fullmatch(value)):
        return value
    if axis == "schedule" and isinstance(value, str):
        return value.split(":")[0]
    if needed:
        raise TrainingDataError(
            f"{where}: {axis} = {value!r} makes no file name\nwrite the value as {{name = '..', {axis} = '..'}}"
        )
    return ""


def make_spec(settings: Mapping[str, Any], schedules: Mapping[str, str]) -> RunSpec:
    """A spec from settings of a sweep: schedule by name, length from the horizon, rounding from its fraction."""
    own = dict(settings)
    text = str(own.pop("schedule", "constant"))
    extra = {"peak": own.pop("peak")} if "peak" in own else {}
    horizon, fraction = own.pop("horizon", None), own.pop("qat_fraction", None)
    if horizon is not None:
        extra["steps"] = _steps(horizon, RunSpec(schedule="constant:peak=1,steps=1", **own | {"merge": ""}))
    table = make_schedule(schedules.get(text, text), **extra)
    if fraction is not None:
        if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            raise TrainingError(f"qat_fraction = {fraction!r}: must be a number from 0 to 1")
        own["qat_from"] = table.steps - round(fraction * table.steps)
        if own["qat_from"] == table.steps:
            own |= {"qat_bits": 0, "qat_from": 0}
    return RunSpec(schedule=table.text or text, **own)


def _steps(horizon: Any, spec: RunSpec) -> int:
    said, kinds = f"horizon = {horizon!r}", {"steps", "tokens", "flops", "tokens_per_param"}
    if not isinstance(horizon, dict) or len(kinds & horizon.keys()) != 1:
        raise TrainingError(f"{said}: give one of {{steps}}, {{tokens}}, {{flops}}, {{tokens_per_param}}")
    (kind,) = kinds & horizon.keys()
    choices = {"flops": {"convention"}, "tokens_per_param": {"params"}}.get(kind, set())
    if unknown := horizon.keys() - {kind} - choices:
        raise TrainingError(f"{said}: {min(unknown)!r} says nothing about {kind}")
    try:
        amount = parse_number(horizon[kind])
    except ValueError as problem:
        raise TrainingError(f"{said}: must be {problem}") from None
    if kind == "steps" and amount != int(amount):
        raise TrainingError(f"{said}: must be a whole number of updates")
    if kind == "flops":
        amount /= flops_per_token(spec.shape, horizon.get("convention", "6ND_with_gains"))
    elif kind == "tokens_per_param":
        counts, which = spec.params, horizon.get("params", "n_params")
        if which not in counts:
            raise TrainingError(f"{said}: params is one of {', '.join(counts)}")
        amount *= counts[which]
    steps = round(amount if kind == "steps" else amount / spec.batch_tokens)
    if steps < 1:
        raise TrainingError(f"{said}: less than one update of {spec.batch_tokens} tokens")
    if steps > MOST_STEPS:
        raise TrainingError(f"{said}: {steps:.3g} updates; a run has {MOST_STEPS:,} at most")
    return steps
