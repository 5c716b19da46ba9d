"""`python -m benchmarks.verdict.line`: ladders with D = 20 N in every run; forecasts at 10x compute on the line and off it."""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np
import pandas as pd

import scaling
from benchmarks.verdict.families import TRUTH

ROWS, NOISES = (12, 16, 30, 80), (0.0, 0.002, 0.01)
OFF = np.array([2.0, 4.0, 7.0, 10.0, 14.0, 28.0, 40.0, 57.0, 100.0, 200.0])  # D / N
NEAR = 3.0  # factor from the line within which most should still be known


def truth(law: dict[str, float], N: np.ndarray, D: np.ndarray) -> np.ndarray:
    return np.asarray(law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"])


def asked(rows: int, noise: float, seed: int) -> dict[str, float]:
    """One ladder: is the noise-free truth inside on and off the line, how wide is the interval, what is unknown."""
    rng = np.random.default_rng([seed, rows, round(noise * 1e6), 3])
    law = {k: v * np.exp(0.1 * rng.normal()) for k, v in TRUTH.items()}
    N = np.geomspace(1e7, 1e9, rows)
    loss = truth(law, N, 20 * N) * np.exp(noise * rng.normal(size=rows))
    fit = scaling.fit(pd.DataFrame({"N": N, "D": 20 * N, "loss": loss}), "chinchilla")
    C = 10 * 120 * N[-1] ** 2
    size = np.append(np.sqrt(C / 120), np.sqrt(C / 6 / OFF))
    tokens = np.append(20 * size[0], OFF * size[1:])
    out = fit.predict({"N": size, "D": tokens})
    exact = truth(law, size, tokens)
    inside = ((out["lower"] <= exact) & (exact <= out["upper"])).to_numpy()
    unknown = (~np.isfinite(out["lower"]) | ~np.isfinite(out["upper"]) | ~out["ok"]).to_numpy()
    near = np.abs(np.log(OFF / 20)) <= np.log(NEAR)
    return {
        "fit ok": fit.ok, "on line": inside[0], "line ok": out["ok"][0],
        "half-width": (out["upper"][0] - out["lower"][0]) / 2 / out["prediction"][0],
        "off inside or unknown": (inside | unknown)[1:].mean(), "unknown near": unknown[1:][near].mean(),
    }  # fmt: skip


def main() -> int:
    warnings.simplefilter("ignore")
    options = argparse.ArgumentParser(prog="python -m benchmarks.verdict.line")
    options.add_argument("--seeds", type=int, default=200)
    options.add_argument("--first", type=int, default=0)
    given = options.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    print(f"{'rows':>4} {'noise':>6}  fit ok  line ok  on line  half-width/noise  off inside or unknown  unknown near")
    for rows in ROWS:
        for noise in NOISES:
            found = pd.DataFrame([asked(rows, noise, seed) for seed in seeds]).astype(float)
            mean, half = found.mean(), found["half-width"].mean()
            width = f"{half / noise:10.2f}" if noise else f"{half:10.1e} abs"
            print(
                f"{rows:4} {noise:6.1%}  {mean['fit ok']:6.3f}  {mean['line ok']:7.3f}  {mean['on line']:7.3f}  {width:>16}  "
                f"{mean['off inside or unknown']:21.3f}  {mean['unknown near']:12.3f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
