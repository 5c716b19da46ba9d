"""What would explain rows that do not belong: units, logarithms to the base 2, swapped columns, a common factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from scaling.counting import ALIASES
from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.rows import Strange
from scaling.logs.findings import some
from scaling.words import plain_name

POWERS = (3, -3, 6, -6, 9, -9, 12, -12, 1, -1)  # of ten, by which units and typing errors differ
FACTORS = {"10 times": 10.0, "a tenth of": 0.1, "100 times": 100.0, "1000 times": 1000.0, "1/1000 of": 1e-3}
MOST = 0.8  # of the rows named, that a cause must explain
BITS = 1 / np.log(2)


def cause(near: Near, found: Strange) -> str:
    """What would bring the named rows back to the law, in words; "" where nothing simple does."""
    rows, e = found.rows, found.rest[found.rows] / np.sqrt(near.design.weights[found.rows])
    if said := _of_other_vocabularies(near, found):
        return said
    near_enough = np.maximum(3 * found.scale, 0.05 * np.abs(e))
    if near.loss.log:
        for said, factor in (("in bits, not nats", BITS), ("in nats, not bits", 1 / BITS)):
            if _most(np.abs(e - np.log(factor)) < np.maximum(6 * found.scale, 0.03)) and len(rows) > 1:
                return f"as if their losses were {said}"
        for said, factor in FACTORS.items():
            if _most(np.abs(e - np.log(factor)) < near_enough):
                return f"as if their losses were {said} what they should be"
    inputs = {k: x[rows] for k, x in near.design.inputs.items() if isinstance(x, np.ndarray)}
    changes = list(_changes(inputs, list(scales(near.law, near.design)))) if len(inputs) == len(near.law.inputs) else []
    if changes:
        there = near.law_at({k: np.concatenate([changed[k] for _, changed in changes]) for k in inputs})
        left = np.abs(near.y[rows] - there.reshape(len(changes), len(rows)))
        mended = np.flatnonzero((left < near_enough).mean(1) >= MOST)
        if len(mended):
            return changes[int(mended[0])][0]
    middle = float(np.median(e))
    if near.loss.log and len(rows) > 2 and _most(np.abs(e - middle) < np.maximum(6 * found.scale, 0.02)):
        return f"all about {np.exp(middle):.3g} times the others' losses: another unit (per byte?) or another data set?"
    return ""


def _of_other_vocabularies(near: Near, found: Strange) -> str:
    """Said where the named rows have vocabularies that none of the others has, and the law does not know of them."""
    frame, names = near.design.frame, ("v", *ALIASES["V"])
    column = next((c for c in frame if plain_name(str(c)) in names), None)
    if column is not None:
        sizes = frame[column]
    elif near.runs is not None and "vocab" in near.runs.facts and "run" in frame:
        sizes = frame["run"].map(near.runs.facts["vocab"])
    else:
        return ""
    if "V" in near.law.inputs or sizes.isna().any() or sizes.dtype.kind not in "iuf":
        return ""
    here, there = sizes.to_numpy()[found.rows], sizes.to_numpy()[found.kept]
    if not _most(~np.isin(here, there)):
        return ""
    own, others = (some([f"{size:,.0f}" for size in np.unique(v)], 3) for v in (here, there))
    return (
        f"of other vocabularies, {own} tokens and not {others}: losses a token of different ones are not comparable, "
        "those a byte are"
    )


def _changes(inputs: Mapping[str, np.ndarray], sizes: list[str]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for a, b in combinations(sizes, 2):
        yield f"as if their {a} and {b} were swapped", {**inputs, a: inputs[b], b: inputs[a]}
    for name in sizes:
        for power in POWERS:
            yield (f"as if their {name} were 1e{-power:+d} of what it should be", {**inputs, name: inputs[name] * 10.0**power})


def _most(true: np.ndarray) -> bool:
    return bool(true.mean() >= MOST)
