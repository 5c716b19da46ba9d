"""Fits of many laws to many tables, and everything that a fit can be asked."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np

import scaling

from .. import house, tables
from ..record import attempt, item, items
from ..tables import sampled


def told(fit, seed: int = 0, replicates: int = 50):
    """What every fit says."""
    found = {
        "values": fit.values,
        "objective": fit.objective,
        "ok": fit.ok,
        "warnings": fit.warnings,
        "errors": fit.errors(),
        "summary": fit.summary(),
        "verdict": {k: v for k, v in vars(fit.verdict).items() if k != "iterations"},
        "text": str(fit).splitlines(),
        "data": [len(fit.data), *fit.data.columns],
        "fixed": fit.fixed,
        "identified": attempt(fit.identified),
        "law": [fit.law.name, *fit.law.inputs],
        "nfev": fit.nfev,
    }
    if replicates:
        drawn = attempt(lambda: fit.bootstrap(replicates, seed=seed))
        found["bootstrap"] = drawn if isinstance(drawn, str) else {"mean": drawn.mean(), "sd": drawn.std()}
    return found


def rows(frame, *columns):
    return frame[[*columns, "loss"]].reset_index(drop=True)


def seen(frame):
    return frame[frame["d_model"] < 64].reset_index(drop=True)


def weighted():
    frame = tables.made()
    return frame.assign(weight=np.where(frame.index % 3 == 0, 2.0, 0.5))


def by_error():
    frame = tables.made()
    return frame.assign(loss_se=0.004 * frame["loss"] * np.where(frame.index % 2 == 0, 1.0, 2.0))


def effective():
    frame = tables.languages("de")
    for k, other in enumerate(["de", "en", "fr", "ru"]):
        frame = frame.assign(**{f"D_{k or 't'}": frame["D"] * frame[f"h_{other}"], f"U_{k or 't'}": 1e12})
    return frame.assign(D_other=0.0, U_other=1e12)


def chained(data="rpj"):
    return tables.gadre(data).dropna(subset="err_17").assign(L=lambda r: r["loss"], loss=lambda r: r["err_17"])


def bleu():
    return tables.gordon("ruen").assign(L=lambda r: r["loss"], loss=lambda r: r["bleu"])[["L", "loss"]]


def steps_of():
    frame = tables.batches()
    return frame[frame["model"] == "302M"].assign(loss=lambda r: r["steps"].astype(float))[["B", "loss"]]


def trajectories():
    return house.curves_of(scaling.read(tables.RUNS / "batches"))[["N", "B", "S", "loss"]]


D, L = {"fixed": {"alpha": 0.5, "beta": 0.5}}, "log_squares"
CASES = {
    # sizes and tokens
    "epoch.chinchilla": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {}),
    "epoch.squares": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {"objective": "squares"}),
    "epoch.log_squares": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {"objective": L}),
    "epoch.narrow": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {"delta": 1e-5}),
    "epoch.mad": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {"delta": "mad"}),
    "epoch.outer": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla_outer", {}),
    "epoch.kaplan": (lambda: rows(tables.epoch(), "N", "D"), "kaplan", {}),
    "epoch.kaplan_offset": (lambda: rows(tables.epoch(), "N", "D"), "kaplan_offset", {}),
    "epoch.power_law": (lambda: rows(tables.epoch(), "N", "D"), "power_law_offset:x=N", {}),
    "epoch.where": (tables.epoch, "chinchilla", {"where": "C < 1e21"}),
    "epoch.fixed": (lambda: rows(tables.epoch(), "N", "D"), "chinchilla", {"fixed": {"alpha": 0.34, "E": 1.8}}),
    "llama.chinchilla": (tables.llama, "chinchilla", {}),
    "llama.top_budgets": (tables.llama, "chinchilla", {"top_budgets": 4}),
    "gadre.c4": (lambda: rows(tables.gadre("c4_original"), "N", "M"), "over_training", {"objective": "squares"}),
    "gadre.rpj": (lambda: rows(tables.gadre("rpj"), "N", "D"), "chinchilla", {}),
    "gadre.err_17": (chained, "downstream_error", {"objective": "squares"}),
    "ladder.c4_en": (tables.ladder, "chinchilla", {"objective": L}),
    "ladder.hellaswag": (lambda: tables.ladder("hellaswag_val_bpb"), "chinchilla", {}),
    "gordon.ruen": (lambda: tables.gordon("ruen"), "mt_data", {"objective": "squares"}),
    "gordon.bleu": (bleu, "bleu_exponential", {"objective": "squares"}),
    "gordon.bleu_source": (bleu, "bleu_source", {}),
    "sweep.edu": (lambda: rows(tables.sweep("fineweb-edu-100b"), "N", "D"), "kaplan_offset", {}),
    "scalebench.data_constrained": (lambda: tables.scalebench("data_constrained"), "data_constrained", {}),
    "scalebench.moe": (lambda: tables.scalebench("moe"), "power_law_offset:x=N", {}),
    "scalebench.farseer": (lambda: tables.scalebench("farseer").iloc[::3], "farseer", {"objective": L}),
    "batches.302M": (steps_of, "batch_tradeoff", {"objective": L}),
    "regmix.pile_cc": (lambda: tables.regmix("train", "pile_cc"), "mixture_exponential", {"objective": "squares"}),
    "slimpajama.wikipedia": (lambda: tables.slimpajama("wikipedia").iloc[::4], "mixture_additive", {}),
    "lead.clean": (lambda: tables.lead("lead_clean"), "chinchilla", {}),
    "lead.outlier": (lambda: tables.lead("lead_outlier"), "chinchilla", {}),
    "lead.mixed_losses": (lambda: tables.lead("crash_llama3"), "kaplan_offset", {}),
    "surface.chinchilla": (lambda: seen(tables.surface()), "chinchilla", {}),
    "corpora.mt_data": (lambda: seen(tables.corpora("python")), "mt_data", {}),
    "languages.de": (lambda: tables.languages("de"), "multilingual", D),
    "languages.reducible": (lambda: tables.languages("fr"), "multilingual_reducible", D),
    "languages.exponential": (
        lambda: tables.languages("ru")[lambda r: (r["N"] == r["N"].min()) & (r["D"] == r["D"].min())],
        "mixture_exponential",
        {},
    ),
    "languages.atlas": (effective, "atlas", {"fixed": {"alpha": 0.5, "lam": 1.0, "tau_other": 0.0}}),
    "encoders": (lambda: tables.encoders()[lambda r: r["steps"] == 1500], "encoder_decoder", {}),
    "trajectory.batches": (trajectories, "kaplan_trajectory", {}),
    # made-up rows
    "made.weight": (weighted, "chinchilla", {}),
    "made.loss_se": (by_error, "chinchilla", {"objective": L}),
    "made.tied": (tables.made, "chinchilla", {"params": tables.tied("chinchilla", beta="alpha")}),
    "made.tied_text": (tables.made, "chinchilla", {"params": tables.tied("chinchilla", beta="sqrt(alpha**2) + 0.02")}),
    "made.seed": (tables.made, "chinchilla", {"seed": 7}),
    "bend.one_sided": (tables.bend, "power_law_offset", {"objective": "log_one_sided", "delta": 5e-3}),
    "bend.student_t": (tables.bend, "power_law_offset", {"objective": "log_student_t", "delta": 5e-3}),
    "bend.soft_l1": (tables.bend, "power_law_offset", {"objective": "soft_l1", "delta": 5e-3}),
    "bend.huber": (tables.bend, "power_law_offset", {"objective": "huber", "delta": "mad"}),
    "bend.broken": (tables.bend, "broken:x=x", {}),
    "bend.m4": (tables.bend, "m4:x=x", {}),
    "bend.power_law": (tables.bend, "power_law", {}),
    # loss curves
    "own.d24": (lambda: tables.own(24, "short"), "multi_power_5", {"min_step": 800}),
    "own.d32": (lambda: tables.own(32, "short"), "multi_power_5", {"min_step": 800, "delta": "mad"}),
    "own.d48": (lambda: tables.own(48, "short"), "multi_power_5", {"where": "step >= 1600"}),
    "own.annealing": (lambda: tables.own(32, "short"), "annealing", {"min_step": 800}),
    "own.annealing_text": (lambda: tables.own(32, "short"), "annealing:lam=0.99", {"min_step": 800}),
    "own.multi_power": (lambda: tables.own(24, "short"), "multi_power", {"min_step": 800}),
    "own.warmup_in_ld": (lambda: tables.own(24, "short"), "multi_power_5:warmup_in_ld=True", {"min_step": 800}),
    "own.ends": (lambda: scaling.read(tables.RUNS / "surface"), "chinchilla", {}),
    "public.25M": (lambda: tables.public_curves(25, tuple(tables.TRAIN)), "multi_power_5", {}),
    "public.annealing": (lambda: tables.public_curves(100, tuple(tables.TRAIN)), "annealing", {}),
    "public.constant": (lambda: tables.public_curves(25, ("constant_24000",)), "power_law_offset:x=step", {}),
    "public.no_drop": (lambda: tables.public_curves(25, ("constant_24000",)), "multi_power_5", {}),
    "scheduled.annealing": (tables.scheduled, "annealing", {"min_step": 1000}),
    "tissue.annealing": (lambda: tissue(), "annealing", {}),
}


def tissue():
    """The authors' example has no rates: its two schedules are known from their script."""
    return scaling.read(
        tables.data_root() / "lr-annealing-example/curves.csv",
        schedule={
            "cosine": "cosine:peak=2e-4,steps=20000,warmup=500,final=0.1",
            "constant": "constant:peak=2e-4,steps=20000,warmup=500",
        },
    )


