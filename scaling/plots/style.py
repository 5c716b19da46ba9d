"""The shared look: style sheet, palette, axes, decimation."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.resources import files
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.document import MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Color = str | tuple[float, ...]

MARKERS = "osD^vP*X"
LABELS = {"step": "optimiser step", "loss": "loss (nats/token)", "lr": "learning rate"}
TRUTH = "#d55e00"  # measured values that the fit has not seen
PREDICTION = "#0072b2"
CONTEXT = "#8c8c8c"
MAX_POINTS = 5000


def styled() -> AbstractContextManager[None]:
    """Return the context in which every figure is made."""
    import matplotlib.pyplot as plt

    # Loading a backend is not part of the style: a notebook's switches interactive mode on as it loads, and were that
    # inside the context, leaving it, by an error too, would switch it off and no figure would be shown from then on.
    plt.draw_if_interactive()  # type: ignore[no-untyped-call]
    return plt.style.context(str(files("scaling.plots") / "scaling.mplstyle"))


def panels(ax: Axes | Mapping[str, Axes] | None, heights: Mapping[str, float]) -> dict[str, Axes]:
    """Return the axes of a composite by name: those given, or new ones stacked over a common x axis.

    A single given Axes takes the first panel alone.
    """
    if isinstance(ax, Mapping):
        if unknown := set(ax) - set(heights):
            raise ValueError(f"no panel {sorted(unknown)[0]!r} in this figure; panels: {', '.join(heights)}")
        return dict(ax)
    if ax is not None:
        return {next(iter(heights)): ax}
    import matplotlib.pyplot as plt

    total = sum(heights.values()) / next(iter(heights.values()))
    figure = plt.figure(figsize=(6.0, 3.2 * total + 0.3))
    made = figure.subplot_mosaic([[name] for name in heights], height_ratios=list(heights.values()), sharex=True)
    figure.align_ylabels(list(made.values()))
    return made


def new_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.figure().add_subplot()


def figure_of(axes: Axes | Mapping[str, Axes]) -> Figure:
    """Return the figure that what a function of `scaling.plots` returned belongs to."""
    one = next(iter(axes.values())) if isinstance(axes, Mapping) else axes
    root = one.get_figure(root=True)
    assert root is not None  # drawn axes have a figure
    return root


def svg(axes: Axes | Mapping[str, Axes]) -> str:
    """Return the figure of the axes as an SVG element for a page, and close it."""
    import matplotlib.pyplot as plt

    drawn, root = StringIO(), figure_of(axes)
    root.savefig(drawn, format="svg")
    plt.close(root)
    return drawn.getvalue()[drawn.getvalue().index("<svg") :]


def note(ax: Axes, text: str, at: tuple[float, float], coordinates: Any, off: tuple[float, float], **look: Any) -> None:
    """Write small words at a place, so many points `off` it."""
    look |= {"textcoords": "offset points", "fontsize": 8.5, "color": "#444444"}
    ax.annotate(text, at, xycoords=coordinates, xytext=off, **look)


def image(axes: Axes | Mapping[str, Axes], suffix: str) -> bytes:
    """Return the figure of the axes as a file of this suffix (.png, .svg, .pdf), which says that we made it."""
    made, kind = BytesIO(), suffix.lower().removeprefix(".")
    figure_of(axes).savefig(made, format=kind, metadata={"Software" if kind == "png" else "Creator": MARK})
    return made.getvalue()


def label_steps(ax: Axes) -> None:
    """Label the x axis as optimiser steps: 24k instead of 24000."""
    from matplotlib.ticker import EngFormatter

    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel(LABELS["step"])


def palette(n: int, *, ordered: bool = False) -> list[Color]:
    """Return `n` colours that colour-blind readers can tell apart; ordered values run through viridis."""
    import matplotlib as mpl
    from matplotlib.colors import to_rgb

    if not ordered:
        for size, name in ((4, "okabe_ito"), (6, "petroff6"), (8, "petroff8")):
            if n <= size:
                return [to_rgb(colour) for colour in mpl.color_sequences[name][:n]]
    return [tuple(mpl.colormaps["viridis"](x)) for x in np.linspace(0, 0.9, n)]


def decimate(x: np.ndarray, limit: int = MAX_POINTS) -> np.ndarray:
    """Return at most `limit` indices into ascending `x`, evenly spaced in log x, both ends among them."""
    n = len(x)
    if n <= limit:
        return np.arange(n)
    x = np.asarray(x, float)
    start = x[0] if x[0] > 0 else x[x > 0][0]
    wanted = np.geomspace(start, x[-1], limit - 2)
    return np.unique(np.r_[0, np.clip(np.searchsorted(x, wanted), 0, n - 1), n - 1])


def loss_limits(step: Any, loss: Any, *, skip: float = 0.04) -> tuple[float, float]:
    """Return y limits that show what matters: the steep first `skip` of the steps may leave the picture."""
    step, loss = np.asarray(step, float), np.asarray(loss, float)
    shown = loss[np.isfinite(loss) & (step >= skip * step.max())]
    pad = 0.06 * np.ptp(shown) or 0.05 * abs(shown[0]) or 1.0
    return shown.min() - pad, shown.max() + pad
