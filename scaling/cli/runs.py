"""`scaling runs`: what the logs hold."""

from __future__ import annotations

from scaling.cli import output
from scaling.cli.options import Printing, Reading


def runs(*paths: str, reading: Reading = Reading(), printing: Printing = Printing()) -> None:
    """Read logs and print one row per run.

    For example:

        scaling runs logs/
        scaling runs logs/a.csv logs/b.csv --map step=_step --loss val_loss
        scaling runs logs/ --where "n_params > 1e6" --json

    Parameters
    ----------
    paths
        Files, folders or globs.
    """
    found = reading.read(paths, quiet=printing.quiet)
    if printing.json:
        output.document({"runs": found.table().reset_index(), "notes": found.notes})
    else:
        print(output.table(found.table().reset_index()))
