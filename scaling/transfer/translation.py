"""Carry a whole (N, D) law to another data set by a loss-to-loss relation: exact for `kaplan_offset`, composed for others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling.errors import FitError
from scaling.fits import Fit
from scaling.intervals.target import Target
from scaling.rendering import Result
from scaling.transfer.relation import Relation

CLOSED = "kaplan_offset"  # the only form that a relation maps onto itself


@dataclass(frozen=True, eq=False, repr=False)
class Translated(Result):
    """The law of the source data seen through a relation: callable on (N, D) or whatever the source law takes."""

    relation: Relation
    source: Fit
    facts = ("ok", "relation", "source")

    def __post_init__(self) -> None:
        if not np.isclose(self.relation.E0, self.source.values.get("E", np.nan), rtol=1e-9):
            raise FitError(
                f"the relation starts at irreducible loss {self.relation.E0:.6g}, the source law has "
                f"E = {self.source.values.get('E', np.nan):.6g}: fit the relation with this law as its source."
            )

    def __call__(self, *inputs, **named):
        return self.relation(self.source.law(*inputs, **named, **self.source.values))

    @property
    def ok(self) -> bool:
        """Are the source law and the relation trustworthy? One that was given counts as such."""
        return self.source.ok and self.relation.ok is not False

    def head(self) -> list[tuple[str, str]]:
        doubted = [what for what, one in (("source law", self.source), ("relation", self.relation)) if one.ok is False]
        verdict = f"NOT TRUSTWORTHY: {' and '.join(doubted)}" if doubted else "OK: so are source law and relation"
        relation = [line for line in self.relation.head() if line[0] == "loss to loss"]
        return [("verdict", verdict), self.source.head()[0], *relation]

    def table(self) -> pd.DataFrame | None:
        return pd.DataFrame({"value": self.values}) if self.source.law.name == CLOSED else None

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"values": self.values if self.source.law.name == CLOSED else None}

    @property
    def values(self) -> dict[str, float]:
        """Constants of the translated law, in the same form as the source's.

        Raises
        ------
        FitError : the source is not `kaplan_offset`; then the translated law is a composition, of no simpler form.
        """
        if self.source.law.name != CLOSED:
            raise FitError(
                f"'{self.source.law.name}' seen through a relation with kappa = {self.relation.kappa:.4g} is not of its own "
                f"form, so it has no constants; call it, or fit '{CLOSED}' as the source."
            )
        v, k = self.source.values, self.relation.kappa
        alpha, beta = k * v["alpha"], k * v["beta"]
        return {
            "E": self.relation.E1,
            "A": v["A"] * self.relation.K ** (1 / alpha),
            "B": v["B"] * self.relation.K ** (1 / beta),
            "alpha": alpha,
            "beta": beta,
        }

    def predict(self, data: Any, level: float = 0.9) -> pd.DataFrame:
        """Loss on the target data at rows of (N, D): columns of data, prediction, lower, upper.

        The interval adds what source law and relation do not know and the scatter of either around its own curve, as if
        they were independent. Rows of one recipe share part of their scatter, which makes it wide, not narrow.
        """
        target = Target(self.source, data)
        x, source = target.value, target.deviation() ** 2 + target.noise() ** 2
        mean = self.relation(x)
        variance, noise = self.relation.variance(x)
        total = variance + noise + self.relation.slope(x) ** 2 * source
        half = student.ppf(0.5 + level / 2, self.relation._fit.cov.dof) * np.sqrt(total)
        out = target.rows.frame.reset_index(drop=True).assign(
            prediction=mean, lower=np.maximum(mean - half, self.relation.E1), upper=mean + half
        )
        out.attrs["interval"] = (
            f"{level:.0%} interval, delta method through source law and relation; both assumed exact in form"
        )
        return out
