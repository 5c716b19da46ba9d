"""`python -m benchmarks.forecasts running`: running jobs, stopped on the way, against what they became; every bar of issue 13.

Own logs: all 63 runs, each source left out of the family in turn. With references: 25M from 100M and back, 124M from a
neighbouring peak (the source left out too). `TODAY`: the methods this replaced (one chosen of an affine map, a fitted and a
published kernel), measured at commit f7a601f on the same runs and stops.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from benchmarks.forecasts.family import PEAKS, family, models
from scaling.running import References
from scaling.running.jobs import made
from scaling.running.prefix import Prefix

TARGETS = ["cosine_72000", "cosine_24000", "wsd_20000_24000", "wsdld_20000_24000", "constant_72000"]
FRACTIONS = (0.25, 0.5, 0.75, 0.9)
OWN, SIZES, NEAR = "own log", "25M and 100M from each other", "124M from a neighbouring peak"
BARS = {OWN: (0.032, 0.024, 0.013, 0.0055), NEAR: (0.010, 0.008, 0.004, 0.003)}
TODAY = {  # mean |error|, mean interval score
    OWN: ((0.0690, 0.0439, 0.0371, 0.0108), (0.639, 0.395, 0.224, 0.0737)),
    SIZES: ((0.0083, 0.0055, 0.0030, 0.0023), (0.2720, 0.0310, 0.0215, 0.0187)),
}  # fmt: skip
LEVEL = 0.9
SECONDS = 1.5  # of CPU time, for a forecast with ten references


def stopped(prefix: Prefix, fraction: float) -> Prefix:
    """What was known after that fraction of the run, noise included."""
    return prefix.until(fraction * prefix.done).measured()


def table(data: Path) -> pd.DataFrame:
    """Every forecast: kind, source, model, run, fraction, error, inside, score."""
    rows = []
    for kind, source, model, name, references in _tasks(data):
        runs = models(data)[source, model] if references is None else sized(data, source, model)
        whole = Prefix.of(runs, name)
        for fraction in FRACTIONS:
            found = made(stopped(whole, fraction), references, LEVEL, family(data, source))
            row = found.frame.iloc[np.searchsorted(found.frame["step"], whole.done).clip(max=len(found.frame) - 1)]
            truth, low, high = whole.loss[-1], row["lower"], row["upper"]
            score = high - low + 2 / (1 - LEVEL) * (max(low - truth, 0) + max(truth - high, 0))
            rows.append((kind, source, model, name, fraction, row["prediction"] - truth, low <= truth <= high, score))
    return pd.DataFrame(rows, columns=["kind", "source", "model", "run", "fraction", "error", "inside", "score"])


def _tasks(data: Path) -> Iterator[tuple[str, str, str, str, References | None]]:
    for (source, model), runs in models(data).items():
        for name in runs:
            yield OWN, source, model, name, None
    pairs = [("MultiPowerLaw", "25M", "100M"), ("MultiPowerLaw", "100M", "25M")]
    for low, high in pairwise(PEAKS):
        pairs += [("lr-scheduling", f"124M {a}", f"124M {b}") for a, b in ((low, high), (high, low))]
    for source, model, other in pairs:
        references = References(sized(data, source, other))
        for name in TARGETS if source == "MultiPowerLaw" else models(data)[source, model]:
            yield SIZES if source == "MultiPowerLaw" else NEAR, source, model, name, references


def sized(data: Path, source: str, model: str) -> scaling.Runs:
    """Runs with the fact n_params."""
    runs = models(data)[source, model]
    return runs.with_facts(runs.facts.assign(n_params=float(model.split()[0].removesuffix("M")) * 1e6))


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Every bar; prints the tables, and adds forecasts whose interval missed to `failures`."""
    each = table(data).assign(size=lambda f: f["error"].abs())
    parts = each.groupby(["kind", "source", "model", "fraction"])[["size", "inside", "score"]].mean().unstack()
    print(parts.to_string(float_format=lambda x: f"{x:.4f}"), end="\n\n")
    for kind, rows in each.groupby("kind", sort=False):
        means = rows.groupby("fraction")[["size", "inside", "score"]].mean()
        before, score = TODAY.get(str(kind), ((np.nan,) * 4, (np.nan,) * 4))
        for k, (fraction, row) in enumerate(means.iterrows()):
            at = f"{kind}, {fraction:.0%} known"
            bar = BARS.get(str(kind), before)[k]
            yield f"{at}: mean |error|", f"<= {bar:.4f}", f"{row['size']:.4f}", row["size"] <= bar
            if kind == OWN:
                yield f"{at}: inside 90 %", ".85 to .99", f"{row['inside']:.3f}", 0.85 <= row["inside"] <= 0.99
            if kind != NEAR:
                most = score[k] * (0.5 if kind == OWN else 1)
                yield f"{at}: interval score", f"<= {most:.4f}", f"{row['score']:.4f}", row["score"] <= most
    spent = seconds(data)
    yield "CPU seconds of a forecast with ten references", f"<= {SECONDS}", f"{spent:.2f}", spent <= SECONDS
    failures += [
        f"{f.kind}: {f.model} {f.run} at {f.fraction:.0%} is off by {f.error:+.4f}" for f in each[~each["inside"]].itertuples()
    ]


def seconds(data: Path) -> float:
    """CPU time of one forecast with ten references of two sizes, read but not yet looked at."""
    frames = [sized(data, "MultiPowerLaw", "25M"), sized(data, "MultiPowerLaw", "100M")]
    ten = [*frames[0].names, frames[1].names[0]]
    both = pd.concat([f.frame.assign(run=[f"{k} {n}" for n in f.frame["run"]]) for k, f in enumerate(frames)])
    facts = {f"{k} {n}": {"n_params": f.facts.loc[n, "n_params"]} for k, f in enumerate(frames) for n in f.names}
    chosen = [f"{k // 9} {n}" for k, n in enumerate(ten)]
    both = both[both["run"].isin(chosen)]
    runs = scaling.Runs.from_frame(both, facts={n: facts[n] for n in chosen}, warmup=2160)
    target = stopped(Prefix.of(frames[1], "cosine_72000"), 0.5)
    begin = time.process_time()
    made(replace(target, size=1e8), References(runs), LEVEL)
    return time.process_time() - begin
