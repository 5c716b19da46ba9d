"""Test beds with known truth: runs drawn from any law, and an exactly solvable learner whose law nobody assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.counting import TRAIN, tokens
from scaling.design.inputs import design
from scaling.errors import DataError
from scaling.formula import Law, Published, find

NOISES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "none": lambda rng, n: np.zeros(n),
    "normal": lambda rng, n: rng.normal(size=n),
    "student": lambda rng, n: rng.standard_t(3, n) / np.sqrt(3),
    "one_sided": lambda rng, n: rng.exponential(size=n),
    "outliers": lambda rng, n: rng.normal(size=n) + 20 * (rng.random(n) < 0.05),
}  # besides "by_run"
Sums = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_EXACT, _NODES, _LAST = 2000, 3000, 1e40  # terms summed one by one, nodes for the rest, last term


def runs_of(
    law: Law | str,
    values: Published | Mapping[str, float],
    inputs: pd.DataFrame | str | int,
    *,
    noise: str = "normal",
    size: float = 0.003,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows a law would give, with noise on the logarithm of the loss.

    Parameters
    ----------
    law, values : the truth.
    inputs : the law's inputs, one row each (a column `run` groups them); for schedule laws columns run, step, lr, or a
        schedule as text; for laws over runs also N, D, batch and schedule of each. A number draws that many rows: from the
        law's `sample`, or between 1e6 and 1e9 where it has none.
    noise : "none"; "normal"; "student" (3 degrees of freedom, scaled to `size`); "one_sided" (runs are worse than the
        truth, never better: an exponential of mean `size`); "outliers" (normal, one row in twenty 20 sizes too high);
        "by_run" (rows of a run share their error, as checkpoints do).
    size : standard deviation of the noise, 0.003 being 0.3 %.

    Returns
    -------
    DataFrame
        the inputs with `loss`, and `exact`, the loss without noise.
    """
    law = find(law)
    if missing := [k for k in law.params if k not in values and k not in law.ties]:
        raise DataError(f"values= lacks {', '.join(missing)} of law '{law.name}'.")
    if not 0 <= size < np.inf:
        raise DataError(f"size={size!r} must be a standard deviation, 0 or more.")
    rng = np.random.default_rng(seed)
    if isinstance(inputs, int):
        if law.over_schedules:
            raise DataError(f"law '{law.name}' needs schedules: pass columns run, step, lr, or a schedule as text.")
        sample = law.hooks.sample or (lambda rng, n: {k: 10 ** rng.uniform(6, 9, n) for k in law.inputs})
        inputs = pd.DataFrame(sample(rng, inputs))
    made = design(inputs, law, fitting=False)
    exact = np.broadcast_to(law(*(made.inputs[k] for k in law.inputs), **values), (len(made),))
    inputs = made.frame
    return inputs.assign(loss=exact * np.exp(size * _noise(noise, inputs, rng)), exact=exact)


def _noise(kind: str, rows: pd.DataFrame, rng: np.random.Generator) -> Any:
    if kind == "by_run":
        if "run" not in rows:
            raise DataError("noise='by_run' needs a column run.")
        codes = pd.factorize(rows["run"])[0]
        return rng.normal(size=codes.max() + 1)[codes]
    if kind not in NOISES:
        raise DataError(f"noise='{kind}' is unknown; use one of {', '.join(NOISES)}, by_run.")
    return NOISES[kind](rng, len(rows))


