"""Laws side by side: held-out error of each, and how far it is from the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError
from scaling.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUT = 4.0  # times the best error: what is further off is marked at the edge


def compared(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw a comparison as ArviZ draws its own.

    Parameters
    ----------
    table : what `scaling.compare` returns; it is not computed again.

    Returns
    -------
    One line per law, best on top: its held-out error in %, and below it, as a triangle, the difference to the best with
    its standard error, placed from the best law's error (the thin line) on.
    """
    known = table[np.isfinite(table["error"])]
    if known.empty:
        raise ArgumentError("no law of this comparison has a held-out error, so there is nothing to draw.")
    with style.styled():
        axes = style.new_axes(ax)
        best = 100 * float(known["error"].iloc[0])
        edge = OUT * best
        place = np.arange(len(known))[::-1].astype(float)
        error = 100 * known["error"].to_numpy()
        axes.axvline(best, color=style.QUIET, lw=0.8)
        axes.plot(error[error <= edge], place[error <= edge], "o", color="C0", label="error on rows held out")
        difference, se = (100 * known[c].to_numpy()[1:] for c in ("difference", "se"))
        near = best + difference < edge
        axes.errorbar(
            (best + difference)[near], place[1:][near] - 0.2, xerr=np.nan_to_num(se)[near], fmt="^", ms=4, lw=1,
            color=style.QUIET, label="best + difference (s.e.)",
        )  # fmt: skip
        for y, x in zip(place, error, strict=True):
            if x > edge:
                axes.plot(edge, y, ">", color="C0", markersize=7, label="_beyond the axis")
                axes.annotate(f"{x:.2g} %", (edge, y), xytext=(-7, 4), textcoords="offset points", ha="right", size="small")
        axes.set_yticks(place, list(known.index))
        axes.set_xlim(left=0.0, right=min(edge, 1.15 * error.max()) * 1.05)
        axes.set_xlabel(f"mean |error| in % ({table.attrs.get('holdout', 'held out')})")
        style.legend_above(axes, ncols=1)
    return axes
