"""What to train: budgets, mixtures, schedules, the next runs; the procedures of papers; batches and rates."""

from __future__ import annotations

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..record import attempt, item, items, shared

BESIROGLU = "chinchilla/besiroglu2024"


def shape():
    return house.Shape(d_model=2048, n_layer=24, vocab=50257, context=2048)


PLANS = {
    "flops": (BESIROGLU, {"flops": [1e18, 1e22, 5.76e23]}),
    "loss": (BESIROGLU, {"loss": 2.0}),
    "served": (BESIROGLU, {"loss": 2.0, "served": 1e12}),
    "served_flops": (BESIROGLU, {"flops": 1e22, "served": 1e13}),
    "N": (BESIROGLU, {"N": 1e9}),
    "D": (BESIROGLU, {"D": 1e12}),
    "held_N": (BESIROGLU, {"flops": 1e22, "N": 1e9}),
    "held_D": (BESIROGLU, {"flops": 1e22, "D": 1e12}),
    "unique": ("data_constrained/muennighoff2023", {"flops": 1e22, "unique": 25e9}),
    "inputs": ("precision/kumar2024", {"flops": 1e22, "inputs": {"P_w": 8, "P_a": 16, "P_kv": 16}}),
    "outer": ("chinchilla/hoffmann2022", {"flops": 1e22, "level": 0.5}),
    "kaplan": ("kaplan/kaplan2020", {"flops": 1e22, "rates": "li2025"}),
    "over_training": ("over_training/gadre2024_redpajama", {"flops": [1e20, 1e22]}),
    "farseer": ("farseer/li2025", {"flops": 1e22}),
    "fit": ("fit", {"flops": [1e22, 1e24], "replicates": 50}),
    "fit_loss": ("fit", {"loss": 1.95, "replicates": 50, "level": 0.8, "seed": 1}),
    "fit_N": ("fit", {"N": 1e10, "replicates": 20}),
    "fit_served": ("fit", {"flops": 1e23, "served": 1e12, "replicates": 20}),
    "fit_none": ("fit", {"flops": 1e22, "replicates": 0}),
    "tied": ("tied", {"flops": 1e22, "replicates": 20}),
    "surface": ("surface", {"flops": 1e13, "replicates": 20}),
}


@items("plan", {name: (name,) for name in PLANS})
def _plan(name):
    source, asked = PLANS[name]
    made = {"fit": tables.fit_epoch, "surface": tables.fit_surface, "tied": tied}
    return scaling.plan(made[source]() if source in made else source, **asked)


def tied():
    return scaling.fit(tables.made(), "chinchilla", params=tables.tied("chinchilla", beta="alpha"))


@items("plan_rates", {name: (name,) for name in ("li2025", "deepseek2024", "moonlight2025")})
def _rates(name):
    return scaling.plan(BESIROGLU, 1e22, rates=name, shape=shape())


@item("plan_counts")
def _counts():
    rows = tables.made()
    plain = scaling.fit(rows, "chinchilla")
    known = scaling.fit(rows.assign(params_counted="non_embedding"), "chinchilla")
    return [
        attempt(lambda: scaling.plan(plain, 1e22, rates="li2025", replicates=0)),
        scaling.plan(plain, 1e22, rates="li2025", replicates=0, counts="non_embedding"),
        scaling.plan(known, 1e22, rates="li2025", replicates=0),
        scaling.plan(known, 1e22, replicates=20, shape=shape()),
    ]


def family_fits():
    return {name: tables.fit_language(name) for name in tables.LANGUAGES}


SHARES = {
    "plain": {},
    "sum": {"objective": "sum"},
    "worst": {"objective": "worst"},
    "weights": {"weights": {"de": 3.0}},
    "bounds": {"floors": 0.1, "caps": {"ru": 0.3}},
    "unique": {"unique_tokens": {"fr": 1e5}, "epochs": 4},
    "reference": {"reference": {"en": 0.4, "de": 0.3, "fr": 0.2, "ru": 0.1}, "level": 0.8, "seed": 2},
    "no_room": {"floors": 0.3},
    "stranger": {"weights": {"x": 1.0}},
}


@items("own_shares", {name: (name,) for name in SHARES})
def _shares(name):
    found = attempt(lambda: house.own_shares(family_fits(), N=70_896, D=3.1e6, **SHARES[name]))
    return found if isinstance(found, str) else mixture(found)


def mixture(found):
    return {
        **vars(found),
        "text": str(found).splitlines(),
        "gain": found.gain,
        "worth_it": found.worth_it,
        "shares": found.shares,
    }


