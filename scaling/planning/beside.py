"""What other ways to the optimal size say, beside a fitted law's own, and how far off each is known to be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import tokens
from scaling.errors import ScalingError
from scaling.fits import Fit, fit
from scaling.planning.budgets import minima, power_laws
from scaling.planning.surface import Budget, Surface

TIED, ISOFLOP = "over_training", "isoflop"
# mean |relative error| of D* eight to ten times beyond the runs fitted, on eight real sets of iso-FLOP runs, by this project
KNOWN = {ISOFLOP: 0.18, "chinchilla": 0.29, "chinchilla_outer": 0.30, TIED: 0.13}
KNOWN_FOR = "known_error: mean |relative error| of D* eight to ten times beyond the runs, on eight real iso-FLOP sets"


def beside(found: Fit, flops: Iterable[float]) -> list[dict[str, Any]]:
    """Rows approach, flops, N, D, known_error (None where nothing is known): the law of the fit is none of them.

    Tied exponents (the law `over_training`, alpha = beta), refitted to the rows of the fit by its objective, and Approach 2,
    parabolas at every budget of its runs. One that these rows do not allow has no rows.
    """
    rows = found.data
    if "D" not in rows and {"N", "M"} <= {*rows}:
        rows = rows.assign(D=rows["N"] * rows["M"])
    if not {"N", "D"} <= {*rows} or set(found.law.inputs) - {"N", "D", "M"}:
        return []
    C = np.array(list(flops))
    ways = {TIED: tied, ISOFLOP: parabolas}
    out: list[dict[str, Any]] = []
    for name, way in ways.items():
        if name == found.law.name:
            continue
        try:
            N = way(rows, found, C)
        except ScalingError:
            continue
        out += [
            {"approach": name, "flops": float(c), "N": float(n), "D": float(tokens(c, n)), "known_error": KNOWN[name]}
            for c, n in zip(C, N, strict=True)
            if np.isfinite(n)
        ]
    return out


def tied(rows: pd.DataFrame, found: Fit, C: np.ndarray) -> np.ndarray:
    """N (k,) of tied exponents."""
    loss = found.loss
    kept = [c for c in ("N", "loss", "weight", "params_counted") if c in rows]
    other = fit(rows[kept].assign(M=rows["D"] / rows["N"]), TIED, objective=loss.objective, delta=loss.delta, seed=found.seed)
    values = {k: np.array([v]) for k, v in other.values.items()}
    surface = Surface.of(other.law, values, {})
    return surface.repeated(len(C)).best(C, Budget())[0]


def parabolas(rows: pd.DataFrame, found: Fit, C: np.ndarray) -> np.ndarray:
    """N (k,) of a power law through the minima of all budgets."""
    slope, log_factor = power_laws(minima(rows[["N", "D", "loss"]])[0])["N"]
    return np.asarray(np.exp(log_factor + slope * np.log(C)))
