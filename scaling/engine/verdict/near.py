"""A law near its optimum: one line per row of what its parameters can move, and what they leave over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from scaling.design.bins import axis
from scaling.design.inputs import Design
from scaling.engine import model as models
from scaling.engine.losses import Loss
from scaling.formula import ANY_POSITIVE, Law
from scaling.formula.ties import resolve
from scaling.logs import Runs

ROUNDING = 1e-11  # relative scatter below which residuals are rounding errors of the losses
DIFFERENCE = 1e-5  # of the solver's variables, which are of order one
SAME = 1e-7  # part of a parameter's effect on the rows below which others do the same


@dataclass(frozen=True, eq=False)
class Near:
    """n rows around the optimum t (p,) of a law.

    Attributes
    ----------
    held (p,) : parameters at a bound, or of terms that vanished. effect (p, n) : slopes of the law in the objective's units,
        times the root of the weights. rest (n,) : data - law, likewise.
    basis (n, k) : orthonormal directions in which the free parameters move the rows. runs : what the rows were made from.
    """

    law: Law
    design: Design
    model: models.Model
    t: np.ndarray
    loss: Loss
    fixed: Mapping[str, float]
    held: np.ndarray
    effect: np.ndarray
    rest: np.ndarray
    basis: np.ndarray
    runs: Runs | None = None

    @classmethod
    @np.errstate(all="ignore")
    def of(
        cls, law: Law, design: Design, model: models.Model, t: np.ndarray, loss: Loss, fixed: Mapping[str, float],
        held: np.ndarray, runs: Runs | None = None,
    ) -> Near:  # fmt: skip
        """The rows of `design` around t."""
        value, J = models.at(model, t)
        root = np.sqrt(design.weights)
        effect = np.nan_to_num((J / value if loss.log else J) * root, posinf=0.0, neginf=0.0)
        free = effect[~held].T
        size = np.sqrt((free**2).sum(0))
        U, s, _ = np.linalg.svd(free / np.where(size > 0, size, 1.0), full_matrices=False)
        rest = np.nan_to_num((loss.link(design.loss) - loss.link(value)) * root, posinf=1e9, neginf=-1e9)
        return cls(law, design, model, t, loss, fixed, held, effect, rest, U[:, s > SAME * s.max(initial=0.0)], runs)

    @property
    def params(self) -> int:
        """Number of parameters of the fit."""
        return len(self.t)

    @cached_property
    def y(self) -> np.ndarray:
        """Losses (n,) in the objective's units."""
        return self.loss.link(self.design.loss)

    @cached_property
    def coordinates(self) -> dict[str, np.ndarray]:
        """What residuals may depend on (n,): logarithms of the inputs, inputs that may be zero as they are, and steps."""
        found = {}
        for name, x in self.design.inputs.items():
            if isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and np.ptp(x) > 0 and not self.law.over_schedules:
                found[name] = np.log(x) if x.min() > 0 else x
        if not found and "step" in self.design.frame:
            found["step"] = np.log1p(self.design.frame["step"].to_numpy(float))
        return found

    @cached_property
    def on_curves(self) -> bool:
        """Are the rows those of curves, whose neighbours err alike?"""
        return axis(self.design) is not None and self.design.runs.max() + 1 < len(self.design)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of the losses, in the objective's units."""
        return max(float(self.y.std()), 1e-300)

    @cached_property
    def exact(self) -> bool:
        """Does the law pass through every row to rounding?"""
        return bool(np.abs(self.rest).max() <= 10 * ROUNDING * max(1.0, np.abs(self.y).max()))

    def values(self, t: np.ndarray) -> dict[str, Any]:
        """The law's parameters at t (p,) or many (B, p), those held and tied included."""
        inner = self.model.coordinates
        theta = dict(zip(inner.names, inner.to_params(t).T, strict=True))
        found = resolve(self.law.ties, {**self.law.held, **self.fixed, **theta})
        return {name: found[name] for name in (*self.law.params, *self.law.ties)}

    @np.errstate(all="ignore")
    def law_at(self, inputs: Mapping[str, Any], t: np.ndarray | None = None) -> np.ndarray:
        """The law (m,) in the objective's units at other inputs, at the optimum or another t (p,)."""
        values = self.values(self.t if t is None else t)
        return np.asarray(self.loss.link(np.asarray(self.law(*(inputs[k] for k in self.law.inputs), **values), float)))

    def slopes_at(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """Slopes (p, 1) of `law_at` in one row, by central differences: a model of one row costs more than it saves."""
        ends = self.t + DIFFERENCE * np.concatenate([np.eye(self.params), -np.eye(self.params)])
        if isinstance(self.model, models.MonomialModel):  # made of arithmetic alone, which takes parameters as arrays
            high, low = np.broadcast_to(self.law_at(inputs, ends), len(ends)).reshape(2, -1, 1)
        else:
            high, low = np.array([self.law_at(inputs, end) for end in ends]).reshape(2, -1, 1)
        slopes: np.ndarray = np.nan_to_num((high - low) / (2 * DIFFERENCE), posinf=0.0, neginf=0.0)
        return slopes


def scales(law: Law, design: Design) -> dict[str, np.ndarray]:
    """ln (n,) of the inputs that are sizes: positive without bound, no shares and no labels."""
    found = {}
    for name, x in design.inputs.items():
        range_ = law.ranges.get(name, ANY_POSITIVE)
        if isinstance(x, np.ndarray) and x.min(initial=1.0) > 0 and np.isinf(range_.hi) and not range_.part:
            found[name] = np.log(x)
    return found


def ahead(law: Law, design: Design, factor: float) -> dict[str, Any] | None:
    """Inputs of a run `factor` times as large as the largest, all sizes grown alike; None for laws without sizes."""
    logs = scales(law, design)
    if not logs or law.over_schedules or len(logs) < len(design.inputs):
        return None
    last = int(np.sum(list(logs.values()), axis=0).argmax())
    return {k: np.exp(x[last : last + 1]) * factor ** (1 / len(logs)) for k, x in logs.items()}
