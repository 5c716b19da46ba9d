"""Peak rate and batch from a fit of bowls to a grid of runs, whose settings owe nothing to how the loss falls with size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.engine.solver import minimise
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import bootstrap
from scaling.errors import DataError
from scaling.fits import Fit
from scaling.fits.fitting import fit as fitted
from scaling.papers.configuration_quadratic import LEVEL, best_by
from scaling.planning.recipes.rules import SLACK, Run, Said
from scaling.planning.recipes.sizes import own, rows_of
from scaling.words import amount

REPLICATES = 200
FEWEST_TOKENS = 1e4  # of a batch: what is less counts sequences

SPARE = 1.5  # rows beyond one for each size with its tokens, per parameter, without which these have no levels of their own
# turns of levels and law, at most, steps of the solver in each; change of a level (ln loss) that is none
ROUNDS, STEPS, SETTLED = 40, 8, 2e-4


def groups_of(frame: pd.DataFrame) -> np.ndarray:
    """Which size with its tokens each row (n,) is of, by whole numbers from 0."""
    return pd.factorize(pd.MultiIndex.from_frame(frame[["N", "D"]]))[0]


def levelled(fit: Fit) -> Fit:
    """The same law with a level of its own for every size with its tokens.

    What the law misses of how the loss falls with size and tokens, it else makes up for by settings that drift: where the
    loss has a limit that the form lacks, by a factor of three in the batch. What says how the loss falls is held in the end:
    the verdict is of the bowls. The fit itself where rows are too few.
    """
    made, inner = fit.design, fit.coordinates
    if not enough(made.frame, len(inner.params)):
        return fit
    t, level = levels(fit, fit.t, made.weights)
    values = dict(zip(inner.names, map(float, inner.to_params(t)), strict=True))
    domains = {name: fit.law.params[name].domain for name in LEVEL[fit.law.name] if name in values}
    fixed = {**fit.fixed, **{name: min(max(values[name], d.lo), d.hi) for name, d in domains.items()}}  # rounding of edges
    frame = made.frame.assign(loss=np.exp(np.log(made.loss) - level) if fit.loss.log else made.loss - level)
    return fitted(frame, fit.law, objective=fit.loss.objective, delta=fit.loss.delta, fixed=fixed, seed=fit.seed)


def enough(frame: pd.DataFrame, params: int) -> bool:
    """Are the rows enough for levels of their own?"""
    codes = groups_of(frame)
    return bool(len(codes) - codes.max() - 1 >= SPARE * params)


def levels(fit: Fit, t: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parameters (p,) of bowls fitted to the rows of weights (n,) above 0 from t (p,) on, and the level (n,) of each row above
    the law: law and levels take turns, a few steps each."""
    model, y, codes = fit.model(fit.design), fit.loss.link(fit.design.loss), groups_of(fit.design.frame)
    used, level = weights > 0, np.zeros(len(y))
    with one_thread(), np.errstate(all="ignore"):
        for _ in range(ROUNDS):
            miss = y - fit.loss.link(model.value(model.terms(t[None]))[0])
            now = np.zeros(codes.max() + 1)
            for k in np.unique(codes[used]):
                now[k] = np.median(miss[used & (codes == k)])
            moved, level = np.abs(now[codes] - level)[used].max(), now[codes]
            if moved < SETTLED:
                break
            t = minimise(model, y - level, t[None], weights, fit.loss, damping=1e-3, max_iter=STEPS).t[0]
    return t, level


def resampled(fit: Fit, replicates: int, seed: int) -> np.ndarray:
    """Parameters (replicates, p) on resampled grids: whole sizes with their tokens, as rows of one share its optimum."""
    made = fit.design
    codes = groups_of(made.frame)
    with one_thread():
        y = fit.loss.link(made.loss)
        t, converged = bootstrap(fit.model(made), fit.t, y, made.weights, fit.loss, replicates, seed, codes)
    return np.asarray(fit.coordinates.to_params(t[converged] if converged.any() else fit.t[None]))


def around(value: np.ndarray | float, drawn: np.ndarray, level: float) -> np.ndarray:
    """Ends (2, ...) of an interval by draws (r, ...) that holds the value (...): as far from it as the draws are from their
    middle, and as they are themselves."""
    ends = np.nanquantile(drawn, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    moved = ends + (value - np.nanmedian(drawn, axis=0))
    return np.stack([np.minimum(ends[0], moved[0]), np.maximum(ends[1], moved[1])])


def settings_of(fit: Fit, run: Run, level: float) -> dict[str, Said]:
    """The lines peak and batch."""
    seen, given = fit.design.inputs, fit
    if (usual := float(np.median(seen["batch"]))) < FEWEST_TOKENS:
        raise DataError(
            f"the batches of the fit of '{fit.law.name}' are around {usual:g}, which look like sequences, and a recipe counts "
            "tokens; multiply the column batch by the tokens per sequence and fit again."
        )
    fit = levelled(fit)
    draws = dict(zip(fit.coordinates.names, resampled(fit, REPLICATES, 0).T, strict=True))
    best = best_by(fit.law, run.N, run.D, fit.values)
    spread = best_by(fit.law, run.N, run.D, {**fit.fixed, **draws})
    doubts = list(fit.verdict.failures)
    for name, x in (("N", run.N), ("D", run.D)):
        low, high = float(seen[name].min()), float(seen[name].max())
        if not low / SLACK <= x <= high * SLACK:
            doubts.append(f"{name} = {amount(x, 3)} lies outside the {amount(low, 3)} to {amount(high, 3)} of the grid")
    out = {}
    for name, value, drawn in zip(("peak", "batch"), best, spread, strict=True):
        low, high = np.exp(around(float(value), drawn, level))
        said = f"{level:.0%}, grids resampled by size and tokens"
        out[name] = Said(
            float(np.exp(value)), own(given), rows_of(given), True, float(low), float(high), said, doubts=tuple(doubts)
        )
    return out
