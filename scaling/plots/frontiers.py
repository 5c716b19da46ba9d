"""The frontier of loss over compute: the convex hull of curves, and where a law of compute meets what its data allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.plots import style
from scaling.plots.sizes import PAIR
from scaling.procedures.approaches import hull as found_hull
from scaling.procedures.approaches import logged
from scaling.procedures.consistency import SPREAD

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.logs import Runs
    from scaling.procedures.consistency import Crossing

AROUND = 1e3  # times the compute of a crossing, to both sides
ALONE = 1e6, 1e12  # where laws are drawn that never meet


def hull(curves: pd.DataFrame | Runs, smooth: int = 1, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw loss curves over compute with the convex hull below them, and the size and tokens at its corners.

    Parameters
    ----------
    curves, smooth : as for `scaling.procedures.approaches.hull`.
    ax : one Axes takes the curves alone; a dict takes the panels it names, of "loss", "optimum".
    """
    rows, _, _ = logged(curves, smooth)
    found = found_hull(curves, smooth)
    points = found.points
    with style.styled():
        axes = style.panels(ax, {"loss": 1.0, "optimum": 0.8}, sharex=True, first=3.0)
        if (loss := axes.get("loss")) is not None:
            colour = style.by_size(loss, rows["N"], style.LABELS["N"])
            for _, part in rows.groupby("run", sort=False):
                few = part.iloc[style.decimate(part["flops"].to_numpy(), 400)]
                loss.plot(few["flops"], few["loss"], color=colour(float(part["N"].iloc[0])), linewidth=0.9, label="_curve")
            loss.plot(
                points["flops"],
                points["loss"],
                "o",
                color=style.ink(),
                markersize=3,
                linestyle=style.DASHED,
                label="convex hull",
            )
            loss.set_ylim(0.97 * rows["loss"].min(), 1.15 * points["loss"].max())
            style.label_compute(loss)
            loss.set_yscale("log")
            style.plain_logs(loss)
            loss.set_ylabel(style.LABELS["loss"])
            style.legend_above(loss)
        if (optimum := axes.get("optimum")) is not None:
            grid = np.geomspace(points["flops"].min(), points["flops"].max(), 2)
            ways = {"N": (found.a, found.log_N), "D": (found.b, found.log_D)}
            for (name, (power, log_factor)), colour_ in zip(ways.items(), PAIR, strict=True):
                optimum.plot(points["flops"], points[name], "o", color=colour_, markersize=3)
                label = f"{name} ∝ C^{power:.3f}"
                optimum.plot(grid, np.exp(log_factor + power * np.log(grid)), color=colour_, label=label)
            style.label_compute(optimum)
            style.label_amounts(optimum, y="size N, tokens D")
            style.legend_above(optimum, ncols=1)  # the bar leaves little width
        next(reversed(axes.values())).set_xlabel(style.LABELS["C"])
    return axes


def consistency(crossing: Crossing, *, unit: str = "PF-days", ax: Axes | None = None) -> Axes:
    """Draw L(C) and L(D(C)) with the band that 5 % of the exponent of N_opt make, and where they meet.

    Parameters
    ----------
    crossing : what `scaling.procedures.consistency.consistency_point` returns. unit : of its compute, for the axis.
    """
    meets = np.isfinite(crossing.C)
    ends = (crossing.C / AROUND, crossing.C * AROUND) if meets else ALONE
    C = np.geomspace(*ends, 200)
    lines = crossing.lines(C)
    with style.styled():
        axes = style.new_axes(ax)
        axes.plot(C, lines["by_C"], color=style.PREDICTION, label="L(C)")
        axes.plot(C, lines["by_D"], color=style.TRUTH, label="L(D(C)), tokens seen once")
        low, high = (crossing.lines(C, off)["by_D"] for off in (-SPREAD, SPREAD))
        band = f"exponent of N$_\\mathrm{{opt}}$ ± {SPREAD:.0%}"
        axes.fill_between(C, low, high, color=style.TRUTH, alpha=0.15, linewidth=0, label=band)
        if meets:
            said = f"C = {crossing.C:.2g}, N = {crossing.N:.2g}\nD = {crossing.D:.2g}, loss {crossing.loss:.3g}"
            axes.plot(crossing.C, crossing.loss, "*", color=style.ink(), markersize=10, zorder=4, label=said)
        axes.set_xscale("log")
        axes.set_yscale("log")
        style.plain_logs(axes)
        axes.set_xlabel(f"compute ({unit})")
        axes.set_ylabel(style.LABELS["loss"])
        style.legend_above(axes, ncols=1)
    return axes
