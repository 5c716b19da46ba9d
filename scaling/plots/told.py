"""What figures of forecasts say in words: the last value with its interval, and below the title what a band assumes."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scaling.plots import style
from scaling.words import digits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LONG = r"\S{40,}"  # what no column has room for: names of runs without a space
CAPTION = 300  # characters of what is said of a plan or a band: the rest stands in attrs["interval"]


def last_value(part: pd.DataFrame, truth: pd.DataFrame | None = None) -> str:
    """Return the last predicted value with its interval, and what was measured there."""
    last = part.iloc[-1]
    half = (last["upper"] - last["lower"]) / 2
    value, lower, upper = (digits(last[name], half) for name in ("prediction", "lower", "upper"))
    said = f"{value} ({lower} to {upper})" if np.isfinite(half) else f"{value} (no interval)"
    if truth is None or truth.empty or truth["step"].iloc[-1] != last["step"]:
        return said
    happened = truth["loss"].iloc[-1]
    return f"{said}\nmeasured {digits(happened, half)}, error {last['prediction'] / happened - 1:+.2%}"


def caption(ax: Axes, *said: str) -> None:
    """Write small sentences above the axes, each cut where it has no room."""
    short = (re.sub(LONG, lambda found: f"{found[0][:16]}…{found[0][-16:]}", text) for text in said)
    lines = [textwrap.fill(textwrap.shorten(text, CAPTION, placeholder=" ..."), 90) for text in short]
    ax.set_title("\n".join(lines), fontsize=8, color=style.QUIET)
