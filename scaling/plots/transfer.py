"""Figures of loss-to-loss relations and of mixtures."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scaling.plots import style
from scaling.words import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.planning import Mixture
    from scaling.transfer import Relation

NAME, ROWS = 24, 220.0  # characters of a domain's name; points of height that all names share


def relation(found: Relation, *, level: float = 0.9, ax: Axes | None = None) -> Axes:
    """Draw paired losses and the fitted relation between two data sets, on logarithmic axes of reducible loss.

    A relation of the law's form is a straight line of slope kappa here; the axes say which irreducible losses were taken off.

    Parameters
    ----------
    found : with data behind it, as `scaling.transfer.relate` makes it.
    level : of the band.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    assert found.pairs is not None
    x, y = found.pairs["x"].to_numpy(), found.pairs["loss"].to_numpy()
    inside = (x > found.E0) & (y > found.E1)
    grid = found.E0 + np.geomspace((x[inside] - found.E0).min(), (x[inside] - found.E0).max(), 100)
    band = found.predict(grid, level=level)
    with style.styled():
        ax = style.new_axes(ax)
        (colour,) = style.palette(1)
        pairs, line = f"{many(int(inside.sum()), 'pair')} of runs", f"slope {found.kappa:.3f}, R2 {found.r2:.4f}"
        ax.loglog(x[inside] - found.E0, y[inside] - found.E1, "o", ms=4, color=colour, label=pairs)
        middle, upper = band["prediction"] - found.E1, band["upper"] - found.E1
        ax.plot(grid - found.E0, middle, color=colour, label=line)
        low = np.maximum(band["lower"] - found.E1, 1e-3 * middle)
        ax.fill_between(grid - found.E0, low, upper, color=colour, alpha=0.2, lw=0, label=f"{level:.0%} band")
        for axis in (ax.xaxis, ax.yaxis):  # a fraction of a decade needs more ticks than its ends
            axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(f"source loss - {found.E0:.4g}")
        ax.set_ylabel(f"target loss - {found.E1:.4g}")
        style.legend_above(ax, ncols=1)
    return ax


def shares(found: Mixture, *, ax: Axes | None = None) -> Axes:
    """Draw a mixture's shares beside those of the reference, with their intervals where there are any.

    The title of the legend says whether the gain is larger than its uncertainty.
    """
    table = found.frame
    place = np.arange(len(table))
    with style.styled():
        ax = style.new_axes(ax)
        (colour,) = style.palette(1)
        ax.barh(place, table["share"], height=0.6, color=colour, alpha=0.3, label="optimum")
        ax.plot(table["reference"], place, "o", mfc="none", color=style.QUIET, label="reference")
        if "lower" in table:
            off = [table["share"] - table["lower"], table["upper"] - table["share"]]
            ax.errorbar(table["share"], place, xerr=np.maximum(off, 0), fmt="none", ecolor=style.QUIET, capsize=3)
        called = style.called(map(str, table.index), NAME)
        ax.set_yticks(place, [called[str(name)] for name in table.index], fontsize=min(9, ROWS / len(table)))
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        ax.set_xlabel("share of the tokens")
        verdict = f"{'more' if found.worth_it else 'not more'} than its uncertainty"
        said = f"gain {found.gain:.3g} ({found.gain_lower:.2g} to {found.gain_upper:.2g}): {verdict}"
        style.legend_above(ax, title=textwrap.fill(said, 36))
    return ax
