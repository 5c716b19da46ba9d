"""A backtest: how far off a law was on rows it had not seen, by how far beyond its data they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.plots import style
from scaling.words import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.judging.backtests import Backtest

PANELS = {"error": 1.0, "coverage": 0.42}
BINS, FEWEST = 10, 5  # of the horizon, equally spaced in its logarithm; rows of a bin that say something
SEEN = 0.995  # share of the errors that the picture shows
MOST = 5.0  # times the range of the errors, that bands may take beyond it


def backtest(found: Backtest, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw the errors of a backtest against the horizon, with the intervals they should lie in, and under them the coverage.

    Parameters
    ----------
    found : what `scaling.backtest` returns; ``interval="calibrated"`` there draws the bands that `Fit.predict` gives.
    ax : one Axes takes the errors alone; a dict takes the panels it names, of "error", "coverage".

    Returns
    -------
    "error": measured / predicted - 1 in % against the ratio to the largest row fitted, one marker per predicted row
    (hollow where it missed its own interval); the band is the median interval of the rows in a range of horizons.
    "coverage": share of the rows inside their intervals, by range of horizons, beside the nominal level.
    """
    rows = _relative(found.frame)
    with style.styled():
        axes = style.panels(ax, PANELS)
        by_bin = _by_horizon(rows)
        if "error" in axes:
            _errors(axes["error"], rows, by_bin, found)
        if "coverage" in axes:
            _coverage(axes["coverage"], by_bin, found.level)
        last = list(axes.values())[-1]
        last.set_xlabel("beyond the largest row fitted (ratio" + (f", {found.by})" if found.by != "schedule" else ")"))
        for one in axes.values():
            _horizons(one, rows["horizon"].to_numpy())
    return axes


def _relative(frame: pd.DataFrame) -> pd.DataFrame:
    """horizon, and measured, lower, upper in % of the prediction, and inside."""
    percent = {name: 100 * (frame[name] / frame["prediction"] - 1) for name in ("truth", "lower", "upper")}
    inside = (frame["truth"] >= frame["lower"]) & (frame["truth"] <= frame["upper"])
    return frame[["cutoff", "horizon"]].assign(**percent, inside=inside)


def _by_horizon(rows: pd.DataFrame) -> pd.DataFrame:
    """left, right, rows, lower, upper (medians) and inside (share) of every range of horizons with enough rows."""
    edges = np.geomspace(rows["horizon"].min(), rows["horizon"].max() * (1 + 1e-9), BINS + 1)
    which = np.clip(np.searchsorted(edges, rows["horizon"], side="right") - 1, 0, BINS - 1)
    grouped = rows.assign(rows=1).groupby(which)
    out = grouped.agg({"rows": "sum", "lower": "median", "upper": "median", "inside": "mean"})
    at = out.index.to_numpy()
    out = pd.DataFrame({"left": edges[at], "right": edges[at + 1], **out.to_dict("list")})
    return out[out["rows"] >= FEWEST]


def _errors(ax: Axes, rows: pd.DataFrame, by_bin: pd.DataFrame, found: Backtest) -> None:
    for k, (left, right, lower, upper) in enumerate(by_bin[["left", "right", "lower", "upper"]].to_numpy()):
        label = f"{found.level:.0%} interval (median)" if k == 0 else None
        ax.fill_between([left, right], lower, upper, color=style.PREDICTION, alpha=0.18, linewidth=0, label=label)
    for inside, colour, label in ((True, style.CONTEXT, "inside its interval"), (False, style.TRUTH, "outside")):
        part = rows[rows["inside"] == inside]
        ax.plot(
            part["horizon"], part["truth"], linestyle="none", marker="o", markersize=3.5, markeredgewidth=0.8,
            markerfacecolor=colour if inside else "none", markeredgecolor=colour, alpha=0.7,
            label=f"{many(len(part), 'row')} {label}",
        )  # fmt: skip
    ax.axhline(0, color=style.QUIET, linewidth=0.8, zorder=1)
    low, high = np.nanquantile([*rows["truth"], 0.0], [1 - SEEN, SEEN])
    room = MOST * (high - low)  # bands so wide that the errors would be a line leave the picture
    shown = np.clip(np.concatenate([rows["truth"], by_bin["lower"], by_bin["upper"]]), low - room, high + room)
    low, high = np.nanquantile(shown, [1 - SEEN, SEEN])
    pad = 0.08 * (high - low)
    ax.set_ylim(low - pad, high + pad)
    ax.set_ylabel("measured / predicted - 1 (%)")
    style.legend_above(ax, ncols=1, title=f"{found.law}: {many(rows['cutoff'].nunique(), 'backtest')}")


def _coverage(ax: Axes, by_bin: pd.DataFrame, level: float) -> None:
    centre = np.sqrt(by_bin["left"] * by_bin["right"])
    ax.axhline(level, color=style.QUIET, linewidth=0.8, linestyle=style.DASHED, zorder=1)
    style.note(ax, f"nominal {level:.0%}", (1, level), ("axes fraction", "data"), (-2, -3), ha="right", va="top")
    ax.plot(centre, by_bin["inside"], "-o", color=style.PREDICTION, markersize=4)
    ax.set_ylim(-0.04, 1.1)
    ax.set_yticks([0, 0.5, 1])
    ax.set_ylabel("inside")


def _horizons(ax: Axes, horizon: np.ndarray) -> None:
    """A logarithmic axis labelled 1x, 2x, 5x ..., unless all horizons are one, as of runs of one length left out."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = float(horizon.min()), float(horizon.max())
    if high <= 1.02 * low:
        return
    ax.set_xscale("log")
    ticks = {0.6: (1, 1.2, 1.5, 2, 3, 5, 7), 2: (1, 2, 5), 3.5: (1, 3), np.inf: (1,)}  # up to so many decades
    steps = next(steps for most, steps in ticks.items() if np.log10(high / low) < most)
    ax.xaxis.set_major_locator(FixedLocator([m * 10.0**e for e in range(-6, 12) for m in steps]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}x"))
