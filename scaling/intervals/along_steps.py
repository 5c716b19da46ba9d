"""Intervals of laws of steps that read no learning rate: how far other laws of the same curves lie apart, and how they missed.

A curve is predicted from its beginning, several times over, by the law, by a plain curve E + A / x^a and by one that falls as
1 / sqrt x, each fitted to all rows and to the later half of them. Each is believed in proportion to 1 / (squared error there);
an interval has their mean and, beside what the law's own standard deviation says, their scatter. A law of further inputs has
only itself to compare with: its misses per ln of steps are what it drifts by. Which laws, and that they need no further term,
was chosen on the first halves of curves; `python -m benchmarks.forecasts intervals` measures some whole ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from scaling.design.bins import binned, evenly
from scaling.design.inputs import Design
from scaling.design.order import natural_order, order
from scaling.engine.fitted import Fitted
from scaling.engine.model import at
from scaling.engine.refit import Refits, refit
from scaling.engine.threads import one_thread
from scaling.formula import Law, find
from scaling.intervals.left_out import BINS, CURVE_ROWS, DOF, FLOOR, LONGER, MOST, ROUNDS, SPARE, STALL, parted
from scaling.intervals.line import CURVE

SHARES = (1.15, 1.35, 1.6, 2.0, 2.7, 4.0)  # what is predicted reaches so far beyond what is fitted
PARAMETERS = 0.5  # of the delta method's standard deviation, as over sizes: what laws differ by is not counted twice
OFF = 0.3  # further apart (in ln) laws no longer count more
STARTS = 2  # of a fit that no other leads
ROOT = {"a": 0.5}  # held in the curve that falls as 1 / sqrt x


@dataclass(frozen=True, eq=False)
class Beside:
    """Another law of the rows, a plain curve or the law itself from later rows: its parameters, and how far it is believed."""

    curve: bool
    values: dict[str, float]
    share: float


@dataclass(frozen=True, eq=False)
class AlongSteps:
    """What an interval is made of.

    Attributes
    ----------
    what, error : the parts of the rows that were predicted, and how far off the law was (mean |error|, relative).
    first, length : steps of the first and the last row fitted. noise, misfit : standard deviation of a row around a smooth
        curve, and of such curves around the law where none is beside it, or of curves left out. slope : what the law missed
        per ln of steps. beside : other laws.
    """

    what: tuple[str, ...]
    error: tuple[float, ...]
    first: float
    length: float
    noise: float
    misfit: float
    slope: float
    beside: tuple[Beside, ...]

    @property
    def calibrated(self) -> bool:
        return bool(self.what)

    def ends(
        self, law: Law, log: bool, rows: Design, middle: np.ndarray, deviation: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends (n,) of the interval in the objective's units, which holds the prediction `middle` (n,) itself.

        Parameters
        ----------
        law, log : the law and whether losses are logarithms. deviation (n,) : of the prediction by the delta method.
        """
        step, scale = steps(rows), np.ones(len(middle)) if log else np.abs(middle)
        off = [np.zeros(len(middle))]
        for one in self.beside:
            with np.errstate(all="ignore"):
                said = np.asarray(CURVE(step, **one.values) if one.curve else law(*rows.inputs.values(), **one.values), float)
                apart = (np.log(said) if log else said) - middle
            off.append(np.clip(np.nan_to_num(apart, nan=np.inf), -OFF * scale, OFF * scale))
        shares = np.array([1 - sum(one.share for one in self.beside), *(one.share for one in self.beside)])
        centre = shares @ off
        scatter = shares @ (off - centre) ** 2
        beyond = np.log(np.maximum(np.maximum(step / self.length, self.first / step), 1.0))
        slope = 0.0 if any(one.curve for one in self.beside) else LONGER * self.slope
        own = (PARAMETERS * np.minimum(np.nan_to_num(deviation, nan=np.inf), scale)) ** 2 + (FLOOR * scale) ** 2
        drift = np.sqrt(own + self.misfit**2 + (slope * beyond) ** 2 + scatter)
        dof = DOF * max(len(self.what), 1)
        # an interval that reaches back to a prediction on which the loss hardly lies needs no more than the rest beyond
        behind = stdtr(dof, -np.abs(centre) / np.hypot(drift, self.noise))
        tail = np.clip(level + behind, 0.5, 0.5 + level / 2)
        half = np.hypot(stdtrit(dof, tail) * drift, ndtri(tail) * self.noise)
        return np.minimum(middle + centre - half, middle), np.maximum(middle + centre + half, middle)


