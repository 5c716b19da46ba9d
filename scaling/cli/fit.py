"""`scaling fit`: a law's parameters from logs, and whether to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.options import (
    Flag,
    Many,
    Number,
    Printing,
    Reading,
    UsageError,
    check_figure,
    check_saved,
    number,
    pairs,
)
from scaling.cli.relation import RELATION, fit_relation

if TYPE_CHECKING:
    import pandas as pd

    from scaling import Fit, Runs
    from scaling.formula import Law

Objective = Literal[
    "log_huber", "huber", "log_squares", "squares", "log_soft_l1", "soft_l1", "log_student_t", "student_t",
    "log_one_sided", "one_sided",
]  # fmt: skip


def fit(
    *paths: str,
    law: str,
    reading: Reading = Reading(),
    source: Many = (),
    target: Many = (),
    fixed: Many = (),
    objective: Objective = "log_huber",
    delta: Number = 1e-3,
    seed: int = 0,
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    plot: Path | None = None,
    strict: Flag = False,
    printing: Printing = Printing(),
) -> int:
    """Fit a law to logs and print the report, verdict first.

    For example:

        scaling fit logs/short-*.csv --law multi_power_5 -o fit.json --plot fit.png
        scaling fit logs/ --law annealing:lam=0.995 --where "step > 500" --strict
        scaling fit points.csv --law chinchilla --fixed alpha=0.34 --json
        scaling fit --law loss_to_loss --source web.json --target code.csv -o relation.json

    Parameters
    ----------
    paths
        Loss curves: files, folders or globs. For laws without a schedule also CSV tables with the inputs of
        the law and `loss` as columns.
    law
        Name of the law, with its conventions where they differ: annealing:lam=0.995.
    source
        Of loss_to_loss: runs on the first data set, paired with those of --target by size and tokens. A saved
        joint fit brings its irreducible loss; for logs or a CSV with N, D and loss it is estimated. May be repeated.
    target
        Of loss_to_loss: runs on the second data set. May be repeated.
    fixed
        Hold a parameter: `--fixed beta=0.5`; may be repeated.
    objective
        What is minimised, summed over rows.
    delta
        Where the Huber loss turns from square to straight.
    seed
        Of the starts.
    output_
        Save the fit as JSON.
    plot
        Save a figure of the fitted curves (.png, .svg or .pdf).
    strict
        Exit with code 4 if the fit is not trustworthy.
    """
    import scaling
    from scaling.formula import find

    check_figure(plot)
    check_saved(output_)
    if source or target:
        if law != RELATION or paths or fixed:
            raise UsageError(
                f"--source and --target go with --law {RELATION} alone, without paths or --fixed; patterns need quotes: "
                "--source 'runs/web-*.csv'"
            )
        return fit_relation(source, target, reading, output_, plot, strict, printing)
    held = {name: _value(name, text) for name, text in pairs(fixed, "--fixed").items()}
    found = find(law)
    found.check_names(held)
    data = measurements(paths, found, reading)
    result = scaling.fit(data, found, objective=objective, delta=delta, fixed=held or None, seed=seed)
    draw = scaling.plots.curve if plot is not None else None
    return output.fitted(result, describe(result), result.verdict.failures, draw, output_, plot, strict, printing)


def _value(name: str, text: str) -> float:
    try:
        return number(text)
    except ValueError as wanted:
        raise UsageError(f"--fixed {name}={text}: must be {wanted}") from None


def measurements(paths: Sequence[str], law: Law, reading: Reading) -> Runs | pd.DataFrame:
    """Read curves as Runs, or a table of the law's inputs and losses as it stands."""
    table = None if law.over_schedules else _table(paths, law, reading)
    # what the reader noticed is part of the report
    return reading.read(paths, quiet=True) if table is None else table


def _table(paths: Sequence[str], law: Law, reading: Reading) -> pd.DataFrame | None:
    """Return the tables as one frame, or None where they are not tables of this law's inputs."""
    import pandas as pd

    names = {there: here for here, there in (reading.columns() | {"loss": reading.loss or "loss"}).items()}
    frames = []
    for path in map(Path, paths):
        if path.suffix.lower() != ".csv" or not path.is_file():
            return None
        header = pd.read_csv(path, nrows=0).rename(columns=names)
        domains = law.layout.found_in([str(name) for name in header]) if law.layout is not None else ()
        needed = law.using(domains=domains).inputs if domains else law.inputs
        if not {*needed, "loss"} <= set(header):
            return None
        frames.append(pd.read_csv(path).rename(columns=names))
    if not frames:
        return None
    frame = pd.concat(frames, ignore_index=True)
    return frame if reading.where is None else frame.query(reading.where).reset_index(drop=True)


def describe(result: Fit) -> dict[str, Any]:
    """Return a fit as plain data: verdict, numbers, and what they rest on."""
    return {
        "law": result.law.name,
        "formula": result.law.formula,
        "source": result.law.cite,
        "conventions": dict(result.law.conventions),
        "ok": result.ok,
        "warnings": result.warnings,
        "objective": result.objective,
        "values": result.values,
        "parameters": result.summary().rename_axis("name").reset_index(),
        "rows": len(result.data),
        "notes": result.design.notes,
    }
