"""The shared look: style sheet, palette, axes, decimation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib.resources import files
from io import BytesIO, StringIO
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.document import MARK
from scaling.plots import ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Color = str | tuple[float, ...]

MARKERS = "osD^vP*X"
LABELS = {
    "step": "optimiser step", "loss": "loss (nats/token)", "lr": "learning rate", "N": "parameters", "D": "tokens",
    "C": "compute (FLOP)",
}  # fmt: skip
TRUTH = "#d55e00"  # measured values that the fit has not seen
PREDICTION = "#0072b2"
CONTEXT = "#8c8c8c"
QUIET = "#767676"  # lines and words beside the matter, readable on white and on black
DASHED = (0, (4, 1.8))  # beyond the data
MAX_POINTS = 5000
LABEL = 28  # characters of a name that a legend has room for
MIDDLE = 0.45  # of an axis: what stands left of it is named on its right
COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"')  # of an SVG
FINER = re.compile(r"(?<=\.\d\d)\d+")  # than a hundredth of a point: nobody sees it, and it is a third of the file


def styled() -> AbstractContextManager[None]:
    """Return the context in which every figure is made: the one style sheet, on dark paper where the user's style is dark."""
    import matplotlib.pyplot as plt

    # Loading a backend is not part of the style: a notebook's switches interactive mode on as it loads, and were that
    # inside the context, leaving it, by an error too, would switch it off and no figure would be shown from then on.
    plt.draw_if_interactive()  # type: ignore[no-untyped-call]
    sheet = str(files("scaling.plots") / "scaling.mplstyle")
    return plt.style.context([sheet, {"grid.color": "#3a3a3a"}] if dark() else sheet)


def dark() -> bool:
    """Is the paper dark, as in matplotlib's own style dark_background?"""
    import matplotlib as mpl
    from matplotlib.colors import to_rgb

    return sum(to_rgb(mpl.rcParams["axes.facecolor"])) < 1.5


def ink() -> Color:
    """What stands out most from the paper."""
    return (1.0, 1.0, 1.0) if dark() else (0.0, 0.0, 0.0)


