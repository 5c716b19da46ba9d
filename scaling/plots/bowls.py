"""Loss over learning rate and batch, and how the best of both drift with size and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scaling.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scaling.procedures.bowls import Settings

SHOWN = 7  # sizes with their tokens whose bowls are drawn
POINTS = 80
AXES = {"lr": "batch", "batch": "lr"}  # what varies, and what is held at the group's best run


def bowls(found: Settings, *, ax: Axes | Mapping[str, Axes] | None = None) -> dict[str, Axes]:
    """Draw what `scaling.procedures.settings` returns.

    Parameters
    ----------
    ax : one Axes takes the bowls in the learning rate; a dict takes the panels it names, of "lr", "batch", "lr*", "batch*".

    Returns
    -------
    "lr", "batch": loss over one setting with the other as in the best run of the group, data as markers, the law as lines, a
    star where it is lowest. "lr*", "batch*": the best settings over tokens by size, and those of the best runs as markers.
    """
    rows = pd.DataFrame({**found.fit.design.inputs, "loss": found.fit.design.loss})
    best = rows.loc[rows.groupby(["N", "D"])["loss"].idxmin()]
    with style.styled():
        axes = style.panels(ax, {"lr": 1.0, "batch": 1.0, "lr*": 0.8, "batch*": 0.8}, sharex=False, first=2.8)
        for name, held in AXES.items():
            if (panel := axes.get(name)) is not None:
                _bowls(panel, found, rows, _some(best), name, held)
        for k, name in enumerate(AXES):
            if (panel := axes.get(f"{name}*")) is not None:
                _drift(panel, found, best, name, k)
    return axes


def _some(best: pd.DataFrame) -> pd.DataFrame:
    """The best runs of up to SHOWN groups, evenly along N D."""
    order = (best["N"] * best["D"]).argsort().to_numpy()
    wanted: pd.DataFrame = best.iloc[order[np.unique(np.linspace(0, len(order) - 1, SHOWN).round().astype(int))]]
    return wanted


def _bowls(ax: Axes, found: Settings, rows: pd.DataFrame, best: pd.DataFrame, name: str, held: str) -> None:
    colour = style.by_size(ax, best["N"], style.LABELS["N"])
    for N, D, at in best[["N", "D", held]].to_numpy(float):
        group = rows[(rows["N"] == N) & (rows["D"] == D) & (rows[held] == at)].sort_values(name)
        ax.plot(group[name], group["loss"], "o", markersize=3.5, markeredgewidth=0, color=colour(N))
        line, other = np.geomspace(group[name].min(), group[name].max(), POINTS), np.full(POINTS, at)
        law, values = found.bowls.law, found.bowls.values
        of = rows[(rows["N"] == N) & (rows["D"] == D)]
        level = np.median(of["loss"] / law(N, D, of["lr"], of["batch"], **values))
        loss = level * law(N, D, *((line, other) if name == "lr" else (other, line)), **values)
        ax.plot(line, loss, color=colour(N), linewidth=1.2)
        ax.plot(line[loss.argmin()], loss.min(), "*", markersize=9, markeredgecolor=style.ink(), color=colour(N), zorder=4)
    ax.set_ylabel(style.LABELS["loss"])
    _along(ax, name)


def _drift(ax: Axes, found: Settings, best: pd.DataFrame, name: str, which: int) -> None:
    colour = style.by_size(ax, best["N"], style.LABELS["N"])
    for N, group in best.groupby("N"):
        ax.plot(group["D"], group[name], "o", markersize=3.5, markeredgewidth=0, color=colour(float(str(N))))
        D = np.geomspace(group["D"].min(), group["D"].max(), 2)
        ax.plot(D, found.best(np.full(2, N), D)[which], color=colour(float(str(N))), linewidth=1.2)
    style.label_amounts(ax, x=style.LABELS["D"], y="best learning rate" if name == "lr" else "best batch")


def _along(ax: Axes, name: str) -> None:
    style.label_amounts(ax, x="peak learning rate" if name == "lr" else "batch")
