"""How sure a planned optimum is: how it moved as budgets were added, and where the other laws put it.

A bootstrap takes the law as exact. As for the loss (`intervals.drift`), two things show by how much it is not: the law
refitted to the smaller budgets, asked for the same plan, and the laws beside it. What an optimum moved per root of ln
compute between a part of the runs and all of them is carried on from the largest run to the budget planned. A law that pins
its optimum (tied exponents: one D / N for all) moves it little and is off all the same, so the usual drift of laws counts,
too, with the strength it has for losses: what tilts a loss along a budget moves the lowest point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from scaling.engine.fitted import Fitted
from scaling.errors import FitError, LawError
from scaling.intervals.calibration import drifting, own_trial
from scaling.intervals.drift import CLOSEST, PARAMETERS, PRIOR, USUAL
from scaling.intervals.trials import weights
from scaling.planning.surface import Surface
from scaling.words import many

APART = 0.4  # of the root mean square distance to the optima of other laws
FURTHEST = 3.0  # ln of the factor beyond which optima are no further apart: parts without an optimum lie at an end
NEAR = 0.1  # in ln N, over which the bowl around an optimum is measured
Optimum = dict[str, np.ndarray]
Solve = Callable[[Surface, range], Sequence[Optimum]]


@dataclass(frozen=True, eq=False)
class Movement:
    """What a plan is held against.

    Attributes
    ----------
    parts : the law refitted to F smaller parts of the rows. distance (F,) : ln compute from each to all rows. counts (F,) : how
        much each counts. others : the laws beside it, and the share each is believed. edge : ln compute of the largest row.
        dof : of the quantile. own : the law itself.
    """

    own: Surface
    parts: Surface
    distance: np.ndarray
    counts: np.ndarray
    others: list[tuple[Surface, float]]
    edge: float
    dof: float

    @classmethod
    def of(cls, fit: Fitted, extra: Mapping[str, Any]) -> Movement | None:
        """Of a fit whose rows allow backtests along compute; `extra` inputs, held in the plan, leave the other laws out."""
        found, backtests = drifting(fit), own_trial(fit)
        if found is None or backtests is None or found.by != "compute" or not backtests.trial.usable.any():
            return None
        trial, o = backtests.trial, backtests.order
        use = np.flatnonzero(trial.usable)
        theta = trial.fits.coordinates.to_params(trial.fits.t[use])
        values = dict(zip(trial.fits.coordinates.names, theta.T, strict=True))
        parts = Surface.of(fit.law, {**{k: np.array([v]) for k, v in fit.fixed.items()}, **values}, extra)
        distance = np.array([o.max() - o[backtests.tests[f].train].max() for f in use])
        others = []
        for other in () if extra else found.others:
            try:
                others.append((Surface.of(other.law, {k: np.array([v]) for k, v in other.values.items()}, {}), other.share))
            except LawError:  # a law that does not go by size and tokens plans nothing
                continue
        own = Surface.of(fit.law, {k: np.array([v]) for k, v in fit.values.items()}, extra)
        return cls(own, parts, np.maximum(distance, CLOSEST), weights(backtests.tests)[use], others, float(o.max()), found.dof)

    def widened(self, rows: Sequence[Mapping[str, float]], solve: Solve, level: float) -> list[dict[str, float]]:
        """The ends of the intervals of every row, those of the bootstrap made wider; the loss has its own.

        Parameters
        ----------
        rows : flops, N, D, ... and the ends `<name>_lower`, `<name>_upper` from replicates.
        solve : some of the rows, by a surface.
        """
        all_ = range(len(rows))
        parts, others = _solved(self.parts, solve, all_), [_solved(surface, solve, all_) for surface, _ in self.others]
        return [self._wider(row, parts[i], [found[i] for found in others], level) for i, row in enumerate(rows)]

    def _wider(
        self, row: Mapping[str, float], parts: Optimum | None, others: list[Optimum | None], level: float
    ) -> dict[str, float]:
        h, W = max(float(np.log(row["flops"])) - self.edge, CLOSEST), float(self.counts.sum())
        usual = self._usual(row) if "wasted" not in row and "flops_lower" not in row else 0.0
        believed = [(found, share) for found, (_, share) in zip(others, self.others, strict=True) if found is not None]
        out: dict[str, float] = {}
        for name in [k.removesuffix("_lower") for k in row if k.endswith("_lower")]:
            if name not in ("flops", "N", "D", "tokens_per_param"):
                continue
            moved = _apart(parts, name, row) ** 2 if parts is not None else np.full(len(self.counts), FURTHEST**2)
            seen = float(self.counts @ (moved / self.distance)) / W
            times = 2.0 if name == "tokens_per_param" else 1.0  # its numerator and its denominator
            rate = max((PRIOR * (times * usual) ** 2 + W * seen) / (PRIOR + W), seen)
            away = sum(share * float(_apart(found, name, row)[0]) ** 2 for found, share in believed)
            drift = float(stdtrit(self.dof, 0.5 + level / 2)) * np.sqrt(rate * h + APART**2 * away)
            for end, sign in (("lower", -1), ("upper", 1)):
                drawn = sign * np.log(row[f"{name}_{end}"] / row[name])
                out[f"{name}_{end}"] = float(row[name] * np.exp(sign * np.hypot(PARAMETERS * max(drawn, 0.0), drift)))
        return out

    def _usual(self, row: Mapping[str, float]) -> float:
        """How far (in ln N) the usual drift of a law moves a free optimum per root of distance: as it tilts the loss along the
        budget by that share of its slope, the lowest point of the bowl moves."""
        N, D, step = row["N"], row["D"], np.exp(NEAR)
        sizes, tokens = N * np.array([1, step, 1 / step, step, 1 / step]), D * np.array([1, 1 / step, step, step, 1 / step])
        here, more, less, up, down = self.own(sizes[None], tokens[None])[0]
        slope, bowl = (down - up) / (4 * NEAR), (more + less - 2 * here) / NEAR**2  # in ln C; along the budget
        return float(np.clip(USUAL * slope / bowl, 0.0, FURTHEST)) if bowl > 0 else FURTHEST

    def words(self, furthest: float) -> str:
        """What the intervals of a plan up to a budget (ln of its compute) rest on."""
        names = ", ".join(surface.law.name for surface, _ in self.others)
        beside = f", what {names} say" if names else ""
        return (
            f"calibrated: how the optimum moved over {many(len(self.counts), 'backtest')}, carried on to "
            f"{np.exp(max(furthest - self.edge, 0.0)):.3g}x the largest compute{beside}, and bootstrap refits; the loss of "
            "such a run as predict gives it"
        )


def _solved(surface: Surface, solve: Solve, rows: range) -> list[Optimum | None]:
    """Rows of a plan by a surface; None where it has none."""
    try:
        found = solve(surface, rows)
    except FitError:
        return [None] if len(rows) == 1 else [_solved(surface, solve, rows[i : i + 1])[0] for i in range(len(rows))]
    return [{**part, "tokens_per_param": part["D"] / part["N"]} for part in found]


@np.errstate(all="ignore")
def _apart(found: Mapping[str, np.ndarray], name: str, row: Mapping[str, float]) -> np.ndarray:
    """ln of a quantity of each plan over that of the row."""
    return np.asarray(np.clip(np.nan_to_num(np.log(found[name] / row[name]), nan=FURTHEST), -FURTHEST, FURTHEST))
