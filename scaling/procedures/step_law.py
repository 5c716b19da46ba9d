"""Best learning rate and batch from a grid of runs (Step Law, arXiv:2503.04715), and what a rule costs where it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.counting import counted
from scaling.errors import DataError, FitError
from scaling.papers.li2025steplaw import batch_size, lr_batch
from scaling.procedures.tables import at, needs
from scaling.rendering import Result


@dataclass(frozen=True, repr=False)
class StepLaw(Result):
    """lr = K N^-alpha D^beta and batch = K_B D^gamma, from the near-optimal rows of every (N, D).

    Attributes
    ----------
    values : K, alpha, beta, K_B, gamma. spread_groups, spread_rows : standard errors of the same, resampling whole (N, D)
        groups, or rows as the authors do: rows of one group share its optimum, so the latter are too small.
    r2 : of ln lr and of ln batch. rows : the near-optimal rows. at_edge : groups whose best run is on the grid's edge.
    """

    values: dict[str, float]
    spread_groups: dict[str, float]
    spread_rows: dict[str, float]
    r2: tuple[float, float]
    rows: pd.DataFrame
    at_edge: int
    fields = ("values", "spread_groups", "spread_rows", "r2", "at_edge")

    def lr(self, N: ArrayLike, D: ArrayLike) -> np.ndarray:
        """Best learning rate."""
        return at(lr_batch, self.values, N, D)

    def batch(self, D: ArrayLike) -> np.ndarray:
        """Best batch in tokens."""
        return at(batch_size, {**self.values, "K": self.values["K_B"]}, D)

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Both."""
        return self.lr(N, D), self.batch(D)


def fit_lr_batch(
    runs: pd.DataFrame, select: str = "within", tolerance: float = 0.0025, replicates: int = 1000, seed: int = 0
) -> StepLaw:
    """Fit the Step Law to a grid of runs.

    Parameters
    ----------
    runs : columns N, D, lr, batch (tokens), loss.
    select : which rows count as best: "within" `tolerance` of their group's lowest loss, "argmin", or "quadratic", the
        minimum of a paraboloid through the rows within 4 tolerances in (ln lr, ln batch). The choice moves the exponents.
    """
    runs = needs("runs for the Step Law", runs, ("N", "D", "lr", "batch", "loss"))
    counted(runs)  # refuses rows counted in several ways
    if np.median(runs["batch"]) < 1e4:
        raise DataError(f"batches around {np.median(runs['batch']):g} look like sequences; multiply by the sequence length.")
    runs = runs[np.isfinite(runs["loss"])]
    groups = runs.groupby(["N", "D"], sort=True)
    best = groups["loss"].transform("min")
    edges = sum(at_edge(g) for _, g in groups)
    if select == "within":
        rows = runs[runs["loss"] / best - 1 < tolerance]
    elif select == "argmin":
        rows = runs[runs["loss"] == best]
    elif select == "quadratic":
        near = runs[runs["loss"] / best - 1 < 4 * tolerance]
        rows = pd.DataFrame([r for _, g in near.groupby(["N", "D"]) if (r := _paraboloid(g)) is not None])
    else:
        raise DataError(f"select='{select}' is unknown; use 'within', 'argmin' or 'quadratic'.")
    if len(rows) < 5:
        raise FitError(f"only {len(rows)} near-optimal rows; the Step Law has 5 parameters.")
    values, r2 = _ols(rows)
    code = pd.factorize(pd.MultiIndex.from_frame(rows[["N", "D"]]))[0]
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(code == k) for k in range(code.max() + 1)]
    groups_drawn = (rng.integers(0, len(members), len(members)) for _ in range(replicates))
    by_group = [_ols(rows.iloc[np.concatenate([members[k] for k in drawn])])[0] for drawn in groups_drawn]
    by_row = [_ols(rows.iloc[rng.integers(0, len(rows), len(rows))])[0] for _ in range(replicates)]
    return StepLaw(values, _sd(by_group), _sd(by_row), r2, rows, edges)


class Rule(Protocol):
    """What recommends settings."""

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Learning rate and batch."""


def regret(rule: Rule, runs: pd.DataFrame) -> pd.Series:
    """loss at the rule's setting / lowest loss - 1, per (N, D), the loss interpolated linearly in (ln lr, ln batch).

    NaN where the setting lies outside the runs of the group, and where these span no area.
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import QhullError

    out = {}
    for group, g in runs.groupby(["N", "D"]):
        (N, D), loss = np.array(group, float), g["loss"].to_numpy(float)
        try:
            surface = LinearNDInterpolator(np.log(g[["lr", "batch"]].to_numpy(float)), loss, rescale=True)
        except (QhullError, ValueError):  # fewer than three points, or all on a line
            out[group] = np.nan
            continue
        out[group] = float(surface(*np.log(rule.best(N, D)))) / loss.min() - 1
    return pd.Series(out, name="regret").rename_axis(["N", "D"])


def _ols(rows: pd.DataFrame) -> tuple[dict[str, float], tuple[float, float]]:
    n, d, lr, batch = (np.log(rows[k].to_numpy(float)) for k in ("N", "D", "lr", "batch"))
    X = np.stack([np.ones_like(n), n, d], 1)
    rate = np.linalg.lstsq(X, lr, rcond=None)[0]
    size = np.linalg.lstsq(X[:, [0, 2]], batch, rcond=None)[0]
    r2 = tuple(
        1 - ((y - x @ c) ** 2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-300)
        for x, c, y in ((X, rate, lr), (X[:, [0, 2]], size, batch))
    )
    values = {"K": np.exp(rate[0]), "alpha": -rate[1], "beta": rate[2], "K_B": np.exp(size[0]), "gamma": size[1]}
    return {k: float(v) for k, v in values.items()}, (float(r2[0]), float(r2[1]))


def _sd(draws: list[dict[str, float]]) -> dict[str, float]:
    return {k: float(np.std([d[k] for d in draws], ddof=1)) for k in draws[0]} if len(draws) > 1 else {}


def at_edge(g: pd.DataFrame) -> bool:
    """Has the best of these runs the smallest or largest rate or batch among them?"""
    best = g.iloc[int(g["loss"].to_numpy().argmin())]
    return any(best[k] in (g[k].min(), g[k].max()) for k in ("lr", "batch"))


def _paraboloid(g: pd.DataFrame) -> dict[str, float] | None:
    if len(g) < 6:
        return None
    x, y = np.log(g["lr"].to_numpy(float)), np.log(g["batch"].to_numpy(float))
    u, v = x - x.mean(), y - y.mean()
    A = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], 1)
    c, _, rank, _ = np.linalg.lstsq(A, g["loss"].to_numpy(float), rcond=None)
    H = np.array([[2 * c[3], c[4]], [c[4], 2 * c[5]]])
    if rank < 6 or (np.linalg.eigvalsh(H) <= 0).any():
        return None
    step = -np.linalg.solve(H, c[1:3])
    if not (u.min() <= step[0] <= u.max() and v.min() <= step[1] <= v.max()):
        return None
    return {"N": g["N"].iloc[0], "D": g["D"].iloc[0], "lr": np.exp(x.mean() + step[0]), "batch": np.exp(y.mean() + step[1])}