def is_along_steps(law: Law) -> bool:
    """Does a law go along the steps of curves, without their learning rates?"""
    return natural_order(law) == "step" and not law.over_schedules


def steps(rows: Design) -> np.ndarray:
    """Updates made (n,), by their column or the input that says them."""
    return np.asarray(np.exp(order(rows, "step")))


def along_steps(fit: Fitted) -> AlongSteps:
    """What was seen of a fit's law along its curves, once."""
    return fit.memory.once("steps", lambda: _along_steps(fit))


def bounds(fit: Fitted, rows: Design, middle: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n,) of the interval of other rows, predicted as `middle` (n,), in the objective's units."""
    value, J = at(fit.model(rows), fit.t)
    deviation = fit.deviation(J, np.abs(value)) / (value if fit.loss.log else 1.0)
    return along_steps(fit).ends(fit.law, fit.loss.log, rows, middle, deviation, level)


def words(found: AlongSteps, rows: Design) -> str:
    """What the interval rests on, for the reader."""
    low, high = (100 * end(found.error) for end in (min, max))
    curves = any(one.curve for one in found.beside)
    beside = "and by what curves of one power and an offset say" if curves else "no other law beside it"
    asked = float(steps(rows).max() / found.length)
    return (
        f"calibrated by predicting {len(found.what)} parts of the rows from the others, {found.what[0]} first "
        f"(off by {low:.2g} to {high:.2g} %), {beside}" + (f"; you ask for {asked:.3g}x the steps" if asked > 1 else "")
    )


def as_curves(made: Design) -> Design:
    """The same rows, each with the run and the step it is of: of a table that does not say runs, rows alike in all inputs but
    the step are one curve."""
    step = steps(made)
    others = {k: x for k, x in made.inputs.items() if isinstance(x, np.ndarray) and not np.allclose(x, step)}
    names = [", ".join(f"{k} = {x[i]:.4g}" for k, x in others.items()) for i in range(len(made))]
    return replace(made, frame=made.frame.assign(run=made.frame.get("run", names), step=step))


def _along_steps(fit: Fitted) -> AlongSteps:
    whole = as_curves(fit.design)
    made = binned(whole, BINS)
    made = made.take(evenly(made.runs, CURVE_ROWS))
    made = replace(made, weights=made.weights / made.weights.mean())
    tests = _tests(fit, made)
    masks = np.array([*(train for _, train in tests), np.ones(len(made), bool)])
    noise, misfit = parted(fit.near.rest, whole.runs, len(fit.t))
    own, y, step = _fitted(fit, made, masks), fit.loss.link(made.loss), steps(made)
    miss = y - own.predict(own.model(made))[0]
    what, error, squares, apart = [], [], [], []
    for f, (said, train) in enumerate(tests):
        off = miss[f, ~train]
        if not own.ok[f] or not np.isfinite(off).all():
            continue
        excess = max(float(np.mean(off**2)) - noise**2, 0.0)
        what.append(said)
        error.append(float(np.mean(np.abs(off if fit.loss.log else off / made.loss[~train]))))
        if step[train].max() < step[~train].min():
            squares.append(excess / float(np.mean(np.log(step[~train] / step[train].max()) ** 2)))
        else:  # a curve left out: what it is off by does not grow with steps
            apart.append(excess)
    beside = _beside(fit, made, masks, own) if what else ()
    if any(one.curve for one in beside):  # these show what the law misses
        misfit = 0.0
    return AlongSteps(
        what=tuple(what),
        error=tuple(error),
        first=float(step.min()),
        length=float(step.max()),
        noise=noise,
        misfit=float(np.sqrt(max(misfit**2, float(np.mean(apart))))) if apart else misfit,
        slope=float(np.sqrt(np.mean(squares))) if squares else 0.0,
        beside=beside,
    )