@items(
    "mixture_search",
    {
        "one": (("a",), {}),
        "two": (("a", "bb"), {"weights": {"bb": 2.0}}),
        "bounds": (("a",), {"caps": {"a": 0.3}, "floors": 0.05}),
        "reference": (("a",), {"reference": {"a": 0.5, "b": 0.25, "c": 0.25}, "level": 0.5}),
    },
)
def _search(targets, options):
    return mixture(house.whole_shares({t: tables.fit_mixture(t) for t in targets}, N=1e9, D=1e10, **options))


@item("mixture_search.regmix")
def _regmix():
    rows = tables.languages("de")
    cell = (rows["N"] == rows["N"].min()) & (rows["D"] == rows["D"].min())
    fits = {name: scaling.fit(tables.languages(name)[cell], "mixture_exponential") for name in ("en", "ru")}
    return mixture(house.whole_shares(fits, starts=4))


@item("shares")
def _solvers():
    a, g = np.array([2.0, 1.0, 0.5]), np.array([0.1, 0.3, 0.2])
    return {
        "sum": house.least_sum(a, g),
        "sum_bounded": house.least_sum(a, g, 0.1, 0.5),
        "worst": house.least_worst(a, g),
        "worst_bounded": house.least_worst(a, g, 0.1, [0.4, 1, 1]),
        "help": house.most_help(a, [0.4, 0.6, 0.3]),
        "wrong": attempt(lambda: house.least_sum(a, -g)),
        "no_room": attempt(lambda: house.least_sum(a, g, 0.4)),
    }


def best(found):
    return {
        "loss": found.loss,
        "decay": found.decay,
        "power": found.power,
        "table": house.compared(found),
        "warnings": found.warnings,
        "rates": found.schedule.rates,
        "text": str(found).splitlines(),
        "schedule": repr(found.schedule),
    }


@items(
    "best_schedule",
    {
        "free": ("multi_power/luo2025_25M", 3000, {"peak": 3e-4, "warmup": 100}),
        "wsd": ("multi_power/luo2025_100M", 6000, {"peak": 3e-4, "warmup": 200, "kind": "wsd"}),
        "lowest": ("multi_power/luo2025_25M", 2000, {"peak": 3e-4, "lowest": 0.1}),
        "fit": ("own", 4800, {"warmup": 160, "kind": "wsd"}),
        "fit_free": ("own", 2400, {"warmup": 160, "lowest": 0.1}),
        "start": ("own", 1200, {"warmup": 160, "start": "linear:peak=8e-3,steps=1200,warmup=160"}),
        "no_peak": ("multi_power/luo2025_25M", 3000, {}),
        "other_law": ("annealing/example_refit", 1000, {"peak": 1e-3}),
    },
)
def _best(source, steps, options):
    found = attempt(lambda: house.best_schedule(tables.fit_own(32) if source == "own" else source, steps, **options))
    return found if isinstance(found, str) else best(found)


@item("best_schedule_slopes")
def _slopes():
    """What the search descends on; its end itself moves with the rounding of these."""
    loss = house.FinalLoss(scaling.laws["multi_power"].published["luo2025_100M"], np.linspace(0, 3e-4, 50))
    value, gradient = loss(3e-4 * np.linspace(1, 0.05, 400) ** 1.3)
    return {"loss": value, "gradient": gradient}


POOL = pd.DataFrame([(N, D) for N in np.geomspace(1e7, 1e9, 4) for D in np.geomspace(3e8, 3e10, 4)], columns=["N", "D"])
TARGET = pd.DataFrame({"N": [7e9, 1e10], "D": [2e11, 2e11]})
BUDGET = 0.1 * 6 * float((POOL["N"] * POOL["D"]).sum())


def with_losses(rows):
    truth = scaling.laws["chinchilla"].published["besiroglu2024"]
    noise = np.random.default_rng(0).normal(size=len(rows))
    return rows.assign(loss=truth(rows["N"], rows["D"]) * np.exp(0.003 * noise))


NEXT = {
    "nothing": ("chinchilla", {}),
    "V": ("chinchilla", {"criterion": "V"}),
    "D": ("chinchilla", {"criterion": "D"}),
    "cheapest": ("chinchilla", {"criterion": "cheapest"}),
    "random": ("chinchilla", {"criterion": "random", "seed": 3}),
    "few": ("chinchilla", {"done": with_losses(POOL.iloc[[0, 7]])}),
    "many": ("chinchilla", {"done": with_losses(POOL)}),
    "per_flop": ("chinchilla", {"cost_exponent": 1.0}),
    "outer": ("chinchilla_outer", {}),
    "kaplan": ("kaplan", {}),
    "price": ("chinchilla", {"pool": POOL.assign(price=np.arange(1.0, 17.0)), "cost": "price", "budget": 20.0}),
    "fit": ("fit", {}),
    "epoch": ("epoch", {}),
}


