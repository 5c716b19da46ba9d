"""`scaling mix`: shares of the tokens for families or domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Level, Many, Positive, pairs, saved_fit, value, values
from scaling.cli.output import Printing
from scaling.errors import ArgumentError


def run(
    *fits: str,
    size: Annotated[Positive | None, Parameter(name=["--N"])] = None,
    tokens: Annotated[Positive | None, Parameter(name=["--D"])] = None,
    objective: Literal["normalised", "sum", "worst"] | None = None,
    weight: Many = (),
    floor: Many = (),
    cap: Many = (),
    level: Level = 0.9,
    seed: Count = 0,
    printing: Printing = Printing(),
) -> int:
    """Find the best shares of the tokens for families or domains.

    For example:

        scaling mix de=de.json fr=fr.json --N 1.2B --D 50B --floor de=0.05
        scaling mix web=fit.json --N 1B --D 10B

    Parameters
    ----------
    fits
        Every family or target and its saved fit, de=de.json.
    size
        Number of parameters of the planned run, where the laws take it.
    tokens
        Number of its tokens, likewise.
    objective
        Of families: losses in units of each family's own loss alone (if not given), plain losses, or the worst family.
    weight
        How much a family or target counts: de=2. May be repeated.
    floor
        Smallest share of a family or domain: de=0.05, or 0.05 for all. May be repeated.
    cap
        Largest share, likewise.
    seed
        Of the draws behind the intervals.
    """
    loaded = {name: saved_fit(path) for name, path in pairs(fits, "mix").items()}
    if not loaded:
        raise ArgumentError("mix needs fits: scaling mix de=de.json fr=fr.json --N 1.2B --D 50B")
    found = scaling.planning.mix(
        loaded, N=size, D=tokens, objective=objective, weights=values(weight, "--weight") or None,
        floors=_bound(floor, "--floor", 0.0), caps=_bound(cap, "--cap", 1.0), level=level, seed=seed,
    )  # fmt: skip
    return output.show(found, printing)


def _bound(texts: Sequence[str], option: str, missing: float) -> float | dict[str, float]:
    """One number for all, or numbers by name."""
    if not texts:
        return missing
    if len(texts) == 1 and "=" not in texts[0]:
        return value(f"{option} {texts[0]}", texts[0])
    return values(texts, option)
