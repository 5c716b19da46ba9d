"""A law that a user writes. Last of all files, for the registry knows it from then on."""

from __future__ import annotations

import numpy as np
import pandas as pd

import scaling

from .. import house, tables
from ..record import item
from .fits import told


@item("fits_own_law")
def _own_law():
    """A law as a user writes it."""
    from scaling import law

    Positive, Exponent = house.Positive, house.Exponent

    def snapshot_law(N, D, *, E: Positive = 2, A: Positive = 400, B: Positive = 400, alpha: Exponent = 0.3):
        """L(N, D) = E + A / N^alpha + B / D^alpha"""
        return E + A / N**alpha + B / D**alpha

    def snapshot_other(x, *, E: Positive = 1.0, A: Positive = 1.0, k=0.5):
        """L = E + A exp(-k ln(1 + x)^2)"""
        return E + A * np.exp(-k * np.log1p(x) ** 2)

    for fn in (snapshot_law, snapshot_other):  # annotations are texts here
        fn.__annotations__ = {k: {"Positive": Positive, "Exponent": Exponent}[v] for k, v in fn.__annotations__.items()}
    one, other = law("arXiv:0000.00000")(snapshot_law), law(snapshot_other)
    bare = {"one": repr(one), "other": repr(other), "registered": "snapshot_law" in scaling.laws}
    x = np.geomspace(0.1, 10, 30)
    curve = pd.DataFrame({"x": x, "loss": other(x, E=1.2, A=2.0, k=0.4) + 1e-3 * np.cos(7 * np.arange(30))})
    return {"bare": bare, "one": told(scaling.fit(tables.made(), one)), "other": told(scaling.fit(curve, other))}
