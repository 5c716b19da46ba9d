"""The forecast of a run: what was known, what is predicted, how sure, and what happened."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scaling.plots import style
from scaling.report import digits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from scaling import Fit, Runs
    from scaling.schedules import Schedule

CONTEXT_POINTS = 200  # per run of the fit: enough to show where the data were
TRUTH_POINTS = 60  # hollow markers need room


def forecast(
    fit: Fit,
    target: Runs | Schedule | str,
    *,
    interval: str = "delta",
    level: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss predicted for a run over its learning-rate schedule, beyond the data of the fit.

    Parameters
    ----------
    fit : Fit
    target : Runs, Schedule or schedule text
        The run, or runs, to forecast. Measured losses they have are drawn as hollow markers.
    interval, level
        As in `Fit.predict`; the figure says in words what the interval assumes.
    ax : Axes, optional

    Returns
    -------
    Axes
        The prediction, solid over the steps that were fitted and dashed past the line "end of data", its
        band, the data of the fit in grey, and the last value with its interval.
    """
    predicted = fit.predict(target, interval=interval, level=level)
    measured = getattr(target, "frame", None)  # a Schedule or its text has none
    end = _last_fitted_step(fit)
    with style.styled():
        ax = style.new_axes(ax)
        _draw_data(ax, fit)
        names = list(predicted["run"].unique())
        alone = len(names) == 1
        for name, colour in zip(
            names, [style.PREDICTION] if alone else style.palette(len(names)), strict=True
        ):
            part = predicted[predicted["run"] == name]
            truth = (
                part[:0]
                if measured is None
                else measured[(measured["run"] == name) & measured["loss"].notna()]
            )
            if not truth.empty:
                _draw_truth(ax, truth, style.TRUTH if alone else colour)
            said = f"{fit.law.name} forecast" if alone else _last_value(part.iloc[-1])
            _draw_prediction(ax, part, end, colour, f"{name}: {said}")
            if alone:
                _annotate_last(ax, part.iloc[-1], truth, colour)
        _finish(ax, predicted, end)
    return ax


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


def _draw_prediction(
    ax: Axes, part: pd.DataFrame, end: float | None, colour: style.Color, label: str
) -> None:
    part = part.iloc[style.decimate(part["step"].to_numpy())]
    step = part["step"].to_numpy()
    inside = np.ones(len(step), bool) if end is None else step <= end
    beyond = ~inside
    if beyond.any():  # the two pieces meet at the last fitted step
        beyond[max(int(beyond.argmax()) - 1, 0)] = True
    for piece, line in ((inside, "-"), (beyond, (0, (4, 1.8)))):
        if piece.any():
            ax.plot(
                step[piece], part["prediction"][piece], color=colour, linestyle=line, label=label, zorder=3
            )
            label = "_beyond the data"
    ax.fill_between(step, part["lower"], part["upper"], color=colour, alpha=0.2, linewidth=0, zorder=2)


def _draw_truth(ax: Axes, truth: pd.DataFrame, colour: style.Color) -> None:
    truth = truth.iloc[style.decimate(truth["step"].to_numpy(), TRUTH_POINTS)]
    label = "measured, not seen by the fit"
    known = {line.get_label() for line in ax.lines}
    ax.plot(
        truth["step"], truth["loss"], linestyle="none", marker="o", markersize=4.5, markeredgewidth=0.9,
        markerfacecolor="none", color=colour, label="_truth" if label in known else label, zorder=4,
    )  # fmt: skip


def _last_value(last: pd.Series) -> str:
    half = (last["upper"] - last["lower"]) / 2
    value, lower, upper = (digits(last[name], half) for name in ("prediction", "lower", "upper"))
    return f"{value} ({lower} to {upper})" if np.isfinite(half) else f"{value} (no interval)"


def _annotate_last(ax: Axes, last: pd.Series, truth: pd.DataFrame, colour: style.Color) -> None:
    text = _last_value(last)
    if not truth.empty and truth["step"].iloc[-1] == last["step"]:
        happened = truth["loss"].iloc[-1]
        measured = digits(happened, (last["upper"] - last["lower"]) / 2)
        text += f"\nmeasured {measured}, error {last['prediction'] / happened - 1:+.2%}"
    ax.annotate(
        text, (last["step"], np.nanmax([last["prediction"], last["upper"]])), xytext=(4, 14),
        textcoords="offset points", ha="right", va="bottom", fontsize=9, color=colour, linespacing=1.3,
    )  # fmt: skip


def _finish(ax: Axes, predicted: pd.DataFrame, end: float | None) -> None:
    ax.set_ylim(*style.loss_limits(np.concatenate([line.get_ydata() for line in ax.lines])))
    if end is not None and (predicted["step"] > end).any():
        ax.axvline(end, color="#444444", linewidth=0.8, zorder=1)
        ax.annotate(
            "end of data", (end, 0.015), xycoords=("data", "axes fraction"), xytext=(3, 0),
            textcoords="offset points", ha="left", va="bottom", fontsize=8.5, color="#444444",
        )  # fmt: skip
    style.label_steps(ax)
    ax.set_ylabel(style.LABELS["loss"])
    ax.legend(loc="upper right")
    ax.set_title(textwrap.fill(f"band: {predicted.attrs['interval']}", 95), fontsize=8, color="#555555")
