"""Several schedules for the rest of a running job in one figure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scaling.plots import style
from scaling.plots.forecasts import CONTEXT_POINTS
from scaling.plots.told import last_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from scaling.running import Choices

HEIGHTS = {"loss": 3.2, "lr": 1.1}
WIDTH = 36  # characters of a line of the legend


def choices(found: Choices, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw what `scaling.running.choose` returns.

    The log as markers, each schedule's forecast dashed with its band and end, and how likely it ends lowest; below, the rates.
    """
    forecasts = found.forecasts
    with style.styled():
        axes = style.panels(ax, HEIGHTS)
        loss, rates = axes.get("loss"), axes.get("lr")
        colours = style.palette(len(forecasts))
        log = next(iter(forecasts.values())).log
        if loss is not None:
            few = log.iloc[style.decimate(log["step"].to_numpy(), CONTEXT_POINTS)]
            loss.plot(
                few["step"], few["loss"], linestyle="none", marker="o", markersize=3, markeredgewidth=0, color=style.CONTEXT,
                alpha=0.7, label=_folded(f"{style.called([found.run])[found.run]}, step {found.step}"),
            )  # fmt: skip
        for (name, forecast), colour in zip(forecasts.items(), colours, strict=True):
            part, chance = forecast.frame, float(found.frame["lowest"][name])
            label = _folded(name) + "\n" + _folded(f"{last_value(part)}, lowest: {chance:.0%}")
            if loss is not None:
                loss.plot(part["step"], part["prediction"], color=colour, linestyle=style.DASHED, label=label, zorder=3)
                loss.fill_between(part["step"], part["lower"], part["upper"], color=colour, alpha=0.15, linewidth=0)
            if rates is not None:
                rates.plot(part["step"], part["lr"], color=colour)
        for panel in axes.values():
            panel.axvline(found.step, color=style.QUIET, linewidth=0.8, zorder=1)
        if loss is not None:
            loss.set_xlim(left=found.step / 2)
            ends = np.concatenate([f.frame[c].iloc[[0, -1]] for f in forecasts.values() for c in ("lower", "upper")])
            late = log["loss"][log["step"] >= log["step"].iloc[-1] / 2]
            both = np.r_[ends, late]
            loss.set_ylim(both.min() - 0.05 * np.ptp(both), both.max() + 0.05 * np.ptp(both))
            style.note(loss, "end of data", (found.step, 0.97), ("data", "axes fraction"), (3, 0), ha="left", va="top")
            loss.set_ylabel(style.LABELS["loss"])
            legend = loss.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=7, frameon=False, handlelength=1.2)
            legend.set_title(f"bands: {found.level:.0%} intervals of one logged loss")
            legend.get_title().set_fontsize(8)
            legend.set_alignment("left")
        if rates is not None:
            rates.set_ylabel(style.LABELS["lr"])
            rates.set_ylim(bottom=0)
        style.label_steps(list(axes.values())[-1])
    return axes


def _folded(text: str) -> str:
    """Words in lines that a column has room for, which may end at any comma."""
    return textwrap.fill(text.replace(", ", ",").replace(",", ", "), WIDTH, break_on_hyphens=False)