@items("fits", {name: (name,) for name in CASES})
def _fit(name):
    data, law, options = CASES[name]
    return told(scaling.fit(data(), law, **options))


SAMPLED = [name for name in sorted(scaling.laws) if not house.schedule_law(scaling.laws[name])]


@items("fits_sampled", {name: (name,) for name in SAMPLED})
def _sampled(name):
    """Any law on rows of its own."""
    found = scaling.fit(sampled(name, 60), name)
    return {
        "values": found.values,
        "objective": found.objective,
        "ok": found.ok,
        "warnings": found.warnings,
        "errors": found.errors(),
        "identified": attempt(found.identified),
        "text": str(found).splitlines(),
        "predict": found.predict(sampled(name, 3, seed=5), interval="delta"),
        "calibrated": attempt(lambda: found.predict(sampled(name, 3, seed=5))),
    }


OBJECTIVES = ("huber", "squares", "soft_l1", "student_t", "one_sided")
ASKED = {"epoch": tables.fit_epoch, "made": tables.fit_made, "own": tables.fit_own, "bend": tables.fit_bend}
HELD = {"epoch": "alpha", "made": "E", "own": "L0", "bend": "alpha"}


@items("asked.profile", {name: (name,) for name in ASKED})
def _profile(name):
    return ASKED[name]().profile(HELD[name], points=9)


