"""Peak rate and batch of a recipe from a fit of `configuration` to a grid of runs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import bootstrap
from scaling.errors import DataError
from scaling.fits import Fit
from scaling.papers.configuration import best_settings
from scaling.planning.recipes.rules import SLACK, Run, Said
from scaling.planning.recipes.sizes import own, rows_of
from scaling.words import amount

REPLICATES = 200
FEWEST_TOKENS = 1e4  # of a batch: what is less counts sequences


def resampled(fit: Fit, replicates: int, seed: int) -> np.ndarray:
    """Parameters (replicates, p) on resampled grids: whole sizes with their tokens, as rows of one share its optimum."""
    made = fit.design
    codes = pd.factorize(pd.MultiIndex.from_frame(made.frame[["N", "D"]]))[0]
    with one_thread():
        y = fit.loss.link(made.loss)
        t, converged = bootstrap(fit.model(made), fit.t, y, made.weights, fit.loss, replicates, seed, codes)
    return np.asarray(fit.coordinates.to_params(t[converged] if converged.any() else fit.t[None]))


def settings_of(fit: Fit, run: Run, level: float) -> dict[str, Said]:
    """The lines peak and batch."""
    seen = fit.design.inputs
    if (usual := float(np.median(seen["batch"]))) < FEWEST_TOKENS:
        raise DataError(
            f"the batches of the fit of '{fit.law.name}' are around {usual:g}, which look like sequences, and a recipe counts "
            "tokens; multiply the column batch by the tokens per sequence and fit again."
        )
    draws = dict(zip(fit.coordinates.names, resampled(fit, REPLICATES, 0).T, strict=True))
    best = best_settings(run.N, run.D, fit.values)
    spread = best_settings(run.N, run.D, {**fit.fixed, **draws})
    doubts = list(fit.verdict.failures)
    for name, x in (("N", run.N), ("D", run.D)):
        low, high = float(seen[name].min()), float(seen[name].max())
        if not low / SLACK <= x <= high * SLACK:
            doubts.append(f"{name} = {amount(x, 3)} lies outside the {amount(low, 3)} to {amount(high, 3)} of the grid")
    out = {}
    for name, value, drawn in zip(("peak", "batch"), best, spread, strict=True):
        low, high = np.exp(np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2]))
        said = f"{level:.0%}, grids resampled by size and tokens"
        out[name] = Said(
            float(np.exp(value)), own(fit), rows_of(fit), True, float(low), float(high), said, doubts=tuple(doubts)
        )
    return out
