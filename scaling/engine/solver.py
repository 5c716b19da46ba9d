"""Damped Newton for many robust fits at once: minimise sum_i w_i loss(link(f_i(t)) - link(y_i)) over a box.

How a problem steps is in `steps`; here is the loop they share, and when a problem is done. All tests are relative to the
cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.losses import Loss
from scaling.engine.model import Model, MonomialModel
from scaling.engine.steps import GaussNewton, Newton, State, Steps
from scaling.waits import tell

REST = 20  # iterations after which a problem must have gained something, where the caller is not patient without limit
CHUNK = 256  # problems solved together; larger batches fall out of the processor's cache


@dataclass
class Solution:
    """t (B, p), cost (B,), converged (B,), iterations (B,)."""

    t: np.ndarray
    cost: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


@np.errstate(all="ignore")  # far starts overflow; their cost is infinite and they are dropped
def minimise(
    model: Model,
    y: np.ndarray,
    start: np.ndarray,
    weights: np.ndarray,
    loss: Loss,
    *,
    max_iter: int = 200,
    damping: float = 1e-2,
    stall: float = 0.0,
    pull: np.ndarray | None = None,
) -> Solution:
    """Solve B problems that share rows y (n,) and differ in start (B, p) and weights (B, n) or (n,).

    What is known of parameters beforehand adds to the cost: by `pull` (B, 1 + k), strength and aims of every problem, else as
    the model's coordinates say. A problem whose cost falls by less than the part `stall` in 20 iterations is left where it
    is, as not converged.
    """
    start = np.atleast_2d(start)
    B = len(start)
    weights = np.broadcast_to(weights, (B, len(y)))
    pull = np.broadcast_to(model.coordinates.pull if pull is None else pull, (B, 1 + len(model.coordinates.known)))
    steps: Steps = Newton(model, y, loss) if isinstance(model, MonomialModel) else GaussNewton(model, y, loss)
    whole = Solution(start.astype(float), np.full(B, np.inf), np.zeros(B, bool), np.zeros(B, int))
    waiting = np.arange(B)
    while len(waiting):
        now, waiting = waiting[:CHUNK], waiting[CHUNK:]
        # the last few of a batch go on with the next: alone, they would cost as much per step as all of it
        enough = CHUNK // 4 if len(waiting) else 0
        told = (B - len(now) - len(waiting)) / B, len(now) / B
        part, left = _batch(steps, whole.t[now], weights[now], pull[now], max_iter, damping, stall, enough, told)
        whole.t[now], whole.cost[now], whole.converged[now] = part.t, part.cost, part.converged
        whole.iterations[now] += part.iterations
        left = now[left]
        waiting = np.concatenate([left[whole.iterations[left] < max_iter], waiting])
    return whole


@np.errstate(all="ignore")
def costs(model: Model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss) -> np.ndarray:
    """The objective (half the residual sum of squares for least squares) at each t, with what it costs to leave what is known
    beforehand; infinite where undefined."""
    data = loss.total(loss.link(model.value(model.terms(t))) - y, weights)
    return np.asarray(data + model.coordinates.pulled(t)[0])


@np.errstate(all="ignore")
def polish(
    model: Model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss, rounds: int = 30
) -> tuple[np.ndarray, float, bool]:
    """Gauss-Newton by QR from an optimum of least squares: the last digits, which normal equations cannot give.

    Returns t, cost, and whether the last step was down to rounding.
    """
    free = (t > model.coordinates.lower) & (t < model.coordinates.upper)
    root, inner = np.sqrt(weights), model.coordinates
    known = np.sqrt(inner.strength) * inner.known  # what is known beforehand: more rows

    def residual(t: np.ndarray) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, float]:
        terms = model.terms(t[None])
        f = model.value(terms)
        r = np.append((loss.link(f) - y)[0] * root, known @ t - np.sqrt(inner.strength) * inner.aim)
        return terms, f, r, r @ r

    terms, f, r, best = residual(t)
    moved = np.inf
    for _ in range(rounds):
        J = model.jacobian(terms, f)[0][free]
        A = np.vstack([((J / f if loss.log else J) * root).T, known[:, free]])
        size = np.sqrt((A**2).sum(0))
        size = np.where(size > 0, size, 1.0)
        step = np.zeros_like(t)
        step[free] = np.linalg.lstsq(A / size, -r, rcond=1e-15)[0] / size
        for _ in range(40):
            new = np.clip(t + step, model.coordinates.lower, model.coordinates.upper)
            new_terms, new_f, new_r, rss = residual(new)
            if rss <= best:
                break
            step /= 2
        else:
            break
        moved = np.abs(new - t).max() / np.abs(t).max()
        t, terms, f, r, best = new, new_terms, new_f, new_r, rss
        if moved <= 1e-15:
            break
    return t, best / 2, bool(moved < 1e-9)


def _batch(
    steps: Steps, start: np.ndarray, weights: np.ndarray, pull: np.ndarray, max_iter: int, damping: float, stall: float,
    enough: int, told: tuple[float, float],
) -> tuple[Solution, np.ndarray]:  # fmt: skip
    """The solution when at most `enough` problems are unfinished, and which these are.

    told : share of all problems that were finished before, and that these are.
    """
    lower, upper = steps.lower, steps.upper
    s = _begun(steps, np.clip(start, lower, upper), weights, pull, damping)
    done = Solution(s.t.copy(), s.cost.copy(), np.zeros(len(start), bool), np.zeros(len(start), int))
    if not np.isfinite(s.cost).all():
        s = s.take(np.isfinite(s.cost))
    for iteration in range(1, max_iter + 1):
        if len(s.place) <= enough:
            break
        done.iterations[s.place] = iteration
        tell("fitting", told[0] + told[1] * max(1 - len(s.place) / len(start), iteration / max_iter))
        _refresh(s, steps)
        held = ((s.t <= lower) & (s.local[0] > 0)) | ((s.t >= upper) & (s.local[0] < 0))
        step, promised = steps.step(s, held)
        t = np.minimum(np.maximum(s.t + step, lower), upper)
        cost, r, terms = steps.at(t, s.weights, s.pull)
        accept = (cost <= s.cost) & (promised > 0)
        small = ((promised <= 1e-13 * s.cost) | (s.cost <= s.floor)) & (promised >= 0)
        s.still = np.where(small, s.still + np.where(s.damping <= steps.sure, 2, 1), 0)
        steps.damp(s, (s.cost - cost) / promised, accept)
        s.damping = np.minimum(np.maximum(s.damping, 1e-14), 1e14)
        s.move(accept, t, cost, r, terms)
        finished = _finished(s, stall if iteration % REST == 0 else 0.0)
        if finished.any():
            _record(done, s, finished, s.still[finished] >= 1)
            s = s.take(~finished)
    _record(done, s, np.ones(len(s.place), bool), np.zeros(len(s.place), bool))
    return done, s.place


def _begun(steps: Steps, t: np.ndarray, weights: np.ndarray, pull: np.ndarray, damping: float) -> State:
    cost, r, terms = steps.at(t, weights, pull)
    B = len(t)
    return State(
        place=np.arange(B),
        weights=weights,
        pull=pull,
        floor=weights.sum(1) * (8 * np.finfo(float).eps * max(1.0, np.abs(steps.y).max())) ** 2,
        t=t,
        terms=terms,
        cost=cost,
        r=r,
        damping=np.full(B, damping),
        growth=np.full(B, 2.0),
        still=np.zeros(B, int),
        mark=cost.copy(),
        moved=np.ones(B, bool),
        local=[],
    )


def _refresh(s: State, steps: Steps) -> None:
    """The local model anew where a problem has moved."""
    if not s.moved.any():
        return
    some = slice(None) if s.moved.all() else np.flatnonzero(s.moved)
    found = steps.local(s.r[some], [term[some] for term in s.terms], s.weights[some])
    if len(steps.model.coordinates.known):
        _, gradient, hessian = steps.model.coordinates.pulled(s.t[some], s.pull[some])
        found[:3] = [found[0] + gradient, found[1] + hessian, found[2] + hessian]
    if isinstance(some, slice):
        s.local = found
    else:
        for old, new in zip(s.local, found, strict=True):
            old[some] = new


def _finished(s: State, stall: float) -> np.ndarray:
    """Which problems go no further (B,): nothing to gain twice, no step short enough, or stalled since the last look."""
    finished = (s.still >= 2) | (s.damping >= 1e13)
    if stall:
        finished |= s.cost > (1 - stall) * s.mark
        s.mark = s.cost.copy()
    return finished


def _record(done: Solution, s: State, which: np.ndarray, settled: np.ndarray) -> None:
    who = s.place[which]
    done.t[who], done.cost[who] = s.t[which], s.cost[which]
    done.converged[who] = settled | (s.cost[which] <= s.floor[which])
