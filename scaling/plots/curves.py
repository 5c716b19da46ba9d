"""Loss curves with their fit, what is left over, and the learning rate that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from scaling.errors import DataError
from scaling.plots import style
from scaling.words import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.fits import Fit
    from scaling.logs import Runs

LOSS_POINTS = 90  # markers per run in the loss panel, so that the line of the fit stays visible between them
NAMED = 12  # runs up to which the legend names each
PANELS = {"loss": 1.0, "residual": 0.38, "lr": 0.3}


def curve(fit: Fit, runs: Runs | None = None, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw measured and fitted loss per step; under it the residuals and the learning rate, sharing x.

    Parameters
    ----------
    runs : what to draw; the runs of the fit unless given. Runs the fit has not seen get hollow markers.
    ax : one Axes takes the loss alone; a dict takes the panels it names, of "loss", "residual", "lr".

    Returns
    -------
    "loss" (nats/token), "residual" (prediction minus measured, 1e-3 nats/token) and, where a run has rates, "lr".

    Raises
    ------
    DataError : there is no run with steps and measured losses to draw.
    """
    shown = fit.runs if runs is None else runs
    if shown is None:
        raise DataError(
            f"this fit of {fit.law.name} was made on a table without runs, so it has no loss curves.\n"
            "Pass the runs to draw: plots.curve(fit, runs)."
        )
    table = compared(fit, shown)
    if table.empty:
        raise DataError("none of the runs has a measured loss at a step that the law predicts: nothing to draw.")
    has_rates = "lr" in table and bool(table["lr"].notna().any())
    seen = set() if fit.runs is None else set(fit.runs.frame["run"])
    with style.styled():
        axes = style.panels(ax, {name: height for name, height in PANELS.items() if has_rates or name != "lr"})
        names = list(table["run"].unique())
        called = style.called(names)
        for name, colour, marker in zip(names, style.palette(len(names)), style.MARKERS * len(names), strict=False):
            part = table[table["run"] == name]
            look = {"linestyle": "none", "marker": marker, "color": colour, "markeredgewidth": 0.8}
            _draw(axes, part, called[name], look | {"markerfacecolor": colour if name in seen else "none"})
        _finish(axes, table, fit)
    return axes


def compared(fit: Fit, runs: Runs) -> pd.DataFrame:
    """Return the rows of `runs` that have a measured loss and a prediction, sorted by run and step."""
    predicted = fit.predict(runs, interval="delta")[["run", "step", "prediction"]]
    rows = runs.frame.merge(predicted, on=["run", "step"])
    return rows[rows["loss"].notna() & rows["prediction"].notna()]


def _first_fitted(fit: Fit) -> pd.Series:
    """The first step of every run that the law is fitted to."""
    rows = fit.data
    return rows.groupby("run")["step"].min() if {"run", "step"} <= {*rows} else pd.Series(dtype=float)


def _draw(axes: Mapping[str, Axes], part: pd.DataFrame, name: str, look: dict[str, Any]) -> None:
    colour = look["color"]
    every = part.iloc[style.decimate(part["step"].to_numpy())]
    few = part.iloc[:: len(part) // LOSS_POINTS + 1]
    if "loss" in axes:
        axes["loss"].plot(few["step"], few["loss"], markersize=4.5, alpha=0.55, label=name, **look)
        axes["loss"].plot(every["step"], every["prediction"], color=colour, linewidth=1.3, label="_fit")
    if "residual" in axes:
        miss = 1e3 * (every["prediction"] - every["loss"])
        axes["residual"].plot(every["step"], miss, markersize=3, alpha=0.6, rasterized=len(every) > 2000, **look)
    if "lr" in axes and "lr" in part and part["lr"].notna().any():
        axes["lr"].plot(every["step"], every["lr"], color=colour, linewidth=1.3)


def _finish(axes: Mapping[str, Axes], table: pd.DataFrame, fit: Fit) -> None:
    if loss := axes.get("loss"):
        loss.set_ylim(*style.loss_limits(table["step"], table["loss"]))
        loss.set_ylabel(style.LABELS["loss"])
        loss.plot([], [], color=style.QUIET, label=f"{fit.law.name} (fit)")
        handles, labels = loss.get_legend_handles_labels()
        if (runs := table["run"].nunique()) > NAMED:
            handles, labels = [handles[0], handles[-1]], [many(runs, "run"), labels[-1]]
        loss.legend(handles, labels, loc="upper right", ncols=1 + (len(labels) - 1) // 8)
    if residual := axes.get("residual"):
        residual.axhline(0, color=style.QUIET, linewidth=0.8, zorder=1)
        # outliers may leave the picture, and rows before those that the law is fitted to
        late = table[table["step"] >= table["run"].map(_first_fitted(fit)).fillna(0)]
        limit = 1.4e3 * float((late["prediction"] - late["loss"]).abs().quantile(0.95))
        if limit > 0:
            residual.set_ylim(-limit, limit)
        residual.set_ylabel("fit − data\n(10⁻³ nats)")
    if lr := axes.get("lr"):
        lr.set_ylim(bottom=0)
        lr.set_ylabel(style.LABELS["lr"])
        lr.ticklabel_format(axis="y", scilimits=(0, 0), useMathText=True)
    style.label_steps(list(axes.values())[-1])
