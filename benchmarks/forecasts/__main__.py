"""`python -m benchmarks.forecasts`: every bar a forecast is held to, what was measured, met or not; then the failures.

Name parts (schedule, progress, peaks, ladder, inside, rolling, curves, intervals, lengths, running, experiments, downstream,
optimum, sizes, robust) to measure these alone; what is held out of runs/ladder (held-out) is measured only so.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.forecasts import (
    Bar,
    coverage,
    experiments,
    ladder,
    lengths,
    next_curves,
    optimum,
    peaks,
    robust,
    rolling,
    running,
    schedule,
    schedules,
    schedules_inside,
    sizes,
)
from benchmarks.papers.__main__ import shared
from benchmarks.transfer import inside_sweep

REPLICATES = 8  # of simulated sets of curves
Part = Callable[[Path, list[str]], Iterator[Bar]]


def intervals(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Nominal 90 % intervals: schedules left out of every family, then the tasks of the coverage study."""
    yield from schedules_inside.bars(data, failures)
    found, failed = coverage.table(data)
    print(found.to_string(float_format=lambda x: f"{x:.3f}"), end="\n\n")
    for name, row in found.iterrows():
        low, high = (0.87, 0.95) if name == "exact" else (0.83, 0.97)
        yield f"coverage, {name}", f"{low} to {high}", f"{row['coverage']:.3f}", low <= row["coverage"] <= high
    known = found.dropna(subset="best score of spec")
    good = known["score"] <= known["best score of spec"]
    for name, row in known.iterrows():
        best = row["best score of spec"]
        yield f"interval score, {name}", f"<= {best:.4f}", f"{row['score']:.4f}", bool(good[name])
    wide = found.loc["exact", "of delta"]
    yield "width on the exact simulation over that of delta", "<= 1.15", f"{wide:.3f}", wide <= 1.15
    failures += [
        f"{f.column}, {f.task}: {f.coverage:.0%} inside, width {f.width:.3f} ({f.interval})" for f in failed.itertuples()
    ]


