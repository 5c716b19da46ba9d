"""Intervals of laws of schedules beyond the longest run: rows of runs 1.7 to 3 times as long as all that were fitted.

    python -m benchmarks.forecasts lengths

Ten groups in three families: 25M and 100M of arXiv:2503.12811, 124M of arXiv:2501.18965 at three peaks, tiny models of runs/.
Seeded subsets of two to four shorter curves are fitted. `scaling.intervals.left_out.LONGER` was chosen with all of them in
view, so what coverage would be with none, half and twice of it is told beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from benchmarks.forecasts.schedules import MPL, OWN, RUNS
from benchmarks.forecasts.schedules_inside import Group, scored
from scaling.intervals import left_out

LADDER = RUNS.parent / "ladder"
COUNTS, SUBSETS, SEED = (2, 3, 4), 3, 3  # curves fitted; subsets of so many
TIMES = (0.0, 0.5, 1.0, 2.0)  # of LONGER


def groups(data: Path) -> Iterator[tuple[Group, tuple[Path, ...]]]:
    """Curves to choose from, and the longer ones."""
    for size in (25, 100):
        folder = data / f"MultiPowerLaw/loss_curve_repo/csv_{size}"
        short, long = ([folder / f"{n}.csv" for n in MPL if ("72000" in n) == is_long] for is_long in (False, True))
        yield Group(f"{size}M", "MPL", tuple(short), warmup=2160), tuple(long)
    for peak in ("0.0005", "0.001", "0.002"):
        short, long = (sorted(data.glob(f"lr-scheduling/lr{peak}_*_{n}.csv")) for n in (15000, 25000))
        yield Group(f"124M {peak}", "lr-scheduling", tuple(short), 401), tuple(long)
    for size in ("d24", "d32", "d48"):
        yield Group(size, "runs", tuple(RUNS / f"{size}-{name}.csv" for name in OWN), 401), (RUNS / f"{size}-long.csv",)
    table = pd.read_csv(LADDER / "runs.csv").query("peak_lr == 0.008 and batch == batch.mode()[0]")
    for d in (24, 48):
        short, long = (table.query(f"d_model == {d} and {which}")["run_id"] for which in ("steps <= 3200", "steps == 6400"))
        short, long = ([LADDER / f"curves/{run}.csv" for run in some] for some in (short, long))
        yield Group(f"ladder d{d}", "runs", tuple(short), 401), tuple(long)


def table(data: Path, law: str) -> pd.DataFrame:
    """One row per subset and share of LONGER."""
    rows, held = [], left_out.LONGER
    for group, longer in groups(data):
        runs, asked = (scaling.read(list(paths), warmup=group.warmup) for paths in (group.paths, longer))
        rng = np.random.default_rng(SEED)
        for k in COUNTS:
            some = [chosen for chosen in combinations(runs.names, k) if any("constant" not in name for name in chosen)]
            for i in rng.permutation(len(some))[:SUBSETS]:
                given = runs.select(f"run in {list(some[i])}")
                fit = scaling.fit(given, law, min_step=group.fitted or None)
                beyond = asked.select(f"step > {given.frame['step'].max()}")
                for times in TIMES:
                    left_out.LONGER = times * held
                    values = dict(zip(("inside", "score", "width", "error"), scored(fit.predict(beyond)), strict=True))
                    left_out.LONGER = held
                    rows.append({"law": law, "group": group.name, "family": group.family, "times": times, **values})
    return pd.DataFrame(rows)


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Coverage of every family, and the score against that without the term."""
    for law in ("progress", "multi_power_5"):
        found = table(data, law)
        means = found.groupby(["times", "group"], sort=False)[["inside", "score"]].mean()
        print(law, (means * [1, 100]).unstack(0).to_string(float_format=lambda x: f"{x:.2f}"), sep="\n", end="\n\n")
        for family, inside in found[found["times"] == 1].groupby("family")["inside"].mean().items():
            yield f"longer runs, {law}, {family}: rows inside 90 %", "0.83 to 0.97", f"{inside:.3f}", 0.83 <= inside <= 0.97
        ratio = float(np.exp(np.log(means["score"][1.0] / means["score"][0.0]).mean()))
        print(f"  {law}: interval score {ratio:.3f} of that without the term")
        failures += [
            f"longer runs, {law}, {name}: {row['inside']:.0%}" for name, row in means.loc[1.0].iterrows() if row["inside"] < 0.7
        ]
