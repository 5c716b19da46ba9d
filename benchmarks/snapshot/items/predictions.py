"""Predictions with every kind of interval, inside the data and outside; forecasts of running jobs."""

from __future__ import annotations

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..record import attempt, item, items
from .fits import CASES as FITS

METHODS = ("calibrated", "delta", "profile", "bootstrap", "conformal")


def far():
    rows = tables.surface()
    return rows[rows["d_model"] == 64][["N", "D", "loss"]].reset_index(drop=True)


CASES = {
    "epoch.inside": (tables.fit_epoch, lambda: tables.epoch()[["N", "D", "loss"]].iloc[[3, 77, 150]]),
    "epoch.outside": (tables.fit_epoch, lambda: {"N": [7e9, 7e10], "D": [2e12, 1.4e12]}),
    "made.outside": (tables.fit_made, lambda: {"N": [1e11, 1e6], "D": [1e12, 1e8]}),
    "surface.outside": (tables.fit_surface, far),
    "bend.outside": (tables.fit_bend, lambda: {"x": [10.0, 1e4, 1e8]}),
    "sweep.outside": (lambda: tables.fit_sweep("starcoder"), lambda: {"N": [7e9], "D": [2e11]}),
    "mixture.inside": (
        lambda: tables.fit_mixture("a"),
        lambda: {"N": [1e9], "D": [1e10], "h_a": [0.2], "h_b": [0.3], "h_c": [0.5]},
    ),
}


@items(
    "predict",
    {
        f"{name}.{method}": (name, method)
        for name in CASES
        for method in METHODS
        if method != "profile" or name.startswith(("made", "bend"))  # the others are fitted by a Huber loss
    },
)
def _predict(name, method):
    fit, target = CASES[name]
    if name.startswith("sweep"):
        return fit().predict(target(), interval=method, level=0.8)
    return fit().predict(target(), interval=method)


@items("predict_curves", {method: (method,) for method in METHODS if method != "profile"})
def _curves(method):
    """Over schedules and logged runs."""
    fit = tables.fit_own(24)
    text = "wsd:peak=8e-3,steps=6400,warmup=160,shape=1-sqrt,final=0.1"
    return {
        "long": fit.predict(tables.own(24, "long"), interval=method),
        "text": fit.predict(text, interval=method, steps=[800, 3200, 6400]),
        "schedule": fit.predict(scaling.schedule(text), interval=method, level=0.5),
    }


@item("predict_curves.profile")
def _profile():
    fit = scaling.fit(tables.own(24, "short"), "multi_power_5", min_step=1600, objective="log_squares")
    text = "wsd:peak=8e-3,steps=6400,warmup=160,shape=1-sqrt,final=0.1"
    return fit.predict(text, interval="profile", steps=[3200, 6400])


@item("predict_curves.annealing")
def _annealing():
    fit = scaling.fit(tables.own(48, "short"), "annealing", min_step=800)
    return [fit.predict(tables.own(48, "long")), fit.predict("cosine:peak=8e-3,steps=1k,warmup=160", steps=[100, 1000])]


@item("predict_curves.public")
def _public():
    fit = tables.fit_public()
    frame = fit.predict(tables.public_curves(25, tuple(tables.TEST)), interval="delta")
    return {
        "score": frame.assign(e=frame["prediction"] - frame["loss"]).groupby("run")["e"].agg(["mean", "std"]),
        "frame": frame,
    }


@item("predict_counts")
def _counts():
    """Rows that count parameters otherwise are counted anew, runs of the trainer by their facts."""
    table = pd.DataFrame([(n, d) for n in (1e4, 3e4, 1e5) for d in (1e6, 1e7, 1e8)], columns=["N", "D"])
    table = table.assign(loss=1 + 20 / table["N"] ** 0.3 + 50 / table["D"] ** 0.3, params_counted="non_embedding")
    table["loss"] *= np.exp(1e-3 * np.random.default_rng(0).normal(size=9))
    fit = scaling.fit(table, "chinchilla")
    long = scaling.read(tables.RUNS).select("role == 'long'")
    return fit.predict(long, interval="delta"), attempt(
        lambda: fit.predict({"N": [1e5], "D": [1e7], "params_counted": ["total"]})
    )


