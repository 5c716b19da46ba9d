"""What would explain rows that do not belong: units, logarithms to the base 2, swapped columns, a common factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.rows import Strange

POWERS = (3, -3, 6, -6, 9, -9, 12, -12, 1, -1)  # of ten, by which units and typing errors differ
FACTORS = {"10 times": 10.0, "a tenth of": 0.1, "100 times": 100.0, "1000 times": 1000.0, "1/1000 of": 1e-3}
MOST = 0.8  # of the rows named, that a cause must explain
BITS = 1 / np.log(2)


def cause(near: Near, found: Strange) -> str:
    """What would bring the named rows back to the law, in words; "" where nothing simple does."""
    rows, e = found.rows, found.rest[found.rows] / np.sqrt(near.design.weights[found.rows])
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


def _changes(inputs: Mapping[str, np.ndarray], sizes: list[str]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for a, b in combinations(sizes, 2):
        yield f"as if their {a} and {b} were swapped", {**inputs, a: inputs[b], b: inputs[a]}
    for name in sizes:
        for power in POWERS:
            yield (f"as if their {name} were 1e{-power:+d} of what it should be", {**inputs, name: inputs[name] * 10.0**power})


def _most(true: np.ndarray) -> bool:
    return bool(true.mean() >= MOST)
