"""Backtests and comparisons of laws."""

from __future__ import annotations

import scaling

from .. import tables
from ..record import items

TABLES = {
    "epoch": (lambda: tables.epoch()[["N", "D", "loss"]], ("chinchilla", "chinchilla_outer", "kaplan", "power_law_offset:x=N")),
    "llama": (tables.llama, ("chinchilla", "kaplan_offset")),
    "gadre": (
        lambda: tables.gadre("rpj").assign(C=lambda r: 6 * r["N"] * r["D"])[["N", "D", "M", "C", "loss"]],
        ("chinchilla", "over_training"),
    ),
    "ladder": (lambda: tables.ladder()[["N", "D", "loss"]], ("chinchilla", "chinchilla_outer")),
    "surface": (
        lambda: tables.surface()[["N", "D", "loss"]].reset_index(drop=True),
        ("chinchilla", "mt_data", "kaplan_offset"),
    ),
    "bend": (tables.bend, ("power_law:x=x", "power_law_offset:x=x", "m4:x=x")),
    "isoflop": (lambda: tables.lead("compare_fails_isoflop"), ("chinchilla", "chinchilla_outer")),
    "own": (lambda: tables.own(24, "short").select("step >= 800"), ("annealing", "multi_power_5")),
}


@items(
    "compare",
    {name: (name, None) for name in TABLES}
    | {
        "epoch.half": ("epoch", 0.5),
        "epoch.size": ("epoch", "size"),
        "epoch.D": ("epoch", "D"),
        "own.schedule": ("own", "schedule"),
        "surface.size": ("surface", "size"),
    },
)
def _compare(name, holdout):
    data, laws = TABLES[name]
    return scaling.compare(data(), laws, holdout)


@items("compare_options", {"squares": ({"objective": "log_squares"},), "delta": ({"delta": 1e-2, "seed": 1},)})
def _options(options):
    data, laws = TABLES["gadre"]
    return scaling.compare(data(), laws, **options), scaling.compare(data(), "chinchilla", **options)


@items(
    "backtest",
    {
        "epoch": ("epoch", "chinchilla", {}),
        "epoch.size": ("epoch", "chinchilla", {"by": "size"}),
        "bend": ("bend", "power_law_offset:x=x", {"interval": "calibrated", "level": 0.8}),
        "surface": ("surface", "chinchilla", {"by": "size", "interval": "calibrated"}),
        "gadre": ("gadre", "over_training", {"objective": "squares", "fractions": (0.5, 0.7), "by": "C"}),
        "own": ("own", "multi_power_5", {}),
        "own.schedule": ("own", "annealing", {"by": "schedule"}),
        "llama.C": ("llama", "chinchilla", {"by": "C"}),
    },
)
def _backtest(name, law, options):
    found = scaling.backtest(TABLES[name][0](), law, **options)
    return {
        "frame": found.frame,
        "metrics": found.metrics(),
        "horizons": found.metrics((1, 2, 10)),
        "by": found.by,
        "law": found.law,
        "level": found.level,
        "text": str(found).splitlines(),
    }
