"""`python -m benchmarks.engine.long_curves [rows]`: CPU seconds of a fit to one curve of a million rows, whatever it does.

Schedules that fall all along, at the end, or not at all, times losses that follow the law, that do not, that are noise, a walk,
or full of spikes. Bars: 1 s for `progress`, 3 s for the choice of a law.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

import scaling
from scaling.papers.progress import progress_features

ROWS = 1_000_000
BARS = {"progress": 1.0, "auto": 3.0}
PLANS = {"constant": "constant:peak=1e-3", "cosine": "cosine:peak=1e-3,warmup=1%", "wsd": "wsd:peak=1e-3,decay=0.2,warmup=1%"}
AUTO = ("follows", "power", "logistic")  # losses whose law is chosen, too: each takes seconds


def losses(plan: scaling.schedules.Schedule, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Name and loss (rows,) of one curve after the other."""
    rng, rows = np.random.default_rng(seed), plan.steps
    share = np.arange(1, rows + 1) / rows
    power, noise = 2.5 + 3 * (share * 1e4 + 10) ** -0.3, rng.normal(0, 0.02, rows)
    yield "follows", _followed(plan) + noise
    yield "power", power + noise
    yield "power, exact", power
    yield "exponential", 2.5 + np.exp(-5 * share)
    yield "logistic", 2.5 + 3 / (1 + np.exp(20 * (share - 0.5)))
    yield "rising", 2.5 + share
    yield "noise only", 3 + rng.normal(0, 0.1, rows)
    yield "spikes", power + noise + 3 * (rng.random(rows) < 1e-3)
    yield "walk", 3 + 0.1 * np.cumsum(rng.normal(0, 1, rows)) / np.sqrt(rows)
    yield "waves", power + 0.1 * np.sin(30 * share)


def _followed(plan: scaling.schedules.Schedule) -> np.ndarray:
    values = {"L0": 2.5, "A": 6.0, "alpha": 0.3, "B": 0.25, "C": 0.1, "e0": 4.84, "k": 0.15}
    law, step = scaling.laws["progress"], np.arange(1, plan.steps + 1)
    loss = law(*progress_features(step, plan, **law.conventions).values(), **values)
    return np.asarray(loss, float)


def measured(rows: int = ROWS) -> pd.DataFrame:
    """CPU seconds and verdict by law, schedule and loss."""
    found = []
    for kind, text in PLANS.items():
        plan = scaling.schedule(text.replace("1%", str(rows // 100)), steps=rows)
        for name, loss in losses(plan):
            data = pd.DataFrame({"step": np.arange(1, rows + 1), "lr": plan.rates, "loss": loss})
            for law in ("progress", "auto") if name in AUTO else ("progress",):
                begun = time.process_time()
                fit = scaling.fit(data, law)
                seconds = time.process_time() - begun
                found.append({"law": law, "schedule": kind, "loss": name, "s": seconds, "chosen": fit.law.name, "ok": fit.ok})
    return pd.DataFrame(found)


def main() -> None:
    warnings.simplefilter("ignore")
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    scaling.fit(pd.DataFrame({"step": np.arange(1, 99), "lr": 1e-3, "loss": 3 - np.arange(1, 99) / 99}), "progress")  # imports
    found = measured(rows)
    print(found.to_string(index=False, float_format=lambda x: f"{x:.2f}"), end="\n\n")
    for law, bar in BARS.items():
        most = found[found["law"] == law].sort_values("s").iloc[-1]
        met = "met" if most["s"] <= bar else "MISSED"
        print(f"{law}, slowest ({most['schedule']}, {most['loss']}): <= {bar:g} s, {most['s']:.2f} s, {met}")


if __name__ == "__main__":
    main()
