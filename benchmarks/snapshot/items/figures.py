"""What figures hold: titles, labels, limits, and the numbers of every line."""

from __future__ import annotations

import numpy as np

import scaling

from .. import house, tables
from ..record import items


def drawn(axes):
    """Numbers and words of one axes or several."""
    import matplotlib.pyplot as plt

    many = axes if isinstance(axes, dict) else {"ax": axes}
    found = {name: one(ax) for name, ax in many.items()}
    plt.close("all")
    return found


def one(ax):
    lines = [line.get_xydata() for line in ax.get_lines()]
    legend = ax.get_legend()
    return {
        "title": [ax.get_title(loc=where) for where in ("left", "center", "right")],
        "labels": [ax.get_xlabel(), ax.get_ylabel()],
        "scales": [ax.get_xscale(), ax.get_yscale()],
        "limits": [*ax.get_xlim(), *ax.get_ylim()],
        "lines": [
            [len(xy), float(np.nansum(xy[:, 0])), float(np.nansum(xy[:, 1]))] for xy in (np.asarray(x, float) for x in lines)
        ],
        "styles": [f"{line.get_linestyle()} {line.get_marker()} {line.get_label()}" for line in ax.get_lines()],
        "bands": len(ax.collections),
        "texts": [t.get_text() for t in ax.texts],
        "legend": [t.get_text() for t in legend.get_texts()] if legend else [],
    }


def shared_relation():
    return house.relate(tables.fit_sweep("fineweb-edu-100b"), tables.fit_sweep("starcoder"))


@items(
    "figures",
    {
        "curve": (lambda: scaling.plots.curve(tables.fit_own(24)),),
        "curve_long": (lambda: scaling.plots.curve(tables.fit_own(24), tables.own(24, "long")),),
        "forecast": (lambda: scaling.plots.forecast(tables.fit_own(24), tables.own(24, "long")),),
        "forecast_text": (
            lambda: scaling.plots.forecast(
                tables.fit_own(24), "wsd:peak=8e-3,steps=6400,warmup=160", interval="delta", level=0.5
            ),
        ),
        "running": (lambda: scaling.plots.running(scaling.forecast(tables.job(2000))),),
        "relation": (lambda: scaling.plots.relation(shared_relation()),),
        "shares": (
            lambda: scaling.plots.shares(
                house.own_shares({n: tables.fit_language(n) for n in tables.LANGUAGES}, N=70_896, D=3.1e6)
            ),
        ),
        "backtest": (lambda: scaling.plots.backtest(scaling.backtest(tables.epoch()[["N", "D", "loss"]], "chinchilla")),),
        "backtest_own": (
            lambda: scaling.plots.backtest(scaling.backtest(tables.own(24, "short"), "annealing", by="schedule")),
        ),
    },
)
def _figure(draw):
    return drawn(draw())
