"""Hoffmann's three ways to the optimal size: envelope of curves, iso-FLOP parabolas, parametric fit (arXiv:2203.15556).

The parabolas are biased even without noise where alpha and beta differ or grids are off centre, so their result comes
with the bias measured on the parametric fit's own surface, and with that fit beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling import fits
from scaling.counting import compute, counted, tokens
from scaling.errors import FitError
from scaling.planning.compute import plan
from scaling.procedures.tables import needs_positive
from scaling.rendering import Result

ENVELOPE = 1500  # log-spaced values of compute at which the best curve is sought


@dataclass(frozen=True, repr=False)
class Optima(Result):
    """Power laws of the optimum, N* = exp(log_N) C^a and D* = exp(log_D) C^b, and the points they were fitted to.

    Attributes
    ----------
    points : DataFrame flops, N, D, loss: the optimum found at each budget.
    bias : share by which D* is off at the asked budget on a noiseless surface like this one; None if not measured.
    notes : what was left out, and why.
    """

    a: float
    b: float
    log_N: float
    log_D: float
    points: pd.DataFrame
    notes: tuple[str, ...] = ()
    bias: float | None = None
    fields = ("a", "b", "log_N", "log_D", "bias", "points", "notes")

    def at(self, flops: float) -> dict[str, float]:
        """N and D at a budget."""
        x = np.log(flops)
        return {"N": float(np.exp(self.log_N + self.a * x)), "D": float(np.exp(self.log_D + self.b * x))}


def envelope(curves: pd.DataFrame, smooth: int = 1) -> Optima:
    """Approach 1: at each compute the best of all loss curves, then power laws through those.

    Parameters
    ----------
    curves : columns run, N, D, loss: every logged row of every run, one size per run.
    smooth : rows of a running mean over each curve.

    Notes
    -----
    A curve under a schedule longer than the budget has not annealed yet, so its loss at that budget is too high.
    """
    _checked("curves", curves, "run")
    lines = []
    for _, rows in curves.sort_values("D").groupby("run", sort=False):
        loss = rows["loss"].rolling(smooth, center=True, min_periods=1).mean().to_numpy(float)
        lines.append((np.log(compute(rows["N"], rows["D"])), loss, float(rows["N"].iloc[0])))
    low, high = min(x[0] for x, _, _ in lines), max(x[-1] for x, _, _ in lines)
    grid = np.linspace(low, high, ENVELOPE)
    losses = np.array([np.interp(grid, x, y, left=np.inf, right=np.inf) for x, y, _ in lines])
    sizes, there = np.array([line[2] for line in lines]), np.isfinite(losses)
    N = sizes[losses.argmin(0)]
    # the best of all sizes run at this compute tells nothing if it is the smallest or the largest of them
    inside = (np.where(there, sizes[:, None], np.inf).min(0) < N) & (np.where(there, sizes[:, None], 0).max(0) > N)
    if inside.sum() < 3:
        raise FitError(
            "the curves share too little compute to bracket an optimal size; log more of each run, add sizes, or use isoflop."
        )
    C = np.exp(grid)
    points = pd.DataFrame({"flops": C, "N": N, "D": tokens(C, N), "loss": losses.min(0)})[inside]
    note = (f"{(~inside).sum()} of {ENVELOPE} budgets left out: their best size is the smallest or largest run there",)
    return _power_laws(points, note)


def isoflop(runs: pd.DataFrame, flops: float | None = None) -> Optima:
    """Approach 2: a parabola of the loss in ln N at every budget; power laws through the minima.

    Parameters
    ----------
    runs : columns N, D, loss, and `budget` that groups runs of equal compute (default: 6 N D to two digits).
    flops : compute at which the bias is stated; ten times the largest budget if not given.

    Returns
    -------
    Optima
        `bias`: what the same parabolas get wrong on the noiseless surface of a Chinchilla fit to the same runs.
    """
    _checked("runs", runs)
    points, notes = _minima(runs)
    found = _power_laws(points, notes)
    flops = 10 * float(points["flops"].max()) if flops is None else flops
    return Optima(**{**vars(found), "bias": _bias(runs, flops)})


def parametric(runs: pd.DataFrame, law: str = "chinchilla", flops: float | Sequence[float] | None = None) -> Optima:
    """Approach 3: fit the law, read off the optimum at the budgets of the runs (or at `flops`)."""
    _checked("runs", runs)
    fit = fits.fit(runs[["N", "D", "loss"]], law)
    C = compute(runs["N"], runs["D"])
    rows = plan(fit, np.geomspace(C.min(), C.max(), 9).tolist() if flops is None else flops, replicates=0)
    return _power_laws(rows[["flops", "N", "D", "loss"]], tuple(fit.warnings))


def compare(runs: pd.DataFrame, flops: float) -> pd.DataFrame:
    """Iso-FLOP parabolas and the parametric fits beside each other: exponents, and N and D at `flops`."""
    found = {"isoflop": isoflop(runs, flops), **{law: parametric(runs, law) for law in ("chinchilla", "chinchilla_outer")}}
    rows = {name: {"a": one.a, "b": one.b, **one.at(flops), "bias_of_D": one.bias} for name, one in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _minima(runs: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    C = compute(runs["N"], runs["D"])
    groups = runs["budget"] if "budget" in runs else pd.Series([float(f"{c:.1e}") for c in C], runs.index)
    rows, notes = [], []
    for budget, level in runs.assign(flops=C).groupby(groups):
        x = np.log(level["N"].to_numpy(float))
        if len(np.unique(x)) < 3:
            notes.append(f"budget {budget:g}: fewer than 3 sizes")
            continue
        c2, c1, c0 = np.polyfit(x - x.mean(), level["loss"].to_numpy(float), 2)
        best = x.mean() - c1 / (2 * c2) if c2 > 0 else np.nan
        if not x.min() <= best <= x.max():
            notes.append(f"budget {budget:g}: the minimum is not bracketed by the sizes run")
            continue
        flops, N = float(np.exp(np.log(level["flops"]).mean())), np.exp(best)
        rows.append((flops, N, float(tokens(flops, N)), c0 - c1**2 / (4 * c2)))
    if len(rows) < 2:
        raise FitError("fewer than two budgets have a minimum inside the sizes run; " + "; ".join(notes[:2]))
    return pd.DataFrame(rows, columns=["flops", "N", "D", "loss"]), tuple(notes)


def _bias(runs: pd.DataFrame, flops: float) -> float | None:
    fit = fits.fit(runs[["N", "D", "loss"]], "chinchilla")
    if not fit.ok:
        return None
    exact = fit.law(runs["N"].to_numpy(float), runs["D"].to_numpy(float), **fit.values)
    try:
        points, _ = _minima(runs.assign(loss=exact))
    except FitError:
        return None
    truth = float(plan(fit, flops, replicates=0)["D"].iloc[0])
    return _power_laws(points, ()).at(flops)["D"] / truth - 1


def _power_laws(points: pd.DataFrame, notes: tuple[str, ...]) -> Optima:
    x = np.log(points["flops"].to_numpy(float))
    (a, log_N), (b, log_D) = (np.polyfit(x, np.log(points[k].to_numpy(float)), 1) for k in ("N", "D"))
    return Optima(float(a), float(b), float(log_N), float(log_D), points.reset_index(drop=True), notes)


def _checked(name: str, frame: pd.DataFrame, *more: str) -> None:
    needs_positive(name, frame, (*more, "N", "D", "loss"))
    counted(frame)  # refuses rows counted in several ways
