"""Published rules of batch, peak rate and timescale, asked about one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from scaling.counting import Shape, compute, named_in
from scaling.formula import Published, constants
from scaling.planning.rates import as_counted
from scaling.words import amount

SLACK = 1.25  # of ranges: their ends are known to no better
# Nine of ten settings within 0.25 % of the best of their size and length lie this near the Step Law, as a factor: published
# constants against the 231 such runs of 41 sizes and lengths in ScaleBench's training split (tests/public/test_scalebench.py)
NEAR = {"peak": 1.7, "batch": 1.9}
NEAR_IS = "nine of ten settings within 0.25 % of the best of their size and length lie as near the rule (ScaleBench's runs)"


@dataclass(frozen=True)
class Said:
    """What one law or rule says of one line of a recipe.

    Attributes
    ----------
    value : a number, or the text of a schedule. rule, source : what says so, and where that stands; verified : read there?
    lower, upper, interval : ends, and what lies between them; None and "" where nothing is known.
    notes : what had to be assumed. doubts : why not to trust it here, such as runs unlike those it was made on.
    """

    value: float | str
    rule: str
    source: str
    verified: bool = True
    lower: float | None = None
    upper: float | None = None
    interval: str = ""
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """The run that is asked about: N parameters counted as `counts`, D tokens, the expected loss, proportions if known."""

    N: float
    D: float
    loss: float
    counts: str | None = None
    shape: Shape | None = None

    def fed(self, theirs: str = "") -> tuple[dict[str, float], tuple[str, ...]]:
        """N, D, C, M, L as constants that count so take them, and what had to be assumed."""
        mine = pd.DataFrame({"N": [self.N], "D": [self.D], "flops": compute(self.N, self.D)})
        rows = as_counted(theirs, mine, self.counts, self.shape)
        notes = () if rows is not None else (f"counts {named_in(theirs)}; no shape to convert",)
        N, D, C = (mine if rows is None else rows).loc[0, ["N", "D", "flops"]].to_numpy(float)
        return {"N": float(N), "D": float(D), "C": float(C), "M": self.D / self.N, "L": self.loss}, notes


class Rule(NamedTuple):
    """Constants for one line: what of the run they take, in multiples of `per`, and how many tokens one of their value is."""

    line: str
    constants: str
    takes: tuple[str, ...]
    unit: float = 1.0
    per: float = 1.0


RULES = (  # of a line the first is followed unless a fit or a name says otherwise
    Rule("batch", "batch_size/li2025", ("D",)),
    Rule("batch", "batch_size/deepseek2024", ("C",)),
    Rule("batch", "batch_size/moonlight2025", ("C",)),
    Rule("batch", "batch_size/bergsma2025", ("D",), unit=2048),
    Rule("batch", "critical_batch/minicpm2024", ("L",)),
    Rule("peak", "lr_batch/li2025", ("N", "D")),
    Rule("peak", "lr_compute/deepseek2024", ("C",)),
    Rule("peak", "lr_compute/moonlight2025", ("C",)),
    Rule("timescale", "timescale/bergsma2025", ("M",)),
    Rule("critical batch", "batch_size/zhang2024", ("N",), unit=512, per=1e6),
    Rule("critical batch", "batch_size/bergsma2025_critical", ("D",), unit=2048),
    Rule("critical batch", "critical_batch/kaplan2020", ("L",)),
)


def ask(rule: Rule, run: Run) -> Said:
    """What a rule says about a run."""
    known = constants(rule.constants)
    fed, notes = run.fed(known.counts)
    value = rule.unit * float(known.law(*(fed[k] / rule.per for k in rule.takes), **known))
    near = NEAR.get(rule.line) if rule.constants.endswith("/li2025") else None
    band = {} if near is None else {"lower": value / near, "upper": value * near, "interval": NEAR_IS}
    told = {"notes": notes, "doubts": outside(known, fed)}
    return Said(value, rule.constants, known.source, known.verified, **band, **told)  # type: ignore[arg-type]


def outside(known: Published, fed: Mapping[str, float]) -> tuple[str, ...]:
    """Where a run leaves the runs that constants were made on."""
    said = []
    for name, (low, high) in known.made_on.items():
        x = fed[name]
        if x > high * SLACK or x < low / SLACK:
            factor, where = (x / high, "above") if x > high else (low / x, "below")
            made = f"the {amount(low, 3)} to {amount(high, 3)} they were made on"
            said.append(f"{name} = {amount(x, 3)} is {factor:.2g} times {where} {made}")
    return tuple(said)
