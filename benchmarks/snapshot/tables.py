"""Public data, the curves of this project and made-up rows, as the tables that items fit; and the fits that several share."""

from __future__ import annotations

import os
from pathlib import Path

import lmfit
import numpy as np
import pandas as pd

import scaling

from . import house
from .record import shared

RUNS = Path("runs")
LANGUAGES = ["en", "de", "fr", "ru"]
TRAIN = ["cosine_24000", "constant_24000", "wsdcon_9"]
TEST = ["constant_72000", "cosine_72000", "wsd_20000_24000", "wsdld_20000_24000", "wsdcon_3", "wsdcon_18"]
PLAN = "wsd:peak=3e-4,steps=4000,warmup=200,decay=0.2,shape=linear,final=0.1"


def data_root() -> Path:
    """Folder of the public data: SCALING_DATA, else ../shared/data beside the tree or one further up."""
    here = Path.cwd()
    named = [Path(os.environ["SCALING_DATA"])] if "SCALING_DATA" in os.environ else []
    return next(p for p in (*named, here.parent / "shared/data", here.parent.parent / "shared/data") if p.is_dir())


def parquet(task: str) -> Path:
    (path,) = (data_root() / f"scalebench/{task}_scaling_law").glob("train-*.parquet")
    return path


@shared
def epoch() -> pd.DataFrame:
    """The 240 points of Hoffmann et al.'s figure."""
    rows = house.formats.chinchilla_figure(data_root() / "analyzing-chinchilla/data/svg_extracted_data.csv")
    return rows[rows["loss"] < sorted(rows["loss"])[-5]].reset_index(drop=True)


@shared
def llama() -> pd.DataFrame:
    return house.formats.isoflops(data_root() / "isoflops/llama_3/isoflops.csv", "exp_loss")


@shared
def gadre(data: str) -> pd.DataFrame:
    rows = house.formats.over_training(data_root() / "scaling/exp_data")
    return rows[rows["data"] == data].reset_index(drop=True)


@shared
def gordon(pair: str) -> pd.DataFrame:
    rows = house.formats.mt_scaling(data_root() / "mt-scaling/summaries/data_scaling.0126.summary")
    return rows[(rows["pair"] == pair) & (rows["D"] > 5242880)].reset_index(drop=True)


@shared
def ladder(loss: str = "c4_en") -> pd.DataFrame:
    return house.formats.ladder(data_root() / "OLMo-ladder/ladder-runs", loss)


@shared
def sweep(data: str) -> pd.DataFrame:
    rows = house.formats.loss_to_loss(data_root() / "loss-to-loss-notebooks/data/sweep.csv")
    return rows[rows["data"] == data].reset_index(drop=True)


@shared
def slimpajama(target: str) -> pd.DataFrame:
    rows = house.formats.slimpajama_mixtures(data_root() / "data-mixtures/dmsl_llm_slimpajama.csv")
    return rows.assign(loss=rows[f"{target}_loss"]).dropna(subset="loss").reset_index(drop=True)


@shared
def regmix(split: str, target: str) -> pd.DataFrame:
    rows = house.formats.regmix(data_root() / "regmix/data", split)
    return rows.assign(loss=rows[f"{target}_loss"])


@shared
def scalebench(task: str) -> pd.DataFrame:
    return house.formats.scalebench(parquet(task))


@shared
def batches() -> pd.DataFrame:
    return house.formats.critical_batch(data_root() / "critical-batch-size/steps_to_target.csv")


@shared
def lead(name: str) -> pd.DataFrame:
    return pd.read_csv(data_root() / f"fit_cases/{name}.csv")


@shared
def public_curves(size: int, names: tuple[str, ...]) -> scaling.Runs:
    folder = data_root() / "MultiPowerLaw/loss_curve_repo"
    return scaling.read([folder / f"csv_{size}" / f"{n}.csv" for n in names], warmup=2160)


@shared
def scheduled() -> scaling.Runs:
    """Curves of 124M models, thinned to 100 rows each."""
    folder = data_root() / "lr-scheduling"
    names = ["lr0.001_cos0_25000", "lr0.001_linear0.2_25000", "lr0.001_sqrt0.2_25000", "lr0.001_linear0.8_15000"]
    return scaling.read([folder / f"{n}.csv" for n in names]).select("step % 250 == 0")


@shared
def own(size: int, role: str) -> scaling.Runs:
    """Curves of this project by width and role."""
    return scaling.read(RUNS).select(f"d_model == {size} and role == '{role}'")


@shared
def surface(folder: str = "surface") -> pd.DataFrame:
    """Final losses of a sweep of this project over N and D."""
    facts = scaling.read(RUNS / folder).facts
    return facts.assign(N=facts["n_params"].astype(float), D=facts["tokens"].astype(float), loss=facts["final_loss"])


@shared
def corpora(text: str, loss: str = "loss") -> pd.DataFrame:
    rows = surface("corpora")
    rows = rows[rows.index.str.startswith(text)]
    return rows.assign(loss=rows[loss])[["N", "D", "loss", "d_model"]].reset_index(drop=True)


