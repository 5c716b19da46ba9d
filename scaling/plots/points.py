"""Losses predicted at inputs of a law that reads no schedule: the asked runs, and how the law comes to them from the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scaling.plots import style
from scaling.plots.told import caption, last_value
from scaling.words import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.fits import Fit

ALONG = ("D", "M", "C", "N")  # an input of these is the axis, the first that a law has
POINTS = 40  # of a line
LINES = 6  # runs with a line and words of their own
LINE = 0.08  # of the height of the axes, that a line of the legend takes: it stands above all that is drawn
DOTS: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3, "markeredgewidth": 0, "alpha": 0.6}


def points(fit: Fit, predicted: pd.DataFrame, *, interval: str, level: float, ax: Axes | None) -> Axes:
    """Draw predicted rows over tokens, else ratio, compute or size, with the data and lines of the law that lead to them.

    Parameters
    ----------
    predicted : what `Fit.predict` says of the asked rows, with its `loss` where they were measured. interval, level : of it.
    """
    law, inputs = fit.law, [*fit.law.inputs]
    named = {str(law.conventions.get(name, name)): name for name in inputs}
    said = next((name for name in ALONG if name in named), next(iter(named)))
    x = named[said]
    data = pd.DataFrame({name: np.broadcast_to(fit.design.inputs[name], fit.design.loss.shape) for name in inputs})
    end = float(data[x].max())
    others = [name for name in inputs if name != x]
    smooth = (said in ALONG or not others) and bool((data[x] > 0).all() and (predicted[x] > 0).all())  # shares sum to one
    groups = [rows for _, rows in predicted.groupby(others, sort=False)] if others else [predicted]
    few = len(groups) <= LINES
    with style.styled():
        ax = style.new_axes(ax)
        ax.plot(data[x], fit.design.loss, color=style.CONTEXT, label="data of the fit", **DOTS)
        colours = [style.PREDICTION] if len(groups) == 1 or not few else style.palette(len(groups))
        for k, rows in enumerate(groups):
            colour, words = colours[k % len(colours)], _named(rows.iloc[-1], others, x, law.name)
            if few and smooth:
                _line(ax, fit, rows, data, x, colour, interval, level)
            _rows(ax, rows, x, colour, words if few else "predicted" if k == 0 else "_predicted")
        if smooth:
            style.label_amounts(ax, x=style.LABELS.get(said, said))
        else:
            ax.set_xlabel(said)
        ax.set_ylabel(style.LABELS["loss"] if law.predicts == "loss" else law.predicts)
        if (predicted[x] > end).any():
            style.end_of_data(ax, end, 0.015)
        low, high = ax.get_ylim()
        lines = len(ax.get_legend_handles_labels()[0])
        ax.set_ylim(low, high + (high - low) * LINE * (lines + 1) / (1 - LINE * (lines + 1)))
        ax.legend(loc="upper right", handlelength=1.0)
        caption(ax, f"{law.name}; band: {predicted.attrs['interval']}")
    return ax


def _named(row: pd.Series, others: list[str], x: str, name: str) -> str:
    """The asked run in words, with what is predicted of it."""
    run = ", ".join(f"{key} {amount(float(row[key]))}" for key in (*others, x))
    return f"{run}: {last_value(row.to_frame().T.infer_objects())}"


def _line(
    ax: Axes, fit: Fit, rows: pd.DataFrame, data: pd.DataFrame, x: str, colour: style.Color, interval: str, level: float
) -> None:  # fmt: skip
    """The law with its band from the first data to the asked rows, other inputs as asked; dashed past any of the data."""
    low, high, end = min(data[x].min(), rows[x].min()), rows[x].max(), data[x].max()
    grid = np.unique(np.r_[np.geomspace(low, high, POINTS), end if low < end < high else high])
    asked = rows.iloc[[-1] * len(grid)][[*data]].reset_index(drop=True).assign(**{x: grid})
    curve = fit.predict(asked, interval=interval, level=level)
    beyond = any(asked[name][0] > data[name].max() for name in data if name != x)
    for part, line in ((curve[grid <= end], style.DASHED if beyond else "-"), (curve[grid >= end], style.DASHED)):
        ax.plot(part[x], part["prediction"], color=colour, linestyle=line, label="_law", zorder=3)
    ax.fill_between(curve[x], curve["lower"], curve["upper"], color=colour, alpha=0.2, linewidth=0, zorder=2)


def _rows(ax: Axes, rows: pd.DataFrame, x: str, colour: style.Color, label: str) -> None:
    """Predicted rows with their intervals, and what was measured there."""
    off = np.abs(rows[["lower", "upper"]].to_numpy(float).T - rows["prediction"].to_numpy(float))
    ax.errorbar(
        rows[x], rows["prediction"], yerr=np.nan_to_num(off), fmt="D", markersize=4, capsize=2.5, elinewidth=1.1, color=colour,
        label=label, zorder=4,
    )  # fmt: skip
    if "loss" in rows and (known := rows[rows["loss"].notna()]).size:
        name = "measured, not used in the fit"
        label = f"_{name}" if name in {line.get_label() for line in ax.lines} else name
        ax.plot(
            known[x], known["loss"], linestyle="none", marker="o", markersize=4.5, markeredgewidth=0.9, markerfacecolor="none",
            color=style.TRUTH, zorder=5, label=label,
        )  # fmt: skip
