"""A second look where the fit itself may have been bent: without rows that stand apart in their inputs, with units mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np

from scaling.engine import model as models
from scaling.engine.verdict.again import fitted
from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.rows import Strange, strange

POOR = 0.15  # of the spread of the losses: a scatter beyond which the fit may have been bent
APART = 1.5  # times the range of the middle 60 % of rows: distance from the middle at which a row stands apart
GAP = np.log(100.0)  # between neighbours of an input, beyond which its two sides may be in two units
WIDE = 1.0  # times the scatter on both sides: a gap between residuals that makes them two classes
BETTER = 0.5  # of the scatter that a second look must come below to be believed


def looked_again(near: Near, first: Strange) -> tuple[Near, Strange] | None:
    """The law fitted without the rows that stand apart, and the rows that then do not belong, if that mends the scatter."""
    parts = {kept.tobytes(): kept for out in _apart(near) if out.any() and (kept := ~out).sum() >= near.params + 4}
    best = None
    if not parts:
        return None
    kept = np.stack([*parts.values()])
    for one, (scatter, t) in zip(kept, fitted(near, near.model, kept, BETTER * first.scale), strict=True):
        if not np.isfinite(scatter):
            continue
        again = Near.of(near.law, near.design, near.model, t, near.loss, near.fixed, near.held & False)
        found = strange(again, one)
        if len(found.rows) and found.scale < BETTER * (first if best is None else best[1]).scale:
            best = again, found
    return best


def _apart(near: Near) -> Iterator[np.ndarray]:
    """Classes of rows (n,) that may have bent the fit."""
    sizes = scales(near.law, near.design)
    ratios = [b - a for a, b in combinations(sizes.values(), 2)]
    away = np.zeros(len(near.y), bool)
    for x in (*sizes.values(), *ratios):
        low, middle, high = np.sort(x)[[int(share * (len(x) - 1)) for share in (0.2, 0.5, 0.8)]]
        away |= np.abs(x - middle) > APART * max(high - low, 0.1)
    yield away
    for x in ratios:  # two inputs swapped: the few rows in which the other one is larger
        yield (x < 0) if 2 * (x < 0).sum() < len(x) else (x > 0)
    order = np.sort(near.rest)  # two classes of losses leave a gap between their residuals
    inner = len(order) // 10
    if len(order) <= 4 * inner + 4:
        return
    cut = inner + int(np.diff(order[inner : len(order) - inner]).argmax())
    high = near.rest > order[cut]
    within = np.hypot(near.rest[high].std(), near.rest[~high].std()) if 0 < high.sum() < len(high) else np.inf
    if order[min(cut + 1, len(order) - 1)] - order[cut] > WIDE * within:
        yield high if 2 * high.sum() < len(high) else ~high


def two_units(near: Near, first: Strange) -> str:
    """Said where one side of a gap in an input comes to the law by a power of 1000: half of N in millions."""
    everything, inner = np.ones((1, len(near.y)), bool), near.model.coordinates
    for name, x in scales(near.law, near.design).items():
        order = np.sort(x)
        widest = int(np.diff(order).argmax()) if len(x) > 1 else 0
        if np.ptp(x) == 0 or order[widest + 1] - order[widest] < GAP:
            continue
        small = x <= order[widest]
        thousands = round((np.median(x[~small]) - np.median(x[small])) / np.log(1000.0))
        factor = 1000.0**thousands
        mended = {**near.design.inputs, name: np.exp(np.where(small, x + np.log(factor), x))}
        model = models.build(near.law, inner.params, mended, near.fixed, near.loss)
        t = model.coordinates.from_params(inner.to_params(near.t))
        there = replace(near, design=replace(near.design, inputs=mended), model=model, t=t)
        scatter, _ = fitted(there, model, everything, BETTER * first.scale, settle=False)[0]
        if np.isfinite(scatter):
            return (
                f"{small.sum()} rows have {name} below {np.exp(order[widest]) * 1.01:.3g}, a class apart: as if it were in "
                f"units of {factor:.0g}; the law holds once it is multiplied by that"
            )
    return ""
