"""A law on given data as the solver sees it: values and derivatives for many parameter vectors at once.

Shapes: B problems, n rows, p free parameters; t (B, p), values (B, n), Jacobians (B, p, n).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np

from scaling.engine.coordinates import Coordinates
from scaling.engine.coordinates import build as build_coordinates
from scaling.engine.losses import Loss
from scaling.formula import Law, Parameter
from scaling.formula.monomials import Monomial, trace
from scaling.numerics import STEP, complex_step

AT_ONCE = 1 << 15  # numbers of an input that are worked on at once: sums over drops go part after part
CACHED = 1 << 18  # numbers an array of intermediate results may hold: beyond, memory sets the pace


def build(
    law: Law,
    params: tuple[Parameter, ...],
    inputs: Mapping[str, Any],
    fixed: Mapping[str, float],
    loss: Loss,
    coordinates: Coordinates | None = None,
    strength: float = 0.0,
) -> MonomialModel | GeneralModel:
    """The fastest exact model the law allows; `coordinates` carries over the coordinates of other data, else `strength` is
    that of what is known beforehand."""
    terms = trace(law, fixed)
    coordinates = coordinates or build_coordinates(law, params, inputs, fixed, terms, strength)
    if terms is not None:
        return MonomialModel(terms, coordinates, inputs, loss.log)
    return GeneralModel(law, coordinates, inputs, fixed, loss.log)


def at(model: MonomialModel | GeneralModel, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law (n,) and its Jacobian (p, n) at one parameter vector t (p,)."""
    terms = model.terms(t[None])
    value = model.value(terms)
    return value[0], model.jacobian(terms, value)[0]


