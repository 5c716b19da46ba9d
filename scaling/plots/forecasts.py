"""Forecasts, of a planned run and of one still going: what was known, what is predicted, how sure, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from scaling.plots import style
from scaling.plots.points import points
from scaling.plots.told import caption, last_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from scaling.fits import Fit
    from scaling.logs import Runs
    from scaling.running.jobs import Forecast
    from scaling.schedules import Schedule

CONTEXT_POINTS = 200  # per run of the fit, or of a log: enough to show its shape and scatter
TRUTH_POINTS, ZOOM_POINTS = 60, 25  # hollow markers need room
ZOOM = 0.15  # part of the run that the inset shows
NARROW = 0.05  # of the loss: a narrower band needs the inset to be seen
INSET = 3.0  # inches of axes below which an inset covers more than it shows


class Look(NamedTuple):
    """How one run is drawn: where its dashes begin, colours, and what its measured values are called."""

    end: float | None
    colour: style.Color
    truth_colour: style.Color
    measured: str


def forecast(
    fit: Fit, target: Runs | Schedule | str | Mapping[str, Any] | pd.DataFrame, *, interval: str = "calibrated",
    level: float = 0.9, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw the loss predicted for a run over its learning-rate schedule, or at inputs of a law without one, beyond the data.

    The prediction is solid over the steps (without a schedule: tokens, compute or size) that were fitted and dashed past the
    line "end of data", with its band and last value; the data of the fit are grey.

    Parameters
    ----------
    target : the run, or runs, to forecast, or the law's inputs, as for `Fit.predict`. Measured losses they have are drawn as
        hollow markers.
    interval, level : as in `Fit.predict`; the figure says in words what the interval assumes.
    """
    predicted = fit.predict(target, interval=interval, level=level)
    if not {"run", "step"} <= {*predicted}:
        return points(fit, predicted, interval=interval, level=level, ax=ax)
    names = list(predicted["run"].unique())
    end = _last_fitted_step(fit)
    with style.styled():
        ax = style.new_axes(ax)
        _draw_data(ax, fit)
        seen = set() if fit.runs is None else set(fit.runs.frame["run"])
        called = style.called(name.partition(":")[0] for name in names)  # of a schedule its name
        for name, colour in zip(names, style.palette(len(names)), strict=True):
            part, truth = predicted[predicted["run"] == name], _measured(target, name)
            measured = "measured" if name in seen else "measured, not used in the fit"
            short = called[name.partition(":")[0]]
            if len(names) == 1:
                look = Look(end, style.PREDICTION, style.TRUTH, measured)
                draw(ax, part, truth, look, f"{short}: {fit.law.name} forecast\n{last_value(part, truth)}")
                zoom(ax, part, truth, look)
            else:
                draw(ax, part, truth, Look(end, colour, colour, measured), f"{short}: {last_value(part)}")
        finish(ax, predicted, end)
    return ax


def running(found: Forecast, *, ax: Axes | None = None) -> Axes:
    """Draw what `scaling.forecast` returns.

    The log as markers, the curve of the method solid through it and dashed past the line "end of data", its band, and the
    last value with its interval in an inset.
    """
    known = found.log.rename(columns={"fitted": "prediction"})
    curve = pd.concat([known[known["step"] < found.step], found.frame], ignore_index=True).assign(run=found.run)
    curve.attrs["interval"] = f"{found.level:.0%} interval; {found.method}"
    log = known.iloc[style.decimate(known["step"].to_numpy(), CONTEXT_POINTS)]
    with style.styled():
        ax = style.new_axes(ax)
        ax.plot(
            log["step"], log["loss"], linestyle="none", marker="o", markersize=3, markeredgewidth=0, color=style.CONTEXT,
            alpha=0.7, label=f"{style.called([found.run])[found.run]}, {found.step / found.last:.0%} done",
        )  # fmt: skip
        look, nothing = Look(found.step, style.PREDICTION, style.TRUTH, ""), log.iloc[:0]
        draw(ax, curve, nothing, look, f"end: {last_value(curve)}")
        zoom(ax, curve, nothing, look)
        finish(ax, curve, found.step)
    return ax


def _measured(target: Any, name: str) -> pd.DataFrame:
    """Return the rows of a run that have a measured loss; a schedule has none."""
    if not hasattr(target, "frame"):
        return pd.DataFrame({"step": [], "loss": []})
    rows: pd.DataFrame = target.frame
    return rows[(rows["run"] == name) & rows["loss"].notna()]


