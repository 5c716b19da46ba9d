"""Read what was saved: fits, and relations between two data sets."""

from __future__ import annotations

from pathlib import Path

from scaling import document
from scaling.fits import Fit
from scaling.fits.saving import from_saved
from scaling.transfer.relation import Relation


def load(path: str | Path) -> Fit | Relation:
    """Read a fit written by `Fit.save`, or a relation between two data sets written by `Relation.save`.

    Raises
    ------
    DataError : no such file, not a fit, or not as it was written. LawError : its law is not registered here.
    """
    saved = document.read(path)
    kind = saved.text("kind") if "kind" in saved.found else "fit"  # the first version did not say it of fits
    if kind not in ("fit", "relation"):
        raise saved.wrong("kind", "must be fit or relation")
    return Relation.from_saved(saved) if kind == "relation" else Fit.of(from_saved(saved))
