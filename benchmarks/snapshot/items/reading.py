"""What logs, schedules and tables are read as; what N, D and C mean."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..record import attempt, item, items


def runs_of(found):
    """Everything of Runs, in numbers."""
    return {
        "names": list(found.names),
        "table": found.table(),
        "notes": list(found.notes),
        "frame": summary(found.frame),
        "facts": found.facts,
    }


def summary(frame):
    """Columns, rows and the sums and ends of columns of numbers."""
    numbers = frame.select_dtypes("number")
    return {
        "columns": list(frame),
        "rows": len(frame),
        "sum": numbers.sum(),
        "first": numbers.iloc[0],
        "last": numbers.iloc[-1],
    }


OWN = ("surface", "batches", "rates", "widths", "corpora", "languages", "encoders", "rounding", ".")


@items("runs", {("curves" if name == "." else name): (name,) for name in OWN})
def _own(name):
    found = scaling.read(tables.RUNS / name)
    short = {
        "table": found.table(),
        "notes": list(found.notes),
        "frame": summary(found.frame),
        "facts": summary(found.facts.reset_index()),
    }
    return {**short, "columns": list(found.facts), "joined": list(found.joined())}


@item("log_cases")
def _cases():
    """Logs as others write them: what is read, or what is said."""
    root = tables.data_root() / "log_cases"
    return {p.name: attempt(lambda p=p: runs_of(scaling.read(p))) for p in sorted(root.iterdir()) if p.name != "README.md"}


@item("fit_cases")
def _fit_cases():
    root = tables.data_root() / "fit_cases"
    names = [
        p
        for p in sorted(root.glob("*.csv"))
        if p.name.startswith(("lo", "li", "l", "c")) and not p.name.startswith("log_step_1e15")
    ]
    return {p.name: attempt(lambda p=p: runs_of(scaling.read(p))) for p in names}


@item("runs_made")
def _made():
    steps = np.arange(100, 2001, 100)
    frame = pd.DataFrame({"_step": steps, "train/loss": 5 - np.log(steps) / 3, "learning_rate": np.full(20, 3e-4)})
    plain = frame.rename(columns={"_step": "step", "train/loss": "loss", "learning_rate": "lr"})
    read = scaling.Runs.from_frame
    two = pd.concat([plain.assign(run="a", n_params=1e6), plain.assign(run="b", n_params=2e6)])
    runs = read(two)
    return {
        "aliases": runs_of(read(frame)),
        "warmup": repr(read(plain, warmup=50).schedules["run"]) if "run" in read(plain).names else list(read(plain).names),
        "two": runs_of(runs),
        "select": runs_of(runs.select("n_params > 1.5e6 and step > 500")),
        "item": attempt(lambda: runs_of(runs["a"])),
        "schedule": {k: [repr(v), v.notes] for k, v in runs.schedules.items()},
        "text": {k: repr(v) for k, v in read(plain.drop(columns="lr"), schedule="wsd:peak=3e-4,steps=2k").schedules.items()},
        "kept": attempt(lambda: house.kept(runs).table()),
        "facts": runs_of(runs.with_facts(runs.facts.assign(seed=[1, 2]))),
        "repr": repr(runs).splitlines(),
        "len": len(runs),
    }


@item("formats")
def _formats():
    root = tables.data_root()
    read = {
        "ladder": lambda: house.formats.ladder(root / "OLMo-ladder/ladder-runs", reruns=True),
        "ladder_all": lambda: house.formats.ladder(root / "OLMo-ladder/ladder-runs", last=None),
        "loss_to_loss": lambda: house.formats.loss_to_loss(root / "loss-to-loss-notebooks/data/sweep.csv"),
        "over_training": lambda: house.formats.over_training(root / "scaling/exp_data"),
        "mt_scaling": lambda: house.formats.mt_scaling(root / "mt-scaling/summaries/data_scaling.0126.summary"),
        "chinchilla": lambda: house.formats.chinchilla_figure(root / "analyzing-chinchilla/data/svg_extracted_data.csv"),
        "critical_batch": tables.batches,
        "isoflops": tables.llama,
        "regmix": lambda: house.formats.regmix(root / "regmix/data", "test"),
        "slimpajama": lambda: house.formats.slimpajama_mixtures(
            root / "data-mixtures/dmsl_llm_slimpajama.csv", paper_rows=False
        ),
        "mixtures": lambda: house.formats.scalebench_mixtures(tables.parquet("domain_mixture")),
        **{
            task: (lambda t=task: tables.scalebench(t))
            for task in ("farseer", "data_constrained", "lr_bsz", "moe", "parallel", "sparsity", "vocab")
        },
    }
    found = {k: {**summary(frame := make()), "note": frame.attrs.get("note")} for k, make in read.items()}
    wrong = [
        lambda: house.formats.isoflops(root / "isoflops/llama_3/isoflops.csv", "x"),
        lambda: house.formats.regmix(root, "train"),
        lambda: house.formats.scalebench(tables.parquet("domain_mixture")),
        lambda: house.formats.mt_scaling(root / "mt-scaling"),
        lambda: house.formats.over_training(root / "scaling/exp_data", loss="wiki"),
    ]
    return {**found, "wrong": [attempt(f) for f in wrong]}


TEXTS = [
    "constant:peak=3e-4,steps=1000,warmup=100",
    "cosine:peak=3e-4,steps=1k,warmup=100,final=0.1",
    "cosine:peak=3e-4,steps=1k,warmup=100,horizon=2k",
    "linear:peak=1,steps=500,warmup=50",
    "wsd:peak=3e-4,steps=1k,warmup=100",
    "wsd:peak=3e-4,steps=1k,warmup=100,decay=0.3,shape=1-sqrt,final=0.1",
    "wsd:peak=3e-4,steps=1k,warmup=100,decay=200,shape=exponential,final=0.05",
    "two_stage:peak=3e-4,steps=1k,warmup=100,switch=500,then=3e-5",
    "multi_step:peak=1,steps=900,milestones=300/600,factors=0.5/0.1",
    "wsd:peak=1,steps=100,warmup=20,warmup_form=cosine,warmup_init=0.1",
    "table:steps=100,at=0/50/99,rates=1e-3/1e-3/1e-4",
    "cyclic:peak=1,steps=400,cycle=100",
    "inverse_sqrt:peak=1,steps=400,warmup=40",
    "power:peak=1,steps=400",
    "wsd_s:peak=1,steps=90,periods=30/30/30",
    "polynomial:peak=1,steps=100,power=2",
]


@item("schedules")
def _schedules():
    found = {"shapes": sorted(house.SHAPES), "decays": sorted(house.DECAYS), "warmups": sorted(house.WARMUPS)}
    for text in TEXTS:
        found[text.replace(".", ",")] = attempt(lambda t=text: schedule_of(scaling.schedule(t)))
    for name in sorted(house.SHAPES):
        found[f"bare_{name}"] = attempt(lambda n=name: schedule_of(scaling.schedule(f"{n}:peak=1e-3,steps=300,warmup=30")))
    found["array"] = schedule_of(scaling.schedule([1e-3] * 5 + [5e-4] * 5, first=0))
    found["settings"] = repr(scaling.schedule("cosine", peak=3e-4, steps=24_000))
    rows = scaling.schedule("constant:peak=1,steps=5").from_rows(
        np.arange(10, 210, 10), np.where(np.arange(10, 210, 10) < 100, 1.0, 0.3)
    )
    found["rows"] = {**schedule_of(rows), "notes": rows.notes}
    return found


def schedule_of(s):
    blocks = s.blocks(16)
    return {
        "rates": s.rates,
        "text": s.text,
        "first": s.first,
        "last": s.last,
        "peak": s.peak,
        "warmup": s.warmup,
        "area": float(s.area[-1]),
        "drops": [float(s.drops().sum()), float(np.abs(s.drops(True)).sum())],
        "blocks": [len(blocks.drop), float(blocks.log_rate.sum())],
        "repr": repr(s),
    }


@item("drops")
def _drops():
    plan = scaling.schedule("wsd:peak=3e-3,steps=2000,warmup=100,decay=0.3,final=0.1")
    found = {}
    for block in (1, 64):
        made = house.RateDrops.before(np.array([150, 1500, 2000]), plan, block=block, warmup_in_ld=False, lr_floor=1e-3)
        found[block] = {k: getattr(made, k) for k in ("d", "eta", "S", "count", "peak", "span")} | {
            "size": made.size,
            "sum": made.sum(lambda d, eta, S: d * np.log1p(S)),
        }
    return found


@item("counting")
def _counting():
    small = house.Shape(d_model=768, n_layer=12, vocab=50432, context=2048, n_head=12)
    gated = house.Shape(d_model=512, n_layer=8, d_ff=1536, gated=True)
    tied = house.Shape(24, 2, vocab=256, context=64, tied=True)
    table = pd.DataFrame({"d_model": [768, 1024], "n_layer": [12, 24], "vocab": 50432, "context": 2048, "loss": [3.0, 2.8]})
    table["N"] = [
        house.parameters(house.Shape(d, n, 50432, 2048), "total") for d, n in zip(table.d_model, table.n_layer, strict=True)
    ]
    blocks = house.recounted(table.assign(params_counted="total"), "non_embedding")
    flops = table.assign(flops=6e9 * table["N"], flops_counted="6ND")
    N = house.parameters(small, "total")
    return {
        "parameters": {k: house.parameters(small, k) for k in sorted(house.PARAMETERS)},
        "tied": house.parameters(tied, "total"),
        "gated": house.parameters(gated, "non_embedding"),
        "flops": {k: house.flops_per_token(small, k) for k in sorted(house.FLOPS)},
        "ff": [small.ff, gated.ff, small.attn, small.blocks],
        "compute": house.compute(6_889_410_560, np.array([137_788_211_200])),
        "convert": [house.convert_parameters(N, small, given="total", wanted=k) for k in sorted(house.PARAMETERS)],
        "grown": house.grown(small, 1e9, "total"),
        "named": [house.named_in(t) for t in ("N = total parameters", "non-embedding N", "?", "6ND")],
        "blocks": blocks,
        "back": house.recounted(blocks, "total"),
        "flop_table": house.recounted(flops, "deepseek", "FLOP"),
        "counted": [house.counted(table), house.counted(blocks), house.counted(scaling.read(tables.RUNS / "surface").facts)],
        "wrong": [
            attempt(f)
            for f in (
                lambda: house.parameters(small, "all"),
                lambda: house.parameters(house.Shape(768, 12), "total"),
                lambda: house.Shape(0, 2),
                lambda: house.convert_parameters(1e8, None, given="total", wanted="non_embedding"),
                lambda: house.convert_parameters(85e6, small, given="total", wanted="non_embedding"),
                lambda: house.recounted(table, "total"),
                lambda: house.counted(table.assign(params_counted="mine")),
                lambda: house.counted(pd.concat([table.assign(params_counted="total"), blocks])),
                lambda: house.recounted(blocks[["N", "params_counted"]], "total"),
                lambda: house.flops_per_token(small, "mine"),
            )
        ],
    }


@item("schedule_files")
def _files():
    folder = Path(tempfile.mkdtemp())
    plan = scaling.schedule("wsd:peak=1e-3,steps=50,warmup=5")
    pd.DataFrame({"step": np.arange(1, 51), "lr": plan.rates}).to_csv(folder / "best.csv", index=False)
    found = {"rates": scaling.schedule(str(folder / "best.csv")).rates}
    for name, text in {
        "rate": "step,rate\n1,2\n",
        "word": "step,lr\n1,a\n",
        "order": "step,lr\n2,1\n1,1\n",
        "empty": "",
    }.items():
        (folder / f"{name}.csv").write_text(text)
        found[name] = attempt(lambda n=name: scaling.schedule(str(folder / f"{n}.csv")))
    return found
