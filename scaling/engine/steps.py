"""Two ways to step downhill: exact Newton where second derivatives are cheap, elsewhere Gauss-Newton bent along its valley.

Shapes: B problems in work, n rows, p free parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.engine.losses import Loss
from scaling.engine.model import Model, MonomialModel

BEND = 0.1  # fraction of the step at which the valley's bend is measured
LEAP = 4.0  # most a logarithm of a scale may change in one step; others a tenth of their range
VANISHED = 1e-28  # curvature, relative to the largest, below which a coordinate has no effect left


@dataclass
class State:
    """The problems in work. The first axis of every array is the problem, so that finished ones leave all arrays at once."""

    place: np.ndarray  # in the batch
    weights: np.ndarray
    pull: np.ndarray  # of what is known beforehand: strength and aims (B, 1 + k)
    floor: np.ndarray  # cost below which the residuals are rounding errors of y
    t: np.ndarray
    terms: list[np.ndarray]
    cost: np.ndarray
    r: np.ndarray
    damping: np.ndarray
    growth: np.ndarray  # of the damping, at the next refusal
    still: np.ndarray  # steps in a row that promised nothing
    mark: np.ndarray  # cost at the last look for a stall
    moved: np.ndarray  # since the local model was made
    local: list[np.ndarray]  # gradient (B, p), Hessian, its damping (B, p, p); what else the way of stepping keeps

    def take(self, rows: np.ndarray) -> State:
        """Some of the problems."""
        kept: dict[str, Any] = {k: [a[rows] for a in v] if isinstance(v, list) else v[rows] for k, v in vars(self).items()}
        return State(**kept)

    def move(self, accept: np.ndarray, t: np.ndarray, cost: np.ndarray, r: np.ndarray, terms: list[np.ndarray]) -> None:
        """Go to the new point where `accept` (B,) says so."""
        pairs = zip([self.t, self.cost, self.r, *self.terms], [t, cost, r, *terms], strict=True)
        for old, new in pairs:
            old[accept] = new[accept]
        self.moved = accept


class Steps(ABC):
    """A way of stepping, for problems that share a model and rows."""

    sure: float  # damping up to which a step that promises nothing settles the matter at once

    def __init__(self, model: Model, y: np.ndarray, loss: Loss) -> None:
        self.model, self.y, self.loss = model, y, loss
        self.lower, self.upper = model.coordinates.lower, model.coordinates.upper
        self.leap = np.where(model.coordinates.logs, LEAP, (self.upper - self.lower) / 10)

    def at(
        self, t: np.ndarray, weights: np.ndarray, pull: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:  # fmt: skip
        """Cost (B,), infinite where undefined, residuals (B, n) and the model's terms at t (B, p); pull as in `minimise`."""
        terms = self.model.terms(t)
        r = self.loss.link(self.model.value(terms)) - self.y
        cost = self.loss.total(r, weights)
        if len(self.model.coordinates.known):
            cost += self.model.coordinates.pulled(t, pull)[0]
        return cost, r, terms

    @abstractmethod
    def local(self, r: np.ndarray, terms: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
        """The local model at residuals r (B, n): gradient, Hessian, damping matrix, and what `step` needs besides."""

    @abstractmethod
    def step(self, s: State, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step (B, p), coordinates `held` (B, p) at a bound left out, and the decrease it promises (B,)."""

    @abstractmethod
    def damp(self, s: State, gain: np.ndarray, accept: np.ndarray) -> None:
        """Set the damping of the next step by the part of the promised decrease that came (B,)."""


class Newton(Steps):
    """Exact Hessian, damped by that of reweighted least squares: much damping is a cautious step of that method, none is
    Newton's, which ends a Huber fit in finitely many steps."""

    model: MonomialModel
    sure = 1e-2  # a heavily damped step promises little anywhere; a Newton step promises little only at an optimum

    def local(self, r: np.ndarray, terms: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
        slope, curvature, ratio = self.loss.slopes(r)
        pull, inner, damp = weights * slope, weights * curvature, weights * ratio
        if self.loss.log:
            inverse = 1 / self.model.value(terms)
            inner -= pull  # d2 ln f = d2 f / f - (df / f)(df / f)^T
            pull *= inverse
            inverse *= inverse
            inner *= inverse
            damp *= inverse
        D = self.model.hessian(terms, 0.0, damp)
        i = np.arange(D.shape[1])
        D[:, i, i] *= 1.001
        return [self.model.gradient(terms, pull), self.model.hessian(terms, pull, inner), D]

    def step(self, s: State, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g, H, D = s.local
        return Damped(H, D, s.damping, held, self.leap).step(g)

    def damp(self, s: State, gain: np.ndarray, accept: np.ndarray) -> None:
        lam = s.damping
        s.damping = np.where(accept, np.where(gain > 0.75, lam * 0.1, np.where(gain > 0.25, lam * 0.5, lam * 2)), lam * 6)


class GaussNewton(Steps):
    """Hessian without second derivatives of the law but with the loss's own curvature, damped by its diagonal; the step is
    bent along the valley it lies in by one more evaluation (geodesic acceleration, arXiv:1207.4999)."""

    sure = -np.inf

    def local(self, r: np.ndarray, terms: list[np.ndarray], weights: np.ndarray) -> list[np.ndarray]:
        """Gradient, Hessian, damping matrix, Jacobian of the residuals (B, p, n) and its row weights (B, n)."""
        f = self.model.value(terms)
        slope, curvature, ratio = self.loss.slopes(r)
        J = self.model.jacobian(terms, f)
        if self.loss.log:
            J /= f[:, None, :]
        inner = weights * curvature
        gradient = (J @ (weights * slope)[:, :, None])[:, :, 0]
        H = (J * inner[:, None, :]) @ J.transpose(0, 2, 1)
        D = ((J * J) @ (weights * ratio)[:, :, None]) * np.eye(J.shape[1])
        return [gradient, H, D, J, inner]

    def step(self, s: State, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        g, H, D, _, _ = s.local
        way = Damped(H, D, s.damping, held, self.leap)
        step, promised = way.step(g)
        return step + self._bent(s, step, way), promised

    def _bent(self, s: State, step: np.ndarray, way: Damped) -> np.ndarray:
        """Half the acceleration along the step, where it is well below the step itself."""
        _, _, D, J, inner = s.local
        ahead = self.loss.link(self.model.value(self.model.terms(s.t + BEND * step))) - self.y
        second = 2 / BEND * ((ahead - s.r) / BEND - (step[:, None, :] @ J)[:, 0])
        second = np.where(np.isfinite(second).all(1)[:, None], second, 0.0)
        pull = (J @ (inner * second)[:, :, None])[:, :, 0]
        a, _ = way.step(pull)
        size, length = (np.sqrt((v[:, None, :] @ D @ v[:, :, None])[:, 0, 0]) for v in (a, step))
        return np.where((2 * size <= 0.75 * length)[:, None], a / 2, 0.0)

    def damp(self, s: State, gain: np.ndarray, accept: np.ndarray) -> None:
        q = np.fmin(np.fmax(gain, 0.0), 1.0)  # none where it is not a number
        s.damping = np.where(accept, s.damping * np.maximum(0.1, 1 - (2 * q - 1) ** 3), s.damping * s.growth)
        s.growth = np.where(accept, 2.0, s.growth * 2)


class Damped:
    """Damped Newton steps of B problems, which share their matrix whatever the gradient is.

    Coordinates `held` at a bound are left out, and so are those of terms that have vanished, whose slopes are lost in the
    rounding of the others. No coordinate moves by more than its `leap`: a scale thrown to nothing by one bad step would
    never come back.

    Parameters
    ----------
    H, D (B, p, p) : Hessian, and the matrix that damps it, times damping (B,).
    held (B, p), leap (p,) : which coordinates stay, and how far the others go at most.
    """

    def __init__(self, H: np.ndarray, D: np.ndarray, damping: np.ndarray, held: np.ndarray, leap: np.ndarray) -> None:
        self.H, self.leap = H, leap
        diagonal = D.diagonal(axis1=1, axis2=2)
        # curvatures can be compared where coordinates have no unit: scales and exponents, whose leap is finite
        self.held = held | (np.isfinite(leap) & (diagonal <= VANISHED * diagonal.max(1, keepdims=True)))
        felt = diagonal > 0
        self.size = 1 / np.sqrt(np.where(felt, diagonal, 1.0))
        self.scaled = (H + damping[:, None, None] * D) * self.size[:, :, None] * self.size[:, None, :]
        if (none := self.held | ~felt).any():
            i = np.arange(len(leap))
            self.scaled[self.held[:, :, None] | self.held[:, None, :]] = 0.0
            self.scaled[:, i, i] = np.where(none, 1.0, self.scaled[:, i, i])
        self.sound = bool(np.isfinite(self.scaled).all())

    def step(self, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step (B, p) down a gradient (B, p) and the decrease it promises (B,), -1 where there is none to be had."""
        scaled, rhs, bad = self.scaled, np.where(self.held, 0.0, -g * self.size), np.zeros(len(g), bool)
        if not (self.sound and np.isfinite(rhs).all()):
            bad = ~(np.isfinite(scaled).all((1, 2)) & np.isfinite(rhs).all(1))
            scaled = np.where(bad[:, None, None], np.eye(g.shape[1]), scaled)
            rhs[bad] = 0.0
        try:
            z = np.linalg.solve(scaled, rhs[:, :, None])[:, :, 0]
        except np.linalg.LinAlgError:
            z = (np.linalg.pinv(scaled, hermitian=True) @ rhs[:, :, None])[:, :, 0]
        step = np.minimum(np.maximum(z * self.size, -self.leap), self.leap)
        promised = -(g * step).sum(1) - 0.5 * (step[:, None, :] @ self.H @ step[:, :, None])[:, 0, 0]
        promised[bad | ~np.isfinite(promised)] = -1.0
        return step, promised
