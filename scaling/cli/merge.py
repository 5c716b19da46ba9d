"""`scaling merge`: weights of checkpoints whose average imitates a decay, and what it should bring."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Number, saved_fit
from scaling.cli.output import Printing


def run(
    *checkpoints: Count,
    shape: str = "1-sqrt",
    final: Number = 0.0,
    fit: str | None = None,
    trunk: Annotated[str | None, Parameter(name=["--schedule"])] = None,
    printing: Printing = Printing(),
) -> int:
    """Weigh checkpoints of a run at constant rate so that their average imitates a decay of the learning rate.

    For example:

        scaling merge 8000 8500 9000 9500 10000
        scaling merge 8000 9000 10000 --shape linear --fit fit.json --schedule constant:peak=3e-3,steps=10k,warmup=100

    Parameters
    ----------
    checkpoints
        Updates done at each checkpoint, rising; the imitated decay runs from the first to the last.
    shape
        Of the decay, as in schedules: linear, 1-sqrt, cosine, 1-square, exponential, ...
    final
        Where the decay ends, as a share of the trunk's rate.
    fit
        Saved fit of a law of schedules, to forecast the loss of the average; with --schedule.
    trunk
        Schedule of the run that the checkpoints are of.
    """
    fitted = None if fit is None else saved_fit(fit)
    return output.show(scaling.planning.merge(checkpoints, shape, final=final, fit=fitted, trunk=trunk), printing)
