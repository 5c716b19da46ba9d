"""`scaling predict`: the loss of a run that nobody has made yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from scaling.cli import output
from scaling.cli.options import (
    Count,
    Flag,
    Many,
    Printing,
    Reading,
    UsageError,
    check_figure,
    check_saved,
    nearest,
    number,
)
from scaling.cli.relation import RELATION, predict_relation

if TYPE_CHECKING:
    import pandas as pd

    from scaling import Fit

OPTIONS = (
    "schedule",
    "steps",
    "at",
    "level",
    "at-end",
    "reference",
    "output",
    "plot",
    "where",
    "loss",
    "map",
    "warmup",
    "json",
    "quiet",
)


def predict(
    fit: str,
    /,
    *paths: str,
    schedule: str | None = None,
    steps: Count | None = None,
    at: Annotated[Sequence[Count], Parameter(negative="", show_default=False)] = (),
    at_end: Flag = False,
    reference: Many = (),
    level: Annotated[float, Parameter(validator=validators.Number(gt=0, lt=1))] = 0.9,
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    plot: Path | None = None,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
    **inputs: str,
) -> None:
    """Predict losses with a saved fit: at given inputs, over a schedule, or for logged runs.

    For example:

        scaling predict fit.json --schedule wsd:peak=3e-4,warmup=2k --steps 100k --plot forecast.png
        scaling predict fit.json long-run.csv --at 50k --at 100k
        scaling predict chinchilla.json --N 7B --D 2T --json
        scaling predict relation.json web-runs/
        scaling predict live.csv --at-end --reference small-runs/

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`; with --at-end the log of the running job.
    paths
        Logs of the runs to predict; where they have a measured loss it is shown beside the prediction.
    schedule
        Learning rates of the run to predict: name:key=value,... or a CSV with columns step and lr.
    steps
        Length of the run, if the schedule does not say it.
    at
        Steps to print; the last one if not given. May be repeated.
    at_end
        Forecast the end of a running job from its own log and planned schedule; no fit is needed.
    reference
        With --at-end: logs of finished runs to learn from, all rows of them: --where picks rows of the job alone. May be
        repeated.
    level
        Probability that the interval is meant to cover.
    output_
        Save the whole predicted curve as CSV.
    plot
        Save a figure of the forecast (.png, .svg or .pdf).
    inputs
        Inputs of the law, for laws without a schedule: --N 7B --D 2T.
    """
    import scaling

    check_figure(plot)
    check_saved(output_)
    if reference and not at_end:
        raise UsageError("--reference goes with --at-end")
    if at_end:
        if inputs or steps is not None or at:
            raise UsageError(
                "--at-end goes with one log, and with --schedule, --reference, --level, --output and --plot"
            )
        _at_end([fit, *paths], schedule, reference, level, output_, plot, reading, printing)
        return
    result = scaling.load(fit)
    if not isinstance(result, scaling.Fit):  # a relation between two data sets
        if schedule is not None or steps is not None or at or plot is not None:
            raise UsageError(f"--schedule, --steps, --at and --plot do not go with a saved {RELATION}")
        predict_relation(result, paths, inputs, level, output_, reading, printing)
        return
    _check(result, bool(paths), schedule is not None, inputs)
    if inputs and (plot is not None or at):
        raise UsageError("--plot and --at go with logs or --schedule, not with inputs of the law")
    if steps is not None and schedule is None:
        raise UsageError("--steps goes with --schedule; --at picks steps of logged runs")
    if not paths and reading != Reading():
        raise UsageError("--where, --loss, --map and --warmup go with logs")
    target: Any  # Runs, Schedule or the law's inputs
    if paths:
        target = reading.read(paths, quiet=printing.quiet)
    elif schedule is not None:
        target = scaling.schedule(schedule, **({} if steps is None else {"steps": steps}))
    else:
        target = {name: _value(name, text) for name, text in inputs.items()}
    curve = result.predict(target, level=level)
    shown = _with_truth(curve if inputs else _at(result, target, curve, at, level), target)
    said = {key: curve.attrs[key] for key in ("interval", "extrapolation")}
    if not printing.json:
        print(f"{result.law.name}   {result.law.formula}\n\n{output.table(_readable(shown))}\n")
        print("\n".join(f"{key}: {text}" for key, text in said.items()))
    if output_ is not None:
        _with_truth(curve, target).to_csv(output_, index=False)
        output.notes([f"saved {output_}"], quiet=printing.quiet)
    if plot is not None:
        output.figure(scaling.plots.forecast(result, target, level=level), plot)
        output.notes([f"drew {plot}"], quiet=printing.quiet)
    if printing.json:
        files = {"saved": output_, "figure": plot}
        output.document({"law": result.law.name, "level": level, **said, "predictions": shown, **files})
    if not result.ok:
        output.warning("the fit is not trustworthy: " + "; ".join(result.verdict.failures))


def _at_end(
    paths: Sequence[str],
    schedule: str | None,
    reference: Sequence[str],
    level: float,
    saved: Path | None,
    plot: Path | None,
    reading: Reading,
    printing: Printing,
) -> None:
    """Forecast the end of a running job."""
    import scaling
    from scaling.errors import DataError

    runs = scaling.read(
        list(paths), columns=reading.columns() or None, loss=reading.loss, warmup=reading.warmup, schedule=schedule
    )
    if reading.where is not None:
        runs = runs.select(reading.where)
    output.notes(runs.notes, quiet=printing.quiet)
    others = replace(reading, where=None).read(reference, quiet=printing.quiet) if reference else None
    if unknown := [name for name in others or () if name not in others.schedules]:  # type: ignore[union-attr]
        raise DataError(
            f"reference '{unknown[0]}': its learning rates are unknown, so nothing can be learned from it. Log a column lr "
            "(--map lr=COLUMN names one), write its schedule into runs.csv beside the log, or leave it out."
        )
    found = scaling.forecast(runs, others, level=level)
    if saved is not None:
        found.frame.to_csv(saved, index=False)
        output.notes([f"saved {saved}"], quiet=printing.quiet)
    if plot is not None:
        output.figure(scaling.plots.running(found), plot)
        output.notes([f"drew {plot}"], quiet=printing.quiet)
    if printing.json:
        output.document({**found.to_dict(), "saved": saved, "figure": plot})
    else:
        print(found)


def _check(result: Fit, logs: bool, planned: bool, inputs: dict[str, str]) -> None:
    """Refuse a target that this law cannot be predicted at."""
    over_schedule = result.law.over_schedules
    known = () if over_schedule else result.law.inputs
    for name in inputs:
        if name not in known:
            hint = nearest(f"--{name}", [f"--{option}" for option in (*known, *OPTIONS)])
            raise UsageError(f"unknown option --{name}{hint}")
    if logs + planned + bool(inputs) != 1:
        wanted = "logs or --schedule" if over_schedule else "logs or " + " ".join(f"--{name}" for name in known)
        raise UsageError(f"law '{result.law.name}' is predicted for one of: {wanted}")
    if inputs and (missing := [f"--{name}" for name in known if name not in inputs]):
        raise UsageError(f"law '{result.law.name}' also needs {' '.join(missing)}")


def _value(name: str, text: str) -> float:
    try:
        return number(text)
    except ValueError as wanted:
        raise UsageError(f"--{name} {text}: must be {wanted}") from None


def _at(result: Fit, target: Any, curve: pd.DataFrame, at: Sequence[int], level: float) -> pd.DataFrame:
    """Return the rows of the steps asked for, or the last row of each run."""
    import pandas as pd

    if not at:
        return curve.groupby("run", sort=False).tail(1)
    if not hasattr(target, "frame"):
        return result.predict(target, level=level, steps=list(at))
    if not result.law.over_schedules:
        if missing := set(at) - set(curve["step"]):
            raise UsageError(f"--at {min(missing)}: the logs have no row at this step")
        return curve[curve["step"].isin(at)]
    # the schedule behind the logs can be predicted at any of its steps, logged or not
    plans = {run: target.schedules[run] for run in target}
    parts = [result.predict(plan, level=level, steps=list(at)).assign(run=run) for run, plan in plans.items()]
    return pd.concat(parts, ignore_index=True)


def _with_truth(rows: pd.DataFrame, target: Any) -> pd.DataFrame:
    """Return what is worth showing of a prediction, with the measured loss and the error where known."""
    start = list(rows.columns).index("prediction")
    keys = ["run", "step"] if "step" in rows else list(rows.columns[:start])
    shown = rows[[*keys, *rows.columns[start:]]]
    if not hasattr(target, "frame"):
        return shown
    measured = target.frame[["run", "step", "loss"]].rename(columns={"loss": "measured"})
    shown = shown.merge(measured, on=["run", "step"], how="left")
    return shown.assign(error=shown["prediction"] / shown["measured"] - 1)


def _readable(shown: pd.DataFrame) -> pd.DataFrame:
    if "error" not in shown:
        return shown
    return shown.assign(error=[f"{100 * x:+.2f} %" if x == x else "" for x in shown["error"]])