def _fitted(fit: Fitted, made: Design, masks: np.ndarray, starts: int = 0) -> Refits:
    """The law fitted to the rows of every mask (k, n), from where it is for all of them."""
    with one_thread():
        return refit(
            fit.law, made, fit.loss, masks * made.weights, fixed=fit.fixed, params=fit.coordinates.params,
            coordinates=fit.coordinates, seed=fit.seed, warm=fit.t, starts=starts, stall=STALL, rounds=ROUNDS,
        )  # fmt: skip


def _tests(fit: Fitted, made: Design) -> list[tuple[str, np.ndarray]]:
    """What is predicted, in words, and the rows (n,) it is predicted from: the later rows, and of several curves each."""
    step, runs = steps(made), made.runs
    found = [(f"what follows step {step.max() / share:.4g}", step <= step.max() / share) for share in SHARES]
    if runs.max():
        some = np.unique(np.linspace(0, runs.max(), MOST).round().astype(int))
        found += [(f"curve '{made.frame['run'].iloc[np.argmax(runs == k)]}'", runs != k) for k in some]
    enough, needs = SPARE * len(fit.t), fit.law.hooks.needs
    found = [(what, train) for what, train in found if enough <= train.sum() < len(made)]
    return [
        (what, train) for what, train in found if needs is None or not needs(*made.take(np.flatnonzero(train)).inputs.values())
    ]


def _beside(fit: Fitted, made: Design, masks: np.ndarray, own: Refits) -> tuple[Beside, ...]:
    """The laws beside the fit's own, and how far each is believed by its errors where rows were held back."""
    step = steps(made)
    late = np.array([mask & (step >= np.median(step[mask])) for mask in masks])
    late &= late.sum(1, keepdims=True) >= SPARE * max(len(fit.t), len(CURVE.params))  # of fewer rows nothing is said
    found: list[tuple[bool, dict[str, float], Refits]] = [
        (False, {}, own),
        (False, dict(fit.fixed), _fitted(fit, made, late, STARTS)),
    ]
    if len(fit.law.inputs) == 1:
        plain = replace(made, inputs={"x": step})
        same = fit.law.fn is find("power_law_offset").fn and not fit.fixed
        for fixed in (ROOT,) if same else ({}, ROOT):
            for some in (masks, late):
                with one_thread():
                    weights = some * made.weights
                    plainly = refit(
                        CURVE, plain, fit.loss, weights, fixed=fixed, seed=fit.seed, starts=STARTS, stall=STALL, rounds=ROUNDS
                    )
                found.append((True, dict(fixed), plainly))
    y, believed = fit.loss.link(made.loss), []
    for curve, _, fits in found:
        said = fits.predict(fits.model(replace(made, inputs={"x": step}) if curve else made))[0]
        squares = [np.mean((y - said[f])[~mask] ** 2) for f, mask in enumerate(masks[:-1]) if fits.ok[f]]
        squares = [one for one in squares if np.isfinite(one)]
        believed.append(1 / max(float(np.mean(squares)), FLOOR**4) if squares and fits.ok[-1] else 0.0)
    out = []
    for (curve, held, fits), trust in zip(found[1:], believed[1:], strict=True):
        if trust:
            theta = dict(zip(fits.coordinates.names, map(float, fits.coordinates.to_params(fits.t[-1])), strict=True))
            out.append(Beside(curve, {**held, **theta}, trust / sum(believed)))
    return tuple(out)
