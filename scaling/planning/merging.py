"""Checkpoints of a run at constant rate, averaged so that the average imitates a decay (WSM, arXiv:2507.17634).

theta_j is what the steps before checkpoint j made of theta_0. An average sum_j c_j theta_j counts the steps between
checkpoints i - 1 and i with weight w_i = sum_{j >= i} c_j, as a rate w_i times as high would have, if the steps stayed what
they were. Hence c_0 = 1 - w_1, c_j = w_j - w_{j+1} and c_k = w_k for any decay w.

They do not quite stay: the averages of runs/merges (5 to 65 checkpoints of tiny models at a high rate) end .03 to .13 nats
above the decays that they imitate, the less the more checkpoints and the shorter the decay. The share of a decay's gain that an
average brings hardly depends on the size: shares measured at one size forecast another within .007 (notebooks/15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.errors import LawError, ScheduleError
from scaling.fits import Fit
from scaling.rendering import Result
from scaling.schedules import DECAYS, MOST_UPDATES, Schedule, schedule
from scaling.words import did_you_mean, many


@dataclass(frozen=True, repr=False)
class Merge(Result):
    """Weights of checkpoints, and the loss that a law of schedules forecasts for their average.

    Attributes
    ----------
    weights : DataFrame step, weight (c_j, summing to 1) and rate: the share of the trunk's rate that the average gives the
        steps since the checkpoint before (NaN at the first).
    loss, lower, upper : forecast of the merged model, from a fit; None without one. unmerged : of the last checkpoint itself.
    trusted : does the fit trust its forecast? None without one.
    imitated : the trunk's schedule with the decay that is imitated, in steps; None without a trunk.
    """

    weights: pd.DataFrame
    loss: float | None = None
    lower: float | None = None
    upper: float | None = None
    unmerged: float | None = None
    trusted: bool | None = None
    imitated: Schedule | None = None
    fields = ("weights", "loss", "lower", "upper", "unmerged", "trusted")

    @property
    def ok(self) -> bool | None:
        return self.trusted

    @property
    def setting(self) -> str:
        """The weights as `scaling train --merge` takes them."""
        return " ".join(f"{row.step}:{row.weight:.6f}" for row in self.weights.itertuples())

    def head(self) -> list[tuple[str, str]]:
        lines = [("merge", "an average of checkpoints; each weight is times the whole checkpoint")]
        if self.trusted is not None:
            said = "OK" if self.trusted else "NOT TRUSTWORTHY: the fit does not trust this forecast, see its report"
            lines.insert(0, ("verdict", said))
        if self.loss is not None:
            said = f"{self.loss:.4f} ({self.lower:.4f} to {self.upper:.4f}); the last checkpoint alone {self.unmerged:.4f}"
            above = "as if the average were that decay; measure it, averages of runs/merges ended .03 to .13 above their decays"
            lines.append(("forecast", f"{said}, {above}"))
        lines.append(("trainer", f"merge = {self.setting}"))
        return lines

    def table(self) -> pd.DataFrame:
        return self.weights.assign(
            weight=[f"{x:.6f}" for x in self.weights["weight"]],
            rate=["" if np.isnan(x) else f"{x:.4f}" for x in self.weights["rate"]],
        )


def merge(
    steps: Sequence[int], shape: str = "1-sqrt", *, final: float = 0.0, fit: Fit | None = None,
    trunk: str | Schedule | None = None,
) -> Merge:  # fmt: skip
    """Weights that make an average of checkpoints imitate a decay of the learning rate from the first of them to the last.

    Parameters
    ----------
    steps : updates done at each checkpoint, rising, two or more. shape : of the decay, one of `scaling.schedules.DECAYS`.
    final : where the decay ends, as a share of the trunk's rate. fit, trunk : a fit of a law of schedules, and the schedule of
        the run that the checkpoints are of, to forecast the loss of the average.

    Raises
    ------
    ScheduleError : checkpoints that do not rise or that the trunk does not have, an unknown shape. LawError : a fit that is not
    of schedules, or one without a trunk or a trunk without it.
    """
    at = _checked(steps, shape, final)
    kept = _kept(at, shape, final)
    weights = np.r_[1 - kept[0], kept[:-1] - kept[1:], kept[-1]]
    found = pd.DataFrame({"step": at, "weight": weights, "rate": np.r_[np.nan, kept]})
    if fit is None and trunk is None:
        return Merge(found)
    if fit is None or trunk is None:
        raise LawError(
            "a forecast of the merged model needs both fit= (--fit), of a law of schedules, and trunk= (--schedule), the rates "
            "of its run."
        )
    if not fit.law.over_schedules or fit.law.hooks.facts:
        raise LawError(f"'{fit.law.name}' is no law of the schedules of one model size; fit 'progress' or 'multi_power_5'.")
    whole = schedule(trunk)
    if len(whole.rates) < at[-1]:
        raise ScheduleError(f"the trunk has {many(len(whole.rates), 'update')}, and the last checkpoint is at {at[-1]}.")
    rates = whole.rates[: at[-1]].copy()
    plain = fit.predict(Schedule(rates), steps=[at[-1]]).iloc[-1]
    rates[at[0] :] *= np.repeat(kept, np.diff(at))
    imitated = Schedule(rates, notes=(f"imitated by an average of {len(at)} checkpoints",))
    row = fit.predict(imitated, steps=[at[-1]]).iloc[-1]
    return Merge(
        found, float(row["prediction"]), float(row["lower"]), float(row["upper"]), float(plain["prediction"]), bool(row["ok"]),
        imitated,
    )  # fmt: skip


def _checked(steps: Sequence[int], shape: str, final: float) -> np.ndarray:
    """The checkpoints as whole numbers (k + 1,)."""
    at = np.asarray(steps, float)
    counts = at.ndim == 1 and len(at) > 1 and bool(np.isfinite(at).all()) and bool((at == at.round()).all())
    if not counts or at[0] < 0 or (np.diff(at) <= 0).any():
        said = ", ".join(map(str, steps)) or "none"
        raise ScheduleError(f"checkpoints are two or more rising numbers of updates done, 8000 9000 10000 say; got {said}.")
    if at[-1] > MOST_UPDATES:
        raise ScheduleError(f"checkpoint {at[-1]:.3g} is of no run: a run has {MOST_UPDATES:,} updates at most.")
    if shape not in DECAYS:
        raise ScheduleError(f"unknown shape '{shape}'{did_you_mean(shape, DECAYS, '.')} Shapes are {', '.join(DECAYS)}.")
    if not 0 <= final < 1:
        raise ScheduleError(f"final={final:g} must be a share of the trunk's rate, at least 0 and below 1.")
    return at.astype(int)


def _kept(at: np.ndarray, shape: str, final: float) -> np.ndarray:
    """w (k,): mean over the steps between two checkpoints of what the decay keeps of the rate."""
    n = at[-1] - at[0]
    if final == 0 and shape in ("exponential", "reciprocal"):
        raise ScheduleError(f"decay shape '{shape}' needs final > 0: it never reaches 0.")
    each = DECAYS[shape](np.arange(n) / n, final)
    return np.add.reduceat(each, at[:-1] - at[0]) / np.diff(at)
