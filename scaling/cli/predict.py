"""`scaling predict`: the loss of a run that nobody has made yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.options import Count, Printing, Reading, UsageError, check_figure, nearest, number

if TYPE_CHECKING:
    import pandas as pd

    from scaling import Fit, Runs
    from scaling.schedules import Schedule

OPTIONS = (
    "schedule",
    "steps",
    "at",
    "level",
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
    level: float = 0.9,
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    plot: Path | None = None,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
    **inputs: str,
) -> None:
    """Predict losses with a saved fit: at given inputs, over a schedule, or for logged runs.

    Examples:

        scaling predict fit.json --schedule wsd:peak=3e-4,warmup=2k --steps 100k --plot forecast.png
        scaling predict fit.json long-run.csv --at 50k --at 100k
        scaling predict chinchilla.json --N 7B --D 2T --json

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`.
    paths
        Logs of the runs to predict; where they have a measured loss it is shown beside the prediction.
    schedule
        Learning rates of the run to predict: name:key=value,...
    steps
        Length of the run, if the schedule does not say it.
    at
        Steps to print; the last one if not given. May be repeated.
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
    result = scaling.load(fit)
    given = [bool(paths), schedule is not None, bool(inputs)]
    _check_inputs(result, inputs)
    if sum(given) != 1:
        raise UsageError(
            "predict needs one of: logs, --schedule, or the inputs of the law (" + _wanted(result) + ")"
        )
    if inputs and (plot or at or steps):
        raise UsageError("--plot, --at and --steps go with logs or --schedule, not with inputs of the law")
    quiet = printing.quiet or printing.json
    target: Runs | Schedule | dict[str, float]
    if paths:
        target = reading.read(paths, quiet=quiet)
    elif schedule is not None:
        target = scaling.schedule(schedule, **({} if steps is None else {"steps": steps}))
    else:
        target = {name: _value(name, text) for name, text in inputs.items()}
    curve = result.predict(target, level=level)
    rows = curve if inputs else _at(result, target, curve, at, level)
    shown = _with_truth(rows, target)
    if output_ is not None:
        _with_truth(curve, target).to_csv(output_, index=False)
        output.notes([f"saved {output_}"], quiet=quiet)
    if plot is not None:
        output.figure(scaling.plots.forecast(result, target, level=level), plot)
        output.notes([f"drew {plot}"], quiet=quiet)
    said = {"interval": curve.attrs["interval"], "extrapolation": curve.attrs["extrapolation"]}
    if printing.json:
        files = {"saved": output_, "figure": plot}
        output.document({"law": result.law.name, "level": level, **said, "predictions": shown, **files})
    else:
        print(f"{result.law.name}   {result.law.formula}\n\n{output.table(shown)}\n")
        print("\n".join(f"{key}: {text}" for key, text in said.items()))
    if not result.ok:
        output.warning("the fit is not trustworthy: " + "; ".join(result.verdict.failures))


def _wanted(result: Fit) -> str:
    if "features" in result.law.hooks:
        return f"law '{result.law.name}' takes a schedule, or runs that have one"
    return " ".join(f"--{name}" for name in result.law.inputs)


def _check_inputs(result: Fit, inputs: dict[str, str]) -> None:
    known = () if "features" in result.law.hooks else result.law.inputs
    for name in inputs:
        if name not in known:
            raise UsageError(
                f"unknown option --{name}{nearest('--' + name, ['--' + k for k in (*known, *OPTIONS)])}"
            )
    if inputs and (missing := [f"--{name}" for name in known if name not in inputs]):
        raise UsageError(f"law '{result.law.name}' also needs {' '.join(missing)}")


def _value(name: str, text: str) -> float:
    try:
        return number(text)
    except ValueError as wanted:
        raise UsageError(f"--{name} {text}: must be {wanted}") from None


def _at(result: Fit, target: Any, curve: pd.DataFrame, at: Sequence[int], level: float) -> pd.DataFrame:
    """Return the rows of the steps asked for, or the last row of each run."""
    if not at:
        return curve.groupby("run", sort=False).tail(1)
    if not hasattr(target, "frame"):  # a schedule can be predicted at any of its steps
        return result.predict(target, level=level, steps=list(at))
    if missing := set(at) - set(curve["step"]):
        raise UsageError(
            f"--at {min(missing)}: the logs have no row at this step; pass their schedule instead"
        )
    return curve[curve["step"].isin(at)]


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
