"""Inner versions of two bars: accuracies of the ladder's largest size, and the optimal tokens of the largest budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import curve_fit

from benchmarks.transfer import inside_sweep
from scaling.errors import ScalingError
from scaling.logs import formats
from scaling.planning.budgets import minima
from scaling.procedures import approaches, chain

FURTHER = 7.9  # times the largest budget fitted, at least, that the one predicted is


def authors(points: pd.DataFrame, loss: np.ndarray) -> np.ndarray:
    """Accuracies (n,) at losses by step two of arXiv:2412.04403: SciPy's least squares of the free sigmoid, in its points."""

    def curve(L, a, x0, k, b):
        return a / (1 + np.exp(-k * (L - x0))) + b

    start, bounds = [points["loss"].min() - 1, 0.9, 3.0, 1.0], [(-np.inf, 0, 0, 0), (0, np.inf, np.inf, 1)]
    found, _ = curve_fit(curve, points["L"], points["loss"], p0=start, bounds=bounds, maxfev=100_000)
    return curve(loss, *found)


def downstream(data: Path, held: tuple[str, ...] = ("1B",)) -> pd.DataFrame:
    """Per task, the last size of `held` predicted from the sizes below: mean relative errors in % and part inside 90 %."""
    folder = data / "OLMo-ladder/ladder-runs"
    checkpoints, ends = formats.ladder(folder, last=None), formats.ladder(folder)
    seen = checkpoints[(checkpoints["xC"] >= 1) & ~checkpoints["size"].isin(held)]
    far = ends[(ends["xC"] >= 1) & (ends["size"] == held[-1])]
    rows = {}
    for task in [c.removesuffix("_acc") for c in ends if c.endswith("_acc") and c.replace("_acc", "_bpb") in ends]:
        found, measured = chain.ladder(seen, task).predict(far[["N", "D"]]), far[f"{task}_acc"].to_numpy()
        theirs = authors(chain.accuracy_points(seen, task), found["loss_prediction"].to_numpy())
        off = {"error": found["prediction"], "authors": theirs}
        inside = (found["lower"] <= measured) & (measured <= found["upper"])
        rows[task] = {k: 100 * np.abs(v / measured - 1).mean() for k, v in off.items()} | {"inside": inside.mean()}
    return pd.DataFrame.from_dict(rows, orient="index")


def allocation(data: Path) -> pd.DataFrame:
    """D* of the largest budget's own parabola, from the budgets at least `FURTHER` times below it: relative error per way."""
    sweep = inside_sweep.runs(data)
    tables = {name: sweep[sweep["data"] == name] for name in inside_sweep.SETS}
    tables["llama_3"] = formats.isoflops(data / "isoflops/llama_3/isoflops.csv")
    rows = {}
    for name, runs in tables.items():
        runs = runs[["N", "D", "loss"]].reset_index(drop=True)
        top = minima(runs)[0].iloc[-1]
        below = runs[6 * runs["N"] * runs["D"] * FURTHER < top["flops"]]
        try:
            found = approaches.compare(below, top["flops"])
        except ScalingError:
            continue
        rows[name] = found["D"] / top["D"] - 1
    return pd.DataFrame.from_dict(rows, orient="index")
