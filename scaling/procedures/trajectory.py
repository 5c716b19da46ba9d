"""The procedure of arXiv:2403.06563: constants of the whole trajectory from small runs, step by step, then jointly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling import fits
from scaling.counting import recounted
from scaling.errors import DataError, FitError
from scaling.logs import Runs
from scaling.papers.kaplan2020 import critical_batch, kaplan_steps, steps_to
from scaling.papers.mccandlish2018 import batch_tradeoff
from scaling.papers.su2024 import kaplan_trajectory
from scaling.procedures.batch import tradeoff
from scaling.procedures.tables import at, needs, needs_positive
from scaling.rendering import Result

COLUMNS = ("run", "N", "B", "S", "loss")
LEVELS = 8  # losses at which the batch sizes of one model are compared


@dataclass(frozen=True, repr=False)
class Trajectory(Result):
    """Kaplan's constants with what they predict; B in tokens.

    Attributes
    ----------
    values : N_c, alpha_N, S_c, alpha_S, B_star, alpha_B.
    levels : per loss level S_min, E_min, B_crit of the batch-size comparison. None after the joint fit alone.
    """

    values: Mapping[str, float]
    levels: pd.DataFrame | None = None
    fields = ("values", "levels")

    def loss(self, N: ArrayLike, B: ArrayLike, S: ArrayLike) -> np.ndarray:
        """Loss of N parameters after S steps at batch B."""
        return at(kaplan_trajectory, self.values, N, B, S)

    def lowest_loss(self, N: ArrayLike) -> np.ndarray:
        """Loss of a converged model."""
        return at(kaplan_steps, self.values, N, np.inf)

    def critical_batch(self, loss: ArrayLike) -> np.ndarray:
        """Batch at which twice the fewest steps and twice the fewest tokens are needed for a loss."""
        return at(critical_batch, self.values, loss)

    def steps_to(self, loss: ArrayLike, N: ArrayLike, B: ArrayLike = np.inf) -> np.ndarray:
        """Steps to a loss at batch B (inf: the fewest there can be); NaN where the model never reaches it."""
        constants = {name: self.values[name] for name in kaplan_steps.params}
        fewest = steps_to(np.asarray(loss, float), np.asarray(N, float), **constants)
        found: np.ndarray = batch_tradeoff(np.asarray(B, float), S_min=fewest, B_crit=self.critical_batch(loss))
        return found

    def tokens_to(self, loss: ArrayLike, N: ArrayLike, B: ArrayLike = 0.0) -> np.ndarray:
        """Tokens to a loss at batch B (0: the fewest there can be)."""
        fewest = self.critical_batch(loss) * self.steps_to(loss, N)
        found: np.ndarray = fewest * (1 + np.asarray(B, float) / self.critical_batch(loss))
        return found


def curves_of(runs: Runs) -> pd.DataFrame:
    """Rows run, N, B, S, loss of logged runs, for `unravel` and `joint`.

    N counts without embeddings (from n_params_nonemb, or a shape, among the facts), B is batch_tokens. Only rows at the peak
    rate are taken, as the law knows neither warm-up nor decay. Runs of one N and B that differ in rate or seed count as
    one: the lowest loss any of them has reached by that step.
    """
    frame = runs.joined()
    needs("facts of the runs", frame, ("n_params", "batch_tokens"))
    frame = frame[frame["loss"].notna() & (frame["step"] > 0)]
    if without := sorted(set(frame["run"][frame[["batch_tokens", "n_params"]].isna().any(axis=1)])):
        raise DataError(f"run '{without[0]}' ({len(without)} such) lacks n_params or batch_tokens; select others.")
    frame = recounted(frame, "non_embedding")
    if "lr" in frame:
        frame = frame[frame["lr"] > 0.999 * frame.groupby("run")["lr"].transform("max")]
    frame = frame.rename(columns={"n_params": "N", "batch_tokens": "B", "step": "S"}).sort_values("S")
    frame = frame.assign(loss=frame.groupby("run")["loss"].cummin())
    lowest: pd.DataFrame = frame.groupby(["N", "B", "S"], as_index=False).agg({"loss": "min"})
    return lowest.assign(run=[f"{n:g} at {b:g}" for n, b in zip(lowest["N"], lowest["B"], strict=True)])[list(COLUMNS)]


def unravel(curves: pd.DataFrame, converged: pd.DataFrame | None = None) -> Trajectory:
    """Steps 1 to 3 of the paper, each a fit of two or three constants.

    Parameters
    ----------
    curves : columns run, N, B, S, loss, one run per N and B (see `curves_of`); at least one size at three or more batches.
    converged : columns N, loss of models trained until the loss is flat, for step 1. If not given, the lowest loss of
        every size in `curves` is taken, which is too high by what those runs could still learn.

    Raises
    ------
    DataError : missing columns. FitError : no size has enough batches, or no common loss levels.
    """
    curves = needs_positive("curves", curves, COLUMNS)
    if converged is not None:
        converged = needs_positive("converged", converged, ("N", "loss"))
    ends = curves.groupby("N")["loss"].min().reset_index() if converged is None else converged
    if ends["N"].nunique() < 3:
        raise FitError(
            f"step 1, the loss of converged models against size, needs three sizes; got {ends['N'].nunique()}. Add runs, or "
            "give converged=; `joint` fits all constants at once."
        )
    flat = fits.fit(ends.rename(columns={"N": "x"})[["x", "loss"]], "power_law", objective="log_squares")
    sizes = flat.values
    found = levels(curves)
    pairs = found[["L", "B_crit"]].set_axis(["L", "loss"], axis=1)
    critical = fits.fit(pairs, critical_batch, objective="log_squares").values
    left = curves["loss"] - flat.law(curves["N"], **sizes)
    S_min = curves["S"] / (1 + critical_batch(curves["loss"], **critical) / curves["B"])
    clear = left > 0.02 * curves["loss"]  # below this what is left to learn drowns in noise
    if clear.sum() < 4:
        raise FitError("too few rows are clearly above the loss of a converged model; log earlier steps.")
    rows = pd.DataFrame({"x": S_min[clear], "loss": left[clear]})
    steps = fits.fit(rows, "power_law", objective="squares").values
    of_size = {"N_c": sizes["A"] ** (1 / sizes["alpha"]), "alpha_N": sizes["alpha"]}
    of_steps = {"S_c": steps["A"] ** (1 / steps["alpha"]), "alpha_S": steps["alpha"]}
    return Trajectory({**of_size, **of_steps, **critical}, found)


def joint(curves: pd.DataFrame, **options: Any) -> tuple[Trajectory, fits.Fit]:
    """All six constants at once from all rows (`scaling.fit` of kaplan_trajectory, with its options); also the Fit."""
    curves = needs_positive("curves", curves, COLUMNS)
    fit = fits.fit(curves[["N", "B", "S", "loss"]], "kaplan_trajectory", **options)
    return Trajectory(fit.values), fit


def levels(curves: pd.DataFrame, N: float | None = None) -> pd.DataFrame:
    """Step 2: at losses that all batches of one size reach, steps against batches: columns L, S_min, E_min, B_crit.

    Parameters
    ----------
    curves : as in `unravel`. N : the size; that with the most batches if not given.
    """
    curves = needs_positive("curves", curves, COLUMNS)
    batches = curves.groupby("N")["B"].nunique()
    N = float(batches.sort_values().index.to_numpy()[-1]) if N is None else float(N)
    most = int(batches.get(N, 0))
    if most < 3:
        raise FitError(f"no size was run at three or more batches (N = {N:g} has {most}); B_crit needs them.")
    runs = [g.sort_values("S") for _, g in curves[curves["N"] == N].groupby("run")]
    high, low = min(g["loss"].max() for g in runs), max(g["loss"].min() for g in runs)
    if not low < high:
        raise FitError("the runs at different batches have no loss in common; train the small batches for more steps.")
    rows = []
    for L in np.geomspace(low * 1.005, high * 0.995, LEVELS):
        steps = [np.exp(np.interp(-L, -np.minimum.accumulate(g["loss"]), np.log(g["S"]))) for g in runs]
        rows.append({"L": L, **tradeoff([g["B"].iloc[0] for g in runs], steps)})
    return pd.DataFrame(rows)
