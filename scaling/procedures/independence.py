"""Does a family's loss depend on its own share alone? A regression on the other shares, and a comparison of laws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from scaling.engine import model as models
from scaling.errors import DataError
from scaling.fits import Fit, fit
from scaling.procedures.tables import needs
from scaling.rendering import Result

DOUBT, RATIO = 0.01, 1.5  # both set on simulated families (tests/test_multilingual.py), not on public data


@dataclass(frozen=True, eq=False, repr=False)
class Independence(Result):
    """verdict: "independent", "coupled", or "not testable". p_value: of the other shares, clustered by run.

    ratio: error of the own-share law over that of the additive mixture law, mean |prediction / loss - 1| of each.
    own, additive : the two fits. reason : the verdict in words.
    """

    verdict: str
    p_value: float
    ratio: float
    reason: str
    own: Fit | None = None
    additive: Fit | None = None
    fields = ("verdict", "p_value", "ratio", "reason", "own", "additive")

    @property
    def ok(self) -> bool | None:
        return {"independent": True, "coupled": False}.get(self.verdict)

    def head(self) -> list[tuple[str, str]]:
        return [("verdict", f"{self.verdict}: {self.reason}")]


def independence(frame: pd.DataFrame, target: str, shares: Mapping[str, str], *, run: str | None = None) -> Independence:
    """Test the own-share hypothesis of the multilingual law for one family.

    Parameters
    ----------
    frame : DataFrame with N, D, loss (of `target`) and one column per share.
    target : a key of `shares`. shares : family -> column of its share.
    run : column that says which rows are one run; by default rows of equal size and mixture are.

    Returns
    -------
    Independence
        "coupled" when the other shares move the residuals (clustered Wald test, p < 0.01) and the own-share law's error is
        more than 1.5 times the additive law's; "not testable" when fewer than two splits of the rest occur at an equal share.
    """
    if target not in shares:
        raise DataError(f"'{target}' is none of the families {', '.join(shares)}.")
    frame = needs("rows", frame, ("N", "D", "loss", *shares.values()))
    rows = frame[frame["loss"].notna()].reset_index(drop=True)
    p = rows[list(shares.values())].to_numpy(float)
    worst = int(np.abs(p.sum(1) - 1).argmax())
    if abs(p[worst].sum() - 1) > 0.005:
        raise DataError(f"row {worst}: the shares sum to {p[worst].sum():.4g}, not 1; give a column for every family.")
    mine = list(shares).index(target)
    if p[least := int(p[:, mine].argmin()), mine] <= 0:
        raise DataError(f"row {least}: the share of '{target}' is 0, where the own-share law has no finite loss.")
    rest = np.delete(p, mine, 1)
    if why := _untestable(p, mine, target):
        return Independence("not testable", np.nan, np.nan, why)
    own = fit(rows.assign(p=p[:, mine]), "multilingual")
    renamed = pd.DataFrame(p, columns=[f"h_{name}" for name in shares], index=rows.index)
    additive = fit(pd.concat([rows[["N", "D", "loss"]], renamed], axis=1), "mixture_additive")
    order = own.design.frame.index
    residual = np.log(own.design.loss) - np.log(own.law(*own.design.inputs.values(), **own.values))
    groups = rows.loc[order, run] if run else rows.loc[order].groupby(["N", *shares.values()]).ngroup()
    p_value = _wald(residual, _regressors(own, rest[order], p[order, mine]), pd.factorize(groups)[0])
    if np.isnan(p_value):
        return Independence("not testable", np.nan, np.nan, "fewer runs than the regression has columns", own, additive)
    errors = [np.abs(f.law(*f.design.inputs.values(), **f.values) / f.design.loss - 1).mean() for f in (own, additive)]
    ratio = float(errors[0] / errors[1])
    coupled = p_value < DOUBT and ratio > RATIO
    move = "do not move" if p_value >= DOUBT else "move"
    little = ", but little" if p_value < DOUBT and not coupled else ""
    error = f"error {errors[0]:.3%}, {ratio:.2f} times the additive mixture law's"
    reason = f"other shares {move} the residuals (p = {p_value:.2g}, clustered by run){little}; {error}"
    return Independence("coupled" if coupled else "independent", float(p_value), ratio, reason, own, additive)


def _untestable(p: np.ndarray, mine: int, target: str) -> str:
    """Why these mixtures cannot tell the other shares' effect from the own share's; empty if they can."""
    mixtures = pd.DataFrame(np.round(p, 4)).drop_duplicates()
    same = mixtures[mine].round(3).value_counts().max()
    enough = p.shape[1] + 2  # mixtures that tell as many effects apart, without two of equal own share
    if same >= 2 or len(mixtures) >= enough:
        return ""
    return (
        f"no share of '{target}' occurs with two different splits of the rest, and there are only {len(mixtures)} mixtures; "
        f"train one with the rest divided otherwise, or {enough} mixtures in all"
    )


def _regressors(own: Fit, rest: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, int]:
    """Slopes of the own-share law (what the fit has already taken out) and, after them, log-ratios of the other shares."""
    model = own.model(own.design)
    value, J = models.at(model, own.t)
    J = (J / value).T
    size = np.sqrt((J**2).sum(0))
    J = J[:, size > 1e-9 * size.max()]
    others = rest[:, 1:]  # they sum to one: the first follows from the others
    ratio = np.log(np.maximum(others, 1e-4) / (1 - p)[:, None])
    ratio -= ratio.mean(0)
    return np.column_stack([J / np.sqrt((J**2).sum(0)), ratio[:, np.ptp(ratio, axis=0) > 1e-9]]), J.shape[1]


def _wald(r: np.ndarray, regressors: tuple[np.ndarray, int], cluster: np.ndarray) -> float:
    """p-value that the columns after the first `known` have no effect, with errors that may be correlated within a cluster."""
    X, known = regressors
    q, clusters = X.shape[1] - known, int(cluster.max()) + 1
    if q <= 0 or clusters <= X.shape[1]:
        return np.nan
    bread = np.linalg.pinv(X.T @ X)
    b = bread @ (X.T @ r)
    e = r - X @ b
    # each cluster's residuals, freed of what the fit took from them (CR2 would need roots; CR3 is the jackknife, conservative)
    meat = np.zeros((X.shape[1], X.shape[1]))
    for c in range(clusters):
        mine = cluster == c
        Xc = X[mine]
        H = Xc @ bread @ Xc.T
        score = Xc.T @ np.linalg.lstsq(np.eye(len(Xc)) - H, e[mine], rcond=1e-10)[0]
        meat += np.outer(score, score)
    V = bread @ meat @ bread * (clusters - 1) / clusters
    wald = b[known:] @ np.linalg.pinv(V[known:, known:]) @ b[known:]
    return float(fdtrc(q, clusters - 1, wald / q))
