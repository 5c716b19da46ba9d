"""What a user is told who errs: class and text of every error."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..record import attempt, item, items, shared

made = tables.made


def fit(change=lambda d: d, law="chinchilla", **options):
    return lambda: scaling.fit(change(made()), law, **options)


def plan(**asked):
    return lambda: scaling.plan("chinchilla/besiroglu2024", **asked)


ASKED = {
    # laws
    "law.misspelt": fit(law="chinchila"),
    "law.convention": fit(law="annealing:lm=0.9"),
    "law.type": fit(law=3),
    "law.key": lambda: scaling.laws["chinchila"],
    "law.using": lambda: scaling.laws["annealing"].using(lm=0.9),
    "law.parameter": lambda: scaling.laws["chinchilla"].tie(bta="alpha"),
    "law.domains": lambda: scaling.laws["mixture_additive"].using(domains="web/web"),
    "law.tie_unknown": lambda: scaling.laws["chinchilla"].tie(beta="alhpa"),
    "law.tie_circle": lambda: scaling.laws["chinchilla"].tie(beta="alpha", alpha="beta"),
    "law.tie_code": lambda: scaling.laws["chinchilla"].tie(beta="__import__('os')"),
    "law.tie_half": lambda: scaling.laws["chinchilla"].tie(beta="alpha +"),
    "law.no_inputs": lambda: scaling.law("x")(lambda *, E=1.0: E),
    "law.no_params": lambda: scaling.law("x")(lambda x: x),
    "law.constants": lambda: house.constants("chinchilla/x"),
    "law.no_constants": lambda: house.constants("kaplan_offset/x"),
    "law.attribute": lambda: scaling.nothing,
    # data of a fit
    "fit.few": fit(lambda d: d.head(5)),
    "fit.one_size": fit(lambda d: d.assign(N=1e8)),
    "fit.negative": fit(lambda d: d.assign(loss=d["loss"].where(d.index != 7, -1.0))),
    "fit.zero": fit(lambda d: d.assign(D=0.0)),
    "fit.words": fit(lambda d: d.assign(N=d["N"].astype(str))),
    "fit.missing": fit(lambda d: d.drop(columns="D")),
    "fit.no_loss": fit(lambda d: d.drop(columns="loss")),
    "fit.infinite": fit(lambda d: d.assign(loss=np.inf)),
    "fit.nan": fit(lambda d: d.assign(loss=np.nan)),
    "fit.empty": fit(lambda d: d.head(0)),
    "fit.type": lambda: scaling.fit(3, "chinchilla"),
    "fit.path": lambda: scaling.fit("runs.csv", "chinchilla"),
    "fit.loss_se": fit(lambda d: d.assign(loss_se=np.inf)),
    "fit.weight": fit(lambda d: d.assign(weight=-1.0)),
    "fit.counts": fit(lambda d: d.assign(params_counted=["total", "non_embedding"] * 60)),
    "fit.curve_columns": fit(law="multi_power_5"),
    "fit.share": lambda: scaling.fit(tables.languages("de").assign(p=0.0), "multilingual"),
    "fit.shares": lambda: scaling.fit(tables.fit_mixture("a").data.assign(h_a=0.9), "mixture_additive"),
    "fit.peaks": lambda: scaling.fit(tables.own(32, "short"), "multi_power_5:block=0"),
    "fit.two_peaks": lambda: scaling.fit(scaling.read(tables.RUNS / "rates"), "multi_power_5"),
    # options of a fit
    "fit.objective": fit(objective="l2"),
    "fit.delta": fit(delta=-1.0),
    "fit.delta_word": fit(delta="med"),
    "fit.fixed_name": fit(fixed={"alph": 0.3}),
    "fit.fixed_value": fit(fixed={"alpha": -0.3}),
    "fit.fixed_type": fit(fixed={"alpha": "x"}),
    "fit.fixed_all": fit(fixed=dict.fromkeys(("E", "A", "B", "alpha", "beta"), 0.5)),
    "fit.params": fit(params={"alpha": 0.3}),
    "fit.seed": fit(seed=-1),
    "fit.where": fit(where="N >"),
    "fit.where_none": fit(where="N < 0"),
    "fit.where_column": fit(where="size > 3"),
    "fit.min_step": fit(min_step=5),
    "fit.top_budgets": fit(top_budgets=0),
    "fit.stranger": lambda: scaling.fit(made(), "chinchilla", params=stranger()),
    # questions to a fit
    "ask.interval": lambda: tables.fit_made().predict(made(), interval="bayes"),
    "ask.level": lambda: tables.fit_made().predict(made(), level=90),
    "ask.column": lambda: tables.fit_made().predict({"N": [1e9]}),
    "ask.words": lambda: tables.fit_made().predict({"N": ["7B"], "D": [1e10]}),
    "ask.type": lambda: tables.fit_made().predict(3),
    "ask.profile": lambda: tables.fit_made().profile("gamma"),
    "ask.profile_huber": lambda: tables.fit_epoch().predict({"N": [1e9], "D": [1e10]}, interval="profile"),
    "ask.bootstrap": lambda: tables.fit_made().bootstrap(0),
    "ask.by": lambda: tables.fit_made().bootstrap(5, by="week"),
    "ask.block": lambda: tables.fit_made().bootstrap(5, by="block"),
    "ask.schedule": lambda: tables.fit_own().predict("wdd:peak=1,steps=3"),
    "ask.steps": lambda: tables.fit_own().predict("wsd:peak=8e-3,steps=100", steps=["a"]),
    "ask.steps_beyond": lambda: tables.fit_own().predict("wsd:peak=8e-3,steps=100", steps=[200]),
    "ask.eval": lambda: tables.fit_made().eval(n=np.array([1.0])),
    "ask.conf": lambda: tables.fit_made().conf_interval(["alhpa"]),
    "ask.drift": lambda: tables.fit_made().drift((2.0,)),
    "ask.eval_list": lambda: tables.fit_made().eval(N=[1e9], D=[1e10]),
    "ask.other_x": lambda: scaling.fit(tables.bend(), "power_law_offset").predict({"x": [1e7]}),
    # judging
    "compare.none": lambda: scaling.compare(made(), []),
    "compare.twice": lambda: scaling.compare(made(), ["chinchilla", "chinchilla"]),
    "compare.holdout": lambda: scaling.compare(made(), "chinchilla", 1.5),
    "compare.column": lambda: scaling.compare(made(), "chinchilla", "tokns"),
    "compare.list": lambda: scaling.compare(made(), "chinchilla", [1]),
    "compare.curves": lambda: scaling.compare(made(), ["annealing"]),
    "compare.misspelt": lambda: scaling.compare(made(), ["chinchila"]),
    "compare.orders": lambda: scaling.compare(tables.bend(), ["power_law", "m4:x=x"]),
    "backtest.fractions": lambda: scaling.backtest(made(), "chinchilla", fractions=[]),
    "backtest.two": lambda: scaling.backtest(made(), "chinchilla", fractions=[2.0]),
    "backtest.level": lambda: scaling.backtest(made(), "chinchilla", level=90),
    "backtest.interval": lambda: scaling.backtest(made(), "chinchilla", interval="bootstrap"),
    "backtest.by": lambda: scaling.backtest(made(), "chinchilla", by="colour"),
    "backtest.order": lambda: scaling.backtest(tables.gadre("rpj"), "over_training"),
    "backtest.horizons": lambda: scaling.backtest(made(), "chinchilla").metrics(horizons=5),
    # plans
    "plan.nothing": plan(),
    "plan.both": plan(flops=1e22, loss=2.0),
    "plan.three": plan(flops=1e22, N=1e9, D=1e10),
    "plan.negative": plan(flops=-1.0),
    "plan.word": plan(flops="a"),
    "plan.none": plan(flops=[]),
    "plan.nan": plan(flops=[1e22, np.nan]),
    "plan.infinite": plan(flops=1e22, N=np.inf),
    "plan.far": plan(flops=1e22, D=1e30),
    "plan.served": plan(flops=1e22, served=-1),
    "plan.level": plan(flops=1e22, level=1.0),
    "plan.replicates": plan(flops=1e22, replicates=2.5),
    "plan.seed": plan(flops=1e22, seed=-1),
    "plan.inputs": plan(flops=1e22, inputs=[]),
    "plan.counts": plan(flops=1e22, counts="all"),
    "plan.counts_other": plan(flops=1e22, counts="non_embedding"),
    "plan.shape": plan(flops=1e22, rates="li2025", shape="big"),
    "plan.rates": plan(flops=1e22, rates="li2025"),
    "plan.rates_unknown": plan(flops=1e22, rates="none"),
    "plan.reach": plan(loss=1.5),
    "plan.easy": plan(loss=1000.0),
    "plan.small": plan(flops=1e-3),
    "plan.N": plan(N=1.0),
    "plan.D": plan(D=1e30),
    "plan.given": plan(flops=1e22, inputs={"N": 8}),
    "plan.unique": plan(flops=1e22, unique=1e9),
    "plan.no_unique": lambda: scaling.plan("data_constrained/muennighoff2023", 1e22),
    "plan.law": lambda: scaling.plan("annealing/example_refit", 1e22),
    "plan.preset": lambda: scaling.plan("chinchilla/besiroglu", 1e22),
    "plan.type": lambda: scaling.plan(3, 1e22),
    "plan.bare": lambda: scaling.plan("chinchilla", 1e22),
    "plan.flat": lambda: scaling.plan("lr_batch/li2025", 1e22),
    # running jobs
    "forecast.none": lambda: scaling.forecast(None),
    "forecast.path": lambda: scaling.forecast("live.csv"),
    "forecast.references": lambda: scaling.forecast(tables.job(2000), 3),
    "forecast.level": lambda: scaling.forecast(tables.job(2000), level=90),
    "forecast.over": lambda: scaling.forecast(tables.job(4000)),
    "forecast.short": lambda: scaling.forecast(tables.job(400)),
    "forecast.many": lambda: scaling.forecast(tables.own(32, "short")),
    "forecast.unknown": lambda: scaling.forecast(pd.DataFrame({"step": range(1, 30), "loss": np.linspace(3, 2, 29)})),
    # saved files
    "load.none": lambda: scaling.load("nothing.json"),
    "load.words": lambda: scaling.load(written("a.json", "{}")),
    "load.broken": lambda: scaling.load(written("b.json", "{")),
    "load.schema": lambda: scaling.load(written("c.json", '{"schema": 99, "kind": "fit"}')),
    "load.relation": lambda: scaling.load(written("d.json", '{"schema": 1, "kind": "relation", "values": {}}')),
    "load.csv": lambda: scaling.load("runs/runs.csv"),
    "save.folder": lambda: tables.fit_bend().save("nowhere/at/all/x.json"),
    # logs
    "read.none": lambda: scaling.read([]),
    "read.type": lambda: scaling.read(3),
    "read.missing": lambda: scaling.read("nothing.csv"),
    "read.glob": lambda: scaling.read("*.nothing"),
    "read.empty": lambda: scaling.read(tempfile.mkdtemp()),
    "read.columns": lambda: scaling.read("runs/surface", columns={"stp": "step"}),
    "read.column": lambda: scaling.read("runs/surface", columns={"step": "Step"}),
    "read.loss": lambda: scaling.read("runs/surface", loss="los"),
    "read.facts": lambda: scaling.read("runs/surface", facts={"b": {"n_params": 1}}),
    "read.facts_mixed": lambda: scaling.read("runs/surface", facts={"d16-400steps": {"n_params": 1}, "seed": 1}),
    "read.schedule": lambda: scaling.read("runs/surface", schedule={"b": "constant:peak=1,steps=9"}),
    "read.frame": lambda: scaling.Runs.from_frame(pd.DataFrame({"step": [], "loss": []})),
    "read.frame_inf": lambda: scaling.Runs.from_frame(pd.DataFrame({"step": [1, 2], "loss": [3.0, np.inf]})),
    "read.frame_twice": lambda: scaling.Runs.from_frame(pd.DataFrame({"step": [2, 2], "loss": [3.0, 2.0]}, index=[3, 7])),
    "read.frame_columns": lambda: scaling.Runs.from_frame(pd.DataFrame({"a": [2, 2]})),
    "runs.item": lambda: tables.own(32, "short")["nobody"],
    "runs.select": lambda: tables.own(32, "short").select("colour == 3"),
    "runs.select_none": lambda: tables.own(32, "short").select("step < 0"),
    # made-up rows
    "synthetic.noise": lambda: house.synthetic.runs_of(
        "chinchilla", {"E": 1.0, "A": 1.0, "B": 1.0, "alpha": 0.3, "beta": 0.3}, 5, noise="pink"
    ),
    "synthetic.values": lambda: house.synthetic.runs_of("chinchilla", {"E": 1.0}, 5),
    # the next runs, mixtures
    "next.budget": lambda: following(budget=0.0),
    "next.cheap": lambda: following(budget=1.0),
    "next.word": lambda: following(budget="much"),
    "next.pool": lambda: following(pool=None),
    "next.target": lambda: following(target=tables.made()[["N"]]),
    "next.cost": lambda: following(cost="price"),
    "next.costs": lambda: following(cost=[1.0, 2.0]),
    "next.negative": lambda: following(cost=-1.0),
    "next.exponent": lambda: following(cost_exponent=-1.0),
    "next.criterion": lambda: following(criterion="A"),
    "next.law": lambda: following(law="chinchila"),
    "mix.none": lambda: house.whole_shares({}),
    "mix.level": lambda: house.whole_shares({"a": tables.fit_mixture("a")}, level=95),
    "mix.inputs": lambda: house.whole_shares({"a": tables.fit_mixture("a")}),
    "mix.law": lambda: house.whole_shares({"a": tables.fit_made()}, N=1e9, D=1e10),
    "mix.own": lambda: house.own_shares({"a": tables.fit_mixture("a")}, N=1e9, D=1e10),
    "mix.empty": lambda: house.own_shares({}, N=1e9, D=1e11),
    "schedule.type": lambda: house.best_schedule(3, 1000),
    "schedule.kind": lambda: house.best_schedule("multi_power/luo2025_25M", 1000, peak=1e-3, kind="tree"),
    "schedule.short": lambda: house.best_schedule("multi_power/luo2025_25M", 10, peak=1e-3),
    "schedule.lowest": lambda: house.best_schedule("multi_power/luo2025_25M", 1000, peak=1e-3, lowest=0.0),
}


def following(**change):
    rows = made()[["N", "D"]]
    return house.plan_next(
        **{"law": "chinchilla", "pool": rows.iloc[:20], "target": rows.iloc[20:22], "budget": 1e22, **change}
    )


def stranger():
    params = tables.tied("chinchilla")
    params.add("gamma", value=1.0)
    return params


@shared
def scratch():
    return Path(tempfile.mkdtemp())


def written(name, text):
    path = scratch() / name
    path.write_text(text)
    return path


@items("said", {name: (name,) for name in ASKED})
def _said(name):
    """What is said, or what comes of it where nothing is refused."""
    found = attempt(ASKED[name])
    if isinstance(found, str):
        return found
    return f"no error: {type(found).__name__}"


SCHEDULES = [
    "cosin:peak=1,steps=10",
    "wsd:peak=1,steps=10,decya=0.1",
    "wsd:peak=1",
    "wsd:peak=1,steps=10,shape=sqrt",
    "wsd:peak=1,steps=100,warmup=90",
    "wsd:peak=1,steps=100,shape=exponential",
    "cosine:peak=1,steps=10.5",
    "cosine:peak=-1,steps=10",
    "cosine:peak=abc,steps=10",
    "cosine:peak=1,steps=10,final=3",
    "cosine:peak=1,steps=10,peak=2",
    "cosine:1",
    "cosine:peak=1,steps=10,warmup=10",
    "multi_step:peak=1,steps=9,milestones=1/2/3,factors=1/2",
    "wsd_s:peak=1,steps=9,periods=3/3",
    "constant:peak=1,steps=0",
    "table:best.csv",
    "table:best",
    "nothing.csv",
]


@item("said_of_schedules")
def _schedules():
    plain = scaling.schedule([1.0, 1.0])
    return {
        **{text.replace(".", ","): attempt(lambda t=text: scaling.schedule(t)) for text in SCHEDULES},
        "nan": attempt(lambda: scaling.schedule([1.0, np.nan])),
        "square": attempt(lambda: scaling.schedule(np.ones((2, 2)))),
        "order": attempt(lambda: plain.from_rows([1, 3, 2], [1, 1, 1])),
        "index": attempt(lambda: plain.index([1, 0])),
        "settings": attempt(lambda: scaling.schedule([1.0], peak=3)),
        "block": attempt(lambda: plain.blocks(0)),
    }


FILES = {
    "word": "step,loss\n1,2.0\n2,oops\n",
    "header": "1,2\n3,4\n",
    "quote": 'step,loss\n1,"3.5\n2,3.4\n',
    "no_loss": "step,loss\n1,\n2,\n",
    "run": "run,step,loss\n,1,4\n",
    "no_step": "a,b\n1,2\n",
    "twice": "step,loss\n1,2\n1,3\n",
    "negative": "step,loss\n1,-2\n2,1\n",
    "empty": "",
    "two_losses": "step,eval/a/loss,eval/b/loss\n1,2,3\n",
    "wide": "step,loss\n1,2,3\n",
    "steps": "step,loss\n1.5,2\n2,3\n",
    "backwards": "step,loss\n5,2\n3,3\n",
    "rates": "step,lr\n1,1e-3\n2,1e-3\n",
    "percent": "step,lr,loss\n1,-3e-4,2\n2,3e-4,3\n",
    "comment": "# made by hand\nstep,loss\n1,3\n2,2\n",
    "again": "step,loss\n1,3\nstep,loss\n2,2\n",
}


@items("said_of_files", {name: (name,) for name in FILES})
def _files(name):
    found = attempt(lambda: scaling.read(written(f"{name}.csv", FILES[name])))
    return found if isinstance(found, str) else {"table": found.table(), "notes": list(found.notes)}
