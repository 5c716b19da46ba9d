"""Experiment choice on the ScaleBench training tasks split by cost: buy from the cheap part, predict the dear part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from scaling.formula import Exponent, Positive, Real
from scaling.planning.experiments import sequentially

BUDGET = 0.1  # of what the pool costs
DEAR = 0.2  # share of the rows, the dearest, that is the target
SEEDS = 10  # of random purchases, and of the order of runs that cost the same
CRITERIA = ("error", "V", "D", "random", "cheapest")


def laws() -> dict[str, scaling.formula.Law]:
    """Short laws of each task's inputs, sums of powers where nothing else is registered."""

    @scaling.law("benchmark", name="bench_unique")
    def unique(N, D, U, *, E: Positive = 1.5, A: Positive = 100.0, a: Exponent = 0.3, B: Positive = 100.0, b: Exponent = 0.3,
               G: Positive = 1.0, g: Exponent = 0.3):  # fmt: skip
        """L = E + A / N^a + B / D^b + G / U^g"""
        return E + A / N**a + B / D**b + G / U**g

    @scaling.law("benchmark", name="bench_two")
    def two(x, z, *, E: Positive = 1.5, A: Positive = 100.0, a: Exponent = 0.3, B: Positive = 100.0, b: Exponent = 0.3):
        """L = E + A / x^a + B / z^b"""
        return E + A / x**a + B / z**b

    @scaling.law("benchmark", name="bench_product")
    def product(x, z, *, E: Positive = 1.5, A: Positive = 100.0, a: Exponent = 0.3, b: Exponent = 0.1):
        """L = E + A / (x^a z^b)"""
        return E + A / (x**a * z**b)

    @scaling.law("benchmark", name="bench_three")
    def three(x, y, z, *, E: Positive = 1.5, A: Positive = 10.0, a: Exponent = 0.3, B: Positive = 1.0, b: Exponent = 0.3,
              G: Positive = 100.0, g: Exponent = 0.3):  # fmt: skip
        """L = E + A / x^a + B / y^b + G / z^g"""
        return E + A / x**a + B / y**b + G / z**g

    @scaling.law("benchmark", name="bench_bowl")
    def bowl(N, D, l, b, *, E: Positive = 1.5, A: Positive = 100.0, alpha: Exponent = 0.3, B: Positive = 100.0,
             beta: Exponent = 0.3, p: Real = -0.01, q: Real = 0.01, r: Real = -0.01, s: Real = 0.01):  # fmt: skip
        """L = E + A / N^alpha + B / D^beta + p l + q l^2 + r b + s b^2"""
        return E + A / N**alpha + B / D**beta + p * l + q * l * l + r * b + s * b * b

    @scaling.law("benchmark", name="bench_mixture")
    def mixture(p2, p3, p4, p5, *, k: Real = 2.0, a2: Real = 0.1, a3: Real = 0.1, a4: Real = 0.1, a5: Real = 0.1):
        """L = k + sum a_i p_i"""
        return k + a2 * p2 + a3 * p3 + a4 * p4 + a5 * p5

    return {f.name: f for f in (unique, two, product, three, bowl, mixture)}


