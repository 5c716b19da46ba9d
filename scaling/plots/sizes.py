"""Loss over size and tokens: profiles of equal compute, the frontier with its allocation, contours, families of curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scaling.counting import compute, tokens
from scaling.errors import LawError
from scaling.planning import plan
from scaling.planning.budgets import budgets, minima, power_laws
from scaling.planning.surface import Surface
from scaling.plots import style
from scaling.procedures.tables import needs_positive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.fits import Fit

BEYOND = 10.0  # times the largest compute of the data: how far a forecast is drawn
EDGE = 0.13  # of an axis: about half the length of a label, between its middle and what it must not lie on
BUDGETS, CONTOURS, LINES = 15, 9, 8  # at which the optimum is sought; contours; sizes with a line
PAIR, WIDTHS = (style.PREDICTION, style.TRUTH), (4.0, 1.4)  # of N and D, that both are seen where they are equal
MEASURED: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 3.5, "markeredgewidth": 0}


def isoflop(runs: pd.DataFrame, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw Hoffmann's second approach: a parabola of the loss in ln N at every budget, and the optimum over compute.

    Parameters
    ----------
    runs : columns N, D, loss, and `budget` where runs of equal compute are named, as for `scaling.procedures.approaches`.
    ax : one Axes takes the profiles alone; a dict takes the panels it names, of "profiles", "optimum".

    Returns
    -------
    "profiles": loss over N with a dashed parabola and a star at its minimum, for every budget that has one inside its sizes.
    "optimum": N and D of these minima over compute, with their power laws.

    Raises
    ------
    FitError : the runs form no budgets, or fewer than two budgets have a minimum inside their sizes.
    """
    runs = needs_positive("runs", runs, ("N", "D", "loss"))
    points, _ = minima(runs)
    C = compute(runs["N"], runs["D"])
    groups = runs["budget"].to_numpy() if "budget" in runs else budgets(np.asarray(C, float))
    with style.styled():
        axes = style.panels(ax, {"profiles": 1.0, "optimum": 0.8}, sharex=False, first=3.0)
        if (profiles := axes.get("profiles")) is not None:
            colour = style.by_size(profiles, C, style.LABELS["C"])
            for _, level in runs.assign(flops=C).groupby(groups):
                flops = float(np.exp(np.log(level["flops"]).mean()))
                profiles.plot(level["N"], level["loss"], color=colour(flops), **MEASURED)
                found = points.loc[np.isclose(points["flops"], flops, rtol=1e-9), ["N", "loss", "curvature"]].to_numpy(float)
                for at, least, curvature in found:
                    N = np.geomspace(level["N"].min(), level["N"].max(), 60)
                    parabola = least + curvature * np.log(N / at) ** 2
                    profiles.plot(N, parabola, color=colour(flops), linestyle=style.DASHED, linewidth=1.2)
                    profiles.plot(at, least, "*", color=colour(flops), markersize=9, markeredgecolor=style.ink(), zorder=4)
            style.label_amounts(profiles, x=style.LABELS["N"])
            profiles.set_ylabel(style.LABELS["loss"])
        if (optimum := axes.get("optimum")) is not None:
            grid = np.geomspace(points["flops"].min(), points["flops"].max(), 2)
            for (name, (power, log_factor)), colour_, width in zip(power_laws(points).items(), PAIR, WIDTHS, strict=True):
                optimum.plot(points["flops"], points[name], "*", color=colour_, markersize=9)
                label = f"{name} ∝ C^{power:.3f}"
                optimum.plot(grid, np.exp(log_factor + power * np.log(grid)), color=colour_, linewidth=width, label=label)
            _allocated(optimum)
    return axes


