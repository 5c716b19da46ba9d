"""A ladder whole: the curves of all runs with their fit, and the forecast of those held out beside what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scaling.errors import DataError
from scaling.plots import style
from scaling.plots.curves import LOSS_POINTS, compared

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.fits import Fit
    from scaling.logs import Runs


def ladder(fit: Fit, held: Runs | None = None, *, level: float = 0.9, ax: Axes | None = None) -> Axes:
    """Draw measured and fitted loss of every run, and for runs held out the forecast with its interval and what was measured.

    Parameters
    ----------
    fit : of a law over curves. held : runs the fit has not seen, whose schedules are known. level : of the band.

    Returns
    -------
    Loss over tokens where the logs have them, else steps, both logarithmic or linear as the runs' lengths ask; colours tell
    sizes apart, where they are known.

    Raises
    ------
    DataError : the fit was made on a table without runs.
    """
    if fit.runs is None:
        raise DataError(f"this fit of {fit.law.name} was made on a table without runs: there are no curves to draw.")
    both = [runs for runs in (fit.runs, held) if runs is not None]
    size = {name: x for runs in both for name, x in runs.facts.get("n_params", {}).items() if x == x}
    x = "tokens" if all("tokens" in runs.frame for runs in both) else "step"
    with style.styled():
        ax = style.new_axes(ax)
        names = [name for runs in both for name in runs.names]
        if set(names) <= size.keys() and len({size[name] for name in names}) > 1:
            by_size = style.by_size(ax, [size[name] for name in names], style.LABELS["N"])
            colours = {name: by_size(size[name]) for name in names}
        else:
            colours = dict(zip(names, style.palette(len(names)), strict=True))
        rows = compared(fit, fit.runs)
        for k, (name, part) in enumerate(rows.groupby("run", sort=False)):
            few = part.iloc[style.decimate(part["step"].to_numpy(), LOSS_POINTS)]
            colour = colours[str(name)]
            ax.plot(few[x], few["loss"], "o", color=colour, ms=2.5, mew=0, alpha=0.7, label="_" if k else "data")
            ax.plot(part[x], part["prediction"], color=colour, linewidth=1.1, label="_" if k else fit.law.name)
        if held is not None:
            _forecasts(ax, fit, held, colours, x, level)
        shown = np.concatenate([rows["loss"], [] if held is None else held.frame["loss"].dropna()])
        steps = np.concatenate([rows["step"], [] if held is None else held.frame.dropna(subset="loss")["step"]])
        low, high = style.loss_limits(steps, shown)
        ax.set_ylim(low, high)
        ax.set_xscale("log")
        at = np.concatenate([rows[x], [] if held is None else held.frame.dropna(subset="loss")[x]])
        ax.set_xlim(left=0.9 * at[shown <= high].min())  # earlier losses lie above the axes
        if x == "tokens":
            style.label_amounts(ax, x=style.LABELS["D"])
        else:
            style.label_amounts(ax, x=style.LABELS["step"])
        ax.set_ylabel(style.LABELS["loss"])
        style.legend_above(ax, ncols=1)  # a bar of sizes leaves little width
    return ax


def _forecasts(ax: Axes, fit: Fit, held: Runs, colours: dict[str, style.Color], x: str, level: float) -> None:
    found = fit.predict(held, level=level)
    rows = held.frame.merge(found[["run", "step", "prediction", "lower", "upper"]], on=["run", "step"])
    for k, (name, part) in enumerate(rows.groupby("run", sort=False)):
        colour, measured = colours[str(name)], part[part["loss"].notna()]
        few = measured.iloc[style.decimate(measured["step"].to_numpy(), LOSS_POINTS)] if len(measured) else measured
        seen, ahead, band = ["_"] * 3 if k else ["measured, not used in the fit", "forecast", f"{level:.0%}"]
        ax.plot(few[x], few["loss"], "o", mfc="none", mec=colour, ms=3, mew=0.7, label=seen)
        ax.plot(part[x], part["prediction"], color=colour, linestyle=style.DASHED, label=ahead, zorder=3)
        ax.fill_between(part[x], part["lower"], part["upper"], color=colour, alpha=0.2, linewidth=0, label=band)
