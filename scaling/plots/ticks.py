"""Ticks of logarithmic axes: as many as have room for their labels, which are as people write numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from scaling.words import amount

FEW_DECADES = 1.5  # of an axis: its powers of ten alone would label it too thinly
CHARACTER, LINE = 0.66, 1.7  # width of a figure and height of a line, with what keeps labels apart, in font sizes
GAP = 0.7  # between two labels beside each other
THINNER = (((1, 2, 5), 9), ((1, 3), 9), ((1,), 6), ((1,), 4), ((1,), 3))  # parts of a decade, and how many ticks at most
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def logarithmic(axis: Any, written: Any = None) -> None:
    """Label a logarithmic axis at as many of 1, 2, 5, 10 ... as have room, in words of `written` (else as amounts)."""
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = sorted(axis.get_view_interval())
    axis.set_minor_locator(NullLocator() if np.log10(high / low) < FEW_DECADES else LogLocator(subs=(2, 5), numticks=99))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda x, _: (written or said)(x)))
    size = rcParams["xtick.labelsize" if axis.axis_name == "x" else "ytick.labelsize"]
    axis.set_major_locator(_roomy()(FontProperties(size=size).get_size_in_points()))


def said(x: float) -> str:
    """400M, 1B, 24k, 0.002, 1e-5."""
    return f"{x / 1e3:g}k" if 1e3 <= x < 1e6 else amount(x).replace("e-0", "e-")


def power_of_ten(x: float) -> str:
    """10²¹, in letters, as mathtext takes longer than all the rest of a figure."""
    digits, _, power = f"{x:.2e}".partition("e")
    digits = f"{float(digits):g}"  # of an axis of less than a decade more than one
    return ("10" if digits == "1" else f"{digits}·10") + str(int(power)).translate(RAISED)


@cache
def _roomy() -> Any:
    """The locator, a class of matplotlib's, which is slow to import."""
    from matplotlib.ticker import LogLocator

    class Roomy(LogLocator):
        """Ticks whose labels, in a font of so many points, do not touch."""

        def __init__(self, font: float) -> None:
            super().__init__()
            self.font = font

        def tick_values(self, vmin: float, vmax: float) -> Any:
            low, high = sorted((vmin, vmax))
            found = np.array([low, high])
            powers = np.floor(np.log10(high) + 1e-9) - np.ceil(np.log10(low) - 1e-9) + 1
            for subs, most in THINNER[0 if powers < 2 or np.log10(high / low) < FEW_DECADES else 2 :]:
                self.set_params(subs=subs, numticks=most)
                ticks = np.asarray(super().tick_values(vmin, vmax))
                seen = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
                if len(seen) < 2:
                    break
                found = ticks
                if self._fit(seen):
                    return ticks
                found = seen[[0, -1]]  # the ends of the last that did not
            return found

        def _fit(self, ticks: Any) -> bool:
            """Have the labels of these ticks room beside each other, in points?"""
            axis: Any = self.axis
            name, paper = axis.axis_name, axis.axes.get_figure(root=True)
            side = getattr(axis.axes.bbox, "width" if name == "x" else "height") * 72 / paper.dpi
            labels = np.array([len(axis.get_major_formatter()(x)) for x in ticks])
            room = (CHARACTER * labels + GAP if name == "x" else np.full(len(ticks), LINE)) * self.font
            apart = np.diff(np.log(ticks)) / abs(np.diff(np.log(axis.get_view_interval()))[0]) * side
            return bool((apart >= (room[1:] + room[:-1]) / 2).all())

    return Roomy
