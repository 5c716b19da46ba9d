"""The tasks of the coverage study: train on the small part, predict the rest. Each task is data, law, objective, target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scaling

SCHEDULES = [
    "cosine_24000", "constant_24000", "wsdcon_9", "constant_72000", "cosine_72000", "wsd_20000_24000",
    "wsdld_20000_24000", "wsdcon_3", "wsdcon_18",
]  # fmt: skip
CURVES = {"constant_72000": [6, 8, 10, 14, 18, 24, 36], "constant_24000": [5, 6, 8, 10, 12], "cosine_72000": [10, 15]}


@dataclass(frozen=True)
class Task:
    """far: rows of the target that count as far (Epoch: 4x the cutoff), near: the rest."""

    column: str
    name: str
    law: str
    objective: str
    train: Any
    target: Any
    far: np.ndarray


def epoch(data: Path) -> pd.DataFrame:
    raw = pd.read_csv(data / "analyzing-chinchilla/data/svg_extracted_data.csv")
    raw = raw[raw["loss"] < sorted(raw["loss"])[-5]]
    N = raw["Model Size"].to_numpy()
    return pd.DataFrame({"N": N, "D": raw["Training FLOP"].to_numpy() / (6 * N), "loss": raw["loss"].to_numpy()})


def epoch_tasks(data: Path) -> Iterator[Task]:
    frame = epoch(data)
    frame = frame.assign(C=6 * frame["N"] * frame["D"]).sort_values("C", ignore_index=True)
    rng = np.random.default_rng(0)
    for percent in (30, 40, 50, 60, 70, 80):
        cut = np.quantile(frame["C"], percent / 100)
        small, large = frame[frame["C"] <= cut], frame[frame["C"] > cut]
        for k in range(4):
            train = small if k == 0 else small.iloc[np.sort(rng.permutation(len(small))[: int(0.8 * len(small))])]
            yield Task(
                "epoch", f"{percent}/{k}", "chinchilla", "log_squares", train[["N", "D", "loss"]],
                large[["N", "D", "loss"]], large["C"].to_numpy() >= 4 * cut,
            )  # fmt: skip


def curves(data: Path, size: int) -> scaling.Runs:
    folder = data / "MultiPowerLaw/loss_curve_repo"
    return scaling.read([folder / f"csv_{size}/{name}.csv" for name in SCHEDULES], warmup=2160)


def curve_tasks(data: Path) -> Iterator[Task]:
    for size in (25, 100):
        frame = curves(data, size).frame
        for name, cuts in CURVES.items():
            rows = frame[frame["run"] == name]
            for T in cuts:
                end = 1.5 if name.startswith("cosine") else 4.0
                train = rows[rows["step"] <= 1000 * T]
                later = rows[(rows["step"] > 1000 * T) & (rows["step"] <= 1000 * T * end)]
                if len(later) and len(train) > 10:
                    yield Task(
                        "curve", f"{size}M {name} {T}k", "power_law_offset:x=step", "squares", train[["step", "loss"]],
                        later[["step", "loss"]], later["step"].to_numpy() > 1500 * T,
                    )  # fmt: skip


def schedule_tasks(data: Path, k: int, count: int) -> Iterator[Task]:
    """`count` subsets of k runs with a drop among them, half of each size; predict the other runs."""
    rng = np.random.default_rng(k)
    for size, many in ((25, count - count // 2), (100, count // 2)):
        runs = curves(data, size)
        subsets = [s for s in combinations(SCHEDULES, k) if any(not n.startswith("constant") for n in s)]
        for i in rng.permutation(len(subsets))[:many]:
            chosen = list(subsets[i])
            others = [n for n in SCHEDULES if n not in chosen]
            target = runs.select(f"run in {others}")
            yield Task(
                f"sched{k}", f"{size}M {'+'.join(chosen)}", "annealing", "squares", runs.select(f"run in {chosen}"),
                target, np.zeros(len(target.frame), bool),
            )  # fmt: skip


def exact_tasks(repetitions: int = 60) -> Iterator[Task]:
    """Truth is the law itself, with independent noise of .004 in the log."""
    N = np.geomspace(2e7, 2e10, 12)
    N, ratio = (x.ravel() for x in np.meshgrid(N, [5.0, 10, 20, 40, 80], indexing="ij"))
    D = N * ratio
    law = scaling.laws["chinchilla"]
    truth = law(N, D, E=1.8, A=480.0, B=2100.0, alpha=0.347, beta=0.367)
    small = np.quantile(N * D, 0.6) >= N * D
    rng = np.random.default_rng(0)
    for i in range(repetitions):
        frame = pd.DataFrame({"N": N, "D": D, "loss": truth * np.exp(0.004 * rng.standard_normal(len(N)))})
        yield Task(
            "exact", str(i), "chinchilla", "log_squares", frame[small], frame[~small], np.zeros(int((~small).sum()), bool)
        )
