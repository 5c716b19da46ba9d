"""Damped Newton for many robust fits at once: minimise sum_i w_i loss(link(f_i(t)) - link(y_i)) over a box.

Where second derivatives are cheap the Hessian is exact, damped by that of reweighted least squares: much damping is a
cautious step of that method, none is Newton's, which ends a Huber fit in finitely many steps. Elsewhere the Hessian is
Gauss-Newton's with the loss's own curvature, damped by its diagonal, and the step is bent along the valley it lies in by
one more evaluation (geodesic acceleration, arXiv:1207.4999). All tests are relative to the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.losses import Loss

BEND = 0.1  # fraction of the step at which the valley's bend is measured
LEAP = 4.0  # most a logarithm of a scale may change in one step; others a tenth of their range
VANISHED = 1e-28  # curvature, relative to the largest, below which a coordinate has no effect left
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
    model,
    y: np.ndarray,
    start: np.ndarray,
    weights: np.ndarray,
    loss: Loss,
    *,
    max_iter: int = 200,
    damping: float = 1e-2,
    stall: float = 0.0,
) -> Solution:
    """Solve B problems that share rows y (n,) and differ in start (B, p) and weights (B, n) or (n,).

    A problem whose cost falls by less than the part `stall` in 20 iterations is left where it is, as not converged.
    """
    start = np.atleast_2d(start)
    B = len(start)
    weights = np.broadcast_to(weights, (B, len(y)))
    whole = Solution(start.astype(float), np.full(B, np.inf), np.zeros(B, bool), np.zeros(B, int))
    waiting = np.arange(B)
    while len(waiting):
        now, waiting = waiting[:CHUNK], waiting[CHUNK:]
        # the last few of a batch go on with the next: alone, they would cost as much per step as all of it
        enough = CHUNK // 4 if len(waiting) else 0
        part, left = _solve(model, y, whole.t[now], weights[now], loss, max_iter, damping, stall, enough)
        whole.t[now], whole.cost[now], whole.converged[now] = part.t, part.cost, part.converged
        whole.iterations[now] += part.iterations
        left = now[left]
        waiting = np.concatenate([left[whole.iterations[left] < max_iter], waiting])
    return whole


@np.errstate(all="ignore")
def costs(model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss) -> np.ndarray:
    """The objective (half the residual sum of squares for least squares) at each t; infinite where undefined."""
    return _cost(model, y, model.terms(t), weights, loss)[0]


def newton(model, r, terms, weights, loss: Loss) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From residuals r (B, n): gradient (B, p), exact Hessian and damping matrix (B, p, p)."""
    slope, curvature, ratio = loss.slopes(r)
    pull, inner, damp = weights * slope, weights * curvature, weights * ratio
    if loss.log:
        inverse = 1 / model.value(terms)
        inner -= pull  # d2 ln f = d2 f / f - (df / f)(df / f)^T
        pull *= inverse
        inverse *= inverse
        inner *= inverse
        damp *= inverse
    D = model.hessian(terms, 0.0, damp)
    i = np.arange(D.shape[1])
    D[:, i, i] *= 1.001
    return model.gradient(terms, pull), model.hessian(terms, pull, inner), D


def gauss_newton(model, r, terms, weights, loss: Loss) -> tuple[np.ndarray, ...]:
    """From residuals r (B, n): gradient (B, p), Hessian without second derivatives of the law, its damping matrix
    (B, p, p), Jacobian of the residuals (B, p, n) and its row weights (B, n)."""
    f = model.value(terms)
    slope, curvature, ratio = loss.slopes(r)
    J = model.jacobian(terms, f)
    if loss.log:
        J /= f[:, None, :]
    inner = weights * curvature
    gradient = (J @ (weights * slope)[:, :, None])[:, :, 0]
    H = (J * inner[:, None, :]) @ J.transpose(0, 2, 1)
    D = ((J * J) @ (weights * ratio)[:, :, None]) * np.eye(J.shape[1])
    return gradient, H, D, J, inner