@items("asked.influence", {name: (name,) for name in ASKED})
def _influence(name):
    return ASKED[name]().influence()


@items("asked.drift", {name: (name,) for name in ASKED})
def _drift(name):
    return ASKED[name]().drift()


@items("asked.diagnose", {name: (name,) for name in ("made", "own", "bend")})
def _diagnose(name):
    return ASKED[name]().diagnose()


@items("asked.bootstrap", {name: (name,) for name in ASKED})
def _bootstrap(name):
    fit = ASKED[name]()
    return {
        "frame": fit.bootstrap(20, seed=3),
        "row": fit.bootstrap(20, by="row").std(),
        "run": attempt(lambda: fit.bootstrap(20, by="run").std()),
        "block": attempt(lambda: fit.bootstrap(20, by="block").std()),
    }


@items("asked.lmfit", {name: (name,) for name in ASKED})
def _lmfit(name):
    fit = ASKED[name]()
    found = {
        k: getattr(fit, k)
        for k in (
            "best_values",
            "var_names",
            "covar",
            "nvarys",
            "ndata",
            "nfree",
            "chisqr",
            "redchi",
            "aic",
            "bic",
            "errorbars",
            "success",
            "message",
            "best_fit",
        )
    }
    found["params"] = {k: [p.value, p.stderr, p.min, p.max, p.vary] for k, p in fit.params.items()}
    found["correl"] = {k: p.correl for k, p in fit.params.items()}
    found["report"] = fit.fit_report().splitlines()
    found["eval"], found["uncertainty"] = fit.eval(), fit.eval_uncertainty(sigma=2)
    found["probability"] = fit.eval_uncertainty(sigma=0.9)[:5]
    if name in ("epoch", "bend"):
        found["conf_interval"] = {k: np.array(v) for k, v in fit.conf_interval([HELD[name]], (1, 2)).items()}
    if name != "own":
        inputs = {k: np.array([1e9, 1e10]) for k in fit.law.inputs}
        found["lists"] = attempt(lambda: fit.eval(**{k: [1e9] for k in fit.law.inputs}))
        found["elsewhere"] = [fit.eval(**inputs), fit.eval_uncertainty(**inputs), fit.eval(params=fit.params, **inputs)]
    return found


