"""A second look where the fit itself may have been bent: without rows that stand apart in their inputs, with units mended."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from scaling.design.inputs import Design
from scaling.engine.refit import refit
from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.rows import Strange, strange

POOR = 0.15  # of the spread of the losses: a scatter beyond which the fit may have been bent
APART = 1.5  # times the range of the middle 60 % of rows: distance from the middle at which a row stands apart
GAP = np.log(100.0)  # between neighbours of an input, beyond which its two sides may be in two units
WIDE = 1.0  # times the scatter on both sides: a gap between residuals that makes them two classes
BETTER = 0.5  # of the scatter that a second look must come below to be believed


def looked_again(near: Near, first: Strange) -> tuple[Near, Strange] | None:
    """The law fitted without the rows that stand apart, and the rows that then do not belong, if that mends the scatter."""
    sizes = scales(near.law, near.design)
    lines = [*sizes.values(), *(b - a for a, b in combinations(sizes.values(), 2))]
    away = np.zeros(len(near.y), bool)
    for x in lines:
        low, middle, high = np.quantile(x, [0.2, 0.5, 0.8])
        away |= np.abs(x - middle) > APART * max(high - low, 0.1)
    order = np.sort(near.rest)  # two classes of losses leave a gap between their residuals
    inner = len(order) // 10
    cut = inner + int(np.diff(order[inner : len(order) - inner]).argmax()) if len(order) > 4 * inner + 4 else 0
    high = near.rest > order[cut]
    within = np.hypot(near.rest[high].std(), near.rest[~high].std()) if 0 < high.sum() < len(high) else np.inf
    classes = high & (order[min(cut + 1, len(order) - 1)] - order[cut] > WIDE * within)
    best = None
    for out in (away, classes if 2 * high.sum() < len(high) else ~high & classes.any()):
        if not out.any() or (~out).sum() < near.params + 4 or (again := _fitted(near, near.design, ~out)) is None:
            continue
        found = strange(again, ~out)
        if len(found.rows) and found.scale < BETTER * min(first.scale, best[1].scale if best else np.inf):
            best = again, found
    return best


def two_units(near: Near, first: Strange) -> str:
    """Said where one side of a gap in an input comes to the law by a power of 1000: half of N in millions."""
    for name, x in scales(near.law, near.design).items():
        order = np.sort(x)
        widest = int(np.diff(order).argmax()) if len(x) > 1 else 0
        if np.ptp(x) == 0 or order[widest + 1] - order[widest] < GAP:
            continue
        small = x <= order[widest]
        thousands = round((np.median(x[~small]) - np.median(x[small])) / np.log(1000.0))
        factor = 1000.0**thousands
        mended = {**near.design.inputs, name: np.exp(np.where(small, x + np.log(factor), x))}
        again = _fitted(near, replace(near.design, inputs=mended), np.ones(len(x), bool))
        if again is not None and strange(again).scale < BETTER * first.scale:
            return (
                f"{small.sum()} rows have {name} below {np.exp(order[widest]) * 1.01:.3g}, a class apart: as if it were in "
                f"units of {factor:.0g}; the law holds once it is multiplied by that"
            )
    return ""


def _fitted(near: Near, design: Design, kept: np.ndarray) -> Near | None:
    """The law fitted anew to some of the rows, seen from all of them."""
    params = near.model.coordinates.params
    fits = refit(near.law, design, near.loss, (design.weights * kept)[None], fixed=near.fixed, params=params)
    if not fits.ok[0]:
        return None
    return Near.of(near.law, design, fits.model(design), fits.t[0], near.loss, near.fixed, near.held & False)
