"""What a fit found, as a plain record: a law's parameters for some rows, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd

from scaling.design.bins import binned
from scaling.design.inputs import Design
from scaling.design.resampling import groups
from scaling.engine import model as models
from scaling.engine.coordinates import Coordinates
from scaling.engine.losses import Loss
from scaling.engine.threads import one_thread
from scaling.engine.uncertainty import WEAK, Covariance, bootstrap, deviation
from scaling.engine.verdict.examine import Findings, examine
from scaling.engine.verdict.judgement import Verdict
from scaling.engine.verdict.near import Near
from scaling.formula import Law
from scaling.logs import Runs

T = TypeVar("T")


class Memory:
    """What was computed of a fit once: its resampled refits and its backtests. A fit never changes, so neither do they."""

    def __init__(self, kept: Mapping[Hashable, object] | None = None) -> None:
        self.kept: dict[Hashable, object] = dict(kept or {})

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made the first time it is asked for."""
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]  # type: ignore[return-value]


@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """A fitted law.

    Attributes
    ----------
    law : Law. values : {name: float} in the paper's units, fixed parameters included.
    objective : float, summed over rows, unscaled (for "squares" the residual sum of squares).
    ok, warnings : may it be trusted, and every reason why not.
    verdict : the same in numbers: starts that agree, condition, parameters at a bound.
    runs : the Runs it was fitted on, or None. data : the rows used, with the law's inputs.
    coordinates, t : the solver's coordinates, and the optimum (p,) in them. cov : covariance there.
    """

    law: Law
    values: dict[str, float]
    objective: float
    loss: Loss
    fixed: dict[str, float]
    coordinates: Coordinates
    t: np.ndarray
    cov: Covariance
    verdict: Verdict
    design: Design
    runs: Runs | None
    seed: int = 0
    memory: Memory = field(default_factory=Memory)

    @property
    def ok(self) -> bool:
        return self.verdict.ok

    @property
    def warnings(self) -> list[str]:
        return [*self.verdict.failures, *self.verdict.warnings]

    @property
    def data(self) -> pd.DataFrame:
        return self.design.frame.copy()

    @property
    def near(self) -> Near:
        """The rows around the optimum, for questions of influence."""
        held = np.logical_not(self.cov.root.any(axis=1))
        return self.memory.once(
            "near",
            lambda: Near.of(self.law, self.design, self.model(self.design), self.t, self.loss, self.fixed, held, self.runs),
        )

    @property
    def findings(self) -> Findings:
        """What was seen in rows, design and residuals; asked again of a fit that was loaded."""
        return self.memory.once("findings", lambda: examine(self.near, self.cov.weakest))

    def model(self, design: Design) -> models.Model:
        """The law over other rows, in the coordinates of this fit."""
        inner = self.coordinates
        return models.build(self.law, inner.params, design.inputs, self.fixed, self.loss, coordinates=inner)

    def replicates(self, count: int, seed: int, by: str | None) -> tuple[np.ndarray, np.ndarray]:
        """Solver variables (count, p) of refits to resampled data and which converged (count,)."""

        def make() -> tuple[np.ndarray, np.ndarray]:
            made = binned(self.design)
            y, drawn = self.loss.link(made.loss), groups(made, by)
            with one_thread():
                return bootstrap(self.model(made), self.t, y, made.weights, self.loss, count, seed, drawn)

        return self.memory.once(("replicates", count, seed, by), make)

    @property
    def doubtful_errors(self) -> bool:
        """Does the covariance leave out parameters, at a bound or of a term that vanished, or is it close to undetermined?"""
        return bool(not self.cov.root.any(1).all() or self.cov.condition > WEAK)

    def errors(self) -> pd.Series:
        """Standard error of every parameter in the paper's units; NaN where held at a bound or not determined."""
        sd = self.deviation(self.coordinates.slopes(self.t).T)
        named = pd.Series(np.where(self.cov.root.any(1), sd, np.nan), self.coordinates.names)
        return named.reindex(list(self.values), fill_value=np.nan)

    def deviation(self, J: np.ndarray, size: np.ndarray | float = 0.0) -> np.ndarray:
        """Standard deviation (n,) of quantities with gradients J (p, n) in the solver's variables; see `deviation`."""
        return deviation(J, self.cov.root, self.cov.condition, size)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (p, p) of the fitted parameters in the paper's units."""
        slopes = self.coordinates.slopes(self.t)
        return np.asarray(slopes @ self.cov.matrix @ slopes.T)