@items(
    "forecast",
    {
        "alone.30": (1200, None),
        "alone.50": (2000, None),
        "alone.90": (3600, None),
        "twin": (2000, "twin"),
        "twins": (2000, "twins"),
        "others": (2400, "others"),
    },
)
def _forecast(done, references):
    known = {
        None: lambda: None,
        "twin": lambda: tables.job(4000, 0.4, 1, "small"),
        "twins": lambda: _together([tables.job(4000, 0.4 + k, k, f"small-{k}") for k in (1, 2)]),
        "others": lambda: tables.own(24, "short"),
    }[references]()
    return shown(scaling.forecast(tables.job(done), known))


def _together(runs):
    frame = pd.concat([r.frame for r in runs])
    joined = scaling.Runs.from_frame(frame, schedule=tables.PLAN)
    return joined.with_facts(joined.facts.assign(n_params=[1e6 * (k + 1) for k in range(len(joined))]))


def shown(found):
    return {**found.to_dict(), "text": str(found).splitlines(), "log": found.log, "table": found.constants}


@items("forecast_public", {"25M": (25, "cosine_24000", 12_000), "100M": (100, "wsd_20000_24000", 18_000)})
def _public_forecast(size, name, stop):
    runs = tables.public_curves(size, (name,))
    live = partly(runs, name, stop)
    references = tables.public_curves(25, ("cosine_72000", "wsdcon_9", "wsd_20000_24000")) if size == 100 else None
    return shown(scaling.forecast(live, references))


@item("forecast_own.d32")
def _own():
    """A job of this project at half of its way, with the smaller size and with the short runs as references."""
    long = tables.own(32, "long")
    live = partly(long, long.names[0], 4800)
    return {
        "alone": shown(scaling.forecast(live, level=0.8)),
        "smaller": shown(scaling.forecast(live, tables.own(24, "long"))),
        "short": shown(scaling.forecast(live, tables.own(32, "short"))),
    }


def partly(runs, name, stop):
    """The run as if it were at this step."""
    frame = runs.frame[["run", "step", "loss"]]
    frame = frame.assign(loss=frame["loss"].where(frame["step"] <= stop))
    return scaling.Runs.from_frame(frame, schedule={name: runs.schedules[name]})


@item("forecast_live")
def _live():
    run = tables.job(1500).frame.dropna(subset="loss")
    live = house.Live(tables.PLAN)
    ends = [live(int(s), x) for s, x in zip(run["step"], run["loss"], strict=True)]
    return [None if f is None else [f.step, f.end["prediction"], f.method] for f in ends]


FAR = (
    "epoch.outer",
    "epoch.kaplan_offset",
    "epoch.fixed",
    "llama.chinchilla",
    "gadre.c4",
    "gadre.rpj",
    "gadre.err_17",
    "ladder.c4_en",
    "ladder.hellaswag",
    "gordon.ruen",
    "gordon.bleu",
    "scalebench.data_constrained",
    "batches.302M",
    "lead.clean",
    "corpora.mt_data",
    "languages.de",
    "languages.exponential",
    "encoders",
    "trajectory.batches",
    "made.weight",
    "made.loss_se",
    "made.tied",
    "bend.student_t",
    "bend.broken",
    "bend.m4",
    "own.ends",
)


@items("predict_far", {name: (name,) for name in FAR})
def _far(name):
    """The default interval beyond the data of many fits: sizes and tokens fourfold, losses and shares as they are."""
    data, law, options = FITS[name]
    fit = scaling.fit(data(), law, **options)
    last = fit.data.iloc[[-1, 0]].drop(columns=["loss", "run"], errors="ignore")
    grown = [c for c in fit.law.inputs if c[:1] in "NDBSxU" and c in last]
    return attempt(lambda: fit.predict(last.assign(**{c: 4.0 * last[c] for c in grown}).reset_index(drop=True)))
