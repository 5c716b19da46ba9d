"""Which runs to make next, so that a prediction far away is off by least per FLOP.

V-optimal design (arXiv:2604.22753) asks what runs leave least variance in the target's prediction if the law is right. It
then buys many cheap runs, whose shared misfit no number of runs averages away. The error a fit will make has two parts,
variance and the misfit it drags to the target (Box and Draper 1959, doi:10.1080/01621459.1959.10501525); both are counted.
For a law of schedules a run is a whole curve, and the target is the loss at the end of one.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import alike, completed, compute
from scaling.design.ladders import in_units
from scaling.errors import ArgumentError, DataError
from scaling.fits import Fit
from scaling.formula import Law, find
from scaling.logs import Runs
from scaling.logs.tables import listed_columns
from scaling.planning.belief import Belief
from scaling.planning.curves import UNITS, candidates, curves
from scaling.words import check_seed

CRITERIA = ("error", "V", "D", "random", "cheapest")
FIRST, GROWTH = 2, 0.5  # runs before the first refit; share by which they grow until the next


def plan_next(
    law: Law | str | Fit, pool: Any, target: Any, budget: float, *, done: Any = None, cost: Any = None,
    cost_exponent: float = 0.4, criterion: str = "error", branch: bool = False, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Choose runs from a pool, one after the other, until the budget is spent or no run would help.

    Parameters
    ----------
    law : a law, its name, or a Fit (then `done` defaults to its data).
    pool : runs that could be made, columns = the law's inputs. target : where the prediction shall be good.
        For laws of schedules: schedules (texts, Schedules, {name: schedule}), a table with a column ``schedule`` (and ``run``,
        facts, a cost) or Runs with the rows to be logged; the prediction shall be good at the end of the target's.
    budget : what they may cost together, in the unit of `cost`.
    done : runs made already, with their loss; fewer than parameters, or none, will do. For laws of schedules: Runs.
    cost : array (len(pool),), name of a column of pool, or None for 6 N D (schedules: of the facts ``n_params`` and
        ``batch_tokens`` of any of the runs; else tokens, else updates).
    cost_exponent : gain is divided by cost ** this; 1 buys per FLOP, 0 ignores the price.
    criterion : "error" (variance and misfit of a fit's prediction at the target), "V" (its variance as if the law were
        right), "D" (volume of the parameters' covariance), "random", "cheapest".
    branch : schedules continue from a checkpoint of a run made as far as their rates agree: they cost, and show, only what
        is new. Runs of one plan do not branch from each other; plan again when some are made.

    Returns
    -------
    DataFrame
        The chosen rows of pool in the order to run them, with ``cost`` and ``target_sd``: the relative error of the
        target's prediction expected after the run (root mean square over the target's rows). In ``attrs``:
        ``target_sd`` before any of them, ``noise`` and ``misfit`` (relative sd), ``unit`` of the costs, ``warnings``:
        candidates left out (run already, or the target itself) and what neither runs made nor chosen can show.

    Raises
    ------
    DataError, FitError, LawError, ScheduleError
        Empty tables, columns that are missing, costs that are not positive, unknown schedules, schedules of several peaks.
    ArgumentError
        A budget or an exponent that is none, an unknown criterion.
    """
    check_seed(seed)
    base, fixed = (law.law, law.fixed) if isinstance(law, Fit) else (find(law), {})
    if criterion not in CRITERIA:
        raise ArgumentError(f"criterion='{criterion}' is unknown; use one of {', '.join(CRITERIA)}.")
    if not isinstance(cost_exponent, numbers.Real) or not 0 <= cost_exponent < np.inf:
        raise ArgumentError(f"cost_exponent={cost_exponent!r} must be 0 (ignores the price) or more (1 buys per FLOP).")
    table, told, whole = pool, [], base.over_schedules
    if done is None and isinstance(law, Fit):
        done = law.runs if whole and law.runs is not None else law.data
    useful: Any = True
    if whole and base.hooks.facts and done is not None:
        base = in_units(base, curves(done, "done"))
    if whole:
        pool, target, done, table, useful, told = candidates(pool, target, done, branch, base.hooks.facts)
        if not useful.any():
            raise DataError("pool: no candidate is left. " + "; ".join(told))
        cost = next(c for c in UNITS if c in table) if cost is None else cost
    belief = Belief(base, pool, target, done, fixed=fixed, misfit=criterion not in ("V", "D"), seed=seed)
    if not whole:
        alike(pool=pool, target=target, **({} if done is None else {"done": done}))
    prices = _prices(table, cost, budget, useful)
    state = Purchase(belief)
    now = state.target_sd
    chosen, sds = _bought(state, prices, budget, cost_exponent, criterion, seed)
    out = table.iloc[chosen].assign(cost=prices[chosen], target_sd=sds)
    unit = _unit(cost)
    told = [*told, *belief.lacks(chosen)]
    out.attrs.update(target_sd=now, noise=belief.noise, misfit=belief.misfit, unit=unit, warnings=told)
    return out


