"""Running jobs: mean |error| of the final loss, runs of one size stopped at a fraction, with and without a reference size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecasts.tasks import curves
from scaling.running import References, forecast

TARGETS = ["cosine_72000", "cosine_24000", "wsd_20000_24000", "wsdld_20000_24000", "constant_72000"]
FRACTIONS = (0.25, 0.5, 0.75, 0.9)
BARS = {"reference": (0.015, 0.008, 0.005, 0.003), "own prefix": (0.035, 0.025, 0.022, 0.0020)}


def stopped(runs, name: str, fraction: float):
    """The run with its losses after the fraction hidden, and the hidden final loss."""
    one = runs[name]
    frame = one.frame
    end, truth = frame["step"].iloc[-1], frame["loss"].iloc[-1]
    frame.loc[frame["step"] > fraction * end, "loss"] = np.nan
    return one.part(frame), float(truth)


def table(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means by size, references and fraction beside the bar; every forecast."""
    rows = []
    for size, other in ((100, 25), (25, 100)):
        runs = curves(data, size)
        smaller = curves(data, other)
        train = smaller.select("run in ['cosine_24000', 'constant_24000', 'wsdcon_9']")
        for label, references in (("reference", References(smaller)), ("kernel", References(train)), ("own prefix", None)):
            for name in TARGETS:
                for fraction in FRACTIONS:
                    run, truth = stopped(runs, name, fraction)
                    made = forecast(run, references)
                    end = made.end
                    rows.append((size, label, fraction, name, made.method, end["prediction"] - truth,
                                 end["lower"] <= truth <= end["upper"], end["upper"] - end["lower"]))  # fmt: skip
    frame = pd.DataFrame(rows, columns=["size", "references", "fraction", "run", "method", "error", "inside", "width"])
    means = (
        frame.assign(error=frame["error"].abs())
        .groupby(["size", "references", "fraction"])[["error", "inside", "width"]]
        .mean()
    )
    bars = [BARS.get(r, (np.nan,) * 4)[FRACTIONS.index(f)] for _, r, f in means.index]
    return means.assign(bar=bars), frame
