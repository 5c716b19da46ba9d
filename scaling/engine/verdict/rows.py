"""Rows that do not belong: far from the law by a scale that they themselves cannot stretch, and what would explain them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import pdtrc, stdtr, stdtrit

from scaling.engine.verdict.near import Near

INLIER = 3.5  # standard deviations within which a row takes part in the fit that judges the others
LEAST = 4.75  # standard deviations below which no row is told, whatever their number
CHANCE = 0.01  # of naming any row of a table whose errors are normal
LOCAL = 0.5  # of the scatter of a whole curve: the least that counts as the scatter around its neighbours
TAILS, UNLIKELY = 3.0, 1e-3  # degrees of freedom of the longest tails that count as errors; chance of so many rows beyond them
TAIL = 3.2  # largest deviation, in standard deviations, that normal errors leave among the rows not named


@dataclass(frozen=True, eq=False)
class Strange:
    """rows (k,) : numbers of the rows, furthest first. away (n,) : distance of every row from the law in robust standard
    deviations. rest (n,) : data - law fitted to the rows that belong. scale : one robust standard deviation."""

    rows: np.ndarray
    away: np.ndarray
    rest: np.ndarray
    scale: float

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows (n,) belong."""
        kept = np.ones(len(self.away), bool)
        kept[self.rows] = False
        return kept


def strange(near: Near, keep: np.ndarray | None = None) -> Strange:
    """Rows that lie apart from all others.

    The law is fitted to the rows within `INLIER` of it, in the linear form it has near its optimum, until these settle;
    the others are measured against that fit. What is named must be further than chance puts one of n normal errors, and
    further still where the rows that stay have long tails.
    """
    rest, Q = near.rest, near.basis
    n, p = Q.shape
    if n < p + 4 or near.exact:
        return Strange(np.empty(0, int), np.zeros(n), rest, 0.0)
    floor = 0.0
    if near.loss.name == "squares":  # which any row bends: least absolute deviations are bent by few
        rest = _least_absolute(Q, rest)
    if near.on_curves:  # neighbours err alike: a spike is what leaves them
        floor = LOCAL * robust_scale(rest, p)
        rest = rest - _smooth(rest, near.design.runs)
        Q = Q[:, :0]
        p = 0
    keep = np.abs(rest) <= INLIER * robust_scale(rest, p) if keep is None else keep.copy()
    away, scale, e = np.zeros(n), 0.0, rest
    for _ in range(6):
        if keep.sum() < p + 3:
            keep[np.argsort(np.abs(rest))[: (n + p + 2) // 2]] = True
        e, away, scale = _measured(Q, rest, keep, floor)
        now = np.abs(away) <= INLIER
        if (now == keep).all():
            break
        keep = now
    far = np.abs(away)
    order = np.argsort(-far, kind="stable")
    limit = max(LEAST, -float(stdtrit(max(keep.sum() - p, 2), CHANCE / (2 * n))))
    named = 0
    for k in range(min(n // 2, n - p - 3), 0, -1):  # the largest set that stands apart from the rest
        inner = far[order[k]]
        if far[order[k - 1]] > max(limit, inner * (1.5 + max(0.0, inner - TAIL) / 2)):
            named = k
            break
    if not near.on_curves:
        named = max(named, _beyond_tails(far[order], n))
    return Strange(order[:named], away, e, scale)


def _beyond_tails(far: np.ndarray, n: int) -> int:
    """How many of the furthest rows even errors with tails as long as Student's t of three degrees would not put there.

    Outliers of every size leave no gap (the five points of Hoffmann et al.'s figure at 44, 33, 18, 13 and 6 deviations).
    """
    k = np.arange(1, min(n // 10, len(far)) + 1)
    expected = 2 * n * stdtr(TAILS, -far[: len(k)])
    unlikely = np.flatnonzero(pdtrc(k - 1, expected) < UNLIKELY)
    found = int(k[unlikely[-1]]) if len(unlikely) else 0
    return found if found < len(k) else 0  # a tenth of the rows and more: the law or the noise is another, not the rows


def robust_scale(rest: np.ndarray, p: int) -> float:
    """Standard deviation of normal errors with the median of these |residuals|, p of which a robust fit makes zero."""
    size = np.sort(np.abs(rest))[min(p, len(rest) - 1) :]
    return max(float(np.median(size)) / 0.6745, 1e-300)


def _least_absolute(Q: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Residuals (n,) of least absolute deviations, by reweighting."""
    e = rest
    for _ in range(15):
        w = 1 / np.sqrt(np.maximum(np.abs(e), 0.05 * np.median(np.abs(e)) + 1e-300))
        e = rest - Q @ (np.linalg.pinv(Q * w[:, None]) @ (rest * w))
    return e


def _measured(Q: np.ndarray, rest: np.ndarray, keep: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Residuals (n,) from the fit to the kept rows, the same in standard deviations, and what that is."""
    part = Q[keep]
    size, V = np.linalg.eigh(part.T @ part)
    turned = (Q @ V) * np.where(size > 1e-10, 1 / np.sqrt(np.maximum(size, 1e-10)), 0.0)
    e = rest - turned @ (turned[keep].T @ rest[keep])
    leverage = (turned * turned).sum(1)
    scale = max(float(np.sqrt((e[keep] ** 2).sum() / max(keep.sum() - Q.shape[1], 1))), floor)
    spread = np.sqrt(np.where(keep, np.maximum(1 - leverage, 0.05), 1 + leverage))
    return e, e / (max(scale, 1e-300) * spread), scale


def _smooth(rest: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """The median of every row's five neighbours on its curve; beside such curves, of all rows of one that has fewer."""
    out = np.zeros_like(rest)
    curves = [np.flatnonzero(runs == run) for run in np.unique(runs)]
    if max(map(len, curves)) < 5:
        return out
    for rows in curves:
        if len(rows) >= 5:
            out[rows] = rest[rows]  # the two ends of a curve have neighbours on one side only, and are not judged
            out[rows[2:-2]] = np.median(np.lib.stride_tricks.sliding_window_view(rest[rows], 5), axis=1)
        else:
            out[rows] = np.median(rest[rows])
    return out
