"""`scaling settings`: learning rate and batch from a grid of runs."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Flag, Level, Number, Output, Positives, Reading, check_files
from scaling.cli.output import Printing
from scaling.words import amount

if TYPE_CHECKING:
    import pandas as pd


def run(
    *paths: str,
    size: Annotated[Positives, Parameter(name=["--N"])],
    tokens: Annotated[Positives, Parameter(name=["--D"])],
    within: Number = 0.1,
    level: Level = 0.9,
    replicates: Count = 200,
    seed: Count = 0,
    reading: Reading = Reading(),
    output_: Output = None,
    plot: Path | None = None,
    force: Flag = False,
    strict: Flag = False,
    printing: Printing = Printing(),
) -> int:
    """Find learning rate and batch for a size and its tokens, from a grid of runs of other sizes.

    For example:

        scaling settings grid.csv --N 1B --D 20B
        scaling settings grid.csv --N 1B --N 3B --D 60B --within 0.05 --plot bowls.png

    Parameters
    ----------
    paths
        Logs, or a CSV with N, D, lr, batch and loss.
    size
        Parameters of the planned model. May be repeated.
    tokens
        Tokens it will be trained on. May be repeated.
    within
        Rows count whose loss is at most this part above the lowest of their size and tokens; inf for all.
    replicates
        Resampled grids behind the intervals.
    seed
        Of the resampling.
    output_
        Save the fitted law as JSON, for `scaling predict`.
    plot
        Save a figure of the bowls and how their optimum drifts (.png, .svg or .pdf).
    force
        Replace files that this program did not write.
    strict
        Exit with code 4 if the fit is not trustworthy.
    """
    check_files(output_, "saved fit", plot, inputs=paths, force=force)
    found = scaling.procedures.settings(
        reading.measurements(paths, [scaling.laws["configuration"]]), within, replicates=replicates, seed=seed
    )
    N, D = zip(*product(size, tokens), strict=True)
    rows = found.recommend(N, D, level)
    told = output.Told(found.head(), _shown(rows, found.other), {**found.to_dict(), "level": level, "settings": rows})
    return output.show(
        told, printing, saved=output_, save=found.fit.save, plot=plot, draw=lambda: scaling.plots.bowls(found),
        doubts=found.bowls.verdict.failures, strict=strict, force=force,
    )  # fmt: skip


def _shown(rows: pd.DataFrame, other: str) -> pd.DataFrame:
    """Intervals beside their values, costs in per cent."""
    said = {name: [amount(x) for x in rows[name]] for name in ("N", "D")}
    for name in ("lr", "batch"):
        ends = zip(rows[name], rows[f"{name}_lower"], rows[f"{name}_upper"], strict=True)
        said[name] = ["{} ({} to {})".format(*(amount(x, 3) for x in each)) for each in ends]
    said["loss"] = [f"{x:.4f}" for x in rows["loss"]]
    costs = zip(rows["regret"], rows["regret_upper"], strict=True)
    said["regret %"] = [f"{100 * x:.2g} (below {100 * high:.2g})" for x, high in costs]
    said["beyond"] = [f"{x:.2g}x" for x in rows["times_beyond"]]
    both = zip(rows["lr_other"], rows["batch_other"], strict=True)
    return rows[[]].assign(**said, **{other: [f"lr {lr:.3g}, batch {amount(batch, 3)}" for lr, batch in both]})