class MonomialModel:
    """Sum of K exp(Z t): every derivative in closed form, so the solver can take exact Newton steps."""

    def __init__(self, terms: list[Monomial], coordinates: Coordinates, inputs: Mapping[str, np.ndarray], log: bool) -> None:
        self.monomials, self.coordinates, self.log = terms, coordinates, log
        self.n = len(next(iter(inputs.values())))
        self.parts = [self._part(term, inputs) for term in terms]
        pairs = [self._pair(a, b) for a in range(len(terms)) for b in range(a, len(terms))]
        self.pairs, self.places = [pair[:3] for pair in pairs], np.concatenate([pair[3] for pair in pairs])

    def over(self, inputs: Mapping[str, np.ndarray]) -> MonomialModel:
        """The same over other rows."""
        return MonomialModel(self.monomials, self.coordinates, inputs, self.log)

    def _part(self, term: Monomial, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """K and Z of a term, of the coordinates it depends on, and which these are."""
        names = self.coordinates.names
        K, Z = np.full(self.n, term.coef), np.zeros((self.n, len(names)))
        for base, (const, slopes) in term.powers.items():
            if base in names:
                Z[:, names.index(base)] += const
                continue
            x = np.asarray(inputs[base], float)
            if const:
                K = K * x**const
            for param, slope in slopes.items():
                Z[:, names.index(param)] += slope * np.log(x)
        Z = Z @ self.coordinates.inverse
        K = K * np.exp(-Z @ self.coordinates.c)
        columns = np.flatnonzero(np.abs(Z).max(0) > 0)
        Z = Z[:, columns]
        if len(K) and np.ptp(K) == 0 and (np.ptp(Z, axis=0) == 0).all():
            K, Z = K[:1], Z[:1]  # a constant term needs one exponential per problem, not one per row
        return K, Z, columns

    def _pair(self, a: int, b: int) -> tuple[int, int, np.ndarray, np.ndarray]:
        """Of two parts: products of their exponents (n, m), and where in the Hessian they go (m, p * p)."""
        (_, Za, ca), (_, Zb, cb), p = self.parts[a], self.parts[b], len(self.coordinates.params)
        i, j = np.triu_indices(len(ca)) if a == b else np.indices((len(ca), len(cb))).reshape(2, -1)
        place = np.zeros((len(i), p, p))
        m = np.arange(len(i))
        place[m, ca[i], cb[j]] = 1.0
        place[m, cb[j], ca[i]] += 1.0 if a != b else (i != j)
        return a, b, Za[:, i] * Zb[:, j], place.reshape(len(i), p * p)

    def terms(self, t: np.ndarray) -> list[np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            return [K * np.exp(t[:, columns] @ Z.T) for K, Z, columns in self.parts]

    def value(self, terms: list[np.ndarray]) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.zeros((len(terms[0]), self.n))
            for T in terms:
                total += T
        return total

    def jacobian(self, terms: list[np.ndarray], value: np.ndarray) -> np.ndarray:
        J = np.zeros((len(value), len(self.coordinates.params), self.n))
        for T, (_, Z, columns) in zip(terms, self.parts, strict=True):
            for z, j in zip(Z.T, columns, strict=True):
                J[:, j] += T * z
        return J

    def gradient(self, terms: list[np.ndarray], s: np.ndarray) -> np.ndarray:
        """sum_i s_i d(value_i)/dt, shape (B, p)."""
        g = np.zeros((len(s), len(self.coordinates.params)))
        for T, (_, Z, columns) in zip(terms, self.parts, strict=True):
            g[:, columns] += _over_rows(s * T, Z)
        return g

    def hessian(self, terms: list[np.ndarray], s: np.ndarray | float, w: np.ndarray | float) -> np.ndarray:
        """sum_i s_i d2(value_i)/dt2 + w_i d(value_i)/dt d(value_i)/dt^T, shape (B, p, p), without forming a Jacobian."""
        found = []
        for a, b, ZZ in self.pairs:
            if a == b:
                wT = w * terms[a]
                found.append(_over_rows((wT + s) * terms[a], ZZ))
            else:
                found.append(_over_rows(wT * terms[b], ZZ))
        p = len(self.coordinates.params)
        H: np.ndarray = np.concatenate(found, axis=1) @ self.places
        return H.reshape(-1, p, p)


def _over_rows(values: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """sum over rows i of values (B, n) times Z (n, m), where Z may be the same in all rows (1, m)."""
    out: np.ndarray = values.sum(1)[:, None] * Z if len(Z) == 1 else values @ Z
    return out


class GeneralModel:
    """Any law: derivatives from its hook, else by complex step, else by central differences."""

    def __init__(
        self, law: Law, coordinates: Coordinates, inputs: Mapping[str, Any], fixed: Mapping[str, float], log: bool
    ) -> None:
        self.law, self.coordinates, self.log = law, coordinates, log
        self.fixed: dict[str, Any] = {k: float(v) for k, v in {**law.held, **fixed}.items()}
        self.read(inputs)
        self.together = self._broadcasts()
        self.complex_ok = law.hooks.jacobian is not None or self._complex_works()

    def read(self, inputs: Mapping[str, Any]) -> None:
        self.inputs = [inputs[k] for k in self.law.inputs]
        self.n = len(self.inputs[0])
        self.few = max(1, CACHED // max(self.n, min(AT_ONCE, max(x.size for x in self.inputs))))  # problems at a time

    def over(self, inputs: Mapping[str, Any]) -> GeneralModel:
        """The same over other rows, of which the function needs no new trial."""
        other = copy(self)
        other.read(inputs)
        return other

    def call(self, theta: np.ndarray) -> np.ndarray:
        """The function (B, n) of parameters (B, p) for all problems at once if it broadcasts, else one by one."""
        return self._at_once(theta) if self.together else self._one_by_one(theta)

    def _at_once(self, theta: np.ndarray) -> np.ndarray:
        value, shape = self.law.fn(*self.inputs, **self._named(theta)), (len(theta), self.n)
        return value if getattr(value, "shape", None) == shape else np.broadcast_to(value, shape)

    def _one_by_one(self, theta: np.ndarray) -> np.ndarray:
        held = {k: np.float64(v) for k, v in self.fixed.items()}
        rows = [self.law.fn(*self.inputs, **held, **dict(zip(self.coordinates.names, one, strict=True))) for one in theta]
        return np.stack([np.broadcast_to(r, (self.n,)) for r in rows])

    def _broadcasts(self) -> bool:
        """Does the function give the same for two problems at once as for each?"""
        theta = np.array([[p.start for p in self.coordinates.params]] * 2)
        try:
            with np.errstate(all="ignore"):
                return np.allclose(self._at_once(theta), self._one_by_one(theta), rtol=1e-12, equal_nan=True)
        except (TypeError, ValueError, IndexError):
            return False

    def _named(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        return {**self.fixed, **{name: theta[:, k, None] for k, name in enumerate(self.coordinates.names)}}

    def terms(self, t: np.ndarray) -> list[np.ndarray]:
        with np.errstate(all="ignore"):
            parts = [self.call(self.coordinates.to_params(part)) for part in self._parts(t)]
            return [np.concatenate(parts), t]

    def _parts(self, t: np.ndarray) -> list[np.ndarray]:
        return [t[i : i + self.few] for i in range(0, len(t), self.few)]

    def value(self, terms: list[np.ndarray]) -> np.ndarray:
        return terms[0]

    def jacobian(self, terms: list[np.ndarray], value: np.ndarray) -> np.ndarray:
        return np.concatenate([self._slopes(part) for part in self._parts(terms[1])])

    def _slopes(self, t: np.ndarray) -> np.ndarray:
        names = self.coordinates.names
        theta = self.coordinates.to_params(t)
        D = np.empty((len(t), len(names), self.n))
        with np.errstate(all="ignore"):
            if self.law.hooks.jacobian is not None:
                parts = self.law.hooks.jacobian(*self.inputs, **self._named(theta))
                for k, name in enumerate(names):
                    D[:, k] = parts[name]
            else:
                for k in range(len(names)):
                    D[:, k] = self._difference(theta, k)
        J: np.ndarray = self.coordinates.slopes(t, theta).transpose(0, 2, 1) @ D  # chain rule
        return J

    def _difference(self, theta: np.ndarray, k: int) -> np.ndarray:
        size = np.where(theta[:, k] != 0, np.abs(theta[:, k]), 1.0)
        if self.complex_ok:
            own = np.arange(theta.shape[1]) == k
            return complex_step(self.call, theta, own, STEP * size[:, None])
        h = 6e-6 * size
        up, down = theta.copy(), theta.copy()
        up[:, k] += h
        down[:, k] -= h
        rise = self.call(up) - self.call(down)
        return np.asarray(rise / (up[:, k] - down[:, k])[:, None])

    def _complex_works(self) -> bool:
        """Does the function carry an imaginary part through? abs, max and comparisons do not: compare with differences."""
        theta = np.array([[p.start * 1.01 + 0.01 * (p.start == 0) for p in self.coordinates.params]])
        try:
            with np.errstate(all="ignore"):
                for k in range(theta.shape[1]):
                    self.complex_ok = True
                    exact = self._difference(theta, k)
                    self.complex_ok = False
                    near = self._difference(theta, k)
                    size = np.nanmax(np.abs(near), initial=0.0)
                    if not np.allclose(exact, near, rtol=1e-4, atol=1e-4 * size, equal_nan=True):
                        return False
        except (TypeError, ValueError):
            return False
        return True


Model = MonomialModel | GeneralModel
