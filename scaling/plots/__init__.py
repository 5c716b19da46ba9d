"""Figures: functions that take a result, draw on `ax` (or make axes) and return the axes.

Data are markers, the fit is solid, the extrapolation dashed past a thin line "end of data", an interval is a
band, measured values the fit has not seen are hollow markers. Nothing is shown and no global setting is
touched: save with ``ax.figure.savefig(...)``.
"""

from scaling.plots.backtests import backtest
from scaling.plots.bowls import bowls
from scaling.plots.choices import choices
from scaling.plots.comparisons import compared
from scaling.plots.curves import curve
from scaling.plots.decisions import decisions
from scaling.plots.forecasts import forecast, running
from scaling.plots.frontiers import consistency, hull
from scaling.plots.ladders import ladder
from scaling.plots.registered import history
from scaling.plots.residuals import residuals
from scaling.plots.sizes import family, frontier, isoflop, isoloss
from scaling.plots.style import figure_of, image, svg
from scaling.plots.transfer import relation, shares

__all__ = [
    "backtest", "bowls", "choices", "compared", "consistency", "curve", "decisions", "family", "figure_of", "forecast",
    "frontier", "history", "hull", "image", "isoflop", "isoloss", "ladder", "relation", "residuals", "running", "shares", "svg",
]  # fmt: skip