@items("plan_next", {name: (name,) for name in NEXT})
def _next(name):
    law, options = NEXT[name]
    if law == "fit":
        law = scaling.fit(with_losses(POOL.iloc[::2]), "chinchilla", fixed={"alpha": 0.34781})
    law = tables.fit_epoch() if law == "epoch" else law
    return house.plan_next(law, **{"pool": POOL, "target": TARGET, "budget": BUDGET, **options})


@items(
    "plan_next_any",
    {n: (n,) for n in ("data_constrained", "over_training", "precision", "mixture_exponential", "downstream_error")},
)
def _next_any(name):
    pool, target = (tables.sampled(name, n, seed=n).drop(columns="loss") for n in (20, 3))
    return house.plan_next(name, pool, target, 4.0, cost=1.0)


FORM = "peak=3e-4,warmup=1000"
CURVES = {
    "constant": f"constant:{FORM},steps=16k",
    "cosine": f"cosine:{FORM},steps=16k,final=0.1",
    "decay": f"wsd:{FORM},steps=16k,decay=0.2,final=0.1",
    "step": f"two_stage:{FORM},steps=16k,switch=8000,then=3e-5",
    "brief": f"constant:{FORM},steps=6k",
}
FAR = f"cosine:{FORM},steps=64k,final=0.1"


@shared
def curves_made():
    values = {"L0": 3.152, "A": 0.52, "alpha": 0.504, "B": 443.4, "C": 1.353}
    rows = house.synthetic.runs_of("multi_power_5", values, CURVES["constant"], size=2e-4)
    rows = rows[rows["step"] > 1000]
    frame = rows.assign(run="constant")[["run", "step", "lr", "loss"]]
    return scaling.Runs.from_frame(frame, schedule={"constant": CURVES["constant"]})


@items(
    "plan_next_curves",
    {
        "nothing": ("multi_power_5", {"budget": 40_000}),
        "annealing": ("annealing", {"done": True}),
        "error": ("multi_power_5", {"done": True}),
        "V": ("multi_power_5", {"done": True, "criterion": "V"}),
        "branch": ("multi_power_5", {"done": True, "branch": True}),
        "table": (
            "annealing",
            {
                "done": True,
                "pool": pd.DataFrame({"run": ["a", "b"], "schedule": [CURVES["cosine"], CURVES["step"]], "price": [2.0, 3.0]}),
                "cost": "price",
                "budget": 5.0,
            },
        ),
    },
)
def _next_curves(law, options):
    options = {"pool": CURVES, "target": FAR, "budget": 22_000, **options}
    if options.get("done"):
        options["done"] = curves_made()
    return house.plan_next(law, **options)


@item("plan_next_curves.fit")
def _next_fit():
    pool = {"long": "wsd:peak=8e-3,steps=6400,warmup=160", "flat": "constant:peak=8e-3,steps=4800,warmup=160"}
    return house.plan_next(tables.fit_own(24), pool, "wsd:peak=8e-3,steps=9600,warmup=160,final=0.1", 4e12)


@item("sequentially")
def _sequentially():
    bought, prediction = house.sequentially("chinchilla", with_losses(POOL), with_losses(TARGET), 0.01 * BUDGET)
    return {"bought": bought, "prediction": prediction}


# procedures of papers


def levels(spread):
    law, p = scaling.laws["chinchilla"], dict(scaling.laws["chinchilla"].published["hoffmann2022_rounded"])
    rows = []
    for C in (1e17, 1e18, 1e19, 1e20):
        N = house.hook(law, "optimum")(C, **p)["N"] * np.exp(np.linspace(-np.log(spread), np.log(spread), 9))
        rows.append(pd.DataFrame({"N": N, "D": C / 6 / N, "loss": law(N, C / 6 / N, **p), "budget": C}))
    return pd.concat(rows, ignore_index=True)


def optima(found):
    return {**vars(found), "at": found.at(1e24)}


@item("approaches")
def _approaches():
    law, p = scaling.laws["chinchilla"], dict(scaling.laws["chinchilla"].published["hoffmann2022_rounded"])
    rows = []
    for k, N in enumerate(np.geomspace(1e7, 1e10, 20)):
        D = house.hook(law, "optimum")(120 * N * N, **p)["D"] * np.geomspace(0.01, 100, 60)
        rows.append(pd.DataFrame({"run": f"r{k}", "N": N, "D": D, "loss": law(N, D, **p)}))
    return {
        "isoflop": optima(house.isoflop(levels(4), 1e24)),
        "wide": optima(house.isoflop(levels(16))),
        "parametric": optima(house.parametric(levels(4))),
        "outer": optima(house.parametric(levels(4), "chinchilla_outer", [1e20, 1e22])),
        "envelope": optima(house.envelope(pd.concat(rows))),
        "smooth": optima(house.envelope(pd.concat(rows), 3)),
        "compare": house.compare_approaches(levels(4), 1e22),
        "llama": house.compare_approaches(tables.llama(), 1e22),
        "few": attempt(lambda: house.envelope(rows[0])),
        "columns": attempt(lambda: house.isoflop(levels(4)[["N", "D"]])),
        "hole": attempt(lambda: house.isoflop(levels(4).assign(loss=np.nan))),
        "empty": attempt(lambda: house.isoflop(levels(4).iloc[:0])),
    }


