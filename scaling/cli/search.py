"""`scaling search`: the best learning-rate schedule of a given length under a saved fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Count, Flag, Output, Positive, check_files, fit_or_constants
from scaling.cli.output import Printing


def run(
    fit: str,
    /,
    *,
    steps: Count,
    kind: Literal["free", "wsd"] = "free",
    warmup: Count = 0,
    peak: Positive | None = None,
    lowest: Annotated[Positive, Parameter(show_default=True)] = 1e-3,
    output_: Output = None,
    force: Flag = False,
    printing: Printing = Printing(),
) -> int:
    """Search the learning rates of a given number of updates with the lowest final loss.

    For example:

        scaling search fit.json --steps 24k --warmup 2k -o best.csv
        scaling search multi_power/luo2025_25M --steps 24k --peak 3e-4 --kind wsd

    Parameters
    ----------
    fit
        A fit of progress, multi_power or multi_power_5 saved by `scaling fit -o`, or published constants: law/name.
    steps
        Length of the schedule, its warm-up included.
    kind
        free: any rates that never rise; wsd: constant and then a power-shaped fall.
    warmup
        Updates of linear warm-up, which are not searched.
    peak
        Peak rate of the schedule; that of the runs of the fit, if not given.
    lowest
        Lowest rate, as a fraction of the peak; keeps the search among rates that the data have seen.
    output_
        Save the schedule as CSV (step, lr).
    force
        Replace a file that is there: every table of step and lr looks alike.
    """
    check_files(output_, "schedule", inputs=[fit], force=force)
    source = fit_or_constants(fit)
    found = scaling.planning.best_schedule(source, steps, peak=peak, warmup=warmup, kind=kind, lowest=lowest)

    def save(path: Path, *, force: bool) -> None:
        rows = [f"{step},{rate:.9g}" for step, rate in enumerate(found.schedule.rates, 1)]
        document.put(path, "\n".join(["step,lr", *rows, ""]).encode(), "schedule", force=force)

    return output.show(found, printing, saved=output_, save=save, force=force)
