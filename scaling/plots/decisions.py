"""How well smaller runs rank recipes, by rung and by fitted law."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaling.plots import style
from scaling.words import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.judging import Decisions

ASIDE = 1.03  # so that the intervals of two ways at one rung do not cover each other


def decisions(found: Decisions, *, ax: Axes | None = None) -> Axes:
    """Draw what `scaling.judging.compare_recipes` returns.

    The share of pairs ranked as at the target, over the size of the rung or of the last rung a law was fitted to, with
    intervals; what a coin gets, and what another run of the target itself would get.
    """
    ways = found.frame.groupby("way", sort=False)
    with style.styled():
        axes = style.new_axes(ax)
        colours = (style.TRUTH, style.PREDICTION, style.CONTEXT)
        for k, (way, rows) in enumerate(ways):
            x = rows["up_to"] * ASIDE**k
            ends = [rows["alike"] - rows["lower"], rows["upper"] - rows["alike"]]
            label = "the rung alone" if way == "rung" else f"{way} fitted up to it"
            axes.errorbar(
                x, rows["alike"], yerr=ends, fmt=f"{style.MARKERS[k]}-", color=colours[k % 3], ms=5, lw=1.2, label=label
            )
        axes.axhline(0.5, color=style.QUIET, lw=0.8)
        style.note(axes, "a coin", (0, 0.5), ("axes fraction", "data"), (3, 3))
        if found.ceiling is not None:
            axes.axhline(found.ceiling, color=style.QUIET, lw=0.9, linestyle=style.DASHED)
            style.note(axes, "another run of the target", (0, found.ceiling), ("axes fraction", "data"), (3, -11))
        axes.set_ylim(min(0.4, found.frame["lower"].min() - 0.02), 1.02)
        style.label_amounts(axes, x=style.LABELS.get(found.by, found.by))
        axes.set_ylabel(f"pairs ranked as at {amount(found.target)}")
        style.legend_above(axes, ncols=1)
    return axes
