"""`scaling forecast`: where a running job will end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Flag, Level, Many, Output, Reading, check_files
from scaling.cli.output import Printing
from scaling.errors import DataError


def run(
    *paths: str,
    schedule: str | None = None,
    reference: Many = (),
    level: Level = 0.9,
    output_: Output = None,
    register: Path | None = None,
    plot: Path | None = None,
    force: Flag = False,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """Forecast the end of a running job from its own log and planned schedule; no fit is needed.

    For example:

        scaling forecast live.csv --reference small-runs/
        scaling forecast live.csv --schedule cosine:peak=3e-4,steps=72k,warmup=2k --plot live.png

    Parameters
    ----------
    paths
        The log of the running job.
    schedule
        Learning rates of the whole run, where its log does not plan them: name:key=value,... or a CSV with columns step and lr.
    reference
        Logs of finished runs to learn from, all rows of them: --where picks rows of the job alone. May be repeated.
    output_
        Save the curve to come as CSV.
    register
        Write the forecast down as a record, a new file, for `scaling score` when the job has ended.
    plot
        Save a figure of the forecast (.png, .svg or .pdf).
    force
        Replace files that this program did not write.
    """
    check_files(output_, "forecast", plot, inputs=[*paths, *reference, schedule], force=force)
    if register is not None:
        document.check_target(register, "registration", inputs=[*paths, *reference], option="--register")
    runs = reading.read(paths, quiet=printing.quiet, schedule=schedule)
    others = replace(reading, where=None).read(reference, quiet=printing.quiet) if reference else None
    if others is not None and (unknown := [name for name in others if name not in others.schedules]):
        raise DataError(
            f"reference '{unknown[0]}': its learning rates are unknown, so nothing can be learned from it. Log a column lr "
            "(--map lr=COLUMN names one), write its schedule into runs.csv beside the log, or leave it out."
        )
    found = scaling.forecast(runs, others, level=level)
    if register is not None:
        found.register(register)
        output.notes([f"registered {register}"], quiet=printing.quiet)
    return output.show(
        found, printing, saved=output_, save=output.table(found.frame, "forecast"), plot=plot,
        draw=lambda: scaling.plots.running(found), force=force,
    )  # fmt: skip