def _last_fitted_step(fit: Fit) -> float | None:
    if fit.runs is not None:
        rows = fit.runs.frame
        return float(rows.loc[rows["loss"].notna(), "step"].max())
    return float(fit.data["step"].max()) if "step" in fit.data else None


def _draw_data(ax: Axes, fit: Fit) -> None:
    if fit.runs is None:
        return
    rows = fit.runs.frame.dropna(subset=["loss"])
    groups = list(rows.groupby("run", sort=False))
    label = f"data of the fit ({len(groups)} run{'s' * (len(groups) > 1)})"
    for i, (_, part) in enumerate(groups):
        part = part.iloc[style.decimate(part["step"].to_numpy(), CONTEXT_POINTS)]
        ax.plot(
            part["step"], part["loss"], linestyle="none", marker=style.MARKERS[i % len(style.MARKERS)],
            markersize=3, markeredgewidth=0, color=style.CONTEXT, alpha=0.6, label=label if i == 0 else None,
        )  # fmt: skip


def draw(ax: Axes, part: pd.DataFrame, truth: pd.DataFrame, look: Look, label: str, points: int = TRUTH_POINTS) -> None:
    """Draw prediction, band and measured values of one run."""
    part = part.iloc[style.decimate(part["step"].to_numpy())]
    step = part["step"].to_numpy()
    inside = np.ones(len(step), bool) if look.end is None else step <= look.end
    beyond = ~inside
    if beyond.any():  # the two pieces meet at the last fitted step
        beyond[max(int(beyond.argmax()) - 1, 0)] = True
    for piece, line in ((inside, "-"), (beyond, style.DASHED)):
        if piece.any():
            prediction = part["prediction"][piece]
            ax.plot(step[piece], prediction, color=look.colour, linestyle=line, label=label, zorder=3)
            label = "_beyond the data"
    ax.fill_between(step, part["lower"], part["upper"], color=look.colour, alpha=0.2, linewidth=0, zorder=2)
    if truth.empty:
        return
    few = truth.iloc[style.decimate(truth["step"].to_numpy(), points)]
    known = {line.get_label() for line in ax.lines}
    ax.plot(
        few["step"], few["loss"], linestyle="none", marker="o", markersize=4.5, markeredgewidth=0.9,
        markerfacecolor="none", color=look.truth_colour, zorder=4,
        label="_" if look.measured in known else look.measured,
    )  # fmt: skip


def zoom(ax: Axes, part: pd.DataFrame, truth: pd.DataFrame, look: Look) -> None:
    """Draw an inset of the end of the run, where band and error are too small for the whole picture and it has the room."""
    end, room = part.iloc[-1], style.figure_of(ax).get_figwidth() * ax.get_position().width
    if end["upper"] - end["lower"] > NARROW * end["prediction"] or room < INSET:
        return
    first, last = part["step"].iloc[0], part["step"].iloc[-1]
    start = last - ZOOM * (last - first)
    inset = ax.inset_axes((0.6, 0.38, 0.38, 0.24))
    part, truth = part[part["step"] >= start], truth[truth["step"] >= start]
    draw(inset, part, truth, look, "_end", ZOOM_POINTS)
    losses = [part["prediction"], part["lower"], part["upper"], truth["loss"]]
    steps = [part["step"]] * 3 + [truth["step"]]
    inset.set_xlim(start, last + 0.03 * (last - start))
    inset.set_ylim(*style.loss_limits(np.concatenate(steps), np.concatenate(losses), skip=0))
    inset.tick_params(labelsize=7.5)
    inset.locator_params(nbins=4)
    style.label_steps(inset)
    inset.set_xlabel("")
    ax.indicate_inset_zoom(inset, edgecolor=style.CONTEXT, alpha=0.6, linewidth=0.7)


def finish(ax: Axes, predicted: pd.DataFrame, end: float | None) -> None:
    steps, losses = (np.concatenate(xy) for xy in zip(*(line.get_data() for line in ax.lines), strict=True))
    low, high = style.loss_limits(steps, losses)
    # the band of the forecast stays in view
    ends = predicted.groupby("run")[["prediction", "lower"]].last().min().min()
    ax.set_ylim(min(low, ends - 0.02 * (high - ends)) if np.isfinite(ends) else low, high)
    if end is not None and (predicted["step"] > end).any():
        style.end_of_data(ax, end, 0.015)
    style.label_steps(ax)
    ax.set_ylabel(style.LABELS["loss"])
    ax.legend(loc="upper right")
    plans = [name for name in predicted["run"].unique() if ":" in name]  # a schedule's text
    caption(ax, *(plan.replace(",", ", ") for plan in plans), f"band: {predicted.attrs['interval']}")