def _unit(cost: Any) -> str:
    """What a column of costs counts; FLOP where costs are 6 N D."""
    return str(UNITS.get(cost or "flops", cost)) if cost is None or isinstance(cost, str) else ""


def _prices(pool: pd.DataFrame, cost: Any, budget: float, useful: Any = True) -> np.ndarray:
    """What each run costs, infinite where it is of no use."""
    prices = np.where(useful, _costs(pool, cost), np.inf)
    if not isinstance(budget, numbers.Real) or not 0 < budget < np.inf:
        raise ArgumentError(f"budget={budget!r} must be a positive number, in the unit of the costs.")
    if prices.min() > budget:
        unit = _unit(cost)
        raise ArgumentError(
            f"budget {budget:.3g} {unit}: the cheapest run of the pool costs {prices.min():.3g} {unit}; the budget counts in "
            "the unit of the costs, FLOP of 6 N D unless cost= (--cost) names a column of the pool."
        )
    return prices


def _costs(pool: pd.DataFrame, cost: Any) -> np.ndarray:
    if cost is None:
        said, _ = completed(pool, ["N", "D"])
        if {"N", "D"} <= {*said}:
            return compute(said["N"], said["D"])
        raise DataError("cost: the pool has no N and D to count 6 N D from; pass cost=, a column of the pool.")
    if isinstance(cost, str) and cost not in pool:
        raise DataError(f"cost='{cost}': the pool has no such column; it has {listed_columns(pool)}.")
    try:
        prices = np.broadcast_to(np.asarray(pool[cost] if isinstance(cost, str) else cost, float), len(pool))
    except (TypeError, ValueError):
        raise DataError(f"cost: one number per row of the pool is needed, {len(pool)} in all, or one for all.") from None
    if len(wrong := prices[~((prices > 0) & (prices < np.inf))]):
        raise DataError(f"cost: {wrong[0]:g} is not a positive number.")
    return prices


