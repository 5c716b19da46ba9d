"""`scaling predict`: the loss of a run that nobody has made yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scaling
from scaling.cli import output, targets
from scaling.cli.options import Count, Counts, Flag, Level, Output, Reading, auto_laws, check_files, saved_fit, value
from scaling.cli.output import Printing
from scaling.errors import ArgumentError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from scaling import Fit
    from scaling.transfer import Relation

OPTIONS = ("schedule", "steps", "at", "level", "output", "plot", "force", "where", "loss", "map", "warmup", "json", "quiet")


def run(
    fit: str,
    /,
    *paths: str,
    schedule: str | None = None,
    steps: Count | None = None,
    at: Counts = (),
    level: Level = 0.9,
    output_: Output = None,
    plot: Path | None = None,
    force: Flag = False,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
    **inputs: str,
) -> int:
    """Predict losses with a saved fit: at given inputs, over a schedule, or for logged runs.

    In place of a saved fit logs or a table serve, to which the law that forecasts best is fitted first.

    For example:

        scaling predict fit.json --schedule wsd:peak=3e-4,warmup=2k --steps 100k --plot forecast.png
        scaling predict fit.json long-run.csv --at 50k --at 100k
        scaling predict chinchilla.json --N 7B --D 2T --plot run.png
        scaling predict points.csv --N 7B --D 2T
        scaling predict ladder.json --N 1.3B --tokens 100B --schedule cosine:warmup=2k,final=0.1
        scaling predict relation.json web-runs/

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`, a relation saved by `scaling relate -o`, or a table of runs to fit.
    paths
        Logs of the runs to predict, or tables of what the law takes (N, D); where they have a measured loss it is shown beside
        the prediction.
    schedule
        Learning rates of the run to predict: name:key=value,... or a CSV with columns step and lr.
    steps
        Length of the run, if the schedule does not say it.
    at
        Steps to print; the last one if not given. May be repeated.
    output_
        Save the whole predicted curve as CSV.
    plot
        Save a figure of the forecast (.png, .svg or .pdf).
    force
        Replace files that this program did not write.
    inputs
        Inputs of the law, for laws without a schedule: --N 7B --D 2T. For laws over runs of several sizes, with --schedule:
        --N 1.3B --tokens 100B, and --batch (tokens of one update) and --peak where they shall not be as usual for the size.
    """
    check_files(output_, "forecast", plot, inputs=[fit, *paths, schedule], force=force)
    if not paths and reading != Reading():
        raise ArgumentError("--where, --loss, --map and --warmup go with logs")
    result = saved_fit(fit, relations=True) if Path(fit).suffix.lower() == ".json" else _fitted(fit, printing)
    if not isinstance(result, scaling.Fit):  # a relation between two data sets
        if schedule is not None or steps is not None or at or plot is not None:
            raise ArgumentError("--schedule, --steps, --at and --plot do not go with a saved relation")
        rows = result.predict(_source_losses(result, paths, inputs, reading), level=level)
        return _show(result, rows, rows, output_, level, printing, force=force)
    if inputs and schedule is None and at:
        raise ArgumentError("--at goes with logs or --schedule, not with inputs of the law")
    target = targets.target(result, paths, schedule, steps, inputs, reading, quiet=printing.quiet, options=OPTIONS)
    if paths and at and not isinstance(target, scaling.Runs):
        raise ArgumentError("--at goes with loss curves, and this is a table of runs; leave it out")
    curves = isinstance(target, scaling.Runs) or schedule is not None
    if at and curves and result.law.over_schedules:  # before anything is predicted
        for plan in target.schedules.values() if isinstance(target, scaling.Runs) else (target,):
            if isinstance(target, scaling.Runs) and max(at) > plan.last:
                raise ArgumentError(
                    f"--at {max(at)}: the schedule of these logs ends at {plan.last}; ask for a step up to there"
                )
            plan.index(list(at))
    try:
        curve = result.predict(target, level=level)
    except DataError as problem:  # of the law's inputs on the command line, which are no data
        raise (ArgumentError(str(problem)) if inputs else problem) from None
    shown = _with_truth(_at(result, target, curve, at, level) if curves else curve, target)
    shown.attrs = curve.attrs
    draw = lambda: scaling.plots.forecast(result, target, level=level)
    return _show(result, shown, _with_truth(curve, target), output_, level, printing, plot=plot, draw=draw, force=force)


def _fitted(path: str, printing: Printing) -> Fit:
    """The fit of the law that forecasts best for logs or a table; how it was chosen goes to stderr."""
    found = scaling.fit(Reading().measurements([path], auto_laws()))
    output.notes([said for _, said in found.choice.said()] if found.choice else [], quiet=printing.quiet)
    return found


def _show(
    result: Fit | Relation, shown: pd.DataFrame, curve: pd.DataFrame, saved: Path | None, level: float, printing: Printing,
    **drawn: Any,
) -> int:  # fmt: skip
    """Print the rows of a prediction that are `shown`; save those of the whole `curve`."""
    facts = {key: shown.attrs[key] for key in ("interval", "extrapolation")}
    lines = [(result.law.name, result.law.formula), *facts.items()]
    lines += [("  not ok", said) for said in shown.attrs.get("why", ())]
    lines += [("  rests on", said) for said in shown.attrs.get("influence", ())]
    content = {"law": result.law.name, "level": level, **facts, "predictions": shown}
    doubts = result.verdict.failures if isinstance(result, scaling.Fit) else () if result.ok else result.warnings
    save = output.table(curve, "forecast")
    return output.show(output.Told(lines, _readable(shown), content), printing, saved=saved, save=save, doubts=doubts, **drawn)


def _source_losses(found: Relation, paths: Sequence[str], inputs: dict[str, str], reading: Reading) -> Any:
    """Where a relation is predicted: one source loss, --x, or the losses of source runs."""
    if bool(paths) == bool(inputs) or not set(inputs) <= {"x"}:
        raise ArgumentError("a saved relation is predicted for one of: logs of source runs, or --x (the source loss)")
    if inputs:
        return {"x": value(f"--x {inputs['x']}", inputs["x"])}
    data = reading.measurements(paths)
    return data if isinstance(data, scaling.Runs) else data.rename(columns={"loss": "x"})


def _at(result: Fit, target: Any, curve: pd.DataFrame, at: Sequence[int], level: float) -> pd.DataFrame:
    """Return the rows of the steps asked for, or the last row of each run."""
    import pandas as pd  # noqa: PLC0415 - slow, and the options of this verb need none

    if not at:
        return curve.groupby("run", sort=False).tail(1)
    if not hasattr(target, "frame"):
        return result.predict(target, level=level, steps=list(at))
    if result.law.hooks.facts or not result.law.over_schedules:
        if missing := set(at) - set(curve["step"]):
            raise ArgumentError(f"--at {min(missing)}: the logs have no row at this step")
        return curve[curve["step"].isin(at)]
    # the schedule behind the logs can be predicted at any of its steps, logged or not
    plans = {run: target.schedules[run] for run in target}
    parts = [result.predict(plan, level=level, steps=list(at)).assign(run=run) for run, plan in plans.items()]
    return pd.concat(parts, ignore_index=True)


def _with_truth(rows: pd.DataFrame, target: Any) -> pd.DataFrame:
    """Return what is worth showing of a prediction, with the measured loss and the error where known."""
    start = list(rows.columns).index("prediction")
    keys = ["run", "step"] if {"run", "step"} <= {*rows} else list(rows.columns[:start])
    shown = rows[[*keys, *rows.columns[start:]]]
    if not hasattr(target, "frame"):
        if "loss" not in shown:
            return shown
        return shown.drop(columns="loss").assign(measured=rows["loss"], error=rows["prediction"] / rows["loss"] - 1)
    measured = target.frame[["run", "step", "loss"]].rename(columns={"loss": "measured"})
    shown = shown.merge(measured, on=["run", "step"], how="left")
    return shown.assign(error=shown["prediction"] / shown["measured"] - 1)


def _readable(shown: pd.DataFrame) -> pd.DataFrame:
    if "error" not in shown:
        return shown
    return shown.assign(error=[f"{100 * x:+.2f} %" if x == x else "" for x in shown["error"]])
