"""`scaling compare`: laws side by side, by what they predict of data they have not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import DELTA, Delta, Flag, Many, Minimised, Reading, Seed, auto_laws, check_delta, check_files
from scaling.cli.output import Printing
from scaling.cli.own_laws import law_named
from scaling.errors import ArgumentError
from scaling.formula import find
from scaling.words import parse_number


def run(
    *paths: str,
    law: Annotated[Many, Parameter(name="--law")] = (),
    holdout: str | None = None,
    recipes: str | None = None,
    by: str | None = None,
    plot: Path | None = None,
    force: Flag = False,
    reading: Reading = Reading(),
    objective: Minimised = "log_huber",
    delta: Delta = DELTA,
    seed: Seed = 0,
    printing: Printing = Printing(),
) -> int:
    """Compare laws by their error on held-out data; never by how well they fit.

    For example:

        scaling compare points.csv
        scaling compare points.csv --law chinchilla --law chinchilla_outer --plot laws.png
        scaling compare ladder.csv --recipes data --by N
        scaling compare logs/ --law annealing --law multi_power_5 --holdout schedule

    Parameters
    ----------
    paths
        Logs or tables, as for `scaling fit`.
    law
        A law with its conventions; repeat it for every law. All that the columns allow, if none is given.
    holdout
        What is predicted from the rest: compute, size, tokens, step, a column, schedule (one run at a time), or a fraction
        of rows; one direction for all laws.
    recipes
        Compare training recipes instead, named in this column: does a small size rank them as the largest does? Several rows
        of one recipe and size are seeds.
    by
        With --recipes, the column that says size: N if not given.
    plot
        Save a figure of the held-out errors, or of the shares of pairs ranked alike (.png, .svg or .pdf).
    force
        Replace files that this program did not write.
    """
    check_files(None, "figure", plot, inputs=paths, force=force)
    check_delta(objective, delta)
    laws = [law_named(text) for text in law] or None
    if recipes is not None:
        if holdout is not None or len(law) > 1:
            raise ArgumentError("--recipes holds out the largest size, and takes one --law at most")
        table = reading.measurements(paths, laws or [find("power_law")])
        found = scaling.compare_recipes(table, recipe=recipes, by=by or "N", law=laws[0] if laws else None, seed=seed)
        return output.show(found, printing, plot=plot, draw=lambda: scaling.plots.decisions(found), force=force)
    if by is not None:
        raise ArgumentError(f"--by {by}: goes with --recipes; --holdout says along what laws are compared")
    data = reading.measurements(paths, laws or auto_laws())
    output.account(data, paths, quiet=printing.quiet)
    table = scaling.compare(data, laws, _holdout(holdout), objective=objective, delta=delta, seed=seed)
    held = table.attrs["holdout"]
    return output.show(
        output.Told([("held out", held)], table, {"holdout": held, "laws": table}), printing,
        plot=plot, draw=lambda: scaling.plots.compared(table), force=force,
    )  # fmt: skip


def _holdout(text: str | None) -> float | str | None:
    try:
        return text if text is None else parse_number(text)
    except ValueError:
        return text
