"""The best learning-rate schedule of a given length under a fitted law of schedules: parametric, or free but never rising.

A law that rewards steps at a rate of zero (annealing) has a degenerate optimum and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import LawError, ScheduleError
from scaling.fits import Fit
from scaling.formula import Law, Published, constants
from scaling.planning.descent import FinalLoss, freely
from scaling.rendering import Result
from scaling.schedules import MOST_UPDATES, Schedule, schedule
from scaling.words import many

LOWEST = 1e-3  # of the peak: the rate below which no schedule is searched, as the law divides by powers of it
FEWEST = 11  # updates after the warm-up that are worth a search
SHOWN = 1.01  # ratio to the data from which on it is told: less does not show in the printed digits
COARSE = 2000  # rates of the first stage of a search


@dataclass(frozen=True, repr=False)
class BestSchedule(Result):
    """A schedule, the loss a law predicts at its end, and what it was compared with.

    Attributes
    ----------
    schedule : Schedule. loss : predicted final loss. decay : fraction of the run over which the rate falls.
    power : exponent of the decay, rate ~ peak (fraction of the decay left)^power. compared : DataFrame schedule, loss.
    warnings : where it leaves what the law was fitted on.
    """

    schedule: Schedule
    loss: float
    decay: float
    power: float
    compared: pd.DataFrame
    warnings: tuple[str, ...] = ()
    fields = ("loss", "decay", "power", "compared", "warnings")

    def head(self) -> list[tuple[str, str]]:
        fall = f"a fall over the last {self.decay:.1%} of {self.schedule.steps} updates"
        shape = f"constant, then {fall} (rate ~ fraction left ^ {self.power:.2f})" if self.decay else "constant"
        band = "the optimum is flat, so treat shape and fraction as a band"
        lines = [("schedule", f"best schedule: {shape}"), ("final loss", f"predicted {self.loss:.5f}; {band}")]
        return [*lines, *(("warning", said) for said in self.warnings)]

    def table(self) -> pd.DataFrame:
        return self.compared.assign(loss=[f"{x:.5f}" for x in self.compared["loss"]])

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"peak": self.schedule.peak, "steps": self.schedule.steps}


def best_schedule(
    fit: Fit | Published | str, steps: int, *, peak: float | None = None, warmup: int = 0, kind: str = "free",
    lowest: float = LOWEST, start: Any = None,
) -> BestSchedule:  # fmt: skip
    """Find the schedule of `steps` updates with the lowest predicted final loss.

    Parameters
    ----------
    fit : Fit of progress, multi_power or multi_power_5, or published constants, "multi_power/luo2025_100M".
    peak : peak rate; default that of the runs fitted on. The law knows one peak and cannot choose it.
    warmup : updates of linear warm-up (the rate of the first is 0, of the last the peak); they are not searched.
    kind : "free": any rates that never rise; "wsd": constant, then a power-shaped fall.
    lowest : smallest rate allowed, as a fraction of the peak.
    start : schedule from which the free search starts (default: the best of the parametric family).

    Raises
    ------
    LawError : another law. ScheduleError : impossible lengths or an unknown kind.
    """
    fit = constants(fit) if isinstance(fit, str) else fit
    law, values, conventions = _values(fit)
    rates_seen = _rates_seen(fit)
    peak = peak if peak is not None else (rates_seen[1] if rates_seen else None)
    if peak is None or not peak > 0:
        raise ScheduleError("published constants do not say the peak rate; pass peak=, the one they were fitted at.")
    _check(steps, warmup, kind, lowest)
    warm = np.linspace(0.0, peak, warmup) if warmup else np.empty(0)
    counted = np.full(warmup, peak) if conventions.get("warmup") == "max" else warm  # as the law counts its area
    loss = FinalLoss(values, counted, bool(conventions.get("warmup_in_ld")), law=law, conventions=conventions)
    n = steps - warmup
    coarse = FinalLoss(values, counted, stride=max(1, n // COARSE), law=law, conventions=conventions)
    power, decay = _best_power(coarse, n // coarse.stride, peak, lowest)
    along = _best_fall(coarse, n // coarse.stride, peak, lowest)
    parametric = _power(n, decay, power, peak, lowest)
    fall = f"constant, then (fraction left)^{power:.2f} over {decay * n / steps:.1%}"
    usual = {name: np.maximum(peak * shape, lowest * peak) for name, shape in _usual(n).items()}
    begin = parametric if start is None else np.clip(schedule(start).rates[-n:], lowest * peak, peak)
    found = {"free": freely(loss, coarse, begin, peak, lowest)} if kind == "free" else {"parametric": parametric}
    falling = {f"falling all along, (fraction left)^{along:.2f}": _power(n, 1.0, along, peak, lowest)}
    plans = {**found, fall: parametric, **falling, **usual}
    losses = pd.Series({name: loss.with_rises(rates) for name, rates in plans.items()})
    best = plans[str(losses.idxmin())] if kind == "free" else parametric  # none of these rises
    table = losses.rename_axis("schedule").reset_index(name="loss")
    failed = () if isinstance(fit, Published) else fit.verdict.failures
    warnings = tuple(f"the fit behind this schedule is not trustworthy: {reason}" for reason in failed)
    return BestSchedule(
        Schedule(np.concatenate([warm, best])), loss.with_rises(best), *_shape(best, peak, steps), table,
        warnings + _warnings(best, peak, rates_seen, steps),
    )  # fmt: skip


def _check(steps: int, warmup: int, kind: str, lowest: float) -> None:
    if kind not in ("free", "wsd"):
        raise ScheduleError(f"kind='{kind}' is unknown; use 'free' or 'wsd'.")
    for name, x in (("steps", steps), ("warmup", warmup)):
        if not isinstance(x, (int, np.integer)):
            raise ScheduleError(f"{name}={x!r} is a number of updates: a whole number such as 24000.")
        if x > MOST_UPDATES:
            raise ScheduleError(f"{name}={x} is beyond any run: at most {MOST_UPDATES:,} updates can be held.")
    if not 0 < lowest < 1:
        raise ScheduleError(f"lowest={lowest} is a fraction of the peak rate, between 0 and 1: the law divides by rates.")
    if warmup < 0:
        raise ScheduleError(f"warmup={warmup} is a number of updates, 0 or more.")
    if steps - warmup < FEWEST:
        raise ScheduleError(
            f"{steps} updates, {warmup} of them warm-up, leave {max(steps - warmup, 0)} to search, and at least {FEWEST} are "
            f"needed: give steps={warmup + FEWEST} or more{', or a shorter warm-up' if warmup else ''}."
        )


def _values(fit: Any) -> tuple[Law, dict[str, float], Mapping[str, Any]]:
    law = getattr(fit, "law", None)
    if law is not None and "N" in law.hooks.facts:
        raise LawError(
            f"a schedule under '{law.name}' goes with a size and its tokens: scaling.plan(fit, flops=...) gives all three "
            "(command line: scaling plan fit.json --flops 1e21)."
        )
    if law is None or law.hooks.final is None:
        raise LawError(
            f"schedule search needs progress or a multi-power law, not {getattr(law, 'name', type(fit).__name__)}: a law that "
            "still gains at a rate of zero has no sensible optimum. Fit progress."
        )
    values = dict(fit) if isinstance(fit, Published) else fit.values
    conventions = {**law.conventions, **(fit.conventions if isinstance(fit, Published) else {})}
    return law, {**law.held, **values}, conventions


def _rates_seen(fit: Any) -> tuple[float, float, int] | None:
    """Lowest rate after warm-up, peak, and longest schedule among the data of the fit."""
    if isinstance(fit, Published):
        return None
    if fit.runs is not None:
        plans = [fit.runs.schedules[name] for name in fit.runs]
        low = min(float(p.rates[p.warmup :].min()) for p in plans)
        return low, max(p.peak for p in plans), max(p.steps for p in plans)
    rows = fit.data  # its rows lie after the warm-up
    return float(rows["lr"].min()), float(rows["lr"].max()), int(rows["step"].max())


def _best_power(loss: FinalLoss, n: int, peak: float, lowest: float) -> tuple[float, float]:
    """Power and decay (a fraction of the n rates) of the best "constant, then peak (fraction left)^power"."""
    from scipy.optimize import minimize

    grid = [(power, decay) for power in np.arange(1.0, 2.6, 0.25) for decay in np.arange(0.04, 0.5, 0.02)]
    value = lambda x: loss(_power(n, x[1], x[0], peak, lowest))[0]
    start = min([*grid, (1.0, 0.0), (1.0, 1.0)], key=value)  # a rate that never falls, and one that falls all along
    found = minimize(value, start, method="Nelder-Mead", bounds=[(0.2, None), (0.0, 1.0)],
                     options={"xatol": 1e-3, "fatol": 1e-9, "maxiter": 80})  # fmt: skip
    return float(found.x[0]), float(found.x[1])


def _best_fall(loss: FinalLoss, n: int, peak: float, lowest: float) -> float:
    """Power of the best fall over all n rates: what arXiv:2602.06797 derives where the task is easy; where it is hard, a late
    fall after a constant rate, which `_best_power` has."""
    from scipy.optimize import minimize_scalar

    value = lambda power: loss(_power(n, 1.0, power, peak, lowest))[0]
    return float(minimize_scalar(value, bounds=(0.2, 4.0), method="bounded", options={"xatol": 1e-3}).x)


def _power(n: int, decay: float, power: float, peak: float, lowest: float) -> np.ndarray:
    left = np.clip(np.arange(n, 0, -1) / max(decay * n, 1.0), 0.0, 1.0)
    return peak * np.maximum(left**power, lowest)


def _usual(n: int) -> dict[str, np.ndarray]:
    p = np.arange(n) / n
    last = np.clip((p - 0.8) / 0.2, 0, 1)
    return {
        "constant": np.ones(n),
        "cosine to 10 %": 0.1 + 0.45 * (1 + np.cos(np.pi * p)),
        "linear to 0": 1 - p,
        "wsd, linear over the last 20 %": 1 - last,
        "wsd, 1-sqrt over the last 20 %": 1 - np.sqrt(last),
    }


def _shape(rates: np.ndarray, peak: float, steps: int) -> tuple[float, float]:
    """Fraction of the run over which the rate falls, and the exponent of the fall."""
    falling = np.flatnonzero(rates < 0.995 * peak)
    if not len(falling):
        return 0.0, 0.0
    part = rates[falling[0] :]
    left = np.arange(len(part), 0, -1) / len(part)
    use = (left > 0.05) & (left < 0.95)
    if use.sum() < 3:
        return len(part) / steps, 1.0
    x, y = np.log(left[use]), np.log(part[use] / peak)
    return len(part) / steps, float((x @ y) / (x @ x))


def _warnings(rates: np.ndarray, peak: float, seen: tuple[float, float, int] | None, steps: int) -> tuple[str, ...]:
    if seen is None:
        return ("published constants do not say which rates they were fitted on; low rates may be extrapolated",)
    out = []
    below = rates < seen[0] / SHOWN
    if below.any():
        out.append(
            f"{many(int(below.sum()), 'update')} with rates below {seen[0]:.3g}, the lowest in the data (down to "
            f"{rates.min():.3g}): what the law says there is extrapolated; lowest= keeps the search inside"
        )
    if max(peak / seen[1], seen[1] / peak) > SHOWN:
        out.append(f"peak {peak:.3g} is not the {seen[1]:.3g} of the data; the law's constants hold for one peak only")
    if steps > SHOWN * seen[2]:
        out.append(f"{steps} updates are {steps / seen[2]:.3g}x the longest schedule in the data")
    return tuple(out)