def frontier(
    fit: Fit, flops: float | None = None, *, level: float = 0.9, inputs: Mapping[str, float] | None = None,
    ax: Axes | Mapping[str, Axes] | None = None,
) -> dict[str, Axes]:  # fmt: skip
    """Draw the least loss over compute with the curves of single sizes above it, and the size and tokens that reach it.

    Parameters
    ----------
    fit : of a law over N and D. inputs : values of its further inputs.
    flops : how far to draw; ten times the largest compute of the data if not given.
    level : of the bands, which are `scaling.plan`'s.
    ax : one Axes takes the loss alone; a dict takes the panels it names, of "loss", "allocation".

    Returns
    -------
    "loss": data as markers, thin curves of sizes among them, the envelope solid over the data and dashed beyond.
    "allocation": the best N and D over compute, with their mean exponents.
    """
    surface = _surface(fit, inputs)
    rows = _rows(fit)
    end = float(rows["C"].max())
    far = BEYOND * end if flops is None else float(flops)
    grid = np.unique(np.r_[np.geomspace(rows["C"].min(), end, BUDGETS), np.geomspace(end, max(far, end), BUDGETS // 2)])
    best = plan(fit, grid.tolist(), level=level, inputs=inputs)
    best.attrs.clear()  # pandas copies them, all that they hold, whenever a column is taken
    with style.styled():
        axes = style.panels(ax, {"loss": 1.0, "allocation": 0.8}, sharex=True, first=3.0)
        if (loss := axes.get("loss")) is not None:
            colour = style.by_size(loss, rows["N"], style.LABELS["N"])
            loss.scatter(rows["C"], rows["loss"], c=colour(rows["N"]), s=10, linewidths=0, label="data")
            for N in _some(rows["N"]):
                C = np.geomspace(rows["C"].min(), end, 80)
                over = surface(np.full((1, 80), N), tokens(C, N)[None])[0]
                loss.plot(C, over, color=colour(N), linewidth=0.8, alpha=0.8, label="_size")
            _path(loss, best, "loss", end, style.ink(), "least loss")
            shown = np.r_[rows["loss"], best["loss"]]
            loss.set_ylim(shown.min() - 0.05 * np.ptp(shown), shown.max() + 0.05 * np.ptp(shown))
            loss.set_ylabel(style.LABELS["loss"])
            style.legend_above(loss)
        if (allocation := axes.get("allocation")) is not None:
            for name, colour_, width in zip(("N", "D"), PAIR, WIDTHS, strict=True):
                power = np.log(best[name].iloc[-1] / best[name].iloc[0]) / np.log(
                    best["flops"].iloc[-1] / best["flops"].iloc[0]
                )
                _path(allocation, best, name, end, colour_, f"{name} ∝ C^{power:.3f}", width=width)
            _allocated(allocation)
        for last in axes.values():
            style.label_compute(last)
        for above in [*axes.values()][:-1]:
            above.axvline(end, color=style.QUIET, linewidth=0.8, zorder=1)
        last.set_xlabel(style.LABELS["C"])
        style.end_of_data(last, end)
    return axes


def isoloss(fit: Fit, *, inputs: Mapping[str, float] | None = None, ax: Axes | None = None) -> Axes:
    """Draw contours of the loss over size and tokens, the data, and the line along which a loss costs least.

    Parameters
    ----------
    fit : of a law over N and D. inputs : values of its further inputs.

    Returns
    -------
    Contours are at the least losses of budgets equally spaced in ln C, from the data's smallest to ten times its largest; the
    efficient line is dashed beyond the data.
    """
    surface = _surface(fit, inputs)
    rows = _rows(fit)
    end = float(rows["C"].max())
    best = plan(fit, np.geomspace(rows["C"].min(), BEYOND * end, CONTOURS).tolist(), inputs=inputs, replicates=0)
    N, D = (np.geomspace(min(rows[k].min(), best[k].min()), max(rows[k].max(), best[k].max()), 90) for k in ("N", "D"))
    loss = surface(np.tile(N, 90)[None], np.repeat(D, 90)[None]).reshape(90, 90)
    with style.styled():
        ax = style.new_axes(ax)
        ax.plot(rows["N"], rows["D"], color=style.CONTEXT, label="data", **MEASURED)
        levels = np.unique(best["loss"])  # rising, as contours need them
        colours = style.palette(len(levels), ordered=True)[::-1]
        lines = ax.contour(N, D, loss, levels=levels, colors=colours, linewidths=1.1)
        style.label_amounts(ax, x=style.LABELS["N"], y=style.LABELS["D"])
        places = [place for segments in lines.allsegs[1::2] if (place := _clear(segments, best, N, D)) is not None]
        ax.clabel(lines, levels[1::2], fmt=lambda x: f"{x:.4g}", fontsize=8, manual=places)
        _path(ax, best, "D", end, style.TRUTH, "least compute", x="N")
        style.legend_above(ax)
    return ax


def family(fit: Fit, *, inputs: Mapping[str, float] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the loss over tokens by size: data as markers, the law as lines, dashed past the tokens that a size has seen.

    Parameters
    ----------
    fit : of a law over N and D. inputs : values of its further inputs.
    """
    surface = _surface(fit, inputs)
    rows = _rows(fit)
    with style.styled():
        ax = style.new_axes(ax)
        colour = style.by_size(ax, rows["N"], style.LABELS["N"])
        ax.scatter(rows["D"], rows["loss"], c=colour(rows["N"]), s=12, linewidths=0, label="data")
        for N in _some(rows["N"]):
            seen = rows["D"][np.isclose(rows["N"], N, rtol=0.02)]
            for D, line in (
                (np.geomspace(seen.min(), seen.max(), 60), "-"), (np.geomspace(seen.max(), rows["D"].max(), 60), style.DASHED),
            ):  # fmt: skip
                ax.plot(D, surface(np.full((1, 60), N), D[None])[0], color=colour(N), linestyle=line, linewidth=1.3)
        style.label_amounts(ax, x=style.LABELS["D"])
        ax.set_ylabel(style.LABELS["loss"])
        ax.plot([], [], color=style.QUIET, label=fit.law.name)
        style.legend_above(ax)
    return ax


def _rows(fit: Fit) -> pd.DataFrame:
    """N, D, C, loss of the rows fitted."""
    known = fit.design.inputs
    D = known["D"] if "D" in known else known["N"] * known["M"]
    return pd.DataFrame({"N": known["N"], "D": D, "C": compute(known["N"], D), "loss": fit.design.loss})


def _surface(fit: Fit, inputs: Mapping[str, float] | None) -> Surface:
    if fit.law.over_schedules:
        raise LawError(
            f"this figure is of a law over N and D, and '{fit.law.name}' reads whole curves: plots.curve(fit) draws them, "
            "plots.ladder(fit) those of several sizes."
        )
    return Surface.of(fit.law, {k: np.array([v]) for k, v in fit.values.items()}, dict(inputs or {}))


def _some(sizes: pd.Series) -> np.ndarray:
    """At most LINES of the sizes, evenly spaced in their logarithm, smallest and largest among them."""
    known = np.unique(sizes)
    wanted = np.geomspace(known[0], known[-1], LINES)
    return np.unique(known[np.abs(np.log(known) - np.log(wanted)[:, None]).argmin(1)])


def _clear(segments: list[np.ndarray], best: pd.DataFrame, N: np.ndarray, D: np.ndarray) -> tuple[float, float] | None:
    """The place on a contour furthest from the line of least compute and not at the edge; None where all are on either.

    Parameters
    ----------
    segments : N and D (n, 2) along the contour. N, D : the range of the axes.
    """
    low, span = np.log([N[0], D[0]]), np.log([N[-1] / N[0], D[-1] / D[0]])
    along = np.concatenate(segments)
    at = (np.log(along) - low) / span
    grid = np.linspace(0, 1, 200)
    known = np.linspace(0, 1, len(best))
    line = np.stack([np.interp(grid, known, (np.log(best[k]) - low[i]) / span[i]) for i, k in enumerate(("N", "D"))], 1)
    away = np.sqrt(((at[:, None] - line) ** 2).sum(-1)).min(1)
    away[((at < EDGE) | (at > 1 - EDGE)).any(1)] = 0.0
    return None if away.max(initial=0.0) < EDGE else (float(along[away.argmax(), 0]), float(along[away.argmax(), 1]))


def _path(
    ax: Axes, best: pd.DataFrame, name: str, end: float, colour: style.Color, label: str, x: str = "flops",
    width: float | None = None,
) -> None:  # fmt: skip
    """A column of a plan, solid up to the end of the data and dashed past it, with its band where it has one."""
    inside = (best["flops"] <= end * (1 + 1e-9)).to_numpy()
    beyond = np.r_[inside[1:] < inside[:-1], False] | ~inside  # the pieces meet
    drawn: dict[str, Any] = {"color": colour, "linewidth": width, "zorder": 3}
    ax.plot(best[x][inside], best[name][inside], label=label, **drawn)
    ax.plot(best[x][beyond], best[name][beyond], linestyle=style.DASHED, label="_beyond", **drawn)
    if f"{name}_lower" in best:
        ax.fill_between(best[x], best[f"{name}_lower"], best[f"{name}_upper"], color=colour, alpha=0.2, linewidth=0)


def _allocated(ax: Axes) -> None:
    style.label_compute(ax)
    style.label_amounts(ax, y="size N, tokens D")
    ax.yaxis.label.set_fontsize("small")
    ax.set_xlabel(style.LABELS["C"])
    style.legend_above(ax, ncols=1)  # a bar leaves little width
