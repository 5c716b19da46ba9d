"""Data, clocks and the table of the engine's benchmarks."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"


def data_root() -> Path:
    """Folder of the public data: SCALING_DATA, else ../shared/data beside the repository."""
    places = [os.environ.get("SCALING_DATA"), REPOSITORY.parent / "shared/data", REPOSITORY.parents[1] / "shared/data"]
    for place in filter(None, places):
        if Path(place).is_dir():
            return Path(place)
    raise SystemExit("the benchmarks need the public data; set SCALING_DATA to its folder")


def epoch() -> pd.DataFrame:
    """The 240 rows of the Chinchilla replication (arXiv:2404.10102), as its authors filter them."""
    raw = pd.read_csv(data_root() / "analyzing-chinchilla/data/svg_extracted_data.csv")
    raw = raw[raw["loss"] < sorted(raw["loss"])[-5]]
    N = raw["Model Size"]
    return pd.DataFrame({"N": N, "D": raw["Training FLOP"] / (6 * N), "loss": raw["loss"]}).reset_index(drop=True)


def cpu(*work: Callable[[], object], rounds: int = 5) -> list[float]:
    """Median CPU seconds of each piece of work: warmed once, then measured in interleaved rounds on a shared machine."""
    for one in work:
        one()
    times: list[list[float]] = [[] for _ in work]
    gc.disable()
    try:
        for _ in range(rounds):
            for one, seen in zip(work, times, strict=True):
                start = time.process_time()
                one()
                seen.append(time.process_time() - start)
    finally:
        gc.enable()
    return [median(seen) for seen in times]


@dataclass(frozen=True)
class Row:
    """One line of the table. bar "" = told for comparison; met None = nothing to meet."""

    what: str
    measured: str
    bar: str = ""
    met: bool | None = None


def at_least(what: str, value: float, bar: float, unit: str = "x") -> Row:
    return Row(what, f"{value:.3g}{unit}", f">= {bar:g}{unit}", value >= bar)


def at_most(what: str, value: float, bar: float, unit: str = "") -> Row:
    return Row(what, f"{value:.3g}{unit}", f"<= {bar:g}{unit}", value <= bar)


def show(rows: list[Row]) -> None:
    for row in rows:
        mark = {True: "met", False: "MISSED", None: ""}[row.met]
        print(f"  {row.what:<78} {row.measured:>14}  {row.bar:<12} {mark}".rstrip(), flush=True)