def tasks(data: Path) -> dict[str, tuple[pd.DataFrame, str]]:
    """name -> (rows with the law's inputs, loss, cost, group), law."""

    def rows(name: str) -> pd.DataFrame:
        return pd.read_parquet(next((data / f"scalebench/{name}_scaling_law").glob("train-*.parquet")))

    out = {}
    f = rows("farseer")
    out["farseer"] = f.assign(cost=6 * f["N"] * f["D"]), "chinchilla"
    f = rows("data_constrained").rename(columns={"params": "N", "tokens": "D", "unique_tokens": "U"})
    out["data_constrained"] = f.assign(cost=6 * f["N"] * f["D"]), "bench_unique"
    f = rows("lr_bsz").rename(columns={"non_embedding_param_size": "N", "data_size": "D", "lm_loss": "loss"})
    f = f.assign(l=np.log(f["lr"] / 1e-3), b=np.log(f["bsz"] / f["bsz"].median()))
    out["lr_bsz"] = f.assign(cost=6 * f["N"] * f["D"]), "bench_bowl"
    f = rows("moe").rename(columns={"dense_parameter_count": "x", "num_experts": "z", "loss_validation": "loss"})
    out["moe"] = f.assign(cost=f["x"] * f["z"]), "bench_product"
    f = rows("parallel").rename(columns={"num_params": "x", "parallel_size": "z"}).astype({"x": float, "z": float})
    out["parallel"] = f.assign(cost=f["x"]), "bench_product"
    f = rows("sparsity")
    f = f.assign(
        x=f["N_active"].astype(float),
        z=1.0 / f["P"].clip(lower=1e-3),
        cost=6 * f["N_dense"] * f["D1"] + 6 * f["N_active"] * f["D2"],
    )
    out["sparsity"] = f, "bench_two"
    f = rows("vocab").rename(
        columns={"non_vocab_parameters": "x", "vocab_size": "y", "num_characters": "z", "unigram_normalized_loss": "loss"}
    )
    f = f.astype({"x": float, "y": float, "z": float})
    f = f.assign(loss=f["loss"] - f["loss"].min() + 1.0, cost=f["x"] * f["z"])  # the task's loss is negative
    out["vocab"] = f, "bench_three"
    f = rows("domain_mixture")
    f = f.assign(**{f"p{i}": f[f"proportion_domain_{i}"] for i in range(2, 6)}, loss=f["loss_domain_1"], cost=1.0)
    out["domain_mixture"] = f, "bench_mixture"
    return out


def split(name: str, group: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cheap part that may be bought and the dear part to be predicted."""
    # all mixtures cost the same: the target is the rows with the most of the last domain
    by = "p5" if name == "domain_mixture" else "cost"
    rows, cut = group.astype(float).sort_values(by, kind="stable", ignore_index=True), int(len(group) * (1 - DEAR))
    return rows.iloc[:cut], rows.iloc[cut:]


def error(law: scaling.formula.Law, pool: pd.DataFrame, target: pd.DataFrame, criterion: str, seed: int) -> float:
    """Root mean square relative error of the target after a tenth of the pool's cost; at most 1."""
    pool = pool.sample(frac=1.0, random_state=seed, ignore_index=True)  # equal costs in no order
    budget = BUDGET * pool["cost"].sum()
    _, prediction = sequentially(law, pool, target, budget, cost="cost", criterion=criterion, seed=seed)
    return min(float(np.sqrt(np.mean((prediction / target["loss"].to_numpy() - 1) ** 2))), 1.0)


def play(data: Path, name: str, seeds: int = SEEDS) -> dict[str, float]:
    """Mean error over groups and seeds by criterion, and the share of random purchases that did no better than ours."""
    frame, law = tasks(data)[name]
    law_ = laws().get(law) or scaling.laws[law]
    groups = [g for _, g in frame.groupby("group")]
    found: dict[str, list[float]] = {}
    beaten = []
    for group in groups:
        pool, target = split(name, group[[*law_.inputs, "loss", "cost"]])
        for criterion in CRITERIA:
            repeats = seeds if criterion == "random" or pool["cost"].nunique() == 1 else 1
            errors = [error(law_, pool, target, criterion, seed) for seed in range(repeats)]
            found.setdefault(criterion, []).append(float(np.mean(errors)))
            if criterion == "random":
                beaten += [e >= found["error"][-1] for e in errors]
    return {**{k: float(np.mean(v)) for k, v in found.items()}, "beaten": float(np.mean(beaten))}


def table(data: Path, seeds: int = SEEDS) -> pd.DataFrame:
    """One row per task: errors by criterion, and whether ours is below both random and cheapest first."""
    frame = pd.DataFrame({name: play(data, name, seeds) for name in tasks(data)}).T
    return frame.assign(won=(frame["error"] < frame["random"]) & (frame["error"] < frame["cheapest"]))
