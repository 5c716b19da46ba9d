"""The command line: exit code, what is on stdout and on stderr."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..house import cli, verb
from ..record import item, items, shared

D32 = [f"runs/curves/d32-{kind}.csv" for kind in ("constant", "cosine", "two-stage", "wsd-linear")]
LONG = "runs/curves/d32-long.csv"


@shared
def folder() -> Path:
    """Saved fits and tables that the lines name."""
    root = Path(tempfile.mkdtemp())
    tables.epoch()[["N", "D", "loss"]].to_csv(root / "epoch.csv", index=False)
    tables.made().rename(columns={"N": "size"}).to_csv(root / "made.csv", index=False)
    tables.fit_epoch().save(root / "epoch.json")
    tables.fit_own(32).save(root / "own.json")
    for name in ("de", "fr"):
        tables.fit_language(name).save(root / f"{name}.json")
    tables.fit_mixture("a").save(root / "mixture.json")
    tables.sweep("fineweb-edu-100b")[["N", "D", "loss"]].to_csv(root / "web.csv", index=False)
    tables.sweep("starcoder")[["N", "D", "loss"]].to_csv(root / "code.csv", index=False)
    tables.fit_sweep("fineweb-edu-100b").save(root / "web.json")
    house.relate(tables.fit_sweep("fineweb-edu-100b"), tables.sweep("starcoder")).save(root / "relation.json")
    (root / "pool.csv").write_text("size,N,D,price\nsmall,10M,1B,1\nwide,100M,1B,8\nlong,10M,20B,15\nlarge,300M,20B,400\n")
    (root / "target.csv").write_text("N,D\n7B,200B\n")
    (root / "bad.csv").write_text("step,loss\n1,2.0\n2,oops\n")
    (root / "bad_target.csv").write_text("N,D\n7B,many\n")
    (root / "schedules.csv").write_text(
        'run,schedule,hours\nlonger,"wsd:peak=8e-3,steps=4800,warmup=160",2\nflat,"constant:peak=8e-3,steps=4k,warmup=160",3\n'
    )
    N = np.geomspace(1e7, 1e9, 8)
    pd.DataFrame({"N": N, "D": 20 * N, "loss": 2 + 400 * N**-0.3}).to_csv(root / "line.csv", index=False)
    live = pd.read_csv(LONG)[["step", "lr", "val_loss"]]
    live.assign(val_loss=live["val_loss"].where(live["step"] <= 4800)).to_csv(root / "live.csv", index=False)
    tables.languages("de")[lambda r: (r["N"] == r["N"].min()) & (r["D"] == r["D"].min())].filter(regex="^r_|loss$").to_csv(
        root / "shares.csv", index=False
    )
    return root


def lines():
    """name -> words; F is the folder of what is saved."""
    return {
        "runs.json": ["runs", "runs", "--json"],
        "runs.text": ["runs", *D32],
        "runs.where": ["runs", "runs/surface", "--where", "n_params > 3e4", "--json"],
        "runs.loss": ["runs", LONG, "--loss", "train_loss", "-q"],
        "runs.none": ["runs"],
        "runs.missing": ["runs", "missing.csv"],
        "runs.bad": ["runs", "F/bad.csv", "--json"],
        "runs.map": ["runs", LONG, "--map", "step"],
        "runs.warmup": ["runs", LONG, "--warmup", "1.5"],
        "runs.map_other": ["runs", LONG, "--map", "loss=train_loss", "--json"],
        "fit.curves": ["fit", *D32, "--law", "multi_power_5"],
        "fit.curves_json": ["fit", *D32, "--law", "annealing:lam=0.99", "--where", "step > 800", "--json"],
        "fit.table": ["fit", "F/epoch.csv", "--law", "chinchilla"],
        "fit.table_json": ["fit", "F/epoch.csv", "--law", "chinchilla", "--objective", "squares", "--json"],
        "fit.map": [
            "fit",
            "F/made.csv",
            "--law",
            "chinchilla",
            "--map",
            "N=size",
            "--fixed",
            "alpha=0.34781",
            "--delta",
            "5e-3",
            "--seed",
            "3",
            "--json",
        ],
        "fit.strict": ["fit", "F/line.csv", "--law", "chinchilla", "--strict"],
        "fit.saved": ["fit", "F/epoch.csv", "--law", "kaplan", "-o", "F/out.json", "-q"],
        "fit.plot": ["fit", *D32, "--law", "multi_power_5", "--plot", "F/fit.svg", "-q", "--json"],
        "fit.shares": ["fit", "F/shares.csv", "--law", "mixture_exponential", "--json"],
        "fit.law": ["fit", "x.csv", "--law", "chinchila"],
        "fit.no_law": ["fit", "x.csv"],
        "fit.option": ["fit", "x.csv", "--law", "chinchilla", "--objectiv", "squares"],
        "fit.fixed": ["fit", "x.csv", "--law", "chinchilla", "--fixed", "alpha"],
        "fit.fixed_x": ["fit", "x.csv", "--law", "chinchilla", "--fixed", "alpha=x"],
        "fit.fixed_name": ["fit", "x.csv", "--law", "chinchilla", "--fixed", "alph=1"],
        "fit.delta": ["fit", "x.csv", "--law", "chinchilla", "--delta", "tiny"],
        "fit.bmp": ["fit", "x.csv", "--law", "chinchilla", "--plot", "x.bmp"],
        "fit.folder": ["fit", "x.csv", "--law", "chinchilla", "-o", "F/no/x.json"],
        "fit.verb": ["fitt", "x.csv"],
        "predict.inputs": ["predict", "F/epoch.json", "--N", "7B", "--D", "2T"],
        "predict.json": ["predict", "F/epoch.json", "--N", "7B", "--D", "2T", "--level", "0.5", "--json"],
        "predict.schedule": [
            "predict",
            "F/own.json",
            "--schedule",
            "wsd:peak=8e-3,warmup=160",
            "--steps",
            "9600",
            "--at",
            "4800",
            "--at",
            "9600",
            "--json",
        ],
        "predict.logs": ["predict", "F/own.json", LONG, "--level", "0.8"],
        "predict.at": ["predict", "F/own.json", LONG, "--at", "5001", "--json", "-o", "F/curve.csv"],
        "predict.table": ["predict", "F/epoch.json", "F/epoch.csv", "--json"],
        "predict.missing": ["predict", "missing.json", "--N", "1"],
        "predict.also": ["predict", "F/epoch.json", "--N", "7B"],
        "predict.levl": ["predict", "F/epoch.json", "--N", "7B", "--D", "2T", "--levl", "0.9"],
        "predict.many": ["predict", "F/epoch.json", "--N", "many", "--D", "2T"],
        "predict.nothing": ["predict", "F/epoch.json"],
        "predict.steps": ["predict", "F/epoch.json", "--N", "7B", "--D", "2T", "--steps", "5"],
        "predict.level": ["predict", "F/epoch.json", "--level", "90"],
        "predict.curve_inputs": ["predict", "F/own.json", "--N", "7B"],
        "predict.relation": ["predict", "F/relation.json", "--x", "2.7", "--json"],
        "predict.relation_rows": ["predict", "F/relation.json", "F/web.csv", "--json"],
        "predict.relation_y": ["predict", "F/relation.json", "--y", "2"],
        "predict.relation_low": ["predict", "F/relation.json", "--x", "0.1"],
        "predict.wdd": ["predict", "F/own.json", "--schedule", "wdd:peak=1,steps=3"],
        "predict.reference": ["predict", "F/own.json", LONG, "--reference", "runs"],
        "compare.json": ["compare", "F/epoch.csv", "--law", "chinchilla", "--law", "chinchilla_outer", "--json"],
        "compare.text": ["compare", *D32, "--law", "annealing", "--law", "multi_power_5", "--holdout", "schedule"],
        "compare.fraction": ["compare", "F/epoch.csv", "--law", "chinchilla", "--holdout", "0.4"],
        "compare.none": ["compare", "F/epoch.csv"],
        "plan.json": ["plan", "F/epoch.json", "--flops", "1e22", "--flops", "1e23", "--replicates", "20", "--json"],
        "plan.text": ["plan", "chinchilla/besiroglu2024", "--flops", "5.76e23", "--served", "10T"],
        "plan.loss": ["plan", "chinchilla/besiroglu2024", "--loss", "2.0", "--json"],
        "plan.N": ["plan", "chinchilla/besiroglu2024", "--N", "7B", "--json"],
        "plan.unique": ["plan", "data_constrained/muennighoff2023", "--flops", "1e22", "--unique", "25B", "--json"],
        "plan.input": [
            "plan",
            "precision/kumar2024",
            "--flops",
            "1e22",
            "--input",
            "P_w=8",
            "--input",
            "P_a=16",
            "--input",
            "P_kv=16",
            "--json",
        ],
        "plan.rates": [
            "plan",
            "chinchilla/besiroglu2024",
            "--flops",
            "1e22",
            "--rates",
            "li2025",
            "--shape",
            "d_model=2048,n_layer=24,vocab=50257,context=2048",
            "--json",
        ],
        "plan.no_shape": ["plan", "chinchilla/besiroglu2024", "--flops", "1e22", "--rates", "li2025"],
        "plan.shape": ["plan", "chinchilla/besiroglu2024", "--flops", "1e22", "--rates", "li2025", "--shape", "d=3"],
        "plan.bare": ["plan", "chinchilla", "--flops", "1e22"],
        "plan.flops": ["plan", "chinchilla/besiroglu2024", "--flops", "-1"],
        "plan.abc": ["plan", "chinchilla/besiroglu2024", "--flops", "abc"],
        "plan.level": ["plan", "chinchilla/besiroglu2024", "--flops", "1e22", "--level", "2"],
        "plan.served": ["plan", "chinchilla/besiroglu2024", "--flops", "1e22", "--served", "-1"],
        "plan.nothing": ["plan", "chinchilla/besiroglu2024"],
        "plan.reach": ["plan", "chinchilla/besiroglu2024", "--loss", "1.2"],
        "plan.missing": ["plan", "a/missing.json", "--flops", "1e20"],
        "plan.relation": ["plan", "F/relation.json", "--flops", "1e20"],
        "report.text": ["report", "F/own.json"],
        "report.json": ["report", "F/epoch.json", "--json"],
        "report.page": ["report", "F/epoch.json", "-o", "F/page.html", "--json"],
        "report.pdf": ["report", "F/epoch.json", "-o", "F/page.pdf"],
        "report.relation": ["report", "F/relation.json"],
        "laws": ["laws"],
        "laws.chinchilla": ["laws", "chinchilla"],
        "laws.json": ["laws", "multi_power", "--json"],
        "laws.all_json": ["laws", "--json"],
        "laws.misspelt": ["laws", "chinchila"],
        "version": ["--version"],
        # verbs that part
        "mix.json": verb("mix", "--mixture", "de=F/de.json", "--mixture", "fr=F/fr.json", "--N", "70k", "--D", "3M", "--json"),
        "mix.text": verb(
            "mix",
            "--mixture",
            "de=F/de.json",
            "--mixture",
            "fr=F/fr.json",
            "--N",
            "70k",
            "--D",
            "3M",
            "--cap",
            "fr=0.55",
            "--floor",
            "0.1",
        ),
        "mix.joint": verb("mix", "--mixture", "a=F/mixture.json", "--N", "1B", "--D", "10B", "--weight", "a=2", "--json"),
        "mix.worst": verb(
            "mix",
            "--mixture",
            "de=F/de.json",
            "--mixture",
            "fr=F/fr.json",
            "--N",
            "70k",
            "--D",
            "3M",
            "--objective",
            "worst",
            "--json",
        ),
        "mix.no_D": verb("mix", "--mixture", "de=F/de.json", "--mixture", "fr=F/fr.json", "--N", "70k"),
        "mix.level": verb("mix", "--mixture", "a=F/mixture.json", "--N", "1B", "--D", "10B", "--level", "2"),
        "mix.relation": verb("mix", "--mixture", "a=F/relation.json", "--N", "1B", "--D", "10B"),
        "next.json": verb(
            "next",
            "F/epoch.json",
            "--pool",
            "F/pool.csv",
            "--target",
            "F/target.csv",
            "--budget",
            "30",
            "--cost",
            "price",
            "--json",
        ),
        "next.text": verb("next", "chinchilla", "--pool", "F/pool.csv", "--target", "F/target.csv", "--budget", "1e20"),
        "next.curves": verb(
            "next",
            "F/own.json",
            "--pool",
            "F/schedules.csv",
            "--target",
            "wsd:peak=8e-3,steps=9600,warmup=160",
            "--budget",
            "4e12",
            "--json",
        ),
        "next.hours": verb(
            "next",
            "F/own.json",
            "--pool",
            "F/schedules.csv",
            "--target",
            "wsd:peak=8e-3,steps=9600,warmup=160",
            "--budget",
            "5",
            "--cost",
            "hours",
            "--branch",
        ),
        "next.target": verb("next", "F/epoch.json", "--pool", "F/pool.csv", "--target", "F/bad_target.csv", "--budget", "1e20"),
        "next.no_budget": verb("next", "F/epoch.json", "--pool", "F/pool.csv", "--target", "F/target.csv"),
        "next.wsdd": verb(
            "next", "F/own.json", "--pool", "wsdd:peak=8e-3,steps=4k", "--target", "wsd:peak=8e-3,steps=9600", "--budget", "9k"
        ),
        "search.wsd": verb(
            "search", "F/own.json", "--schedule", "wsd", "--steps", "4800", "--warmup", "160", "--json", "-o", "F/best.csv"
        ),
        "search.free": verb(
            "search", "F/own.json", "--schedule", "free", "--steps", "2400", "--warmup", "160", "--lowest", "0.1"
        ),
        "search.peak": verb("search", "multi_power/luo2025_25M", "--schedule", "wsd", "--steps", "3k"),
        "search.steps": verb("search", "F/own.json", "--schedule", "free"),
        "search.then": ["predict", "F/own.json", "--schedule", "F/best.csv", "--json"],
        "forecast.json": verb("forecast", "F/live.csv", "--at-end", "--json"),
        "forecast.text": verb("forecast", "F/live.csv", "--at-end", "--reference", "runs/curves/d24-long.csv"),
        "forecast.level": verb(
            "forecast",
            "F/live.csv",
            "--at-end",
            "--level",
            "0.5",
            "--schedule",
            "wsd:peak=8e-3,steps=9600,warmup=160,shape=1-sqrt,final=0.1",
            "--json",
            "-o",
            "F/ahead.csv",
        ),
        "forecast.over": verb("forecast", LONG, "--at-end"),
        "forecast.shared": ["predict", "F/own.json", "F/live.csv", "--json"],
        "relate.json": verb("relate", "--source", "F/web.json", "--target", "F/code.csv", "--json"),
        "relate.text": verb("relate", "--source", "F/web.csv", "--target", "F/code.csv"),
        "relate.saved": verb("relate", "--source", "F/web.json", "--target", "F/code.csv", "-o", "F/again.json", "-q"),
        "relate.half": verb("relate", "--source", "F/web.json"),
    }


@items("cli", {name: (name,) for name in lines()})
def _line(name):
    root = str(folder())
    return cli(*(word.replace("F/", root + "/") for word in lines()[name]))


SWEEPS = ("schedules", "surface", "batches", "rates", "widths", "corpora", "languages", "encoders", "rounding")


@items("cli_sweep", {name: (name,) for name in SWEEPS})
def _sweep(name):
    """What a sweep would do; how long depends on the machine."""
    found = cli("sweep", f"runs/{name}.toml", tempfile.mkdtemp(), "--dry-run", "--json")
    if isinstance(found["out"], dict):
        found["out"]["total"].pop("core_hours")
        found["out"]["runs"] = pd.DataFrame(found["out"]["runs"]).drop(columns="seconds")
    return found


@item("cli_train")
def _train():
    """A few updates of a tiny model: its curve, and what is recorded that does not depend on the machine."""
    root = Path(tempfile.mkdtemp())
    words = [
        "--schedule",
        "wsd:peak=8e-3,steps=12,warmup=3",
        "--d-model",
        "8",
        "--n-layer",
        "1",
        "--n-head",
        "1",
        "--context",
        "16",
        "--batch",
        "2",
        "--eval-every",
        "4",
        "--eval-tokens",
        "64",
        "--val-tokens",
        "64",
        "--name",
        "tiny",
    ]
    found = cli("train", root, *words, "--json")
    unsteady = (
        "elapsed_s",
        "torch",
        "python",
        "numpy",
        "threads",
        "device",
        "corpus_sha256",
        "train_bytes",
        "validation_bytes",
        "command",
    )
    record = {k: v for k, v in found["out"].items() if k not in unsteady} if isinstance(found["out"], dict) else found["out"]
    return {"code": found["code"], "record": record, "err": found["err"], "runs": scaling.read(root).frame}


@item("cli_saved_files")
def _files():
    """Tables that the verbs write, after the verbs have run."""
    root = folder()
    for name in ("search.wsd", "predict.at", "forecast.level"):
        _line(name)
    return {name: pd.read_csv(root / name) for name in ("best.csv", "curve.csv", "ahead.csv")}


@items("cli_options", {v: (v,) for v in ("runs", "fit", "predict", "compare", "laws", "report", "sweep", "train")})
def _options(name):
    """The options that a verb offers."""
    words = " ".join(cli(name, "--help")["out"]).replace("│", " ").split()
    return sorted({w.strip(",.;:()'`*") for w in words if w.startswith("--") and len(w) > 2})


@item("public_names")
def _public():
    return [name for name in dir(scaling) if not name.startswith("_") and name in scaling.__all__]