@dataclass(frozen=True)
class RandomFeatures:
    """Ridge regression on random features, whose test error is known exactly (arXiv:2311.14646).

    Eigenvalues i^-alpha and squared target coefficients i^-beta, i = 1 ... `terms`; n samples, k features.
    At the best ridge the error falls as n^-(beta - 1) and k^-(beta - 1), for beta - 1 < 2 alpha, towards `noise`.
    """

    alpha: float
    beta: float
    noise: float = 0.0
    terms: float = _LAST

    def __post_init__(self) -> None:
        if not (0 < self.alpha < np.inf and 1 < self.beta < np.inf and 0 <= self.noise < np.inf and self.terms >= 1):
            raise DataError(f"{self}: needs alpha > 0, beta > 1 (else the target is infinite), noise >= 0 and terms >= 1.")

    @property
    def exponent(self) -> float:
        """Of both n and k, in the limit of large ones."""
        return self.beta - 1

    @cached_property
    def _spectrum(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvalues, squared coefficients, weights: exact at first, then a quadrature in ln i. Cutting the sum short
        instead, even at 2e5 terms, shows exponents of 0.39 for a true 0.3."""
        i = np.arange(1, min(self.terms, _EXACT) + 1, dtype=float)
        w = np.ones_like(i)
        if self.terms > _EXACT:
            u = np.linspace(np.log(_EXACT + 0.5), np.log(self.terms), _NODES)
            du = np.full(_NODES, u[1] - u[0])
            du[[0, -1]] *= 0.5
            i, w = np.concatenate([i, np.exp(u)]), np.concatenate([w, np.exp(u) * du])
        return i**-self.alpha, i**-self.beta, w

    def _sums(self, gamma: np.ndarray) -> Sums:
        """z, q, and the two sums of the test error, for gamma (m,)."""
        lam, v2, w = self._spectrum
        p = lam / (lam + gamma[:, None])
        left = gamma[:, None] / (lam + gamma[:, None])
        return p @ w, p**2 @ w, left @ (w * v2), (p / (lam + gamma[:, None])) @ (w * v2)

    def _error(self, gamma: np.ndarray, n: float, k: float, sums: Sums | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Test error and ridge at gamma (m,) for n and k; the error is infinite where no ridge >= 0 gives this gamma."""
        z, q, bias, pull = self._sums(gamma) if sums is None else sums
        with np.errstate(all="ignore"):
            few = np.isfinite(k)
            kappa = np.where(few, gamma * (1 - z / k), gamma)
            ratio = np.where(few, 1 / (1 - q / k), 1.0)
            spread = np.where(few, (q * (1 - 2 * z / k) + z**2 / k) * ratio, q) / n
            error = (bias - kappa * pull * ratio + self.noise) / (1 - spread)
            ridge = kappa * (n - z)
        return np.where((kappa > 0) & (ridge >= 0) & (spread < 1), error, np.inf), ridge

    def loss(self, n: ArrayLike, k: ArrayLike = np.inf, ridge: float | str = "best") -> np.ndarray:
        """Exact test error for n samples and k features (inf: a kernel); n and k broadcast.

        Parameters
        ----------
        ridge : "best", or a number delta >= 0.
        """
        n, k = np.broadcast_arrays(np.asarray(n, float), np.asarray(k, float))
        if not ((n > 0) & (n < np.inf) & (k > 0)).all():
            raise DataError("random features need n > 0 samples and k > 0 features.")
        if ridge != "best" and not (isinstance(ridge, Real) and 0 <= ridge < np.inf):
            raise DataError(f"ridge={ridge!r} must be 'best' or a number, 0 or more.")
        pairs = zip(n.ravel().tolist(), k.ravel().tolist(), strict=True)
        losses = [self._best(a, b) if isinstance(ridge, str) else self._at(a, b, float(ridge)) for a, b in pairs]
        return np.reshape(losses, n.shape)

    @cached_property
    def _table(self) -> tuple[np.ndarray, Sums]:
        """ln gamma on a coarse grid, with the sums there: enough to find which valley is the lowest."""
        x = np.linspace(-60.0 * self.alpha, 20.0, 400 + int(200 * self.alpha))
        return x, self._sums(np.exp(x))

    def _best(self, n: float, k: float) -> float:
        x, sums = self._table
        at = int(np.clip(self._error(np.exp(x), n, k, sums)[0].argmin(), 1, len(x) - 2))
        low, high = x[at - 1], x[at + 1]
        for _ in range(6):  # then zoom in
            x = np.linspace(low, high, 9)
            error = self._error(np.exp(x), n, k)[0]
            at = int(np.clip(error.argmin(), 1, 7))
            low, high = x[at - 1], x[at + 1]
        return float(error.min())

    def _at(self, n: float, k: float, ridge: float) -> float:
        return float(self._error(np.array([self.gamma(n, k, ridge)]), n, k)[0][0])

    def gamma(self, n: float, k: float, ridge: float) -> float:
        """The effective ridge gamma, by bisection: the ridge of a gamma rises with it.

        Parameters
        ----------
        n, k : samples and features (inf: a kernel). ridge : delta, 0 or more.
        """
        # below the least gamma there is no ridge: the samples, or the features, are used up
        least = _halved(lambda x: bool(self._sums(x)[0][0] > min(n, k)), -200.0 * self.alpha, 60)
        return float(np.exp(_halved(lambda x: bool(self._error(x, n, k)[1][0] < ridge), least, 90)))

    def surface(self, N: ArrayLike, D: ArrayLike) -> pd.DataFrame:
        """Exact loss at the best ridge for every N (features) and D (samples), as data for a fit. True E = `noise`."""
        rows = np.array([(a, b) for a in np.asarray(N, float) for b in np.asarray(D, float)])
        out = pd.DataFrame(rows, columns=["N", "D"]).assign(loss=self.loss(rows[:, 1], rows[:, 0]))
        out.attrs.update(exponent=self.exponent, E=self.noise)
        return out

    def optimum(self, flops: float) -> dict[str, float]:
        """N, D and exact loss at the best ridge of the best run with 6 N D = `flops`."""
        if not TRAIN < flops < np.inf:
            raise DataError(f"flops={flops!r} must be a finite number above 6.")
        pairs = tokens(flops, 1.0)
        low, high = 0.0, float(np.log(pairs))
        for _ in range(5):
            x = np.linspace(low, high, 33)
            loss = self.loss(pairs / np.exp(x), np.exp(x))
            at = int(np.clip(loss.argmin(), 1, 31))
            low, high = x[at - 1], x[at + 1]
        N = float(np.exp(x[at]))
        return {"N": N, "D": float(pairs / N), "loss": float(loss[at])}


def _halved(below: Callable[[np.ndarray], bool], low: float, times: int, high: float = 200.0) -> float:
    """ln gamma at the upper end of where `below`, which takes gamma (1,), stops to hold."""
    for _ in range(times):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if below(np.exp([middle])) else (low, middle)
    return high


def rf_surface(alpha: float, beta: float, N: ArrayLike, D: ArrayLike, sigma2: float = 0.0) -> pd.DataFrame:
    """Exact losses of ridge-tuned random features, as data for a fit: columns N, D, loss, every N at every D.

    Parameters
    ----------
    alpha, beta, sigma2 : of `RandomFeatures`, whose `noise` is sigma2. N, D : numbers of features and of samples.
    """
    return RandomFeatures(alpha, beta, sigma2).surface(N, D)