def panels(
    ax: Axes | Mapping[str, Axes] | None, heights: Mapping[str, float], *, sharex: bool = True, first: float = 3.2
) -> dict[str, Axes]:
    """Return the axes of a composite by name: those given, or new ones stacked, the first so many inches high.

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
    figure = plt.figure(figsize=(6.0, first * total + 0.3))
    made = figure.subplot_mosaic([[name] for name in heights], height_ratios=list(heights.values()), sharex=sharex)
    figure.align_ylabels(list(made.values()))
    return {name: _folding(one) for name, one in made.items()}


def new_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return _folding(plt.figure().add_subplot())


def _folding(ax: Axes) -> Axes:
    """The axes, whose titles and labels go on in another line where the figure ends."""
    for text in (ax.set_title("", loc="left"), ax.set_title("", loc="right"), ax.xaxis.label, ax.yaxis.label):
        text.set_wrap(True)
    return ax


def figure_of(axes: Axes | Mapping[str, Axes]) -> Figure:
    """Return the figure that what a function of `scaling.plots` returned belongs to."""
    one = next(iter(axes.values())) if isinstance(axes, Mapping) else axes
    root = one.get_figure(root=True)
    assert root is not None  # drawn axes have a figure
    return root


def svg(axes: Axes | Mapping[str, Axes]) -> str:
    """Return the figure of the axes as an SVG element for a page, and close it."""
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    made, root = StringIO(), figure_of(axes)
    # savefig draws twice, the first time for a layout that drawing settles anyway
    FigureCanvasSVG(root).print_svg(made)  # type: ignore[no-untyped-call]
    plt.close(root)
    drawn = made.getvalue()
    return COORDINATES.sub(lambda found: FINER.sub("", found[0]), drawn[drawn.index("<svg") :])


def note(ax: Axes, text: str, at: tuple[float, float], coordinates: Any, off: tuple[float, float], **look: Any) -> None:
    """Write small words at a place, so many points `off` it."""
    look |= {"textcoords": "offset points", "fontsize": 8, "color": QUIET, "wrap": True}
    ax.annotate(text, at, xycoords=coordinates, xytext=off, **look)


def end_of_data(ax: Axes, end: float, height: float = 0.03, va: str = "bottom") -> None:
    """Draw the line past which nothing was measured, and its name on the side of it that has more room."""
    ax.axvline(end, color=QUIET, linewidth=0.8, zorder=1)
    left = ax.transAxes.inverted().transform(ax.transData.transform((end, ax.get_ylim()[0])))[0] > MIDDLE
    off, ha = ((-3, 0), "right") if left else ((3, 0), "left")
    note(ax, "end of data", (end, height), ("data", "axes fraction"), off, ha=ha, va=va)


def image(axes: Axes | Mapping[str, Axes], suffix: str, colours: int | None = None) -> bytes:
    """Return the figure of the axes as a file of this suffix (.png, .svg, .pdf), which says that we made it.

    A .png of so many colours is a third as large, for a page.
    """
    made, kind = BytesIO(), suffix.lower().removeprefix(".")
    figure_of(axes).savefig(made, format=kind, metadata={"Software" if kind == "png" else "Creator": MARK})
    if colours is None:
        return made.getvalue()
    from PIL import Image  # what matplotlib writes PNG with

    few = BytesIO()
    Image.open(made).convert("RGB").quantize(colours).save(few, kind, optimize=True)
    return few.getvalue()


def label_steps(ax: Axes) -> None:
    """Label the x axis as optimiser steps: 24k instead of 24000."""
    from matplotlib.ticker import EngFormatter

    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel(LABELS["step"])


def legend_above(ax: Axes, ncols: int = 2, title: str | None = None) -> None:
    """Place the legend over the axes, under a title, where it covers nothing however small they are."""
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=ncols, columnspacing=0.8, handlelength=1.0, handletextpad=0.4,
        title=title, title_fontsize=8.5, alignment="left",
    )  # fmt: skip


def called(names: Iterable[str], most: int = LABEL) -> dict[str, str]:
    """Names as a legend has room for them: long ones without what all begin with, then without their middle."""
    names = [*dict.fromkeys(names)]
    same = commonprefix(names) if len(names) > 1 and max(map(len, names)) > most else ""  # noqa: RUF071 - names are no paths
    same = same[: 1 + max(map(same.rfind, "-_/. "))]
    said = {name: f"…{name.removeprefix(same)}" if len(same) > 1 else name for name in names}
    half = (most - 1) // 2
    return {name: text if len(text) <= most else f"{text[:half]}…{text[-half:]}" for name, text in said.items()}


def plain_logs(ax: Axes) -> None:
    """Label a logarithmic y axis of losses as plain numbers, however few powers of ten it holds."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7), numticks=9))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def label_amounts(ax: Axes, **labels: str) -> None:
    """Make the axes named, x or y, logarithmic, labelled as people write sizes and tokens: 400M, 1B."""
    for name, label in labels.items():
        getattr(ax, f"set_{name}scale")("log")
        ticks.logarithmic(axis := getattr(ax, f"{name}axis"))
        axis.set_label_text(label)


def label_compute(ax: Axes, name: str = "x") -> None:
    """Make an axis, x or y, logarithmic, labelled as compute: 10²¹."""
    getattr(ax, f"set_{name}scale")("log")
    ticks.logarithmic(getattr(ax, f"{name}axis"), ticks.power_of_ten)


def by_size(ax: Axes, values: Any, label: str) -> Callable[[ArrayLike], Any]:
    """Return the colour of a value, or the colours of several, by the logarithm; a bar beside the axes says which is which."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm

    low, high = float(np.min(values)), float(np.max(values))
    shown = ScalarMappable(LogNorm(low, high), ListedColormap(palette(256, ordered=True)))
    if low < high:
        bar = figure_of(ax).colorbar(shown, ax=ax, pad=0.02, aspect=30)
        bar.outline.set_visible(False)
        if label == LABELS["C"]:
            label_compute(bar.ax, "y")
        else:
            label_amounts(bar.ax, y=label)
        bar.set_label(label)
    return lambda value: tuple(shown.to_rgba(np.asarray(value)))


def palette(n: int, *, ordered: bool = False) -> list[Color]:
    """Return `n` colours that colour-blind readers can tell apart; ordered values run through viridis."""
    import matplotlib as mpl
    from matplotlib.colors import to_rgb

    if not ordered:
        for size, name in ((4, "okabe_ito"), (6, "petroff6"), (8, "petroff8")):
            if n <= size:
                found = [to_rgb(colour) for colour in mpl.color_sequences[name][:n]]
                return [ink() if not any(colour) else colour for colour in found]  # one of them is black
    return list(map(tuple, mpl.colormaps["viridis"](np.linspace(*((0.2, 1.0) if dark() else (0.0, 0.9)), n))))


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
