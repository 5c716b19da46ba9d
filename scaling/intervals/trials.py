"""Laws put to the test: each is fitted to the smaller part of the rows at several cutoffs and asked for the larger part.

Numbers only. `judging` ranks laws by them, `calibrate` makes intervals of them, and both are fed by the same refits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from scaling.counting import completed
from scaling.design.cuts import Cut, cuts, left_out, parts
from scaling.design.inputs import Design, design
from scaling.design.order import order
from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.refit import STARTS, Refits, refit
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import lag_one
from scaling.errors import ScalingError
from scaling.formula import Law, Parameter
from scaling.logs import Runs

ROWS = 2  # rows per parameter that a backtest fits at least
PLAIN, LEAST = 7, 8  # rows at which a law of up to so many parameters is judged where no part has more: one of four is then
MOST_ROWS = 2000  # more rows are thinned, each counting for several; rows just after a drop of the rate must survive it
LATE = 6.8  # how much more a late cutoff, whose fitted part is most of the data, counts than an early one: e^(LATE share)
STALL = 1e-3  # gain in 20 iterations below which a refit goes no further: forecasts would not feel it
ROUNDS = 60  # iterations of a part
FEW = 1  # starts of a part beside the optimum of all rows
GROWING = ("N", "D", "C", "flops", "S", "U", "characters")  # what is larger for larger runs, as columns are named
RISE = 0.5  # of the spread of the losses: a law that rises by more where runs grow beyond the data explodes


@dataclass(frozen=True, eq=False)
class Trial:
    """How a law did.

    Attributes
    ----------
    made : the rows (n of them), as the law reads them.
    fits : refits to the fitted part of every cutoff and, last, to all rows. usable (F,) : which cutoffs say something.
    error (F, n) : ln loss (or loss) - prediction. relative (F, n) : prediction / loss - 1.
    sd (F, n) : of the prediction by the delta method, without the noise of a row.
    scores (F,) : mean |relative error| of the predicted rows at every cutoff; NaN where a cutoff says nothing.
    explodes : does it rise, where runs grow beyond the data and losses fall?
    """

    law: Law
    fixed: dict[str, float]
    made: Design
    fits: Refits
    usable: np.ndarray
    error: np.ndarray
    relative: np.ndarray
    sd: np.ndarray
    scores: np.ndarray
    explodes: bool

    def held_out(self, counts: np.ndarray) -> float:
        """The held-out error over the cutoffs the law could be fitted at, which count so much (F,); NaN without any."""
        known = np.isfinite(self.scores)
        return float(self.scores[known] @ counts[known] / counts[known].sum()) if known.any() else np.nan

    def within(self, rows: np.ndarray, f: int, below: Sequence[int], tests: Sequence[Cut]) -> Trial | None:
        """The trial as it would have been of the rows fitted at cutoff f, at the cutoffs `below`, where `tests` part them; None
        where the law could not be fitted to them."""
        if not self.fits.ok[f]:
            return None
        part, fits = self.made.take(rows), self.fits.take([*below, f])
        wider = 1.0
        if not fits.coordinates.informed:  # how alike rows are is measured once, on all rows there are
            rho = lag_one(self.error[f, rows], part.runs)
            alike = np.full(len(fits.t), (1 + rho) / (1 - rho))
            wider, fits = float(np.sqrt(alike[0] / fits.alike[0])), replace(fits, alike=alike)
        at = np.ix_(np.array(below, int), rows)
        error, relative, sd, usable = self.error[at], self.relative[at], self.sd[at] * wider, self.usable[at[0][:, 0]]
        scores = [np.mean(np.abs(e[c.test])) if good else np.nan for e, c, good in zip(relative, tests, usable, strict=True)]
        explodes = _explodes(fits, part, fits.loss)
        return Trial(self.law, self.fixed, part, fits, usable, error, relative, sd, np.array(scores), explodes)


def splits(made: Design, by: str | None, sign: int = 1) -> list[Cut]:
    """The backtests of laws along an order: cutoffs, for laws of schedules also every schedule left out; without an order
    (None) parts of the rows; "schedule": runs alone."""
    if by is None:
        return parts(made.loss)
    if by == "schedule":
        return left_out(made, order(made, "step") if "step" in made.frame else None)
    o = sign * order(made, by)
    return cuts(o) + (left_out(made, o) if by == "step" and made.runs.max() > 0 else [])


def needed(params: int) -> int:
    """Rows that the largest fitted part must have for a law of so many free parameters to be judged at all.

    A small table must not go to the law of fewest parameters because the others were not asked; but a law of very many
    passes close to any few rows and says anything beyond.
    """
    return min(ROWS * params, LEAST) if params <= PLAIN else ROWS * params


def weights(tests: Sequence[Cut]) -> np.ndarray:
    """How much every backtest counts (F,): cutoffs the more the later; parts and schedules left out alike, and where there are
    both together as much as all cutoffs."""
    grows = np.array([cut.grows for cut in tests], bool)
    late = np.exp(LATE * (np.array([cut.share for cut in tests]) - 0.6))
    rest = late[grows].sum() / max((~grows).sum(), 1) if grows.any() else 1.0
    return np.where(grows, late, rest)


def tried(
    law: Law,
    made: Design,
    loss: Loss,
    tests: Sequence[Cut],
    *,
    fixed: Mapping[str, float] | None = None,
    params: tuple[Parameter, ...] | None = None,
    coordinates: Coordinates | None = None,
    warm: np.ndarray | None = None,
    seed: int = 0,
) -> Trial | None:
    """Refit a law to every part of its rows; None where it cannot be fitted to all of them.

    Parameters
    ----------
    params, coordinates, warm : the free parameters, the solver's coordinates and the optimum (1, p) of a fit to all rows.
    """
    fixed = dict(fixed or {})
    params = params or tuple(p for k, p in law.params.items() if k not in fixed)
    masks = np.array([*(c.train for c in tests), np.ones(len(made), bool)])
    fitted, held = masks[:-1].sum(1), np.array([c.test.any() for c in tests], bool)
    enough = (fitted >= ROWS * len(params)) & held
    if not enough.any():
        enough = (fitted >= needed(len(params))) & held
    if (needs := law.hooks.needs) is not None:  # a part that cannot show what determines the law says nothing
        enough &= [not needs(*made.take(np.flatnonzero(m)).inputs.values()) for m in masks[:-1]]
    counted = masks * made.weights
    counted[:-1][~enough] = 0.0
    again = partial(refit, law, made, loss, fixed=fixed, params=params, seed=seed, stall=STALL)
    with one_thread():
        whole = again(counted[-1:], coordinates=coordinates, warm=warm, starts=STARTS if warm is None else 0)
        if not whole.ok[-1]:
            return None
        # the optimum of all rows and the best node of each part's own grid lead a part where it belongs
        fits = again(counted[:-1], coordinates=whole.coordinates, warm=whole.t, starts=FEW, rounds=ROUNDS).with_last(whole)
        # a law bends to the errors of few rows and does not see how alike they are: that is measured once, on all rows
        fits = replace(fits, alike=np.full(len(masks), fits.alike[-1]))
        middle, variance = fits.predict(fits.model(made))
    sd = np.sqrt(np.maximum(variance - fits.noise[:, None] ** 2, 0.0))
    error = loss.link(made.loss) - middle
    with np.errstate(all="ignore"):  # what explodes is infinitely far off
        relative = np.exp(-error) - 1 if loss.log else -error / made.loss
    known = np.array([np.isfinite(e[c.test]).all() for e, c in zip(relative, tests, strict=False)], bool)
    usable = enough & fits.ok[:-1] & known
    scores = [np.mean(np.abs(e[c.test])) if good else np.nan for e, c, good in zip(relative, tests, usable, strict=False)]
    explodes = _explodes(fits, made, loss)
    return Trial(law, fixed, made, fits, usable, error[:-1], relative[:-1], sd[:-1], np.array(scores), explodes)


def thinned(n: int) -> np.ndarray:
    """Which of n rows are used in backtests: all, or evenly spread ones."""
    return np.arange(n) if n <= MOST_ROWS else np.linspace(0, n - 1, MOST_ROWS).round().astype(int)


def aligned(made: Design, data: Any, law: Law) -> Design | None:
    """The rows of `made` as another law reads them, or None if it cannot."""
    if law.over_schedules:
        return under_schedules(made, data, law)
    known = {k: v for k, v in made.inputs.items() if isinstance(v, np.ndarray)}
    frame, _ = completed(made.frame.assign(**known), law.inputs)
    said = {k: law.conventions.get(k, k) for k in law.inputs}  # an only input goes by the column its convention names
    there = {k: column if column in frame else k for k, column in said.items()}
    if not set(there.values()) <= set(frame):
        return None
    inputs = {k: np.asarray(frame[column], float) for k, column in there.items()}
    return Design(made.frame, inputs, made.loss, made.weights, made.notes)


def under_schedules(made: Design, data: Any, law: Law) -> Design | None:
    """The rows of `made` as a law of schedules reads them, or None if it cannot."""
    runs = data if isinstance(data, Runs) else Runs.from_frame(data)
    try:
        whole = design(runs, law, fitting=False)
    except ScalingError:
        return None
    keys = whole.frame[["run", "step"]].assign(at=np.arange(len(whole)))
    at = made.frame[["run", "step"]].merge(keys, on=["run", "step"], how="left")["at"].to_numpy()
    if np.isnan(at.astype(float)).any():
        return None
    at = at.astype(int)
    return Design(made.frame, {k: v[at] for k, v in whole.inputs.items()}, made.loss, made.weights, made.notes)


@np.errstate(all="ignore")
def _explodes(fits: Refits, made: Design, loss: Loss) -> bool:
    """Beyond the data by half their span: does the law rise where runs grow?"""
    law, spread = fits.law, RISE * np.ptp(loss.link(made.loss))
    if {*law.inputs} in ({"N", "D"}, {"N", "M"}):
        return _rises_over_sizes(fits, made, spread)
    # a law of further inputs may rise with size alone (its tokens repeat) or tokens alone: all that grows grows together
    grown = [i for i in law.inputs if str(law.conventions.get(i, i)) in GROWING]
    if law.over_schedules or not grown:
        return False
    sizes = np.array([np.log(made.inputs[i]) for i in grown])
    far = np.argsort(sizes.sum(0))[-max(len(made) // 5, 1) :]
    step = np.exp(max(float(np.ptp(sizes, axis=1).max()), np.log(4.0)) / 2)
    here = {i: np.asarray(x)[far] for i, x in made.inputs.items()}
    there = {i: x * step if i in grown else x for i, x in here.items()}
    rise = _value(fits, made, there) - _value(fits, made, here)
    return not np.max(rise) <= spread


def _rises_over_sizes(fits: Refits, made: Design, spread: float) -> bool:
    """The same of a law of sizes and tokens, each by itself, at small, middling and large values of the other."""
    N, grid = made.inputs["N"], []
    for x in (np.log(N), np.log(made.inputs["D"] if "D" in made.inputs else N * made.inputs["M"])):
        grid.append(np.array([x.min(), np.median(x), x.max(), x.max() + max(np.ptp(x), np.log(4.0)) / 2]))
    N, D = (np.exp(x).ravel() for x in np.meshgrid(*grid, indexing="ij"))
    known = {"N": N, "D": D, "M": D / N}
    value = _value(fits, made, {i: known[i] for i in fits.law.inputs}).reshape(4, 4)
    return not max(np.max(value[3] - value[2]), np.max(value[:, 3] - value[:, 2])) <= spread


def _value(fits: Refits, made: Design, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What the law fitted to all rows says (n,), in the objective's units."""
    nothing = np.full(len(next(iter(inputs.values()))), np.nan)
    last = fits.last()
    return np.asarray(last.predict(last.model(Design(made.frame.iloc[:0], inputs, nothing, nothing)))[0][0])
