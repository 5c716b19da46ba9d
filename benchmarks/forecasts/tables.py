"""Every public table of losses by size, tokens and what else it varies, and its part held out: the largest budgets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.counting import compute
from scaling.logs import formats

LEAST, ROWS = 12, 3  # rows that are fitted at least, and held out at least
BEYOND = 4.0  # ratio of the largest compute held out to the largest fitted


def tables(data: Path, own: Path | None = None) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(family, name, table) with columns N, D, loss and, where the table varies it, U.

    Parameters
    ----------
    data : the public data. own : the project's `runs/`, whose surface of sizes and tokens is one more table.
    """
    yield "chinchilla", "figure", formats.chinchilla_figure(data / "analyzing-chinchilla/data/svg_extracted_data.csv")
    sweep = formats.loss_to_loss(data / "loss-to-loss-notebooks/data/sweep.csv")
    for name, rows in sweep.groupby("data"):
        yield "loss-to-loss", str(name), rows
    yield "isoflops", "llama_3", formats.isoflops(data / "isoflops/llama_3/isoflops.csv")
    trained = formats.over_training(data / "scaling/exp_data")
    for name, rows in trained.groupby("data"):
        for column in ("c4_val_loss", "paloma_c4_en_loss"):
            if column in rows:
                yield "over-training", f"{name} {column}", rows.assign(loss=rows[column])
        yield "over-training", str(name), rows
    for name, rows in formats.mt_scaling(data / "mt-scaling/summaries/data_scaling.0126.summary").groupby("pair"):
        yield "translation", str(name), rows
    yield "ladder", "OLMo", formats.ladder(data / "OLMo-ladder/ladder-runs")
    bench = {
        task: formats.scalebench(next((data / f"scalebench/{task}_scaling_law").glob("train-*.parquet")))
        for task in ("farseer", "lr_bsz", "data_constrained")
    }
    yield "farseer", "farseer", bench["farseer"]
    yield "step law", "lr_bsz", bench["lr_bsz"].groupby(["N", "D"], as_index=False)["loss"].min()
    yield "data-constrained", "all", bench["data_constrained"]
    once = bench["data_constrained"]
    yield "data-constrained", "one epoch", once[once["D"] <= once["U"] * 1.001]
    if own is not None:
        yield "runs", "surface", surface(own)


def surface(own: Path) -> pd.DataFrame:
    """The last evaluated loss of every run of the project's own surface."""
    import scaling

    runs = scaling.read(own / "surface")
    rows = runs.joined()
    rows = rows[rows["loss"].notna()].groupby("run", sort=False).tail(1)
    return rows.rename(columns={"n_params": "N", "tokens": "D"})[["N", "D", "loss"]]


def budgets(frame: pd.DataFrame) -> np.ndarray:
    """Compute 6 N D of the rows."""
    return np.asarray(compute(frame["N"].to_numpy(float), frame["D"].to_numpy(float)))


def held_out(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The rows that are fitted and those of the top fifth of compute or the top two budgets, whichever is more, pushed down
    until the largest is 4 times the largest fitted; None where too few rows are left."""
    C = budgets(frame)
    levels = np.sort(C)[np.append(True, np.diff(np.log(np.sort(C))) > 0.1)]  # the lowest of every budget
    at = levels[-2] if 3 < len(levels) <= 12 else np.quantile(C, 0.8)
    at = min(at, C.max() / BEYOND * 1.0001)
    small, large = frame[at > C], frame[at <= C]
    if len(small) < LEAST or len(large) < ROWS:
        return None
    return small.reset_index(drop=True), large.reset_index(drop=True)