def document(saved):
    """The names in a saved file, and what it says in words."""
    return {k: document(v) if isinstance(v, dict) else v if isinstance(v, str) else type(v).__name__ for k, v in saved.items()}


@items("asked.saved", {name: (name,) for name in ("epoch", "own", "bend", "tied")})
def _saved(name):
    """Saved, read back, and asked the same."""
    if name == "tied":
        fit = scaling.fit(tables.made(), "chinchilla", params=tables.tied("chinchilla", beta="alpha"))
    else:
        fit = ASKED[name]()
    path = Path(tempfile.mkdtemp()) / "fit.json"
    fit.save(path)
    again = scaling.load(path)
    target = tables.own(32, "long") if name == "own" else {k: [1e9, 1e10] for k in fit.law.inputs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, late = fit.predict(target, interval="delta"), again.predict(target, interval="delta")
    calibrated = again.predict(target) if name != "own" else None
    return {
        "same_text": str(again) == str(fit),
        "same_values": again.values == fit.values,
        "text": str(again).splitlines(),
        "same_prediction": bool(np.array_equal(plain["prediction"], late["prediction"])),
        "late": late,
        "calibrated": calibrated,
        "errors": again.errors(),
        "runs": None if again.runs is None else list(again.runs.names),
        "bootstrap": again.bootstrap(10).mean(),
        "document": document(json.loads(path.read_text())),
    }


SAVED = Path(__file__).resolve().parent.parent / "saved"


@items("old_files", {path.stem: (path,) for path in sorted(SAVED.glob("*.json"))})
def _old(path):
    """Files that the package wrote before its rooms were moved are read for ever."""
    found = scaling.load(path)
    if path.stem == "relation":
        return found.values, str(found).splitlines(), found.predict([2.4, 3.0])
    target = found.data.iloc[:3].drop(columns="loss")
    if house.schedule_law(found.law):
        target = "wsd:peak=8e-3,steps=4800,warmup=160"
    return {"told": told(found, replicates=10), "predict": found.predict(target, interval="delta")}


@items("fits_objectives", {f"{log}{name}": (log + name,) for log in ("", "log_") for name in OBJECTIVES})
def _objective(objective):
    return told(scaling.fit(tables.made(), "chinchilla", objective=objective, delta=5e-3), replicates=10)


@item("asked.html")
def _html():
    fit = tables.fit_bend()
    return {"html": fit._repr_html_(), "page_has": [word in house.page(fit) for word in ("<html", "verdict", fit.law.name)]}


@item("asked.guess")
def _guess():
    return {
        name: {k: [p.value, p.min, p.max] for k, p in house.guess(scaling.laws[law], data).items()}
        for name, law, data in (
            ("epoch", "chinchilla", tables.epoch()),
            ("bend", "power_law_offset", tables.bend()),
            ("own", "multi_power_5", tables.own(24, "short")),
        )
    }
