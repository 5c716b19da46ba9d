"""`scaling runs import`: logs of any format -> CSV that reads back as the same runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Flag, Reading
from scaling.cli.output import Printing
from scaling.words import many


def run(
    *paths: str,
    folder: Annotated[Path, Parameter(name=["--output", "-o"])],
    spikes: Flag = False,
    decimate: Count | None = None,
    force: Flag = False,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """Write logs of any format as CSV, once: runs.csv and curves/, which every verb reads as the same runs.

    For example:

        scaling runs import slurm-*.out -o runs/
        scaling runs import wandb.csv --map step=trainer/global_step --spikes --decimate 50 -o runs/

    Parameters
    ----------
    paths
        Files, folders or globs.
    folder
        Folder to write.
    spikes
        Drop losses that stand above the rows on both sides by more than six times their noise.
    decimate
        Average losses to so many rows a decade of steps, evenly in the logarithm of the step. Nothing is averaged unless asked.
    force
        Replace runs that are in the folder.
    """
    runs = reading.read(paths, quiet=True)
    if spikes:
        runs = scaling.logs.without_spikes(runs)
    if decimate is not None:
        runs = scaling.logs.averaged(runs, decimate)
    files = scaling.logs.write(runs, folder, force=force)
    output.notes(runs.notes, quiet=printing.quiet)
    output.notes([f"wrote {many(len(files) - 1, 'curve')} and {files[-1]}"], quiet=printing.quiet)
    return output.show(output.Told([], runs.table(), {**runs.to_dict(), "files": [str(file) for file in files]}), printing)
