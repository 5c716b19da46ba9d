"""A row off the line of sizes on which all others lie: it alone says what the inputs do apart, so nothing contradicts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.verdict.causes import POWERS
from scaling.engine.verdict.near import Near, scales
from scaling.engine.verdict.tradeoffs import Line, line

LEAST = 5  # rows on the line, without which it is none
NEAR = 0.1  # ln of a factor, by which a row may miss the line once its power of ten is mended
CLOSE = 2.0  # standard deviations of the losses, within which the mended row is what the line says
TOTAL = 12.0  # such by which losses must change along the line over that power: else one input might do next to nothing


@dataclass(frozen=True, eq=False)
class Aside:
    """row : its number. line : of the others. mended : which input is a power of ten off, in words; "" if none is."""

    row: int
    line: Line
    mended: str


def aside(near: Near, noise: float) -> Aside | None:
    """The only row off the line of the others; None where there is none.

    Parameters
    ----------
    noise : standard deviation of a row.
    """
    logs = scales(near.law, near.design)
    if len(logs) < 2 or len(near.design) <= LEAST or near.law.over_schedules:
        return None
    X = np.stack(list(logs.values()), 1)
    for row in _furthest(X):
        rest = np.delete(np.arange(len(X)), row)
        found = line(near.law, near.design.take(rest), near.y[rest], noise)
        if found is None:
            continue
        apart = found.apart({k: np.exp(x[[row]]) for k, x in logs.items()})[0]
        if apart > max(np.log(2.0), 2 * found.off):
            return Aside(row, found, _mended(near, row, rest, found, noise))
    return None


def _furthest(X: np.ndarray) -> list[int]:
    """The rows whose leaving brings the others (n, 2 or more, in ln) closest to a line, and next."""
    spread = []
    for row in range(len(X)):
        part = np.delete(X, row, axis=0)
        spread.append(float(np.linalg.svd(part - part.mean(0), compute_uv=False)[1]))
    order = np.argsort(spread, kind="stable")
    return [int(order[0])] if spread[order[0]] < 0.5 * spread[order[1]] else []


def _mended(near: Near, row: int, rest: np.ndarray, found: Line, noise: float) -> str:
    """Which input of the row, mended by a power of ten, puts it on the line and its loss on the curve of the others there."""
    inputs = {k: near.design.inputs[k] for k in found.names}
    place = found.places({k: x[rest] for k, x in inputs.items()}).mean(1)
    degree = min(3, len(rest) - 2)
    curve = np.polynomial.Polynomial.fit(place, near.y[rest], degree)
    scatter = max(noise, float(np.sqrt(np.sum((near.y[rest] - curve(place)) ** 2) / max(len(rest) - degree - 1, 1))))
    for name in found.names:
        for power in POWERS:
            there = {k: x[[row]] / (10.0**power if k == name else 1.0) for k, x in inputs.items()}
            at = float(found.places(there).mean())
            inside = place.min() - NEAR <= at <= place.max() + NEAR
            if not inside or found.apart(there)[0] > max(NEAR, found.off) or abs(near.y[row] - curve(at)) > CLOSE * scatter:
                continue
            ends = np.clip(at + np.array([-1.0, 1.0]) * np.log(10.0) * abs(power), place.min(), place.max())
            if np.abs(curve(ends) - curve(at)).max() > TOTAL * scatter:
                return f"as if its {name} were 1e{power:+d} of what it should be"
    return ""