@np.errstate(all="ignore")
def polish(
    model, y: np.ndarray, t: np.ndarray, weights: np.ndarray, loss: Loss, rounds: int = 30
) -> tuple[np.ndarray, float, bool]:
    """Gauss-Newton by QR from an optimum of least squares: the last digits, which normal equations cannot give.

    Returns t, cost, and whether the last step was down to rounding.
    """
    free = (t > model.coordinates.lower) & (t < model.coordinates.upper)
    root = np.sqrt(weights)

    def residual(t):
        terms = model.terms(t[None])
        f = model.value(terms)
        r = (loss.link(f) - y)[0] * root
        return terms, f, r, r @ r

    terms, f, r, best = residual(t)
    moved = np.inf
    for _ in range(rounds):
        J = model.jacobian(terms, f)[0][free]
        A = ((J / f if loss.log else J) * root).T
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


def _solve(model, y, start, weights, loss, max_iter, damping, stall, enough) -> tuple[Solution, np.ndarray]:
    """The solution when at most `enough` problems are unfinished, and which these are."""
    B, p = start.shape
    lower, upper = model.coordinates.lower, model.coordinates.upper
    t = np.clip(start, lower, upper)
    terms = model.terms(t)
    cost, r = _cost(model, y, terms, weights, loss)
    done = Solution(t.copy(), cost.copy(), np.zeros(B, bool), np.zeros(B, int))
    # below this the residuals are rounding errors of y
    floor = weights.sum(1) * (8 * np.finfo(float).eps * max(1.0, np.abs(y).max())) ** 2
    live = np.flatnonzero(np.isfinite(cost))
    t, terms, cost, r, w = t[live], [a[live] for a in terms], cost[live], r[live], weights[live]
    lam, still = np.full(len(live), damping), np.zeros(len(live), int)
    fresh = np.ones(len(live), bool)
    g, H, D = np.empty((len(live), p)), np.empty((len(live), p, p)), np.empty((len(live), p, p))
    grow, mark = np.full(len(live), 2.0), cost.copy()
    leap = np.where(model.coordinates.logs, LEAP, (upper - lower) / 10)
    bend = not model.cheap_second
    # the Jacobian is kept for the bend only; exact steps do not need its memory
    J, inner = np.empty((len(live) * bend, p, len(y))), np.empty((len(live) * bend, len(y)))
    for iteration in range(1, max_iter + 1):
        if len(live) <= enough:
            break
        done.iterations[live] = iteration
        if fresh.any():
            new = np.flatnonzero(fresh)
            some = new if len(new) < len(live) else slice(None)
            found = (gauss_newton if bend else newton)(model, r[some], [a[some] for a in terms], w[some], loss)
            g[some], H[some], D[some] = found[:3]
            if bend:
                J[some], inner[some] = found[3:]
        held = ((t <= lower) & (g > 0)) | ((t >= upper) & (g < 0))
        step, predicted = _step(g, H, D, lam, held, leap)
        if bend:
            step = step + _bent(model, y, t, r, step, J, inner, H, D, lam, held, leap, loss)
        trial = np.clip(t + step, lower, upper)
        trial_terms = model.terms(trial)
        trial_cost, trial_r = _cost(model, y, trial_terms, w, loss)
        gain = (cost - trial_cost) / predicted
        accept = (trial_cost <= cost) & (predicted > 0)
        small = (predicted <= 1e-13 * cost) | (cost <= floor[live])
        # a heavily damped step promises little anywhere; a Newton step promises little only at an optimum
        sure = 1 if bend else np.where(lam <= 1e-2, 2, 1)
        still = np.where(small & (predicted >= 0), still + sure, 0)
        if bend:
            q = np.clip(np.nan_to_num(gain), 0, 1)
            lam = np.where(accept, lam * np.maximum(0.1, 1 - (2 * q - 1) ** 3), lam * grow)
            grow = np.where(accept, 2.0, grow * 2)
        else:
            lam = np.where(accept, np.where(gain > 0.75, lam * 0.1, np.where(gain > 0.25, lam * 0.5, lam * 2)), lam * 6)
        lam = np.clip(lam, 1e-14, 1e14)
        t[accept], cost[accept] = trial[accept], trial_cost[accept]
        for a, b in zip([*terms, r], [*trial_terms, trial_r], strict=True):
            a[accept] = b[accept]
        fresh = accept
        finished = (still >= 2) | (lam >= 1e13)
        if stall and iteration % REST == 0:
            finished |= cost > (1 - stall) * mark
            mark = cost.copy()
        if finished.any():
            who = live[finished]
            done.t[who], done.cost[who] = t[finished], cost[finished]
            done.converged[who] = (still[finished] >= 1) | (cost[finished] <= floor[who])
            keep = ~finished
            live, t, terms, cost, r, w = live[keep], t[keep], [a[keep] for a in terms], cost[keep], r[keep], w[keep]
            lam, still, fresh, g, H, D, grow, mark = (a[keep] for a in (lam, still, fresh, g, H, D, grow, mark))
            if bend:
                J, inner = J[keep], inner[keep]
    done.t[live], done.cost[live], done.converged[live] = t, cost, cost <= floor[live]
    return done, live


