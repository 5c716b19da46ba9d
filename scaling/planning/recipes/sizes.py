"""Size, tokens and expected loss of a recipe by a fit or published constants, and what other constants say of the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import compute, counted, named_in, tokens
from scaling.errors import LawError
from scaling.fits import Fit
from scaling.formula import Law, Published, constants
from scaling.planning.compute import plan
from scaling.planning.recipes.rules import Run, Said, outside
from scaling.planning.surface import Budget, Surface
from scaling.words import many

SURFACES = ("chinchilla/besiroglu2024", "chinchilla/hoffmann2022")
# best size or tokens as powers of compute, in the unit of FLOP that the constants take
POWERS = {"allocation/deepseek2024_D": ("D", 1.0), "allocation/llama3_D": ("D", 1.0), "allocation/kaplan2020_N": ("N", 8.64e19)}
FLAT_IS = "sizes that at the same compute come within 0.1 % of the best loss"
ASKED = "as asked"


class Sizes:
    """The law of size and tokens behind a recipe, a fit or constants.

    Attributes
    ----------
    name : of the law and its constants. source : where they stand. counts : which parameters its N counts, None if unsaid.
    """

    def __init__(self, source: Fit | Published | str) -> None:
        found = constants(source) if isinstance(source, str) else source
        self.found, self.law = found, _law(found)
        if isinstance(found, Fit):
            self.name, self.source, self.verified = own(found), rows_of(found), True
            self.counts = counted(found.data)
        else:
            self.name, self.source, self.verified = named(found), found.source, found.verified
            self.counts = named_in(found.counts)
        values = found.values if isinstance(found, Fit) else dict(found)
        self.surface = Surface.of(self.law, {k: np.array([v]) for k, v in values.items()}, {})

    def loss(self, N: float, D: float) -> float:
        """The law at one size and so many tokens, in its own counts."""
        return float(self.surface(np.array([[N]]), np.array([[D]]))[0, 0])

    def expected(self, run: Run, level: float) -> Said:
        """The loss of a run, with the calibrated interval of a fit."""
        if isinstance(self.found, Published):
            fed, notes = run.fed(self.found.counts)
            value, doubts = self.loss(fed["N"], fed["D"]), outside(self.found, fed)
            return Said(value, self.name, self.source, self.verified, notes=notes, doubts=doubts)
        rows = pd.DataFrame({"N": [run.N], "D": [run.D], "M": [run.D / run.N]})[list(self.law.inputs)]
        return predicted(self.found, rows, level)

    def allocated(self, row: pd.Series, said: str, level: float) -> dict[str, Said]:
        """N and D of a row of a plan from this law."""
        out = {}
        flat = {"N": ("flat_N_lower", "flat_N_upper"), "D": ("flat_N_upper", "flat_N_lower")}
        for k, ends in flat.items():
            low = high = None
            what = ""
            if f"{k}_lower" in row:
                low, high, what = float(row[f"{k}_lower"]), float(row[f"{k}_upper"]), f"{level:.0%}, {said}"
            elif ends[0] in row:
                low, high = (float(row[e] if k == "N" else tokens(row["flops"], row[e])) for e in ends)
                what = FLAT_IS
            out[k] = Said(float(row[k]), self.name, self.source, self.verified, low, high, what)
        return out

    def planned(self, flops: float | None, N: float | None, D: float | None, counts: str | None, level: float) -> pd.DataFrame:
        """One row of `plan` from this law."""
        return plan(self.found, flops, N=N, D=D, counts=counts, level=level)


def named(found: Published) -> str:
    """law/constants."""
    name = next((key for key, each in found.law.published.items() if each is found), "constants given")
    return f"{found.law.name}/{name}"


def own(fit: Fit) -> str:
    """The rule that a fit is."""
    return f"own fit of {fit.law.name}"


def rows_of(fit: Fit) -> str:
    """Where its numbers stand."""
    return many(len(fit.design), "row")


def predicted(fit: Fit, rows: pd.DataFrame, level: float) -> Said:
    """What a fit predicts for one row, with its calibrated interval, and why not to trust it if so."""
    found = fit.predict(rows, level=level)
    low, value, high = (float(found[k].iloc[0]) for k in ("lower", "prediction", "upper"))
    doubts = () if found["ok"].iloc[0] else tuple(dict.fromkeys(map(str, found.attrs["why"])))
    return Said(value, own(fit), rows_of(fit), True, low, high, f"{level:.0%}, {found.attrs['interval']}", doubts=doubts)


def _law(found: Any) -> Law:
    law: Law = found.law
    if "N" not in law.inputs or set(law.inputs) - {"N", "D", "M"} or len(law.inputs) != 2:
        raise LawError(f"a recipe takes its size from a law over N and D; '{law.name}' takes {', '.join(law.inputs)}.")
    return law


def rivals(mine: Sizes, C: float, include: bool = False) -> dict[str, list[Said]]:
    """N and D that other constants (with `include` also ours) choose for C FLOP, and what that costs by ours."""
    sizes = {name: float(Sizes(name).surface.best(C, Budget())[0][0]) for name in SURFACES if include or name != mine.name}
    sizes |= {name: _by_power(name, what, C, unit) for name, (what, unit) in POWERS.items()}
    least = float(mine.surface.best(C, Budget())[1][0])
    out: dict[str, list[Said]] = {"N": [], "D": []}
    for name, N in sizes.items():
        known, D = constants(name), float(tokens(C, N))
        note = f"costs {mine.loss(N, D) / least - 1:.2%} of loss"
        for k, value in (("N", N), ("D", D)):
            out[k].append(Said(value, name, known.source, known.verified, notes=(note,) if k == "N" else ()))
    return out


def _by_power(name: str, what: str, C: float, unit: float) -> float:
    """N of a power law of compute in N or in D."""
    known = constants(name)
    x = float(known.law(C / unit, **known))
    return x if what == "N" else float(tokens(C, x))


def rival_losses(mine: Sizes, run: Run) -> list[Said]:
    """What other published surfaces say of the same run."""
    return [other.expected(run, 0.9) for name in SURFACES if (other := Sizes(name)).name != mine.name]


def asked(run: Run) -> dict[str, Said]:
    """The compute, size and tokens of a run that was given whole."""
    C = Said(float(compute(run.N, run.D)), "C = 6 N D", "arXiv:2001.08361")
    return {"flops": C, "N": Said(run.N, ASKED, ""), "D": Said(run.D, ASKED, "")}
