"""`python -m benchmarks.forecasts.family`: the constants of `running.beliefs.FAMILY`, from curves of eight models.

Every model (a size at a peak rate) is fitted whole, all its runs with one set of constants, which are then averaged over the
horizons of its runs. Sources weigh alike: the mean is the mean of their means, the standard deviation max(floor, sqrt(variance
of the sources (1 + 1 / sources))). Since a model's fit leans on the mean, this goes on until it settles.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path as File

import numpy as np

import scaling
from benchmarks.forecasts.tasks import curves
from benchmarks.papers.__main__ import shared
from scaling.running.beliefs import FLOORS, Family, carried, shift
from scaling.running.hierarchy import Curve, Hierarchy
from scaling.running.path import NAMES, Path
from scaling.running.prefix import Prefix

SOURCES = ("MultiPowerLaw", "lr-scheduling", "runs")
PEAKS = ("0.0005", "0.001", "0.002")
SIZES = ("d24", "d32", "d48")
OWN = File(__file__).resolve().parents[2] / "runs" / "curves"
BEGIN = np.array([0, -1.9, -0.55, -1.6, 6.5, 0.8, 0.15, -5.0])
ROUNDS = 8


@cache
def models(data: File) -> dict[tuple[str, str], scaling.Runs]:
    """Runs by source and model."""
    found = {("MultiPowerLaw", f"{size}M"): curves(data, size) for size in (25, 100)}
    for peak in PEAKS:
        files = sorted(str(p) for p in (data / "lr-scheduling").glob(f"lr{peak}_*_25000.csv"))
        found["lr-scheduling", f"124M {peak}"] = scaling.read(files, loss="val_loss")
    for size in SIZES:
        found["runs", size] = scaling.read(sorted(str(p) for p in OWN.glob(f"{size}-*.csv")))
    return found


@cache
def family(data: File, without: str | None = None) -> Family:
    """The family of all sources but one."""
    kept = {key: _curves(runs) for key, runs in models(data).items() if key[0] != without}
    mean = BEGIN
    for _ in range(ROUNDS):
        each: dict[str, list[np.ndarray]] = {}
        for (source, _), model in kept.items():
            each.setdefault(source, []).append(_constants(model, Family(mean, FLOORS)))
        groups = np.array([np.mean(part, 0) for part in each.values()])
        mean = groups.mean(0)
    spread = np.sqrt(groups.var(0, ddof=1) * (1 + 1 / len(groups)))
    return Family(np.r_[0.0, mean[1:]], np.fmax(FLOORS, spread))


def _curves(runs: scaling.Runs) -> list[Curve]:
    prefixes = [Prefix.of(runs, name) for name in runs]
    longest = max((p.plan for p in prefixes), key=len)
    made = [(p, p.means()) for p in prefixes]
    return [Curve(Path(p.plan, step, longest), loss, noise) for p, (step, loss, noise) in made]


def _constants(model: list[Curve], family: Family) -> np.ndarray:
    """Of one model, over the horizons of its runs, at the peak rate and loss of a family."""
    horizon, loss = model[0].path.unit.schedule, float(np.mean([c.loss[-1] for c in model]))
    x = Hierarchy(model, family.belief(horizon.peak, loss)).x
    own = [carried(x, horizon, c.path.schedule)[0] for c in model]
    return np.mean(own, 0) - shift(horizon.peak, loss)


def main() -> int:
    data = shared()
    if data is None:
        print("needs the public data (set SCALING_DATA)", file=sys.stderr)
        return 0
    for left in (None, *SOURCES):
        found = family(data, left)
        print(f"without {left}" if left else "all")
        for name, mean, sd in zip(NAMES[1:], found.mean[1:], found.sd[1:], strict=True):
            print(f"    {name:<10} {mean:7.2f} +- {sd:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