def _bent(model, y, t, r, step, J, inner, H, D, lam, held, leap, loss) -> np.ndarray:
    """Half the acceleration along the step, where it is well below the step itself."""
    ahead = loss.link(model.value(model.terms(t + BEND * step))) - y
    second = 2 / BEND * ((ahead - r) / BEND - (step[:, None, :] @ J)[:, 0])
    second = np.where(np.isfinite(second).all(1)[:, None], second, 0.0)
    pull = (J @ (inner * second)[:, :, None])[:, :, 0]
    a, _ = _step(pull, H, D, lam, held, leap)
    size = lambda v: np.sqrt((v[:, None, :] @ D @ v[:, :, None])[:, 0, 0])
    fine = 2 * size(a) <= 0.75 * size(step)
    return np.where(fine[:, None], a / 2, 0.0)


def _cost(model, y, terms, weights, loss) -> tuple[np.ndarray, np.ndarray]:
    """Cost (B,), infinite where undefined, and residuals (B, n)."""
    r = loss.link(model.value(terms)) - y
    total = (weights * loss.value(r)).sum(1)
    return np.where(np.isfinite(total), total, np.inf), r


def _step(g, H, D, lam, held, leap) -> tuple[np.ndarray, np.ndarray]:
    """Damped Newton step and the decrease it predicts, with coordinates held at a bound left out.

    So are those of terms that have vanished, whose slopes are lost in the rounding of the others. No coordinate moves
    by more than its `leap`: a scale thrown to nothing by one bad step would never come back.
    """
    p = g.shape[1]
    i = np.arange(p)
    diagonal = D[:, i, i]
    # curvatures can be compared where coordinates have no unit: scales and exponents, whose leap is finite
    held = held | (np.isfinite(leap) & (diagonal <= VANISHED * diagonal.max(1, keepdims=True)))
    s = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 1.0)
    free = ~held
    mask = free[:, :, None] & free[:, None, :]
    scaled = (H + lam[:, None, None] * D) * s[:, :, None] * s[:, None, :]
    scaled = np.where(mask, scaled, 0.0)
    scaled[:, i, i] = np.where(held | (diagonal <= 0), 1.0, scaled[:, i, i])
    rhs = np.where(free, -g * s, 0.0)
    bad = ~np.isfinite(scaled).all((1, 2)) | ~np.isfinite(rhs).all(1)
    scaled[bad], rhs[bad] = np.eye(p), 0.0
    try:
        z = np.linalg.solve(scaled, rhs[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        z = (np.linalg.pinv(scaled, hermitian=True) @ rhs[:, :, None])[:, :, 0]
    step = np.clip(z * s, -leap, leap)
    predicted = -(g * step).sum(1) - 0.5 * (step[:, None, :] @ H @ step[:, :, None])[:, 0, 0]
    predicted[bad | ~np.isfinite(predicted)] = -1.0
    return step, predicted
