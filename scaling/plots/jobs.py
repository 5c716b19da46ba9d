"""The forecast of a run that is still going: its log, the curve through it, and where its schedule takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scaling.plots import style
from scaling.plots.forecasts import Look, draw, finish, last_value, zoom

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.running.jobs import Forecast

NARROW = 0.05  # of the loss: a narrower band needs the inset to be seen
POINTS = 200  # of the log, enough to see its shape and scatter


def running(found: Forecast, *, ax: Axes | None = None) -> Axes:
    """Draw what `scaling.forecast` returns.

    Parameters
    ----------
    found : Forecast
    ax : Axes, optional

    Returns
    -------
    Axes
        The log as markers, the curve of the method solid through it and dashed past the line "end of data", its band, and
        the last value with its interval in an inset.
    """
    known = found.log.rename(columns={"fitted": "prediction"})
    curve = pd.concat([known[known["step"] < found.step], found.frame], ignore_index=True).assign(run=found.run)
    curve.attrs["interval"] = f"{found.level:.0%} interval; {found.method}"
    log = known.iloc[style.decimate(known["step"].to_numpy(), POINTS)]
    with style.styled():
        ax = style.new_axes(ax)
        ax.plot(
            log["step"], log["loss"], linestyle="none", marker="o", markersize=3, markeredgewidth=0, color=style.CONTEXT,
            alpha=0.7, label=f"{found.run}, {found.step / found.last:.0%} done",
        )  # fmt: skip
        look, nothing = Look(found.step, style.PREDICTION, style.TRUTH, ""), log.iloc[:0]
        draw(ax, curve, nothing, look, f"end: {last_value(curve)}")
        end = found.end
        if end["upper"] - end["lower"] < NARROW * end["prediction"]:
            zoom(ax, curve, nothing, look)
        finish(ax, curve, found.step)
    return ax
