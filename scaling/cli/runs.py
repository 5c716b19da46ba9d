"""`scaling runs`: what the logs hold."""

from __future__ import annotations

from scaling.cli import output
from scaling.cli.options import Reading
from scaling.cli.output import Printing


def run(*paths: str, reading: Reading = Reading(), printing: Printing = Printing()) -> int:
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
    return output.show(output.Told([], found.table(), found.to_dict()), printing)  # its notes are on stderr
