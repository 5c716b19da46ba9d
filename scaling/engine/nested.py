"""Starts that say what a simpler law says at its optimum: units and luck have no part in them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scaling.design.inputs import Design
from scaling.engine.coordinates import Coordinates
from scaling.formula import Law, Parameter, find


def contained(law: Law) -> Law | None:
    """The simpler law that `law` declares it contains, over the same domains; None where it declares none."""
    if law.hooks.contains is None or law.hooks.simpler is None:
        return None
    simple = find(law.hooks.simpler)
    both = simple.layout is not None and law.layout is not None
    return simple.using(domains=law.domains) if both else simple


def seen_by(simple: Law, rows: Design) -> Design:
    """Rows as the simpler law reads them."""
    return Design(rows.frame, {k: rows.inputs[k] for k in simple.inputs}, rows.loss, rows.weights)


def saying(
    law: Law, values: Mapping[str, float], rows: Design, specs: tuple[Parameter, ...], coordinates: Coordinates
) -> np.ndarray:
    """Starts (k, p) of `law` over rows that say what the simpler law says at `values`."""
    if law.hooks.contains is None:
        return np.empty((0, len(specs)))
    found = [[start[p.name] for p in specs] for start in law.hooks.contains(*rows.inputs.values(), **values)]
    return coordinates.from_params(np.array(found, float)) if found else np.empty((0, len(specs)))
