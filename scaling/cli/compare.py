"""`scaling compare`: laws side by side, by what they predict of data they have not seen."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.fit import Objective, measurements
from scaling.cli.options import Many, Number, Printing, Reading, UsageError, number


def compare(
    *paths: str,
    law: Annotated[Many, Parameter(name="--law")] = (),
    holdout: str | None = None,
    reading: Reading = Reading(),
    objective: Objective = "log_huber",
    delta: Number = 1e-3,
    seed: int = 0,
    printing: Printing = Printing(),
) -> None:
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
    objective
        What is minimised, summed over rows.
    delta
        Where the Huber loss turns from square to straight.
    seed
        Of the starts.
    """
    import scaling
    from scaling.formula import find

    if not law:
        raise UsageError("compare needs laws: --law chinchilla --law power_law:x=N")
    laws = [find(text) for text in law]
    data = measurements(paths, laws[0], reading)
    table = scaling.compare(data, laws, _holdout(holdout), objective=objective, delta=delta, seed=seed)
    shown = table.reset_index()
    if printing.json:
        output.document({"holdout": table.attrs["holdout"], "laws": shown})
    else:
        print(f"held out: {table.attrs['holdout']}\n\n{output.table(shown)}")


def _holdout(text: str | None) -> float | str | None:
    try:
        return text if text is None else number(text)
    except ValueError:
        return text