@shared
def languages(name: str) -> pd.DataFrame:
    rows = surface("languages")
    parts = [{p.split("/")[-1]: float(p.split()[0]) for p in text.split(" + ")} for text in rows["corpus"]]
    h = pd.DataFrame(parts, index=rows.index)[LANGUAGES]
    rows = rows[["N", "D"]].join(h.add_prefix("h_")).join(h.add_prefix("r_")).join(rows.filter(like="val_loss_"))
    return rows.assign(p=rows[f"h_{name}"], loss=rows[f"val_loss_{name}"]).reset_index(drop=True)


@shared
def encoders() -> pd.DataFrame:
    rows = surface("encoders")
    rows = rows.assign(N_e=rows["n_params_encoder"].astype(float), N_d=rows["n_params_decoder"].astype(float))
    return rows[["N_e", "N_d", "loss", "steps", "n_encoder", "n_layer"]].reset_index(drop=True)


@shared
def made() -> pd.DataFrame:
    """120 noisy points of a Chinchilla surface."""
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(17, 23, 120)), np.exp(rng.uniform(21, 26, 120))
    loss = scaling.laws["chinchilla"](N, D, E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(0.004 * rng.normal(size=120))})


@shared
def bend() -> pd.DataFrame:
    """A power law of one input with noise, and one row of it standing out."""
    rng = np.random.default_rng(1)
    x = np.geomspace(1e2, 1e6, 60)
    return pd.DataFrame({"x": x, "loss": (1.5 + 20 / x**0.4) * np.exp(2e-3 * rng.normal(size=60))})


def sampled(law: str, n: int = 60, size: float = 0.003, seed: int = 0, **settings) -> pd.DataFrame:
    """Rows of a law at its plain starts, drawn by its own sample hook."""
    found = scaling.laws[law].using(**settings) if settings else scaling.laws[law]
    values = {name: p.start for name, p in found.params.items()}
    return house.synthetic.runs_of(found, values, n, size=size, seed=seed).drop(columns="exact")


def tied(law: str, **expressions: str) -> lmfit.Parameters:
    params = house.lmfit_model(scaling.laws[law]).make_params()
    for name, text in expressions.items():
        params[name].expr = text
    return params


def job(done: int, shift: float = 0.0, seed: int = 0, name: str = "run", plan: str = PLAN) -> scaling.Runs:
    """A run of multi_power_5 logged up to a step, with its planned schedule."""
    values = {"L0": 2.8 + shift, "A": 0.6, "alpha": 0.45, "B": 500.0, "C": 1.6}
    exact = house.synthetic.runs_of("multi_power_5", values, plan, noise="none")
    steps = np.arange(250, 4001, 50)
    loss = np.interp(steps, exact["step"], exact["exact"])
    loss = loss + 5e-4 * np.random.default_rng(seed).standard_normal(len(steps))
    frame = pd.DataFrame({"run": name, "step": steps, "loss": np.where(steps <= done, loss, np.nan)})
    return scaling.Runs.from_frame(frame, schedule=plan)


# fits that many items ask something


@shared
def fit_epoch():
    return scaling.fit(epoch()[["N", "D", "loss"]], "chinchilla")


@shared
def fit_made():
    return scaling.fit(made(), "chinchilla", objective="log_squares")


@shared
def fit_own(size: int = 32):
    return scaling.fit(own(size, "short"), "multi_power_5", min_step=800, delta="mad")


@shared
def fit_public():
    return scaling.fit(public_curves(25, tuple(TRAIN)), "multi_power_5")


@shared
def fit_sweep(data: str):
    return scaling.fit(sweep(data)[["N", "D", "loss"]], "kaplan_offset")


@shared
def fit_surface():
    rows = surface()
    return scaling.fit(rows[rows["d_model"] < 64][["N", "D", "loss"]].reset_index(drop=True), "chinchilla")


@shared
def fit_bend():
    return scaling.fit(bend(), "power_law_offset:x=x", objective="squares")


@shared
def fit_language(name: str):
    return scaling.fit(languages(name), "multilingual", fixed={"alpha": 0.5, "beta": 0.5})


@shared
def fit_mixture(target: str):
    law = scaling.laws["mixture_additive"].using(domains="a/b/c")
    rows = pd.DataFrame(house.hook(law, "sample")(np.random.default_rng(len(target)), 100))
    truth = {"E": 1.0, "A": 300.0, "B": 3000.0, "alpha": 0.35, "beta": 0.4}
    help_ = zip("abc", (2.0, 1.0, 0.5), (0.4, 0.6, 0.3), strict=True)
    truth |= {f"{k}_{d}": v for d, c, g in help_ for k, v in (("C", c), ("gamma", g))}
    noise = 1e-3 * np.random.default_rng(1).normal(size=100)
    return scaling.fit(rows.assign(loss=law(*rows.to_numpy().T, **truth) * np.exp(noise)), "mixture_additive")
