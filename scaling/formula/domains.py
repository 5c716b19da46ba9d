"""Where inputs and parameters live: the annotations of a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any


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
class Parameter:
    """A parameter of a law: its name, where it lives, and a plain start."""

    name: str
    domain: Domain
    start: float


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
