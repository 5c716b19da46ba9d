"""Laws of schedules with their defaults: curves of schedules that were not fitted, at one peak rate.

    python -m benchmarks.forecasts progress

Public runs: 25M and 100M of arXiv:2503.12811 (A: three curves fitted, six predicted; B: two and seven), 124M of
arXiv:2501.18965 at three peaks (three curves fitted, seven predicted; rows after update 400 fitted, after 1,000 scored).
Own tiny runs, from a quarter of the run on: other schedules of the same length (A, B, C), and a run three times as long,
which nothing was chosen on. Every number is a root mean square error in nats, the mean over the predicted curves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from scaling.design.inputs import design

LAWS = ("progress", "multi_power_5", "functional")
RUNS = Path(__file__).parents[2] / "runs/curves"
MPL = (
    "constant_24000", "constant_72000", "cosine_24000", "cosine_72000", "wsd_20000_24000", "wsdcon_18", "wsdcon_3", "wsdcon_9",
    "wsdld_20000_24000",
)  # fmt: skip
COOLDOWNS = ("linear0.2_15000", "linear0.2_25000", "cos10_25000")
LATER = tuple(f"{name}_25000" for name in ("linear0.1", "linear0.4", "linear0.6", "linear0.8", "linear0.9", "sqrt0.2", "cos0"))
OWN = ("constant", "cosine", "wsd-linear", "wsd-1sqrt", "two-stage")
BARS = {
    "25M A": 0.0042, "100M A": 0.0029, "25M B": 0.0060, "100M B": 0.0048, "124M 0.0005": 0.0023, "124M 0.001": 0.0027,
    "124M 0.002": 0.0039,
}  # fmt: skip
FINAL = 0.0030  # mean over the public sets of |mean signed error of the last losses|
WORSE = 1.08  # times the error of multi_power_5, at most


@dataclass(frozen=True)
class Task:
    """Curves that are fitted, curves that are predicted; of their rows those after `fitted` and `scored` updates."""

    name: str
    train: list[Path]
    test: list[Path]
    fitted: int = 0
    scored: int = 0
    warmup: int | None = None


def tasks(data: Path) -> Iterator[Task]:
    """The public sets, then the own ones."""
    for size in (25, 100):
        there = {name: data / f"MultiPowerLaw/loss_curve_repo/csv_{size}/{name}.csv" for name in MPL}
        for part, chosen in (
            ("A", ("cosine_24000", "constant_24000", "wsdcon_9")),
            ("B", ("wsd_20000_24000", "constant_24000")),
        ):
            others = [path for name, path in there.items() if name not in chosen]
            yield Task(f"{size}M {part}", [there[n] for n in chosen], others, warmup=2160)
    for peak in ("0.0005", "0.001", "0.002"):
        train, test = ([data / f"lr-scheduling/lr{peak}_{n}.csv" for n in names] for names in (COOLDOWNS, LATER))
        yield Task(f"124M {peak}", train, test, 401, 1001)
    splits = {
        "A": ("cosine", "constant", "two-stage"),
        "B": ("wsd-linear", "constant"),
        "C": ("wsd-1sqrt", "two-stage", "constant"),
    }
    for size in ("d24", "d32", "d48"):
        there = {name: RUNS / f"{size}-{name}.csv" for name in (*OWN, "long")}
        for part, names in splits.items():
            others = [there[n] for n in OWN if n not in names]
            yield Task(f"{size} {part}", [there[n] for n in names], others, 801, 801)
        yield Task(f"{size} long", [there[n] for n in OWN], [there["long"]], 801, 801)


def error(task: Task, law: str) -> tuple[float, float, scaling.Fit]:
    """Mean root mean square error of the predicted curves, mean signed error of their last losses, and the fit."""
    fit = scaling.fit(scaling.read(task.train, warmup=task.warmup), law, min_step=task.fitted or None)
    errors, finals = [], []
    for path in task.test:
        made = design(scaling.read(path, warmup=task.warmup), fit.law, fitting=True)
        e = fit.law(*made.inputs.values(), **fit.values) - made.loss
        errors.append(np.sqrt(np.mean(e[made.frame["step"].to_numpy() >= task.scored] ** 2)))
        finals.append(e[-1])
    return float(np.mean(errors)), float(np.mean(finals)), fit


def table(data: Path, laws: tuple[str, ...] = LAWS) -> tuple[pd.DataFrame, list[str]]:
    """Errors and last errors by task and law, and what went wrong."""
    rows, failures = {}, []
    for task in tasks(data):
        row: dict[str, float] = {}
        for law in laws:
            begun = time.process_time()
            row[law], row[f"{law} final"], fit = error(task, law)
            row[f"{law} s"] = time.process_time() - begun
            if not fit.ok:
                failures.append(f"{task.name}, {law}: not trustworthy, {fit.verdict.failures[0]}")
        rows[task.name] = row
    return pd.DataFrame(rows).T, failures


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Errors of `progress`, and against `multi_power_5`."""
    found, wrong = table(data)
    failures += wrong
    print(found.to_string(float_format=lambda x: f"{x:.4f}"), end="\n\n")
    ours, theirs = found["progress"], found["multi_power_5"]
    for name, bar in BARS.items():
        yield f"progress, {name}", f"<= {bar:.4f}", f"{ours[name]:.4f}", ours[name] <= bar
    final = float(found.loc[list(BARS), "progress final"].abs().mean())
    yield "progress, last losses of the public sets", f"<= {FINAL:.4f}", f"{final:.4f}", final <= FINAL
    sets = [*((name, [name]) for name in BARS)]
    own = [name for name in found.index if name not in BARS]
    sets += [("own runs, other schedules", [n for n in own if "long" not in n])]
    sets += [("own runs, three times as long", [n for n in own if "long" in n])]
    for name, members in sets:
        ratio = float(np.exp(np.log(ours[members] / theirs[members]).mean()))
        yield f"progress over multi_power_5, {name}", f"<= {WORSE}", f"{ratio:.2f}", ratio <= WORSE
    for name in own:
        if ours[name] > WORSE * theirs[name]:
            failures.append(f"{name}: progress {ours[name]:.4f}, multi_power_5 {theirs[name]:.4f}")
