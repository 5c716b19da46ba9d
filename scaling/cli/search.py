"""`scaling plan --schedule`: the best learning-rate schedule of a given length under a saved fit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scaling.cli import output
from scaling.cli.options import Printing, UsageError, is_constants, saved_fit

Shape = Literal["free", "wsd"]


def schedule_plan(
    fit: str | None,
    shape: Shape,
    steps: int | None,
    warmup: int,
    peak: float | None,
    lowest: float | None,
    saved: Path | None,
    printing: Printing,
) -> None:
    """Search, print, and save the rates as CSV (step, lr) where asked."""
    import numpy as np

    from scaling.planning.schedules import LOWEST, best_schedule

    if fit is None or steps is None:
        raise UsageError(
            "plan --schedule needs a fit of multi_power_5 (a file, or law/name) and --steps, the run's length"
        )
    source = fit if is_constants(fit) else saved_fit(fit)
    found = best_schedule(
        source, steps, peak=peak, warmup=warmup, kind=shape, lowest=LOWEST if lowest is None else lowest
    )
    if saved is not None:
        rates = found.schedule.rates
        table = np.column_stack([np.arange(1, len(rates) + 1), rates])
        np.savetxt(saved, table, delimiter=",", header="step,lr", comments="", fmt=["%d", "%.9g"])
        output.notes([f"saved {saved}"], quiet=printing.quiet)
    if printing.json:
        output.document(
            {"loss": found.loss, "decay": found.decay, "power": found.power, "peak": found.schedule.peak,
             "steps": found.schedule.steps, "compared": found.table, "warnings": found.warnings, "saved": saved}
        )  # fmt: skip
    else:
        print(found)
