"""Registered forecasts over time: each error in its interval, and under them the part of the intervals that held so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.registered import History

PANELS = {"error": 1.0, "coverage": 0.42}


def history(found: History, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw the scored forecasts of a folder in the order in which they were registered.

    Parameters
    ----------
    found : what `scaling.registered.history` returns.
    ax : one Axes takes the errors alone; a dict takes the panels it names, of "error", "coverage".

    Returns
    -------
    "error": measured / predicted - 1 in %, hollow where it missed its interval, which is the bar.
    "coverage": part of the intervals of a level that held up to each forecast, beside the level (dashed).
    """
    from matplotlib.ticker import MaxNLocator

    rows = found.frame
    x = np.arange(1, len(rows) + 1)
    with style.styled():
        axes = style.panels(ax, PANELS)
        if "error" in axes:
            _errors(axes["error"], x, rows)
        if "coverage" in axes:
            _coverage(axes["coverage"], x, rows)
        last = list(axes.values())[-1]
        days = dict.fromkeys((rows["made"].iloc[0][:10], rows["made"].iloc[-1][:10]))
        last.set_xlabel(f"registered forecasts, {' to '.join(days)}")
        for one in axes.values():
            one.set_xlim(0.5, len(rows) + 0.5)
            one.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return axes


def _errors(ax: Axes, x: np.ndarray, rows: pd.DataFrame) -> None:
    percent = {name: 100 * (rows[name] / rows["prediction"] - 1) for name in ("measured", "lower", "upper")}
    ax.vlines(x, percent["lower"], percent["upper"], color=style.PREDICTION, alpha=0.35, linewidth=4, label="interval")
    for held, colour, label in ((True, style.CONTEXT, "inside"), (False, style.TRUTH, "outside")):
        at = rows["inside"].map(lambda one, held=held: one is not None and one == one and bool(one) == held).to_numpy(bool)
        ax.plot(
            x[at], percent["measured"][at], linestyle="none", marker="o", markersize=4.5, markeredgecolor=colour,
            markerfacecolor=colour if held else "none", label=f"{at.sum()} {label}",
        )  # fmt: skip
    if (bare := rows["inside"].isna().to_numpy()).any():
        label = f"{bare.sum()} without an interval"
        ax.plot(x[bare], percent["measured"][bare], linestyle="none", marker="x", color=style.CONTEXT, label=label)
    ax.axhline(0, color=style.QUIET, linewidth=0.8, zorder=1)
    ax.set_ylabel("measured / predicted - 1 (%)")
    style.legend_above(ax, ncols=4)


def _coverage(ax: Axes, x: np.ndarray, rows: pd.DataFrame) -> None:
    levels = sorted(rows["level"].unique())
    for level, colour in zip(levels, style.palette(len(levels)), strict=True):
        at = (rows["level"] == level).to_numpy()
        ax.axhline(level, color=colour, linewidth=0.8, linestyle=style.DASHED, zorder=1)
        ax.plot(x[at], rows["coverage"][at], "-o", color=colour, markersize=4, label=f"{level:.0%}")
    ax.set_ylim(-0.04, 1.1)
    ax.set_yticks([0, 0.5, 1])
    ax.set_ylabel("inside so far")
    style.legend_above(ax, ncols=4)
