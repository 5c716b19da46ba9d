"""A second look where the fit itself may have been bent: without rows that stand apart in their inputs, with units mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy.special import chdtrc, fdtrc

from scaling.engine import model as models
from scaling.engine.verdict.again import fitted
from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.rows import Strange, strange
from scaling.words import many, verb

POOR = 0.15  # of the spread of the losses: a scatter beyond which the fit may have been bent
APART = 1.5  # times the range of the middle 60 % of rows: distance from the middle at which a row stands apart
GAP = np.log(100.0)  # between neighbours of an input, beyond which its two sides may be in two units
WIDE = 1.0  # times the scatter on both sides: a gap between residuals that makes them two classes
NO_WORSE = 1.5  # times the scatter, that the law may leave without rows that were swapped
CHANCE = 1e-3  # of looking again at rows that are as they should be
LIKELY = 2.0  # standard deviations from which on a row is named where it is of a class that errs
MENDED = 0.8  # of the squared distances of these rows, that swapping must do away with
BETTER = 0.5  # of the scatter that a second look must come below to be believed


Known = dict[bytes, tuple[float, np.ndarray]]  # parts of the rows that have been fitted: scatter and parameters there


def looked_again(near: Near, first: Strange, known: Known) -> tuple[Near, Strange] | None:
    """The law fitted without the rows that stand apart, and the rows that then do not belong, if that mends the scatter."""
    parts = {kept.tobytes(): kept for out in _apart(near) if out.any() and (kept := ~out).sum() >= near.params + 4}
    best = None
    if not parts:
        return None
    if new := [kept for key, kept in parts.items() if key not in known]:
        found_new = fitted(near, near.model, np.stack(new), BETTER * first.scale)
        known.update(zip((kept.tobytes() for kept in new), found_new, strict=True))
    for key, one in parts.items():
        scatter, t = known[key]
        if not scatter < BETTER * first.scale:
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
    order = np.sort(near.rest)  # two classes of losses leave a gap between their residuals
    inner = len(order) // 10
    if len(order) <= 4 * inner + 4:
        return
    cut = inner + int(np.diff(order[inner : len(order) - inner]).argmax())
    high = near.rest > order[cut]
    within = np.hypot(near.rest[high].std(), near.rest[~high].std()) if 0 < high.sum() < len(high) else np.inf
    if order[min(cut + 1, len(order) - 1)] - order[cut] > WIDE * within:
        yield high if 2 * high.sum() < len(high) else ~high


def swapped(near: Near, first: Strange, known: Known) -> tuple[Near, Strange] | None:
    """The law fitted without the few rows in which the other one of two inputs is larger, if these err as rows whose inputs
    were swapped: then they are named, and the law without them is believed, however well the first fit bent to follow them."""
    sizes = scales(near.law, near.design)
    for a, b in combinations(sizes, 2):
        few = sizes[a] > sizes[b]
        few = few if 2 * few.sum() < len(few) else sizes[a] < sizes[b]
        if not (few & first.kept).any() or (~few).sum() < near.params + 4 or not (near.held.any() or _apart_from(near, few)):
            continue
        scatter, t = known[(~few).tobytes()] = fitted(near, near.model, ~few[None], NO_WORSE * first.scale)[0]
        if not np.isfinite(scatter):
            continue
        again = Near.of(near.law, near.design, near.model, t, near.loss, near.fixed, near.held & False)
        found = strange(again, ~few)
        turned = {**near.design.inputs, a: near.design.inputs[b], b: near.design.inputs[a]}
        left = np.abs(near.y - again.law_at(turned)) * np.sqrt(near.design.weights) / max(found.scale, 1e-300)
        away = np.abs(found.away)
        off = few & (away > LIKELY)  # each by little may be chance, all together not
        if (
            chdtrc(few.sum(), (away[few] ** 2).sum()) < CHANCE
            and (left[off] ** 2).sum() < (1 - MENDED) * (away[off] ** 2).sum()
        ):
            rows = np.union1d(found.rows, np.flatnonzero(off & (left < away)))
            return again, replace(found, rows=rows[np.argsort(-away[rows])])
    return None


def _apart_from(near: Near, few: np.ndarray) -> bool:
    """Do a few rows (n,) follow another law than the others? Chow's test, of the law as it is near its optimum."""
    Q, n = near.basis, len(near.rest)
    inner = np.linalg.qr(Q[~few])[0]
    rest = near.rest - Q @ (Q.T @ near.rest)
    kept = near.rest[~few] - inner @ (inner.T @ near.rest[~few])
    total, left, m = float(rest @ rest), float(kept @ kept), int(few.sum())
    spare = n - m - Q.shape[1]
    return spare > 0 and left > 0 and bool(fdtrc(m, spare, (total - left) / m / (left / spare)) < CHANCE)


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
            rows = f"{many(int(small.sum()), 'row')} {verb(int(small.sum()), 'has', 'have')}"
            return (
                f"{rows} {name} below {np.exp(order[widest]) * 1.01:.3g}, a class apart: as if it were in "
                f"units of {factor:.0g}; the law holds once it is multiplied by that"
            )
    return ""
