"""Internal variables: logarithms of scales, shifted to where the data lie, so that units never decide success.

u holds ln(parameter) for scales and the parameter itself otherwise; the solver sees t = M u + c. Row A of M and c turn
ln A into the logarithm of the term A belongs to at the data's geometric mean, which is nearly independent of the exponent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scaling.engine.scales import Scales, read_off
from scaling.formula import Law, Parameter
from scaling.formula.hooks import Map
from scaling.formula.monomials import Monomial
from scaling.numerics import complex_step

_HUGE = 200.0  # |ln| of a natural-unit scale that no data can ask for


@dataclass(frozen=True)
class Coordinates:
    """Affine map between parameters in the paper's units and the solver's variables, with the box they live in.

    strength : cost of one standard deviation squared from what is known of a parameter beforehand, see `prior.strength`.
    """

    params: tuple[Parameter, ...]
    M: np.ndarray
    c: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    straight: tuple[Map, Map] | None = None
    strength: float = 0.0

    @cached_property
    def informed(self) -> list[str]:
        """Names of the k parameters of which something is known beforehand."""
        return [p.name for p in self.params if p.prior is not None]

    @cached_property
    def known(self) -> np.ndarray:
        """Rows (k, p): known @ t - aim are distances from what is known beforehand, in its standard deviations."""
        sd = np.array([p.prior.sd for p in self.params if p.prior is not None])
        return np.asarray(self.inverse[[p.prior is not None for p in self.params]] / sd[:, None])

    @cached_property
    def aim(self) -> np.ndarray:
        """Where what is known beforehand is centred (k,), see `known`."""
        known = [(p.prior, p.domain.log) for p in self.params if p.prior is not None]
        means = np.array([(np.log(prior.mean) if log else prior.mean) / prior.sd for prior, log in known])
        return np.asarray(self.known @ self.c + means)

    @property
    def pull(self) -> np.ndarray:
        """What `pulled` takes, (1 + k,)."""
        return np.append(self.strength, self.aim)

    def pulled(self, t: np.ndarray, pull: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cost (B,) of leaving what is known beforehand, half strength times squared distance, its gradient (B, p), Hessian.

        Parameters
        ----------
        t (B, p). pull (B, 1 + k) or (1 + k,): strength, and aims of every problem; default: of these coordinates.
        """
        if not len(self.known):
            return np.zeros(len(t)), np.zeros_like(t), np.zeros((len(t), t.shape[1], t.shape[1]))
        pull = np.broadcast_to(self.pull if pull is None else pull, (len(t), 1 + len(self.known)))
        away = t @ self.known.T - pull[:, 1:]
        cost: np.ndarray = 0.5 * pull[:, 0] * (away**2).sum(1)
        return cost, pull[:, :1] * (away @ self.known), pull[:, 0, None, None] * (self.known.T @ self.known)

    @cached_property
    def names(self) -> list[str]:
        return [p.name for p in self.params]

    @cached_property
    def logs(self) -> np.ndarray:
        return np.array([p.domain.log for p in self.params], dtype=bool)

    @cached_property
    def inverse(self) -> np.ndarray:
        return np.asarray(2 * np.eye(len(self.M)) - self.M)  # M - 1 maps exponents to scales only, so its square is zero

    def to_params(self, t: np.ndarray) -> np.ndarray:
        """t (..., p) -> parameters (..., p)."""
        theta = (t - self.c) @ self.inverse.T
        with np.errstate(over="ignore", invalid="ignore"):
            theta = np.where(self.logs, np.exp(theta), theta)
            return theta if self.straight is None else self._mapped(self.straight[0], theta)

    def _mapped(self, way: Map, theta: np.ndarray) -> np.ndarray:
        return np.stack(
            list(way(dict(zip(self.names, (theta[..., k] for k in range(len(self.names))), strict=True))).values()), -1
        )

    def slopes(self, t: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
        """d parameter_i / d t_j, shape (..., p, p); theta (..., p) are the parameters, where they are known."""
        if self.straight is None:
            size = np.where(self.logs, self.to_params(t) if theta is None else theta, 1.0)
            return np.asarray(size[..., :, None] * self.inverse)
        return np.swapaxes(complex_step(self.to_params, t[..., None, :], np.eye(len(self.M))), -1, -2)

    def from_params(self, theta: np.ndarray) -> np.ndarray:
        theta = np.asarray(theta, float)
        if self.straight is not None:
            theta = self._mapped(self.straight[1], theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            u = np.where(self.logs, np.log(np.where(self.logs, theta, 1.0)), theta)
        t: np.ndarray = np.clip(u @ self.M.T + self.c, self.lower, self.upper)
        return t


def build(
    law: Law,
    params: tuple[Parameter, ...],
    inputs: Mapping[str, np.ndarray],
    fixed: Mapping[str, float],
    terms: list[Monomial] | None,
    strength: float = 0.0,
) -> Coordinates:
    """Coordinates centred on the data: from the law's monomials, else its `natural` hook, else what `read_off` sees."""
    names = [p.name for p in params]
    M, c = np.eye(len(names)), np.zeros(len(names))
    free = [p.domain.log and np.isinf(p.domain.hi) and p.domain.lo == 0 for p in params]  # bounded scales stay a box
    scales: Scales = {}
    if terms is not None:
        scales = _of_terms(terms, names, inputs)
    elif law.hooks.natural is not None:
        scales = _of_hook(law.hooks.natural, names, inputs, fixed)
    elif law.hooks.straight is None:
        scales = read_off(law, params, free, inputs, fixed)
    for name, (shift, slopes) in scales.items():
        row = names.index(name)
        if free[row]:
            c[row] = shift
            for other, slope in slopes.items():
                M[row, names.index(other)] = slope
    lower, upper = np.empty(len(names)), np.empty(len(names))
    for i, p in enumerate(params):
        if p.domain.log:
            lower[i] = np.log(p.domain.lo) if p.domain.lo > 0 else -_HUGE
            upper[i] = np.log(p.domain.hi) if np.isfinite(p.domain.hi) else _HUGE
        else:
            lower[i], upper[i] = p.domain.lo, p.domain.hi
    return Coordinates(params, M, c, lower, upper, straight(law, inputs, fixed, params), strength)


def straight(
    law: Law, inputs: Mapping[str, np.ndarray], fixed: Mapping[str, float], params: tuple[Parameter, ...]
) -> tuple[Map, Map] | None:
    """The law's own maps out of and into its curved valleys; they need all parameters, so none may be fixed, nor have a prior:
    it is about the paper's."""
    if law.hooks.straight is None or fixed or any(p.prior is not None for p in params):
        return None
    return law.hooks.straight(*inputs.values())


def _of_terms(
    terms: list[Monomial], names: list[str], inputs: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, dict[str, float]]]:
    """name -> (shift, {exponent: slope}) of the logarithm of the parameter's natural scale: its whole term at the mean."""
    logs = {k: _mean_log(v) for k, v in inputs.items()}
    found: dict[str, tuple[float, dict[str, float]]] = {}
    for term in terms:
        owners = [b for b, (e, s) in term.powers.items() if b in names and not s and abs(e) == 1]
        if not owners or any(o in found for o in owners):
            continue
        sign = term.powers[owners[0]][0]
        shift = np.log(abs(term.coef)) * sign
        slopes: dict[str, float] = {}
        for base, (const, exponents) in term.powers.items():
            if base in logs:
                shift += sign * const * logs[base]
                for param, slope in exponents.items():
                    slopes[param] = slopes.get(param, 0.0) + sign * slope * logs[base]
        found[owners[0]] = (shift, slopes)
    return found


def _of_hook(
    hook: Callable[..., Mapping[str, float]], names: list[str], inputs: Mapping[str, np.ndarray], fixed: Mapping[str, float]
) -> dict[str, tuple[float, dict[str, float]]]:
    """The same from the law's own `natural` scales, which may depend on exponents."""
    exponents = [k for k, p in inspect.signature(hook).parameters.items() if p.kind is p.KEYWORD_ONLY]
    at = {e: fixed.get(e, 0.0) for e in exponents}

    def logs(at: dict[str, float]) -> dict[str, float]:
        return {k: float(np.log(v)) for k, v in hook(*inputs.values(), **at).items()}

    base = logs(at)
    found: dict[str, tuple[float, dict[str, float]]] = {k: (v, {}) for k, v in base.items() if k in names}
    for e in exponents:
        if e in names:
            for k, v in logs({**at, e: at[e] + 1.0}).items():
                if k in found and v != base[k]:
                    found[k][1][e] = v - base[k]
    return found


def _mean_log(x: np.ndarray) -> float:
    x = np.asarray(x, float)
    x = np.abs(x[x != 0])
    return float(np.log(x).mean()) if len(x) else 0.0
