"""Read what was saved: fits, relations between two data sets, registered forecasts and how they went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scaling import document
from scaling.document import Fields
from scaling.fits import Fit, kept, origin
from scaling.fits.choice import Choice
from scaling.fits.saving import from_saved
from scaling.registered import Registration, Score
from scaling.transfer.relation import Relation


def _fit(saved: Fields) -> Fit:
    choice = Choice.from_saved(saved.part("choice")) if "choice" in saved.found else None
    fit = Fit.of(from_saved(saved), choice)
    kept.from_saved(saved, fit)
    origin.from_saved(saved, fit)
    return fit


READERS: dict[str, Callable[[Fields], Fit | Relation | Registration | Score]] = {
    "fit": _fit,
    "relation": Relation.from_saved,
    "registration": Registration.from_saved,
    "score": Score.from_saved,
}


def load(path: str | Path) -> Fit | Relation | Registration | Score:
    """Read what `save` wrote: a fit, a relation between two data sets, a registered forecast, or the score of one.

    Raises
    ------
    DataError : no such file, not a fit, or not as it was written. LawError : its law is not registered here.
    """
    saved = document.read(path)
    kind = saved.text("kind") if "kind" in saved.found else "fit"  # the first version did not say it of fits
    if kind not in READERS:
        raise saved.wrong("kind", f"must be {', '.join(READERS)}")
    return READERS[kind](saved)
