"""Critical batch sizes: the trade-off of steps and examples, its measurement, and the gradient noise scale."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling import fits
from scaling.errors import DataError
from scaling.papers.mccandlish2018 import batch_tradeoff
from scaling.procedures.tables import needs

DEFINITIONS = ("overhead", "ratio", "overhead_small")


def steps_and_examples(S: ArrayLike, B: ArrayLike, B_crit: ArrayLike) -> dict[str, np.ndarray]:
    """S_min = S / (1 + B_crit / B), E_min = B S / (1 + B / B_crit) and the share of compute that batch B wastes.

    (S / S_min - 1)(E / E_min - 1) = 1 with E = B S (arXiv:1812.06162); S_min is the limit of large, E_min of small batches.

    Parameters
    ----------
    S, B, B_crit : array_like, shape (n,), steps, batch and critical batch, the latter two in one unit.
    """
    S, B, B_crit = (np.asarray(v, float) for v in (S, B, B_crit))
    return {"S_min": S / (1 + B_crit / B), "E_min": B * S / (1 + B / B_crit), "wasted": 1 - 1 / (1 + B / B_crit)}


def noise_scale(small: tuple[float, float], big: tuple[float, float]) -> dict[str, float]:
    """Gradient noise scale from squared gradient norms at two batch sizes, (batch, |G|^2) each.

    Unbiased estimates of |G|^2 and tr(Sigma) (arXiv:1812.06162, appendix A). Average each over many steps before taking
    their ratio B_simple: the mean of ratios is biased.
    """
    (b, g), (B, G) = small, big
    if not 0 < b < B:
        raise DataError(f"noise_scale needs two different batch sizes, the smaller first; got {b} and {B}.")
    squared = (B * G - b * g) / (B - b)
    trace = (g - G) / (1 / b - 1 / B)
    return {"gradient": squared, "trace": trace, "B_simple": trace / squared}


def critical_batches(
    runs: pd.DataFrame, definition: str = "overhead", *, group: str = "model",
    overhead: float = 0.2, start: float = 256.0,
) -> pd.DataFrame:  # fmt: skip
    """Critical batch of every model from its steps to a target loss at several batches.

    Parameters
    ----------
    runs : columns B, steps and the one named by `group`.
    definition : "overhead": steps exceed linear scaling from batch `start` by `overhead` (arXiv:2410.21676);
        "ratio": E_min / S_min (arXiv:1812.06162); "overhead_small": as the first, with linear scaling from B = 0.

    Returns
    -------
    DataFrame
        indexed by group: S_min, E_min (fit of ln steps = ln(S_min + E_min / B)) and B_crit.

    Notes
    -----
    The definition decides the exponent in size, not only the factor: always say which was used.
    """
    if definition not in DEFINITIONS:
        raise DataError(f"definition='{definition}' is unknown; use one of {', '.join(DEFINITIONS)}.")
    runs = needs("runs for critical batches", runs, ("B", "steps", group))
    rows = {}
    for name, g in runs.groupby(group, sort=False):
        rows[name] = tradeoff(g["B"], g["steps"])
        ratio, more = rows[name]["B_crit"], overhead * rows[name]["B_crit"]
        by = {"ratio": ratio, "overhead_small": more, "overhead": more + (1 + overhead) * start}
        rows[name]["B_crit"] = by[definition]
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(group)


def tradeoff(B: ArrayLike, steps: ArrayLike) -> dict[str, float]:
    """S_min, E_min and B_crit = E_min / S_min of the steps (n,) to one loss at batches B (n,)."""
    table = pd.DataFrame({"B": np.asarray(B, float), "loss": np.asarray(steps, float)})
    found = fits.fit(table, batch_tradeoff, objective="log_squares").values
    return {"S_min": found["S_min"], "E_min": found["S_min"] * found["B_crit"], "B_crit": found["B_crit"]}


def power_of_size(N: ArrayLike, B_crit: ArrayLike) -> tuple[float, float]:
    """(factor, exponent) of B_crit = factor N^exponent by least squares of logarithms."""
    exponent, log_factor = np.polyfit(np.log(np.asarray(N, float)), np.log(np.asarray(B_crit, float)), 1)
    return float(np.exp(log_factor)), float(exponent)
