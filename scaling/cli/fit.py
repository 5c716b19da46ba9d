"""`scaling fit`: a law's parameters from logs, and whether to believe them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scaling
from scaling.cli import output
from scaling.cli.options import (
    DELTA,
    Delta,
    Flag,
    Many,
    Minimised,
    Output,
    Reading,
    Seed,
    auto_laws,
    check_delta,
    check_files,
    values,
)  # fmt: skip
from scaling.cli.output import Printing
from scaling.cli.own_laws import law_named
from scaling.errors import ArgumentError


def run(
    *paths: str,
    law: str = "auto",
    reading: Reading = Reading(),
    fixed: Many = (),
    objective: Minimised = "log_huber",
    delta: Delta = DELTA,
    seed: Seed = 0,
    output_: Output = None,
    plot: Path | None = None,
    force: Flag = False,
    strict: Flag = False,
    printing: Printing = Printing(),
) -> int:
    """Fit a law to logs and print the report, verdict first.

    For example:

        scaling fit points.csv -o fit.json
        scaling fit logs/short-*.csv --law progress -o fit.json --plot fit.png
        scaling fit logs/ --law annealing:lam=0.995 --where "step > 500" --strict
        scaling fit points.csv --law chinchilla --fixed alpha=0.34 --json

    Parameters
    ----------
    paths
        Loss curves: files, folders or globs. For laws without a schedule also CSV tables with the inputs of
        the law and `loss` as columns.
    law
        Name of the law, with its conventions where they differ: annealing:lam=0.995; one of your own: file.py:name. auto: the
        law that forecasts best on the data's own large end, of all that the columns allow.
    fixed
        Hold a parameter: `--fixed beta=0.5`; may be repeated.
    output_
        Save the fit as JSON.
    plot
        Save a figure (.png, .svg or .pdf): curves with their fit, of a table losses by size and tokens, else residuals.
    force
        Replace files that this program did not write.
    strict
        Exit with code 4 if the fit is not trustworthy.
    """
    check_files(output_, "saved fit", plot, inputs=paths, force=force)
    check_delta(objective, delta)
    held = values(fixed, "--fixed")
    found = law if law == "auto" else law_named(law)
    if isinstance(found, str):
        if held:
            raise ArgumentError("--fixed holds parameters of one law; say which with --law")
        data = reading.measurements(paths, auto_laws())
    else:
        found.check_names(held)
        data = reading.measurements(paths, [found])
    output.account(data, paths, quiet=printing.quiet)
    result = scaling.fit(data, found, objective=objective, delta=delta, fixed=held or None, seed=seed)
    scaling.fits.origin.remember(result, output.command())
    return output.show(
        result, printing, saved=output_, save=result.save, plot=plot, draw=lambda: _drawn(result),
        doubts=result.verdict.failures, strict=strict, force=force,
    )  # fmt: skip


def _drawn(result: scaling.Fit) -> Any:
    """Curves with their fit where there are any; else losses over tokens by size, or what the fit leaves over."""
    if result.runs is not None:
        return scaling.plots.curve(result)
    sizes = {"N", "D"} <= {*result.law.inputs} or {"N", "M"} <= {*result.law.inputs}
    return scaling.plots.family(result) if sizes and len(result.law.inputs) == 2 else scaling.plots.residuals(result)
