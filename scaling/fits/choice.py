"""How a law was chosen: what a fit remembers of the laws it was compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.document import Fields, Schema, named
from scaling.words import listed

CLOSE = 1.25  # errors that differ by less than this factor do not tell two laws apart


@dataclass(frozen=True)
class Choice:
    """Laws compared by their error on rows held out.

    Attributes
    ----------
    laws, errors : the laws that could be judged, best first, and their mean |relative error| there.
    chosen : the law that was fitted. rival : the best of the others, or "". difference, se : its error minus that of the
        chosen law, and the standard error of that (NaN where nothing says it).
    holdout : what was held out. left : what was not compared, or not chosen, and why.
    differences, ses, reasons : of every law to the best, as `scaling.compare` has them; empty in files before they were kept.
    """

    laws: tuple[str, ...]
    errors: tuple[float, ...]
    chosen: str
    rival: str
    difference: float
    se: float
    holdout: str
    left: tuple[str, ...] = ()
    differences: tuple[float, ...] = ()
    ses: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def tie(self) -> bool:
        """May the rival be as good?"""
        if not self.rival:
            return False
        errors = dict(zip(self.laws, self.errors, strict=True))
        return errors[self.rival] < CLOSE * errors[self.chosen] or not abs(self.difference) > 2 * self.se

    def said(self) -> list[tuple[str, str]]:
        """Lines of the report."""
        errors = dict(zip(self.laws, self.errors, strict=True))
        if self.chosen not in errors:
            compared = f"only {listed(self.laws)} could be put to the test" if self.laws else "nothing was compared"
            text = f"{self.chosen}: too few rows to hold some back, so {compared}"
            return [("choice", text), *(("  note", said) for said in self.left)]
        many = f"of {len(self.laws)} laws" if len(self.laws) > 1 else "alone"
        text = f"{self.chosen} {many}: off by {_percent(errors[self.chosen])} on rows held out ({self.holdout})"
        if self.rival:
            apart = f"{_percent(abs(self.difference))} {'more' if self.difference >= 0 else 'less'}"
            se = f" +- {_percent(self.se)}" if self.se == self.se else ""
            text += f"; next {self.rival}, {apart}{se}"
        lines = [("choice", text)]
        if self.tie:
            lines.append(("  note", f"a tie: {self.rival} may be as good, and the intervals hold both"))
        return lines + [("  note", said) for said in self.left]

    def to_saved(self) -> dict[str, Any]:
        """As plain data."""
        return named(self, {**CHOICE, **KEPT})

    @classmethod
    def from_saved(cls, saved: Fields) -> Choice:
        """A record that has `to_saved`; DataError where it is not as it was written."""
        made = cls(**saved.all(CHOICE if "reasons" not in saved.found else {**CHOICE, **KEPT}))
        if len(made.laws) != len(made.errors) or not {len(getattr(made, k)) for k in BESIDE} <= {0, len(made.laws)}:
            raise saved.wrong("errors", "must be as many as laws, and so must differences, ses and reasons")
        return made

    def table(self) -> pd.DataFrame | None:
        """The laws as `scaling.compare` has them: error, difference, se, reason; None where it was not kept."""
        if not self.reasons:
            return None
        columns = {"error": self.errors, **{column: getattr(self, name) for name, column in BESIDE.items()}}
        rows = pd.DataFrame(columns, index=pd.Index(self.laws, name="law"))
        rows.attrs["holdout"] = self.holdout
        return rows


BESIDE = {"differences": "difference", "ses": "se", "reasons": "reason"}  # attributes, and the columns they are
CHOICE: Schema = {
    "laws": Fields.texts, "errors": lambda saved, name: tuple(saved.array(name, None).tolist()), "chosen": Fields.text,
    "rival": Fields.text, "difference": Fields.unbounded, "se": Fields.unbounded, "holdout": Fields.text, "left": Fields.texts,
}  # fmt: skip
KEPT: Schema = {
    "differences": lambda saved, name: tuple(saved.array(name, None, finite=False).tolist()),
    "ses": lambda saved, name: tuple(saved.array(name, None, finite=False).tolist()), "reasons": Fields.texts,
}  # fmt: skip


def _percent(x: float) -> str:
    return f"{100 * x:.2g} %"
