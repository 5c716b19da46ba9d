"""Experiment choice on the ScaleBench training tasks split by cost: buy from the cheap part, predict the dear part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from scaling.errors import ScalingError
from scaling.formula import Exponent, Positive, Real
from scaling.planning.experiments import sequentially

BUDGET = 0.1  # of what the pool costs
DEAR = 0.2  # share of the rows, the dearest, that is the target
SEEDS = 5


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
        columns={
            "non_vocab_parameters": "x",
            "vocab_size": "y",
            "num_characters": "z",
            "unigram_normalized_loss": "loss",
        }
    )
    f = f.astype({"x": float, "y": float, "z": float})
    f = f.assign(loss=f["loss"] - f["loss"].min() + 1.0, cost=f["x"] * f["z"])  # the task's loss is negative
    out["vocab"] = f, "bench_three"
    f = rows("domain_mixture")
    f = f.assign(**{f"p{i}": f[f"proportion_domain_{i}"] for i in range(2, 6)}, loss=f["loss_domain_1"], cost=1.0)
    out["domain_mixture"] = f, "bench_mixture"
    return out


def table(data: Path, seeds: int = SEEDS) -> pd.DataFrame:
    """Root mean square relative error of the target, mean over groups and seeds, by criterion."""
    known, out = laws(), {}
    for name, (frame, law) in tasks(data).items():
        law_ = known.get(law, law)
        wanted = [*(known[law].inputs if law in known else ("N", "D")), "loss", "cost"]
        groups = [g for _, g in frame.groupby("group")] if name in ("parallel", "domain_mixture", "moe") else [frame]
        found: dict[str, list[float]] = {}
        for group in groups[:4]:
            group = group[wanted].astype(float).sort_values("cost", kind="stable", ignore_index=True)
            cut = int(len(group) * (1 - DEAR))
            pool, target = group.iloc[:cut], group.iloc[cut:]
            if name == "domain_mixture":  # all cost the same: the target is the rows with the most of the last domain
                order = group.sort_values("p5", kind="stable", ignore_index=True)
                pool, target = order.iloc[:cut], order.iloc[cut:]
            pool, budget = pool.reset_index(drop=True), BUDGET * pool["cost"].sum()
            for criterion in ("V", "D", "random", "cheapest"):
                for seed in range(seeds if criterion == "random" else 1):
                    try:
                        _, made = sequentially(law_, pool, target, budget, cost="cost", criterion=criterion, seed=seed)
                        p = made.predict(target, interval="delta")["prediction"].to_numpy()
                        error = float(np.sqrt(np.mean((p / target["loss"].to_numpy() - 1) ** 2)))
                    except ScalingError:
                        error = 1.0  # too few runs to fit: as bad as knowing nothing
                    found.setdefault(criterion, []).append(min(error, 1.0))
        out[name] = {k: float(np.mean(v)) for k, v in found.items()}
    frame = pd.DataFrame(out).T
    return frame.assign(won=(frame["V"] < frame["random"]) & (frame["V"] < frame["cheapest"]))


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    data = next(p for p in (root.parent / "shared/data", root.parent.parent / "shared/data") if p.is_dir())
    result = table(data)
    print(result.to_string(float_format=lambda x: f"{x:.4f}"))
    print(f"V-optimal below random and cheapest first on {result['won'].sum()} of {len(result)} tasks (bar: 6)")
