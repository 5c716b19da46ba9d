"""`scaling compare`: laws side by side, by what they predict of data they have not seen."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import DELTA, Delta, Many, Minimised, Reading, Seed, check_delta
from scaling.cli.output import Printing
from scaling.errors import ArgumentError
from scaling.formula import find
from scaling.words import parse_number


def run(
    *paths: str,
    law: Annotated[Many, Parameter(name="--law")] = (),
    holdout: str | None = None,
    reading: Reading = Reading(),
    objective: Minimised = "log_huber",
    delta: Delta = DELTA,
    seed: Seed = 0,
    printing: Printing = Printing(),
) -> int:
    """Compare laws by their error on held-out data; never by how well they fit.

    For example:

        scaling compare points.csv --law chinchilla --law chinchilla_outer
        scaling compare logs/ --law annealing --law multi_power_5 --holdout schedule

    Parameters
    ----------
    paths
        Logs or tables, as for `scaling fit`.
    law
        A law with its conventions; repeat it for every law.
    holdout
        What is predicted from the rest: compute, size, tokens, step, a column, schedule (one run at a time), or a fraction
        of rows; one direction for all laws.
    """
    check_delta(objective, delta)
    if not law:
        raise ArgumentError("compare needs laws: --law chinchilla --law power_law:x=N")
    laws = [find(text) for text in law]
    data = reading.measurements(paths, laws[0])
    table = scaling.compare(data, laws, _holdout(holdout), objective=objective, delta=delta, seed=seed)
    held = table.attrs["holdout"]
    return output.show(output.Told([("held out", held)], table, {"holdout": held, "laws": table}), printing)


def _holdout(text: str | None) -> float | str | None:
    try:
        return text if text is None else parse_number(text)
    except ValueError:
        return text
