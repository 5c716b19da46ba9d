"""What a fit leaves over, by every input: a trend there is what the law lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.fits import Fit

OF_SCHEDULES = ("step", "lr", "N")  # what the rows of curves are known by; their inputs are areas and drops
BINS, FEWEST = 8, 40  # with so many rows a line joins the medians of so many equal parts
LABELS = {"prediction": "predicted loss", "M": "tokens per parameter"}


def residuals(fit: Fit, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw measured / predicted - 1 of the rows fitted against each input and against the prediction.

    Parameters
    ----------
    ax : one Axes takes the first input alone; a dict takes the panels it names.

    Returns
    -------
    One panel per input with two values or more (of laws of schedules step, rate and size), and "prediction". With many rows
    a line joins the medians of equally many rows each: it would lie on zero if the law lacked nothing.
    """
    from matplotlib.ticker import MaxNLocator

    rows = _rows(fit)
    against = [str(name) for name in rows if name != "residual"]
    with style.styled():
        axes = style.panels(ax, dict.fromkeys(against, 1.0), sharex=False, first=1.7)
        for name, one in axes.items():
            part = rows.sort_values(name, kind="stable")
            one.axhline(0, color=style.QUIET, linewidth=0.8, zorder=1)
            one.plot(
                part[name], part["residual"], linestyle="none", marker="o", markersize=3, markeredgewidth=0, alpha=0.6,
                color=style.CONTEXT, rasterized=len(part) > 2000,
            )  # fmt: skip
            if len(part) >= FEWEST:
                bins = np.array_split(np.arange(len(part)), BINS)
                centre = [part[name].iloc[b].median() for b in bins]
                one.plot(centre, [part["residual"].iloc[b].median() for b in bins], "-o", color=style.PREDICTION, markersize=4)
            if (part[name] > 0).all() and part[name].max() > 3 * part[name].min():
                style.label_amounts(one, x=name)
            else:
                one.xaxis.set_major_locator(MaxNLocator(6, prune="upper"))  # a label at the very end would be cut
            said = fit.law.conventions.get(name, name)  # which column the only input is
            one.set_xlabel(LABELS.get(said, style.LABELS.get(said, said)))
            one.set_ylabel("residual (%)")
    return axes


def _rows(fit: Fit) -> pd.DataFrame:
    """The inputs that vary, prediction and residual (%) of every row fitted."""
    predicted = np.asarray(fit.law(*fit.design.inputs.values(), **fit.values), float)
    curves = fit.law.over_schedules
    known = {k: fit.data[k] for k in OF_SCHEDULES if k in fit.data} if curves else fit.design.inputs
    varied = {k: np.asarray(v, float) for k, v in known.items() if np.ndim(v) == 1 and np.ptp(np.asarray(v, float)) > 0}
    return pd.DataFrame({**varied, "prediction": predicted, "residual": 100 * (fit.design.loss / predicted - 1)})
