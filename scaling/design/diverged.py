"""Curves whose loss rises far above what it had reached and does not come back: no law of a schedule says what follows, and one
of many parameters bends to reach it, so these rows are left out, and named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.logs.sheet import PLACE

RISE = 0.2  # of ln loss: what a rate costs while it is held is a third of this, so no rate that rises again takes a run so far
NOISE = 6.0  # standard deviations of one row, beneath which nothing has risen
FEW = 8  # rows without which there is no level
DIVERGED = "and does not come back (did it diverge?)"


def cut(rows: pd.DataFrame, name: str) -> tuple[pd.DataFrame, str]:
    """The rows of one run up to where its loss rises for good, and what was left out in words; "" where it does not.

    Parameters
    ----------
    rows : step, loss (and file, line, where they were read) of one run, in order.
    """
    loss = rows["loss"].to_numpy(float)
    if len(loss) < FEW or not (loss > 0).all():
        return rows, ""
    y = np.log(loss)
    middle = np.median(np.lib.stride_tricks.sliding_window_view(y, 3), axis=1)  # a single low row is no level
    lowest, noise = float(middle.min()), float(np.median(np.abs(np.diff(y)))) / 0.6745 / np.sqrt(2)
    if y[-1] - lowest <= max(RISE, NOISE * noise):
        return rows, ""
    last = int(np.flatnonzero(y <= lowest + max(0.1 * RISE, 2 * noise))[-1])  # the last row at the level it had reached
    after, left = rows.iloc[last + 1], len(rows) - last - 1
    place = f" ({after[PLACE[0]]}:{after[PLACE[1]]})" if {*PLACE} <= {*rows} else ""
    rise = f"from {np.exp(lowest):.3g} to {loss[-1]:.3g} after step {rows['step'].iloc[last]:.0f}{place}"
    gone = "its last row is" if left == 1 else f"its last {left} rows are"
    return rows.iloc[: last + 1], f"run '{name}': its loss rises {rise} {DIVERGED}: {gone} left out"
