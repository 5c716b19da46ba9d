"""Runs of equal compute: which belong to one budget, and the size that was best there (Hoffmann's Approach 2)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.counting import compute, tokens
from scaling.errors import FitError

SAME, APART = 0.02, 3.0  # steps of ln C within a budget at least; ratio of steps that tells budgets from what is within one
ROUNDING = 1e-3  # differences of ln C that no loss shows
SPARE = 2  # runs of a budget beyond the parabola's three numbers, from which on what their compute differs by is told apart


def budgets(C: np.ndarray) -> np.ndarray:
    """The budget (n,) that each run is of, numbered by compute C (n,): runs that no wide gap of ln C parts.

    The gaps between neighbours are of two kinds, within a budget and between budgets; they are told apart where their sizes,
    in order, jump most. Gaps of less than 2 % are rounding.

    Raises
    ------
    FitError : the gaps are of one kind, so there are no budgets.
    """
    order = np.argsort(C, kind="stable")
    gaps = np.diff(np.log(np.asarray(C, float)[order]))
    sizes = np.sort(np.maximum(gaps, SAME))
    jumps = sizes[1:] / sizes[:-1]
    if len(sizes) and sizes[-1] == SAME:
        widest = np.inf
    elif not len(jumps) or jumps.max() < APART:
        raise FitError(
            "the compute of these runs forms no budgets: no gap between neighbours is clearly wider than the others. Name them "
            "in a column budget, or fit a law of N and D."
        )
    else:
        k = int(jumps.argmax())
        widest = float(np.sqrt(sizes[k] * sizes[k + 1]))
    out = np.empty(len(order), int)
    out[order] = np.concatenate([[0], np.cumsum(gaps > widest)])
    return out


def minima(runs: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The minimum of a parabola of the loss in ln N at every budget.

    Runs of a budget whose compute differs are brought to its mean by a slope in ln C of their own, as a run of more compute
    lies lower whatever its size; where they are too few for that they are taken as they are.

    Parameters
    ----------
    runs : columns N, D, loss, and `budget` where runs of equal compute are named; else see `budgets`.

    Returns
    -------
    DataFrame of flops, N, D, loss and curvature (of the loss in ln N), with one row per budget whose minimum lies inside its
    sizes, and what was left out and why.

    Raises
    ------
    FitError : fewer than two budgets have one.
    """
    C = compute(runs["N"], runs["D"])
    named = "budget" in runs
    groups = runs["budget"].to_numpy() if named else budgets(np.asarray(C, float))
    rows, notes = [], []
    for budget, level in runs.assign(flops=C).groupby(groups):
        flops = float(np.exp(np.log(level["flops"]).mean()))
        said = f"budget {budget if isinstance(budget, str) else format(budget if named else flops, '.3g')}"
        x = np.log(level["N"].to_numpy(float))
        if len(np.unique(x)) < 3:
            notes.append(f"{said}: fewer than 3 sizes")
            continue
        c2, c1, c0 = _parabola(x - x.mean(), np.log(level["flops"].to_numpy(float) / flops), level["loss"].to_numpy(float))
        best = x.mean() - c1 / (2 * c2) if c2 > 0 else np.nan
        if not x.min() <= best <= x.max():
            notes.append(f"{said}: the minimum is not bracketed by the sizes run")
            continue
        N = np.exp(best)
        rows.append((flops, N, float(tokens(flops, N)), c0 - c1**2 / (4 * c2), c2))
    if len(rows) < 2:
        raise FitError("; ".join(["fewer than two budgets have a minimum inside the sizes run", *notes[:2]]))
    return pd.DataFrame(rows, columns=["flops", "N", "D", "loss", "curvature"]), tuple(notes)


def _parabola(x: np.ndarray, off: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of x^2, x and 1 of the losses y (n,), beside a slope in how far (ln) each is off its budget (n,)."""
    terms = np.vander(x, 3)
    if len(y) >= terms.shape[1] + SPARE and np.ptp(off) > ROUNDING:
        wider = np.column_stack([terms, off / np.abs(off).max()])
        if np.linalg.matrix_rank(wider) == wider.shape[1]:
            terms = wider
    return np.asarray(np.linalg.lstsq(terms, y, rcond=None)[0][:3])


def power_laws(points: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """(exponent, ln of factor) of N and D over compute, through the optima found."""
    x = np.log(points["flops"].to_numpy(float))
    found = {k: np.polyfit(x, np.log(points[k].to_numpy(float)), 1) for k in ("N", "D")}
    return {k: (float(slope), float(log_factor)) for k, (slope, log_factor) in found.items()}
