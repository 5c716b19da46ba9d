"""`scaling plan --schedule`: the best learning-rate schedule of a given length under a saved fit."""

from __future__ import annotations

from pathlib import Path

from scaling.cli import output
from scaling.cli.options import Printing


def search(
    fit: str, steps: int, *, warmup: int, peak: float | None, kind: str, saved: Path | None, printing: Printing
) -> None:
    """Search, print, and save the rates as CSV (step, lr) where asked."""
    import numpy as np

    import scaling
    from scaling.planning.schedules import best_schedule

    found = best_schedule(scaling.load(fit), steps, peak=peak, warmup=warmup, kind=kind)
    if saved is not None:
        rates = found.schedule.rates
        table = np.column_stack([np.arange(1, len(rates) + 1), rates])
        np.savetxt(saved, table, delimiter=",", header="step,lr", comments="", fmt=["%d", "%.9g"])
        output.notes([f"saved {saved}"], quiet=printing.quiet)
    if printing.json:
        output.document(
            {"loss": found.loss, "decay": found.decay, "power": found.power, "compared": found.table,
             "warnings": found.warnings, "saved": saved}
        )  # fmt: skip
    else:
        print(found)
