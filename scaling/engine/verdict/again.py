"""A law fitted again to parts of its rows, in few damped Gauss-Newton steps for all parts at once.

A whole fit searches the globe and ends to the last digit. Here only one question is asked, does the scatter fall by half, and
no part of the rows is followed further than it needs to be answered.
"""

from __future__ import annotations

import numpy as np

from scaling.engine.model import Model
from scaling.engine.verdict.near import Near

LOOK, SETTLE = 8, 24  # steps until a part must have come near what it promises; further ones of the part that has
NEARLY = 2.0  # times the scatter wanted, that it must have come to after the first steps
DAMPED, LESS, MORE = 1e-2, 0.2, 5.0  # damping at the start, after a good step, after a bad one
SLOW = 0.8  # of the cost before `LOOK` more steps: where it stays above, it would stay far from what is wanted, or has settled
DONE = 1e-4  # relative fall of the cost below which it has settled
GONE = -20.0  # ln of a scale that has vanished, from where no step leads back: such start anew at one


def starts(near: Near) -> np.ndarray:
    """The optimum without its vanished terms, and where no data are known (2, p)."""
    inner = near.model.coordinates
    plain = inner.from_params(np.array([p.start for p in inner.params]))
    plain = np.where(inner.logs & np.isfinite(plain), 0.0, np.where(np.isfinite(plain), plain, 0.0))
    kept = np.where(near.held | (inner.logs & (near.t < GONE)), plain, near.t)
    return np.asarray(np.clip(np.stack([kept, plain]), inner.lower, inner.upper))


@np.errstate(all="ignore")
def fitted(near: Near, model: Model, kept: np.ndarray, wanted: float, settle: bool = True) -> list[tuple[float, np.ndarray]]:
    """The scatter of every part of the rows and the parameters (p,) there; a scatter of inf where it stays above `wanted`.

    Parameters
    ----------
    model : the law over the rows, whose inputs may have been mended. kept (H, n) : which rows are in which part.
    settle : go on to the optimum; else until the scatter is as wanted.
    """
    first = starts(near)
    H, S, p = len(kept), len(first), len(near.t)
    weights = np.repeat(near.design.weights * kept, S, axis=0)
    spare = np.maximum(weights.sum(1) - p, 1.0)
    run = _Run(model, near.y, weights, near.loss.log, np.tile(first, (H, 1)))
    enough = np.zeros(len(spare)) if settle else wanted**2 * spare
    run.steps(LOOK, enough)
    scatter = np.sqrt(run.cost / spare).reshape(H, S)
    out: list[tuple[float, np.ndarray]] = []
    for part, best in enumerate(scatter.argmin(1)):
        k = part * S + best
        if not scatter[part, best] < NEARLY * wanted:
            out.append((np.inf, near.t))
            continue
        last = _Run(model, near.y, weights[[k]], near.loss.log, run.t[[k]])
        for _ in range(SETTLE // LOOK):
            before = last.cost[0]
            last.steps(LOOK, enough[[k]])
            if last.cost[0] > SLOW * before:
                break
        found = float(np.sqrt(last.cost[0] / spare[k]))
        out.append((found if found < wanted else np.inf, last.t[0]))
    return out


class _Run:
    """Least squares of B problems at t (B, p), each over its own weights (B, n)."""

    def __init__(self, model: Model, y: np.ndarray, weights: np.ndarray, log: bool, t: np.ndarray) -> None:
        self.model, self.y, self.log, self.root, self.t = model, y, log, np.sqrt(weights), t
        self.cost, self.g, self.A = self._at(t)
        self.damping = np.full(len(t), DAMPED)

    def _at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cost (B,), gradient (B, p, 1), and normal matrices (B, p, p)."""
        terms = self.model.terms(t)
        value = self.model.value(terms)
        J = self.model.jacobian(terms, value)
        if self.log:
            J, value = J / value[:, None], np.log(value)
        r, J = (value - self.y) * self.root, J * self.root[:, None]
        cost = (r * r).sum(1)
        return np.where(np.isfinite(cost), cost, np.inf), J @ r[:, :, None], J @ J.transpose(0, 2, 1)

    def steps(self, most: int, enough: np.ndarray) -> None:
        """Up to so many steps, until no problem gets better, or one costs no more than is `enough` (B,) for it."""
        inner, p = self.model.coordinates, self.t.shape[1]
        eye = np.eye(p)
        for _ in range(most):
            size = np.maximum(np.diagonal(self.A, axis1=1, axis2=2), 1e-12)
            damped = self.A + (self.damping[:, None] * size)[:, :, None] * eye
            good = np.isfinite(damped).all((1, 2)) & np.isfinite(self.g).all((1, 2))
            step = np.linalg.solve(np.where(good[:, None, None], damped, eye), np.where(good[:, None, None], self.g, 0.0))
            t = np.clip(self.t - np.clip(step[:, :, 0], -3.0, 3.0), inner.lower, inner.upper)
            cost, g, A = self._at(t)
            better = cost < self.cost
            settled = not (cost < self.cost * (1 - DONE)).any() and better.any()
            self.damping = np.where(better, self.damping * LESS, self.damping * MORE)
            self.t = np.where(better[:, None], t, self.t)
            self.g, self.A = (np.where(better[:, None, None], new, old) for new, old in ((g, self.g), (A, self.A)))
            self.cost = np.where(better, cost, self.cost)
            if settled or (self.cost < enough).any():
                return
