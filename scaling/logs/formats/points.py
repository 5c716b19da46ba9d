"""Tables of single measurements: points read off figures, and steps to a target loss."""

from pathlib import Path

import pandas as pd

from scaling.counting import tokens
from scaling.errors import DataError
from scaling.logs.formats.table import table


def chinchilla_figure(path: str | Path) -> pd.DataFrame:
    """epoch-research/analyzing-chinchilla, data/svg_extracted_data.csv: 245 points of Hoffmann et al.'s figure 4.

    One row per point: N, D = C / (6 N), C, loss. Five points of the highest loss are usually left out (arXiv:2404.10102).
    """
    names = ["Model Size", "Training FLOP", "loss"]
    out = table(path, names)[names].set_axis(["N", "C", "loss"], axis=1).astype(float)
    out.insert(1, "D", tokens(out["C"], out["N"]))
    out.attrs["note"] = "N total parameters and C read off a figure, D = C / (6 N), loss in nats per token"
    return out


def isoflops(path: str | Path, condition: str = "raw_loss") -> pd.DataFrame:
    """Open-Athena/scaling-law-analysis, isoflops/*/isoflops.csv: one row per run with N, D, C (its budget), loss."""
    raw = table(path, ["params", "tokens", "budget", "loss", "condition"])
    rows = raw[raw["condition"] == condition]
    if rows.empty:
        raise DataError(f"{path}: no condition '{condition}'; it has {', '.join(raw['condition'].unique())}.")
    out = rows[["params", "tokens", "budget", "loss"]].set_axis(["N", "D", "C", "loss"], axis=1).astype(float)
    out.attrs["note"] = "digitised points, C = 6 N D; loss as in the file"
    return out.reset_index(drop=True)


def critical_batch(path: str | Path) -> pd.DataFrame:
    """hlzhang109/critical-batch-size, steps_to_target.csv: model, N, B (sequences an update), steps to the target loss."""
    raw = table(path, ["model", "params_million", "batch_sequences", "steps"])
    out = pd.DataFrame({"model": raw["model"], "N": 1e6 * raw["params_million"].astype(float)})
    out["B"], out["steps"] = raw["batch_sequences"].astype(float), raw["steps"].astype(float)
    out.attrs["note"] = "N nominal, B in sequences; the target loss differs between models"
    return out
