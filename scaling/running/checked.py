"""What the log itself says of a forecast: how it would have gone from earlier steps, and how wide a family that asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scaling.running.beliefs import Family
from scaling.running.hierarchy import ROW
from scaling.running.path import Path
from scaling.running.prefix import FEWEST, Prefix
from scaling.running.references import References, hierarchy

CUT = 0.6  # of what is known, from which the rest of it is forecast to see whether that would have held
CUTS = (0.45, 0.6, 0.8)  # likewise, to see whether it is like its family
WIDER = (2.0, 4.0)  # times the standard deviations of a family
HELD, MISSED = 1.645, 2.5  # standard deviations within which 90 % of checks lie; from which on a forecast is not believed
ROWS = 3  # at the end, whose mean is what was measured
WIDEST = 3.0  # sd of ln loss from which on nothing is known


@dataclass(frozen=True)
class Check:
    """ln of the present loss as forecast from step `begin`, its standard deviation, and as measured (mean of the last rows)."""

    begin: int
    middle: float
    sd: float
    measured: float

    @property
    def away(self) -> float:
        """How many standard deviations the forecast was off."""
        return abs(self.measured - self.middle) / self.sd

    @property
    def likely(self) -> float:
        """ln of the density of what was measured."""
        return -(self.away**2) / 2 - float(np.log(self.sd))


def check(prefix: Prefix, references: References | None, family: Family, share: float = CUT) -> Check | None:
    """The present as it would have been forecast from the first part of the log; None where that is too short."""
    part = prefix.until(prefix.step[0] + share * (prefix.done - prefix.step[0]))
    if len(part.step) < FEWEST:
        return None
    model, _ = hierarchy(part, references, family)
    middle, covariance = model.ahead([Path(prefix.plan, prefix.step[-1:])])
    sd = min(WIDEST, float(np.sqrt(max(covariance[0, 0], 0.0))))
    sd = np.sqrt(sd**2 + (ROW**2 + (prefix.noise / np.exp(middle[0])) ** 2) / ROWS)
    return Check(part.done, float(middle[0]), float(sd), float(np.log(np.mean(prefix.loss[-ROWS:]))))


@dataclass(frozen=True)
class Checks:
    """Several checks of one log. first : that from CUT of it, None where the log is too short."""

    seen: tuple[Check, ...]
    first: Check | None

    @property
    def away(self) -> float:
        """How many standard deviations they were off, root mean square."""
        return float(np.sqrt(np.mean([one.away**2 for one in self.seen]))) if self.seen else 0.0

    @property
    def likely(self) -> float:
        """Mean ln density of what was measured."""
        return float(np.mean([one.likely for one in self.seen])) if self.seen else 0.0


def checks(prefix: Prefix, references: References | None, family: Family) -> Checks:
    """Checks from all the CUTS that leave rows enough; from CUT alone where references make each dear."""
    found = {cut: check(prefix, references, family, cut) for cut in (CUTS if references is None else (CUT,))}
    return Checks(tuple(one for one in found.values() if one is not None), found[CUT])


def believed(prefix: Prefix, references: References | None, family: Family) -> tuple[Family, Checks]:
    """The family, and how it did in the checks.

    Families are few, and a run may be like none of them: where the checks of a log without references fail, the width of the
    family with the likeliest ones is taken.
    """
    tried = [(family, checks(prefix, references, family))]
    if tried[0][1].away > HELD and references is None:
        wider = [replace(family, sd=k * family.sd) for k in WIDER]
        tried += [(one, checks(prefix, None, one)) for one in wider]
    return max(tried, key=lambda each: each[1].likely)
