"""Which runs to make next, so that a prediction far away gets sharper per FLOP (V-optimal design, arXiv:2604.22753)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError, FitError
from scaling.fitting import Fit, fit
from scaling.fitting import model as models
from scaling.fitting.coordinates import Coordinates
from scaling.fitting.design import Design, design
from scaling.fitting.losses import Loss
from scaling.fitting.refit import refit
from scaling.formula import Law
from scaling.laws import find

CRITERIA = ("V", "D", "random", "cheapest")
PRIOR = 1.0  # sd of the solver's variables before any run: a factor e in a scale, one in an exponent
RELATIVE_NOISE = 0.01  # of one loss, until the data say more


def plan_next(
    law: Law | str | Fit,
    pool: pd.DataFrame,
    target: pd.DataFrame,
    budget: float,
    *,
    done: pd.DataFrame | None = None,
    cost: Any = None,
    cost_exponent: float = 0.4,
    criterion: str = "V",
    seed: int = 0,
) -> pd.DataFrame:
    """Choose runs from a pool, one after the other, until the budget is spent.

    Parameters
    ----------
    law : a law, its name, or a Fit (then `done` defaults to its data).
    pool : runs that could be made, columns = the law's inputs. target : where the prediction shall be sharp.
    budget : what they may cost together, in the unit of `cost`.
    done : runs made already, with their loss.
    cost : array (len(pool),), name of a column of pool, or None for 6 N D.
    cost_exponent : gain is divided by cost ** this; 1 buys per FLOP, 0 ignores the price.
    criterion : "V" (variance of the target's prediction), "D" (volume of the parameters' covariance), "random", "cheapest".

    Returns
    -------
    DataFrame
        The chosen rows of pool in the order to run them, with ``cost`` and ``target_sd``: sd of the mean target's
        log prediction expected after the run.
    """
    base = law.law if isinstance(law, Fit) else find(law)
    if criterion not in CRITERIA:
        raise FitError(f"criterion='{criterion}' is unknown; use one of {', '.join(CRITERIA)}.")
    if done is None and isinstance(law, Fit):
        done = law.data
    prices = _prices(pool, cost)
    if not budget > 0 or prices.min() > budget:
        raise DataError(f"budget {budget:.3g}: the cheapest run of the pool costs {prices.min():.3g}.")
    state = State(base, pool, target, seed)
    state.update(done)
    left, spent, chosen, rows = np.ones(len(pool), bool), 0.0, [], []
    rng = np.random.default_rng(seed)
    while True:
        may = left & (spent + prices <= budget)
        if not may.any():
            break
        k = state.best(may, prices, cost_exponent, criterion, rng)
        state.learn(k)
        left[k], spent = False, spent + prices[k]
        chosen.append(k)
        rows.append(state.target_sd)
    return pool.iloc[chosen].assign(cost=prices[chosen], target_sd=rows)


def _prices(pool: pd.DataFrame, cost: Any) -> np.ndarray:
    if cost is None:
        for N, D in (("N", "D"), ("n_params", "tokens")):
            if N in pool and D in pool:
                return 6.0 * pool[N].to_numpy(float) * pool[D].to_numpy(float)
        raise DataError("cost: the pool has no N and D to count 6 N D from; pass cost=, a column or an array.")
    prices = (
        pool[cost].to_numpy(float) if isinstance(cost, str) else np.broadcast_to(np.asarray(cost, float), len(pool))
    )
    if not (prices > 0).all():
        raise DataError(f"cost: {prices[~(prices > 0)][0]:g} is not positive.")
    return prices


class State:
    """Covariance of a law's parameters given the runs made so far, and what one more run would do to it.

    Gradients are of ln prediction in the solver's centred variables, where a prior of one standard deviation is vague, so
    that the first runs can be chosen before the law can be fitted.
    """

    def __init__(self, law: Law, pool: pd.DataFrame, target: pd.DataFrame, seed: int) -> None:
        self.law, self.seed, self.loss = law, seed, Loss("huber", True, 1e-2)
        self.pool = design(pool.drop(columns="loss", errors="ignore"), law, fitting=False)
        self.target = design(target.drop(columns="loss", errors="ignore"), law, fitting=False)
        params = tuple(law.params.values())
        self.frame: Coordinates = models.build(law, params, self.pool.inputs, {}, self.loss).frame
        self.t = np.clip(np.where(self.frame.logs, 0.0, [p.start for p in params]), self.frame.lower, self.frame.upper)
        self.noise = RELATIVE_NOISE
        self.S = np.eye(len(params)) * PRIOR**2

    def update(self, done: pd.DataFrame | None) -> None:
        """Refit to the runs made so far and rebuild the covariance from them and the prior."""
        p = len(self.t)
        self.S = np.eye(p) * PRIOR**2
        if done is None or not len(done):
            self._gradients()
            return
        made = design(done, self.law, fitting=True)
        if len(made) > p:
            found = refit(self.law, made, self.loss, made.weights[None], seed=self.seed)
            if found.ok[0]:
                theta = found.frame.to_params(found.t[0])
                t = self.frame.from_params(theta)
                if np.isfinite(t).all():
                    self.t = t
                    self.noise = float(np.clip(found.noise[0], 1e-4, 0.1))
        self._gradients()
        J = self._jacobian(made)
        self.S = np.linalg.inv(np.eye(p) / PRIOR**2 + J.T @ J / self.noise**2)

    def _jacobian(self, made: Design) -> np.ndarray:
        with np.errstate(all="ignore"):
            model = models.build(self.law, self.frame.params, made.inputs, {}, self.loss, frame=self.frame)
            terms = model.terms(self.t[None])
            value = model.value(terms)
            J = (model.jacobian(terms, value)[0] / value[0]).T
        return np.where(np.isfinite(J), J, 0.0)

    def _gradients(self) -> None:
        self.J, self.T = self._jacobian(self.pool), self._jacobian(self.target)

    @property
    def target_sd(self) -> float:
        return float(np.sqrt(np.mean(np.einsum("tp,pq,tq->t", self.T, self.S, self.T))))

    def best(
        self, may: np.ndarray, prices: np.ndarray, exponent: float, criterion: str, rng: np.random.Generator
    ) -> int:
        allowed = np.flatnonzero(may)
        if criterion == "random":
            return int(rng.choice(allowed))
        if criterion == "cheapest":
            return int(allowed[np.argmin(prices[allowed])])
        SJ = self.J[allowed] @ self.S
        own = np.einsum("np,np->n", SJ, self.J[allowed])
        gain = np.log1p(own / self.noise**2)
        if criterion == "V":
            gain = ((SJ @ self.T.T) ** 2).sum(1) / (self.noise**2 + own)
        return int(allowed[np.argmax(gain / prices[allowed] ** exponent)])

    def learn(self, k: int) -> None:
        """Rank-one update of the covariance by a run at row k of the pool."""
        j = self.J[k]
        Sj = self.S @ j
        self.S = self.S - np.outer(Sj, Sj) / (self.noise**2 + j @ Sj)


def sequentially(
    law: Law | str,
    pool: pd.DataFrame,
    target: pd.DataFrame,
    budget: float,
    *,
    cost: Any = None,
    cost_exponent: float = 0.4,
    criterion: str = "V",
    seed: int = 0,
    refit_every: float = 0.25,
) -> tuple[pd.DataFrame, Fit]:
    """Play `plan_next` on a pool whose losses are known: refit as they come in, and fit the law to what was bought.

    Parameters
    ----------
    pool, target : with column loss. refit_every : share of growth of the bought runs after which the law is refitted.
    """  # fmt: skip
    base = find(law)
    prices = _prices(pool, cost)
    state = State(base, pool, target, seed)
    state.update(None)
    rng = np.random.default_rng(seed)
    left, spent, fitted = np.ones(len(pool), bool), 0.0, 0
    chosen: list[int] = []
    while True:
        may = left & (spent + prices <= budget)
        if not may.any():
            break
        if criterion in "VD" and len(chosen) > max(len(base.params), fitted * (1 + refit_every)):
            state.update(pool.iloc[chosen])
            fitted = len(chosen)
        k = state.best(may, prices, cost_exponent, criterion, rng)
        state.learn(k)
        left[k], spent = False, spent + prices[k]
        chosen.append(k)
    bought = pool.iloc[chosen]
    return bought, fit(bought, base, seed=seed)
