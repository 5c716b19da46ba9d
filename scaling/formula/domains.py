"""Where inputs and parameters live: the annotations of a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real as Number
from typing import Annotated, Any

from scaling.errors import LawError


@dataclass(frozen=True)
class Domain:
    """Where a parameter lives: open interval (lo, hi), and whether it is a scale (fitted as its logarithm).

    `grid` is the range in which starts are sought when the parameter enters non-linearly. For scales it counts in the
    law's natural units (see `Law.natural`), in which such a number is of order one. Inputs may be annotated too: they lie in
    (lo, hi], or in [lo, hi] where `closed`; inputs without a domain are positive. An input that `bends` another (how many
    tokens are unique) has no term of its own, and may be one number in all rows. Inputs that are a `part` sum to 1.
    """

    lo: float = -math.inf
    hi: float = math.inf
    log: bool = False
    grid: tuple[float, float] = (-2.0, 2.0)
    closed: bool = False
    bends: bool = False
    part: bool = False


@dataclass(frozen=True)
class Each:
    """Marks an input or parameter that has one value per domain of a mixture."""

    domain: Domain


@dataclass(frozen=True)
class Prior:
    """What is known of a parameter before the data are seen: a Gaussian, of its logarithm where it is a scale.

    Attributes
    ----------
    mean : where it is centred, in the paper's units. sd : standard deviation, of ln(parameter) for scales, of the parameter
        itself otherwise; infinite means that nothing is known. source : where that comes from.
    """

    mean: float
    sd: float
    source: str = ""

    def __post_init__(self) -> None:
        numbers = isinstance(self.mean, Number) and isinstance(self.sd, Number)
        if not numbers or not math.isfinite(self.mean) or not self.sd > 0:
            raise LawError(
                f"{self}: a prior has a finite mean and a standard deviation above 0, Prior(0.0033, 0.5) for example."
            )


@dataclass(frozen=True)
class Parameter:
    """A parameter of a law: its name, where it lives, a plain start, and what is known of it beforehand."""

    name: str
    domain: Domain
    start: float
    prior: Prior | None = None

    def away(self, value: float) -> float:
        """Distance of a value from what is known beforehand, in its standard deviations; 0 where nothing is."""
        if self.prior is None:
            return 0.0
        return (math.log(value / self.prior.mean) if self.domain.log else value - self.prior.mean) / self.prior.sd

    def known(self, prior: Prior) -> Parameter:
        """The same parameter with a prior, from whose mean it starts.

        Raises
        ------
        LawError : a mean that the parameter cannot have.
        """
        d = self.domain
        if not d.lo <= prior.mean <= d.hi or (d.log and prior.mean <= 0):
            raise LawError(f"the prior of {self.name} is centred at {prior.mean:g}, outside its domain ({d.lo:g}, {d.hi:g}).")
        return replace(self, start=float(prior.mean), prior=prior if math.isfinite(prior.sd) else None)


Real = Annotated[float, Domain()]
Positive = Annotated[float, Domain(0.0, math.inf, log=True, grid=(0.1, 300.0))]
Exponent = Annotated[float, Domain(0.0, 10.0, grid=(0.03, 1.5))]
Unit = Annotated[float, Domain(0.0, 1.0, grid=(0.05, 0.95))]
ANY_POSITIVE = Domain(0.0, math.inf)
Bending = Annotated[float, Domain(0.0, math.inf, bends=True)]

Shares = Annotated[Any, Each(Domain(0.0, 1.0, closed=True, part=True))]
Amounts = Annotated[Any, Each(Domain(0.0, closed=True))]
EachPositive = Annotated[Any, Each(Domain(0.0, log=True, grid=(0.1, 300.0)))]
EachReal = Annotated[Any, Each(Domain())]
