"""`scaling forecast`: where a running job will end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Flag, Level, Many, Output, Reading, check_files
from scaling.cli.output import Printing
from scaling.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from scaling.running import Choices


def run(
    *paths: str,
    schedule: str | None = None,
    then: Many = (),
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
        scaling forecast live.csv --then wsd:peak=3e-4,steps=24k,decay=4k --then wsd:peak=3e-4,steps=30k,decay=6k

    Parameters
    ----------
    paths
        The log of the running job.
    schedule
        Learning rates of the whole run, where its log does not plan them: name:key=value,... or a CSV with columns step and lr.
    then
        Schedule of the whole run that takes over after the last evaluated step; the rates so far are those logged. Given
        several times, the schedules are compared.
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
    if register is not None and len(then) > 1:
        raise ArgumentError("--register writes down one forecast; give one --then")
    if register is not None:
        document.check_target(register, "registration", inputs=[*paths, *reference], option="--register")
    runs = reading.read(paths, quiet=printing.quiet, schedule=schedule)
    others = replace(reading, where=None).read(reference, quiet=printing.quiet) if reference else None
    if others is not None and (unknown := [name for name in others if name not in others.schedules]):
        raise DataError(
            f"reference '{unknown[0]}': its learning rates are unknown, so nothing can be learned from it. Log a column lr "
            "(--map lr=COLUMN names one), write its schedule into runs.csv beside the log, or leave it out."
        )
    if others is not None:
        output.account(others, reference, quiet=printing.quiet)
    if len(then) > 1:
        return _compare(scaling.running.choose(runs, then, others, level), output_, plot, printing, force=force)
    found = scaling.forecast(scaling.running.then(runs, then[0]) if then else runs, others, level=level)
    if register is not None:
        found.register(register)
        output.notes([f"registered {register}"], quiet=printing.quiet)
    return output.show(
        found, printing, saved=output_, save=output.table(found.frame, "forecast"), plot=plot,
        draw=lambda: scaling.plots.running(found), force=force,
    )  # fmt: skip


def _compare(found: Choices, saved: Path | None, plot: Path | None, printing: Printing, *, force: bool) -> int:
    """Show several schedules for the rest of the job."""
    return output.show(
        found, printing, saved=saved, save=output.table(found.curves, "forecast"), plot=plot,
        draw=lambda: scaling.plots.choices(found), force=force,
    )  # fmt: skip