def jobs(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Final loss of runs stopped on the way, each source left out of what is known beforehand."""
    yield from running.bars(data, failures)


def inside(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Top budget of the loss-to-loss sweep, from the number of budgets that the lower budgets themselves choose."""
    sweep = inside_sweep.runs(data)
    found = {name: inside_sweep.chosen_inside(sweep[sweep["data"] == name]) for name in inside_sweep.SETS}
    mean = float(np.mean([abs(error) for _, error in found.values()]))
    yield "inside-sweep, mean error at the top budget, choice made below it", "<= 0.40 %", f"{mean:.3f} %", mean <= 0.40
    failures += [f"inside-sweep, {k}: {e:+.2f} % from {n} budgets" for k, (n, e) in found.items() if abs(e) > 0.4]


def search(data: Path, failures: list[str]) -> Iterator[Bar]:
    """The authors' optimised schedule for 100M."""
    m = schedule.measure(data)
    yield "schedule search, decay fraction", "10 to 13 %", f"{m['decay']:.1%}", 0.10 <= m["decay"] <= 0.13
    apart = m["loss"] - m["loss of theirs"]
    yield "schedule search, loss over that of the authors' rates", "<= 0.001", f"{apart:+.5f}", apart <= 1e-3
    said = f"{m['ratio']:.0f}x ({m['seconds']:.2f} s; {schedule.TIMED} steps timed, scaled: {m['plain seconds']:.0f} s)"
    yield f"schedule search, CPU time below {schedule.WHOLE} plain steps", ">= 50x", said, m["ratio"] >= 50


def choice(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Which runs to buy on the ScaleBench tasks."""
    found = experiments.table(data)
    print(found.to_string(float_format=lambda x: f"{x:.4f}"), end="\n\n")
    won = int(found["won"].sum())
    yield "experiment choice below random and cheapest first", ">= 6 of 8", f"{won} of {len(found)}", won >= 6
    failures += [f"experiment choice, {name}: not below both" for name in found.index[~found["won"].astype(bool)]]


def whole_curves(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Which schedules to run next: simulated curves after one constant run, then public ones as a check."""
    tasks = [(kind, budget, t) for kind in ("trunks", "mixed") for budget in (16_000, 28_000) for t in next_curves.TRUTHS]
    found = pd.DataFrame({(k, b, t): next_curves.simulated(t, k, b, REPLICATES) for k, b, t in tasks}).T
    print(found.to_string(float_format=lambda x: f"{x:.5f}"), end="\n\n")
    best = found[["random", "cheapest"]].min(axis=1)
    for (kind, budget), won in (found["error"] < best).groupby(level=[0, 1]):
        said = f"next curves, simulated, {kind}, {budget} updates: below random and cheapest first"
        yield said, "4 of 4", f"{won.sum()} of 4", bool(won.all())
    for budget in (24_000, 40_000, 64_000):
        bought = next_curves.public(data, budget)
        print(f"budget {budget} updates\n{bought.to_string(float_format=lambda x: f'{x:.4f}')}", end="\n\n")
        won = (bought["error"] < bought["random"]) & (bought["error"] < bought["cheapest"])
        failures += [f"next curves, public, {budget} updates, {' '.join(k)}" for k in bought.index[~won]]
    failures += [
        f"next curves, simulated, {', '.join(map(str, k))}: not below both" for k in found.index[found["error"] >= best]
    ]


def origin(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Rolling origin: errors of five laws beyond the compute they were fitted to."""
    found = rolling.table(data)
    print(found.to_string(float_format=lambda x: f"{x:.2f}"), end="\n\n")
    for (name, q, law), (known, tolerance) in rolling.KNOWN.items():
        error = found.loc[(name, q), law]
        good = abs(error - known) <= tolerance
        yield f"rolling origin, {name} {q}, {law}", f"{known} +- {tolerance} %", f"{error:.2f} %", bool(good)


def accuracies(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Accuracies of the ladder's largest sizes, chained from the loss of smaller ones."""
    for held in (("1B",), ("760M", "1B")):
        found = optimum.downstream(data, held)
        print(found.to_string(float_format=lambda x: f"{x:.3f}"), end="\n\n")
        said, mean = f"ladder downstream, 1B without {' and '.join(held)}", found.mean()
        yield (
            f"{said}, mean relative error",
            f"<= {mean['authors']:.3f} %",
            f"{mean['error']:.3f} %",
            bool(mean["error"] <= mean["authors"] + 0.01),
        )
        yield f"{said}, inside 90 %", "0.83 to 0.97", f"{mean['inside']:.3f}", bool(0.83 <= mean["inside"] <= 0.97)
        failures += [f"{said}, {t}: {row['inside']:.0%} inside" for t, row in found.iterrows() if row["inside"] < 0.5]


def tokens(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Optimal tokens of the largest budget, eight times beyond what was fitted, by each way."""
    found = optimum.allocation(data)
    print(found.to_string(float_format=lambda x: f"{x:+.3f}"), end="\n\n")
    mean = found.abs().mean()
    for name, known in optimum.approaches.KNOWN.items():
        yield (
            f"optimal tokens, {name}, {len(found)} sets",
            f"{known:.2f}, as it says",
            f"{mean[name]:.3f}",
            bool(mean[name] <= 1.5 * known),
        )


def surfaces(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Laws of size and tokens, the largest budgets of every table held out."""
    found = sizes.table(data, Path(__file__).parents[2] / "runs", deep=True)
    for name, rows in (("own large end", found[found["cut"] == "end"]), ("all cuts", found)):
        print(f"{name}\n{sizes.summary(rows).to_string(float_format=lambda x: f'{x:.4f}')}", end="\n\n")
    yield from sizes.bars(found)
    bad = found[(found["interval"] == "calibrated") & (found["inside"] < 0.6)]
    failures += [f"{r.family} {r.table} {r.cut}, {r.law}: {r.inside:.0%} inside, error {r.error:.2%}" for r in bad.itertuples()]


PARTS: dict[str, Part] = {
    "schedule": search, "progress": schedules.bars, "peaks": peaks.bars, "ladder": ladder.bars, "inside": inside,
    "rolling": origin, "curves": whole_curves, "lengths": lengths.bars,
    "intervals": intervals, "running": jobs, "experiments": choice, "downstream": accuracies, "optimum": tokens,
    "sizes": surfaces, "robust": robust.bars, "held-out": ladder.held_out,
}  # fmt: skip
NAMED = ("held-out",)  # measured only where it is asked for by name: nothing may be chosen on it


def main(names: list[str]) -> int:
    data = shared()
    if data is None:
        print("needs the public data (set SCALING_DATA)", file=sys.stderr)
        return 0
    if unknown := set(names) - set(PARTS):
        print(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    bars: list[Bar] = []
    failures: list[str] = []
    for name in names or [part for part in PARTS if part not in NAMED]:
        print(f"== {name}: {PARTS[name].__doc__}", flush=True)
        bars += PARTS[name](data, failures)
    table = pd.DataFrame(bars, columns=["what", "bar", "measured", "met"])
    print(table.assign(met=["yes" if m else "NO" for m in table["met"]]).to_string(index=False))
    print(f"\n{table['met'].sum()} of {len(table)} bars met")
    print("\nfailures\n" + ("\n".join(failures) if failures else "none"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
