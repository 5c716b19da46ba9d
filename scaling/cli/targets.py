"""What a saved fit is asked to predict, as a command line says it: logs, a schedule, or inputs of the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import scaling
from scaling.cli.options import Reading, value
from scaling.errors import ArgumentError
from scaling.words import did_you_mean

if TYPE_CHECKING:
    from scaling import Fit

POSITIVE = ("N", "D", "tokens", "batch", "peak")  # whatever the law
FACTS = ("N", "tokens", "batch", "peak")  # what is told of a run beside its schedule, to a law over runs


def target(
    fit: Fit, paths: Sequence[str], schedule: str | None, steps: int | None, inputs: Mapping[str, str], reading: Reading, *,
    quiet: bool, options: Sequence[str],
) -> Any:  # fmt: skip
    """Runs or a table, a Schedule, or the law's inputs; `options` of the verb are what a wrong name may have meant."""
    names = _names(fit)
    inputs = {under if (under := name.replace("-", "_")) in names else name: text for name, text in inputs.items()}
    _check(fit, bool(paths), schedule is not None, inputs, options)
    if steps is not None and schedule is None:
        raise ArgumentError("--steps goes with --schedule; --at picks steps of logged runs")
    if paths:
        return reading.measurements(paths, [fit.law], quiet=quiet, predicted=True)
    if schedule is not None and fit.law.hooks.facts:
        told = {name: _given(name, text) for name, text in inputs.items()}
        return {**told, **({} if steps is None else {"steps": steps}), "schedule": schedule}
    if schedule is not None:
        return scaling.schedule(schedule, **({} if steps is None else {"steps": steps}))
    return {name: _given(option, inputs[option]) for name, option in _named(fit, inputs).items()}


def _given(name: str, text: str) -> float:
    number = value(f"--{name} {text}", text)
    if name in POSITIVE and not number > 0:
        raise ArgumentError(f"--{name} {text}: must be a number above 0")
    return number


def _check(fit: Fit, logs: bool, planned: bool, inputs: Mapping[str, str], options: Sequence[str]) -> None:
    """Refuse a target that this law cannot be predicted at."""
    over_schedule, over_runs = fit.law.over_schedules, bool(fit.law.hooks.facts)
    known = FACTS if over_runs else () if over_schedule else fit.law.inputs
    for name in inputs:
        if name not in (known if over_runs else _names(fit)):
            takes = f"; law '{fit.law.name}' takes {' '.join(f'--{option}' for option in known)}"
            hint = did_you_mean(
                f"--{name}", [f"--{option}" for option in (*known, *_names(fit), *options)] if len(name) > 1 else [], takes
            )
            if over_schedule and not over_runs:
                hint = f"; law '{fit.law.name}' reads learning rates: give --schedule, or logs"
            raise ArgumentError(f"unknown option --{name}{hint}")
    if planned and not over_schedule:
        wanted = " ".join(f"--{name}" for name in known)
        raise ArgumentError(f"law '{fit.law.name}' reads no schedule; it is predicted for one of: logs or {wanted}")
    if over_runs and inputs and not planned and not logs:
        raise ArgumentError(f"law '{fit.law.name}' also needs --schedule, the learning rates: --schedule cosine:final=0.1")
    if over_runs and logs + planned == 1 and not (logs and inputs):
        if planned and "N" in fit.law.hooks.facts and "N" not in inputs:
            raise ArgumentError(f"law '{fit.law.name}' also needs --N, the size of the run")
        return
    if logs + planned + bool(inputs) != 1:
        asked = "--schedule with --N and --tokens" if over_runs else "--schedule" if over_schedule else ""
        wanted = "logs or " + (asked or " ".join(f"--{name}" for name in known))
        raise ArgumentError(f"law '{fit.law.name}' is predicted for one of: {wanted}")
    if inputs and (missing := [f"--{name}" for name in known if name not in _named(fit, inputs)]):
        raise ArgumentError(f"law '{fit.law.name}' also needs {' '.join(missing)}")


def _names(fit: Fit) -> dict[str, str]:
    """Option -> input of the law, under its own name and those that tables have for it; the only one also goes by x, and by
    what its convention says it is."""
    law = fit.law
    if law.over_schedules:
        return {}
    found = {name: name for name in law.inputs}
    for name in law.inputs:
        said = str(law.conventions.get(name, name)) if len(law.inputs) == 1 else name
        same = [(column, *others) for column, others in scaling.counting.ALIASES.items() if said in (column, *others)]
        for option in (said, *(same[0] if same else ()), *(("x",) if len(law.inputs) == 1 else ())):
            found.setdefault(option, name)
    return found


def _named(fit: Fit, inputs: Mapping[str, str]) -> dict[str, str]:
    """Input of the law -> the option that gives it; refused where two do."""
    names, given = _names(fit), dict[str, str]()
    for option in inputs:
        if (name := names.get(option)) is not None and given.setdefault(name, option) != option:
            raise ArgumentError(f"--{given[name]} and --{option} are one input of law '{fit.law.name}'; keep one")
    return given