class Purchase:
    """What runs bought so far leave of the target's error, and what each run of the pool would take from it.

    A fit moves its parameters by S J^T (residuals) per run, S their covariance, J the slopes of the run's rows in units of
    noise (one row, or a curve). The residual is noise and misfit; R = S sum J^T F is where the misfit moves them. A run
    changes both by an update of as low a rank as it has rows.
    """

    def __init__(self, belief: Belief) -> None:
        self.belief, self.misfit2 = belief, belief.misfit**2
        self.J, self.T, self.m = belief.blocks(belief.J), belief.target_J, len(belief.target_J)
        made, F = (belief.white(x, belief.made) / belief.noise for x in (belief.made_J, belief.made_F))
        self.S = np.linalg.inv(np.eye(made.shape[1]) + made.T @ made)
        R = self.S @ (made.T @ F)
        self.left = belief.blocks(belief.F) - self.J @ R  # of the misfit at the pool, after the fit (n, rows, q)
        self.dragged = self.T @ R - belief.target_F  # misfit of the target's prediction (m, q)
        self.TT = self.T.T @ self.T / self.m

    @property
    def target_sd(self) -> float:
        return float(np.sqrt(np.sum(self.S * self.TT) + self.misfit2 * (self.dragged**2).sum() / self.m))

    def gains(self, rows: np.ndarray, criterion: str) -> np.ndarray:
        """Fall of the target's mean square error by each of these runs; for "D", of the log volume."""
        JS, total = self._update(self.J[rows])
        if criterion == "D":
            return np.asarray(np.linalg.slogdet(total)[1])
        K = np.linalg.solve(total, JS)
        shift = K.swapaxes(1, 2) @ self.left[rows]  # of the parameters by the misfit (n, p, q)
        drag = np.einsum("npq,pq->n", shift, self.T.T @ self.dragged / self.m)
        moved = np.einsum("npq,npq->n", self.TT @ shift, shift)
        return np.asarray(np.einsum("nmp,nmp->n", K @ self.TT, JS) - self.misfit2 * (2 * drag + moved))

    def buy(self, k: int) -> None:
        JS, total = self._update(self.J[k])
        K = np.linalg.solve(total, JS)
        shift = K.T @ self.left[k]
        self.left -= self.J @ shift
        self.dragged += self.T @ shift
        self.S = self.S - JS.T @ K

    def _update(self, J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J S and I + J S J^T, for slopes J (..., rows, p)."""
        JS = J @ self.S
        return JS, np.eye(J.shape[-2]) + JS @ J.swapaxes(-1, -2)


def _bought(
    state: Purchase, prices: np.ndarray, budget: float, exponent: float, criterion: str, seed: int
) -> tuple[list[int], list[float]]:  # fmt: skip
    """Always the run with the largest gain / price ** exponent, until none is affordable or helps; or all that are
    affordable, by chance or price. Rows of the pool, and the target's sd after each."""
    order = np.argsort(prices, kind="stable")
    if criterion == "random":
        order = np.random.default_rng(seed).permutation(len(prices))
    free, place = np.ones(len(prices), bool), np.argsort(order)
    chosen: list[int] = []
    sds: list[float] = []
    while len(may := np.flatnonzero(free & (prices <= budget))):
        if criterion in ("random", "cheapest"):
            k = int(may[place[may].argmin()])
        else:
            gains = state.gains(may, criterion)
            worth = np.where(gains > 0, gains / prices[may] ** exponent, 0.0)
            if not worth.max() > 0:
                break
            k = int(may[np.argmax(worth)])
        state.buy(k)
        free[k] = False
        budget -= prices[k]
        chosen.append(k)
        sds.append(state.target_sd)
    return chosen, sds


def sequentially(
    law: Law | str, pool: Any, target: Any, budget: float, *, made: Sequence[int] = (), cost: Any = None,
    cost_exponent: float = 0.4, criterion: str = "error", seed: int = 0,
) -> tuple[pd.DataFrame, np.ndarray]:  # fmt: skip
    """Play `plan_next` on a pool whose losses are known: learn them as they are bought, and plan the rest anew.

    Parameters
    ----------
    pool : table, or Runs for a law of schedules. made : positions in pool of runs that are there from the start, for nothing.

    Returns
    -------
    bought : rows of pool, or its Runs, those made first, then in the order bought (Runs: sorted).
    prediction : ndarray (len(target),), the law at its most probable parameters given these runs and a wide prior.
    """
    table, whole = pool, isinstance(pool, Runs)
    if whole:
        known = candidates(pool, target, None, False)
        pool, target, table = known.pool, known.target, known.table
        cost = next(c for c in UNITS if c in table) if cost is None else cost

    def some(rows: Sequence[int] | np.ndarray) -> Any:
        if not whole:
            return pool.iloc[rows]
        return pool.part(pool.frame[pool.frame["run"].isin([pool.names[k] for k in rows])])

    prices = _prices(table, cost, budget)
    bought = list(made)
    left = np.delete(np.arange(len(table)), bought)
    while len(left):
        done = some(bought) if bought else None
        if whole:
            left = left[candidates(some(left), target, done, False).useful]  # what was bought may contain others
        if not len(left) or prices[left].min() > budget:
            break
        rest = some(left) if whole else some(left).reset_index(drop=True)
        plan = plan_next(
            law, rest, target, budget, done=done, cost=prices[left], cost_exponent=cost_exponent,
            criterion=criterion, seed=seed,
        )  # fmt: skip
        fixed = criterion in ("random", "cheapest")  # they learn nothing
        many = 1 if whole else max(FIRST, int(np.ceil(GROWTH * len(bought))))  # a curve is worth a refit
        now = plan.index[: None if fixed else many]
        if not len(now):
            break
        bought += list(left[now])
        budget -= prices[left[now]].sum()
        left = np.delete(left, now)
    runs = some(bought)
    return runs, Belief(find(law), pool, target, runs, misfit=False, seed=seed).prediction
