"""Rolling origin: five laws of size and data fitted to the rows of least compute, and asked for the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from scaling.errors import ScalingError
from scaling.formula import Real

SHARES = (0.4, 0.6, 0.8)  # of the rows, by N D, that are fitted
LAWS = {  # column -> law and what is held
    "chinchilla": ("chinchilla", {}),
    "outer exponent": ("chinchilla_outer", {}),
    "kaplan form": ("chinchilla_outer", {"E": 0.0}),
    "farseer": ("farseer", {}),
    "log-quadratic": ("bench_quadratic", {}),
}
KNOWN = {  # (rows, share fitted, law) -> test error %, tolerance: one optimum, or several nearly equal ones; those of the
    # ScaleBench rows are our own, kept so that a change is seen
    ("farseer", 0.6, "chinchilla"): (2.16, 0.05), ("farseer", 0.6, "kaplan form"): (1.06, 0.05),
    ("farseer", 0.6, "outer exponent"): (0.56, 0.15), ("farseer", 0.6, "farseer"): (0.35, 0.15),
    ("lr_bsz", 0.6, "chinchilla"): (1.14, 0.05), ("lr_bsz", 0.6, "kaplan form"): (0.30, 0.05),
    ("lr_bsz", 0.6, "outer exponent"): (0.30, 0.15), ("lr_bsz", 0.6, "farseer"): (0.11, 0.15),
    ("epoch", 0.6, "chinchilla"): (1.32, 0.05), ("epoch", 0.6, "outer exponent"): (1.96, 0.15),
    ("epoch", 0.6, "kaplan form"): (2.25, 0.05), ("epoch", 0.6, "log-quadratic"): (1.18, 0.15),
    ("epoch", 0.8, "chinchilla"): (1.38, 0.05), ("epoch", 0.8, "outer exponent"): (1.26, 0.15),
    ("epoch", 0.8, "kaplan form"): (2.57, 0.05), ("epoch", 0.8, "log-quadratic"): (1.14, 0.15),
}  # fmt: skip


def rows(data: Path) -> dict[str, pd.DataFrame]:
    """Columns N, D, loss: the digitised points of Hoffmann et al., and the training rows of two ScaleBench tasks."""
    raw = pd.read_csv(data / "analyzing-chinchilla/data/svg_extracted_data.csv")
    N = raw["Model Size"]
    out = {"epoch": pd.DataFrame({"N": N, "D": raw["Training FLOP"] / (6 * N), "loss": raw["loss"]})}
    parquet = lambda name: pd.read_parquet(next((data / f"scalebench/{name}_scaling_law").glob("train-*.parquet")))
    out["farseer"] = parquet("farseer")[["N", "D", "loss"]]
    names = {"non_embedding_param_size": "N", "data_size": "D", "lm_loss": "loss"}
    out["lr_bsz"] = parquet("lr_bsz").rename(columns=names).groupby(["N", "D"], as_index=False)["loss"].min()
    logs = {"n": lambda f: np.log(f["N"] / 1e9), "d": lambda f: np.log(f["D"] / 1e10)}
    return {name: frame.astype(float).assign(**logs) for name, frame in out.items()}


@scaling.law("benchmark", name="bench_quadratic")
def quadratic(n, d, *, k: Real = 0.5, a: Real = -0.1, b: Real = -0.1, p: Real = 0.0, q: Real = 0.0, r: Real = 0.0):
    """ln L = k + a n + b d + p n^2 + q n d + r d^2"""
    return np.exp(k + a * n + b * d + p * n * n + q * n * d + r * d * d)


def table(data: Path) -> pd.DataFrame:
    """Mean |error| in % of the larger rows; NaN where a law cannot be fitted."""
    out = []
    for name, frame in rows(data).items():
        compute = frame["N"] * frame["D"]
        for q in SHARES:
            cut = compute.quantile(q)
            small, large = frame[compute <= cut], frame[compute > cut]
            row: dict[str, float] = {"rows": len(small), "predicted": len(large)}
            for label, (law, held) in LAWS.items():
                try:
                    fit = scaling.fit(small, law, fixed=held)
                    predicted = fit.predict(large, interval="delta")["prediction"].to_numpy()
                    row[label] = float(100 * np.mean(np.abs(predicted / large["loss"].to_numpy() - 1)))
                except ScalingError:
                    row[label] = np.nan
            out.append({"data": name, "fitted": q, **row})
    return pd.DataFrame(out).set_index(["data", "fitted"])
