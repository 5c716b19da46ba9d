"""Intervals of laws of schedules: rows of curves under schedules that were left out, at one peak.

    python -m benchmarks.forecasts intervals

Eight groups in three families: 25M and 100M of arXiv:2503.12811, 124M of arXiv:2501.18965 at three peaks, three tiny models.
Of each, seeded subsets of two to five curves are fitted, and every logged row of all the others is predicted. Coverage and
interval score are in ln loss; every subset has one vote in its group. The constants of `scaling.intervals.left_out` were
chosen on them, so what `USUAL` would have been on the other families alone is told beside, and the coverage that gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from benchmarks.forecasts.schedules import MPL, OWN, RUNS
from scaling.intervals import left_out

COUNTS = {2: 2, 3: 3, 4: 2, 5: 1}  # curves fitted: subsets of so many
SEED = 7
OTHERS = (0.6, 0.7, 0.8, 0.9, 1.0)  # constants that two families may choose for the third
# interval scores (1e-2 of ln loss) of multi_power_5 by rivals and backtests, as it was before `left_out` (c8efc23)
BEFORE = {
    "25M": 1.459, "100M": 1.340, "124M 0.0005": 5.473, "124M 0.001": 1.497, "124M 0.002": 2.031, "d24": 5.945, "d32": 7.117,
    "d48": 7.860,
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Curves of one model at one peak, of which rows after `fitted` updates are fitted and after `scored` are scored."""

    name: str
    family: str
    paths: tuple[Path, ...]
    fitted: int = 0
    scored: int = 0
    warmup: int | None = None


def groups(data: Path) -> Iterator[Group]:
    """The public models, then the own ones."""
    for size in (25, 100):
        folder = data / f"MultiPowerLaw/loss_curve_repo/csv_{size}"
        yield Group(f"{size}M", "MPL", tuple(folder / f"{name}.csv" for name in MPL), warmup=2160)
    for peak in ("0.0005", "0.001", "0.002"):
        yield Group(f"124M {peak}", "lr-scheduling", tuple(sorted(data.glob(f"lr-scheduling/lr{peak}_*.csv"))), 401, 1001)
    for size in ("d24", "d32", "d48"):
        yield Group(size, "runs", tuple(RUNS / f"{size}-{name}.csv" for name in OWN), 401, 401)


def tasks(group: Group) -> Iterator[tuple[scaling.Runs, scaling.Runs]]:
    """Curves fitted, one of them with a drop, and curves predicted."""
    runs = scaling.read(list(group.paths), warmup=group.warmup)
    rng = np.random.default_rng(SEED)
    for k, count in COUNTS.items():
        some = [chosen for chosen in combinations(runs.names, k) if any("constant" not in name for name in chosen)]
        for i in rng.permutation(len(some))[: count if k < len(runs.names) else 0]:
            others = [name for name in runs.names if name not in some[i]]
            yield runs.select(f"run in {list(some[i])}"), runs.select(f"run in {others} and step >= {group.scored}")


def scored(found: pd.DataFrame, level: float = 0.9) -> tuple[float, float, float, float]:
    """Coverage, interval score and median width in ln loss, and root mean square error."""
    found = found[found["loss"].notna() & found["prediction"].notna()]
    y, middle, low, high = (np.log(found[name].to_numpy()) for name in ("loss", "prediction", "lower", "upper"))
    miss = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    score = (high - low + 2 / (1 - level) * miss).mean()
    return float((miss == 0).mean()), float(score), float(np.median(high - low)), float(np.sqrt(np.mean((y - middle) ** 2)))


def table(data: Path, law: str, others: tuple[float, ...] = ()) -> pd.DataFrame:
    """One row per task and interval: calibrated, by the delta method, and calibrated with other constants `USUAL`."""
    rows, held = [], left_out.USUAL
    for group in groups(data):
        for given, asked in tasks(group):
            fit = scaling.fit(given, law, min_step=group.fitted or None)
            for name, usual in (("calibrated", held), ("delta", held), *((f"{c:g}", c) for c in others)):
                left_out.USUAL = usual
                found = scored(fit.predict(asked, interval=name if name == "delta" else "calibrated"))
                left_out.USUAL = held
                values = dict(zip(("inside", "score", "width", "error"), found, strict=True))
                rows.append({"group": group.name, "family": group.family, "interval": name, "curves": len(given), **values})
    return pd.DataFrame(rows)


def apart(found: pd.DataFrame) -> pd.Series:
    """Coverage of every group with the one of `OTHERS` that covers the other families best."""
    covered = found.groupby(["interval", "family", "group"])["inside"].mean()[[f"{c:g}" for c in OTHERS]]
    said = {}
    for family in found["family"].unique():
        rest = covered.drop(family, level="family").groupby(["interval", "family"]).mean().groupby("interval").mean()
        said |= covered[(rest - 0.9).abs().idxmin()][family].to_dict()
    return pd.Series(said)


def bars(data: Path, failures: list[str]) -> Iterator[Bar]:
    """Coverage of every family, and scores against those of the delta method and of multi_power_5 as it was."""
    found = table(data, "progress", OTHERS)
    beside = table(data, "multi_power_5")
    beside = beside[beside["interval"] == "calibrated"].groupby("group", sort=False)["inside"].mean()
    strict, found = apart(found), found[found["interval"].isin(["calibrated", "delta"])]
    means = found.groupby(["interval", "group"], sort=False)[["inside", "score", "width", "error"]].mean()
    print((means * [1, 100, 100, 100]).unstack(0).to_string(float_format=lambda x: f"{x:.3f}"))
    print(f"multi_power_5 inside: {', '.join(f'{k} {v:.2f}' for k, v in beside.items())}", end="\n\n")
    ours, plain = means.loc["calibrated"], means.loc["delta"]
    families = found.drop_duplicates("group").set_index("group")["family"]
    places = {group: [group] for group in families.index[families == "lr-scheduling"]}
    places |= {family: list(families.index[families == family]) for family in ("MPL", "runs")}
    for name, members in places.items():
        inside = float(ours.loc[members, "inside"].mean())
        yield f"schedules left out, {name}: rows inside 90 %", "0.83 to 0.97", f"{inside:.3f}", 0.83 <= inside <= 0.97
        said = float(strict[members].mean())
        print(f"  {name}: {said:.3f} inside with the constant of the other families")
    for name, others in (("the delta method", plain["score"]), ("multi_power_5 before", pd.Series(BEFORE) / 100)):
        ratio = float(np.exp(np.log(ours["score"] / others[ours.index]).mean()))
        yield f"schedules left out: interval score over that of {name}", "< 1", f"{ratio:.3f}", ratio < 1
    failures += [
        f"schedules left out, {r.group}, {r.curves} curves fitted: {r.inside:.0%} inside"
        for r in found[(found["interval"] == "calibrated") & (found["inside"] < 0.7)].itertuples()
    ]