@item("batch")
def _batch():
    rows = tables.batches()
    N = rows.groupby("model", sort=False)["N"].first() / 1e6
    found = {d: house.critical_batches(rows, d) for d in ("overhead", "ratio", "overhead_small")}
    return {
        "critical": found,
        "power": {d: house.power_of_size(N, f["B_crit"]) for d, f in found.items()},
        "algebra": house.steps_and_examples(1000.0, [1e-3, 1e3, 1e9], 1e3),
        "noise": house.noise_scale((32, 3.0), (256, 1.5)),
        "overhead": house.critical_batches(rows, overhead=0.5, start=128.0),
        "wrong": [
            attempt(lambda: house.critical_batches(rows, "mine")),
            attempt(lambda: house.noise_scale((256, 1.0), (32, 1.0))),
            attempt(lambda: house.critical_batches(rows.drop(columns="B"))),
        ],
    }


@shared
def rate_grid():
    rows = tables.scalebench("lr_bsz")
    return rows.assign(batch=rows["batch"] * 2048)


@items("step_law", {"within": ("within", 20), "argmin": ("argmin", 0), "quadratic": ("quadratic", 0)})
def _step_law(how, replicates):
    found = house.fit_lr_batch(rate_grid(), how, replicates=replicates)
    out = {**{k: v for k, v in vars(found).items() if k != "rows"}, "rows": len(found.rows)}
    out |= {"lr": found.lr([1e8, 1e9], 1e10), "batch": found.batch([1e10, 1e11])}
    if how == "within":
        out["regret"] = house.regret(found, rate_grid()).describe()
        out["sequences"] = attempt(lambda: house.fit_lr_batch(tables.scalebench("lr_bsz")))
        out["select"] = attempt(lambda: house.fit_lr_batch(rate_grid(), "best"))
    return out


@item("sensitivity")
def _sensitivity():
    facts = tables.surface("rates")
    rows = facts.assign(lr=facts["peak_lr"])[["N", "lr", "loss", "initial_loss", "qk_norm"]].reset_index(drop=True)
    return {
        "one": house.lr_sensitivity([3e-4, 1e-3, 3e-3, 1e-2, 3e-2], [3.0, 2.4, 2.1, 2.3, np.nan], 6.6),
        "sizes": {str(n): house.sensitivity_by_size(part) for n, part in rows.groupby("qk_norm")},
        "logits": house.extrapolate_logits([1e6, 1e7, 1e8, 1e9], [3.0, 10.0, 60.0, 500.0], 1e4),
        "few": attempt(lambda: house.extrapolate_logits([1e6, 1e7], [3.0, 10.0], 1e4)),
    }


@item("trajectory")
def _trajectory():
    law = scaling.laws["kaplan_trajectory"]
    truth, parts = dict(law.published["su2024"]), []
    rng = np.random.default_rng(0)
    for N in (1e6, 1e7, 6e7):
        for B in (3e4, 1e5, 3e5, 1e6, 4e6) if N == 1e7 else (5e5,):
            S = np.geomspace(1e3, 3e5, 20)
            loss = law(N, B, S, **truth) * np.exp(0.002 * rng.normal(size=20))
            parts.append(pd.DataFrame({"run": f"{N:g}-{B:g}", "N": N, "B": B, "S": S, "loss": loss}))
    curves = pd.concat(parts, ignore_index=True)
    found = house.unravel(curves)
    joint, fit = house.joint(curves, objective="log_squares")
    logged = house.curves_of(scaling.read(tables.RUNS / "batches"))
    return {
        "steps": found,
        "levels": house.levels(curves),
        "joint": joint.values,
        "text": str(fit).splitlines(),
        "loss": found.loss(3e8, 2e6, [5e4, 1e5]),
        "lowest": found.lowest_loss([1e6, 1e9]),
        "critical": found.critical_batch([3.0, 2.5]),
        "steps_to": found.steps_to([3.5, 3.0, 0.1], 1e8, 1e6),
        "tokens_to": found.tokens_to([3.5, 3.0], 1e8, 1e6),
        "logged": logged,
        "logged_joint": house.joint(logged)[0].values,
        "logged_steps": attempt(lambda: house.unravel(logged)),
        "columns": attempt(lambda: house.unravel(curves.drop(columns="B"))),
    }
