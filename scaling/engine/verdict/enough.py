"""Do the data suffice: rows that say something new, losses with enough digits, parameters known better than their size."""

from __future__ import annotations

import numpy as np

from scaling.design.inputs import Design
from scaling.engine.verdict.near import Near
from scaling.engine.verdict.rows import Strange
from scaling.formula import Law
from scaling.words import listed, many

SPARE, EACH = 2, 1.5  # distinct rows beyond the parameters, and per parameter, without which the scatter is a guess
POOR = 0.25  # of the spread of the losses: a scatter from which on parameters must be known ...
KNOWN = 0.5  # ... most of them, to this part of their size
COARSE = 0.1  # of the spread of the losses: what rounding them may add before they are classes, not numbers
DIGITS = 7  # after the point that are looked at


def distinct(law: Law, design: Design) -> tuple[int, int]:
    """Numbers of distinct rows and of distinct inputs; rows of curves are distinct, shared trunks have been counted once."""
    if law.over_schedules:
        return len(design), len(design)
    inputs = [x for x in design.inputs.values() if isinstance(x, np.ndarray)]
    return _different([*inputs, design.loss]), _different(inputs)


def _different(columns: list[np.ndarray]) -> int:
    """How many rows of some columns (n,) differ."""
    rows = np.stack(columns)[:, np.lexsort(columns)]
    return int((rows[:, 1:] != rows[:, :-1]).any(0).sum()) + 1


def shortages(near: Near) -> list[str]:
    """Why these rows cannot say what is asked of them."""
    found, p = [], sum(known.prior is None for known in near.model.coordinates.params)  # the others need no rows
    rows, points = distinct(near.law, near.design)
    if rows < max(p + SPARE, EACH * p) and not (near.exact and rows > p):
        found.append(
            f"only {many(rows, 'distinct row')} for {many(p, 'parameter')}: the law passes through any such rows, so neither "
            "its fit nor its errors say much"
        )
    elif points <= p:
        found.append(f"only {many(points, 'distinct input')} for {many(p, 'parameter')}: repeats show the noise, not the law")
    step = rounding(near.design.loss)
    size = np.median(np.abs(near.design.loss)) if near.loss.log else 1.0
    if step / np.sqrt(12) > COARSE * near.spread * size:
        found.append(
            f"losses are rounded to {step:g}, too coarse for a spread of {near.design.loss.std():.2g}: log more digits"
        )
    return found


def rounding(losses: np.ndarray) -> float:
    """The step of the decimal grid that all losses lie on; 0 where there is none."""
    few = [float(x) for x in losses[:3]]
    for k in range(DIGITS):
        if any(abs(x * 10.0**k - round(x * 10.0**k)) > 1e-9 * max(1.0, abs(x) * 10.0**k) for x in few):
            continue  # most losses are on no coarse grid, and three of them show it
        scaled = losses * 10.0**k
        if np.abs(scaled - np.round(scaled)).max() < 1e-9 * max(1.0, np.abs(scaled).max()):
            return 10.0**-k
    return 0.0


@np.errstate(all="ignore")
def uncertain(near: Near, found: Strange) -> str:
    """Said where the scatter is large against the spread of the losses and leaves parameters as uncertain as large."""
    if found.scale < POOR * near.spread or near.on_curves:
        return ""
    free = ~near.held
    sd = found.scale * np.sqrt((np.linalg.pinv(near.effect[free][:, found.kept], rcond=1e-9) ** 2).sum(0))
    size = np.where(near.model.coordinates.logs[free], 1.0, np.abs(near.t[free]))
    lost = np.array(near.model.coordinates.names)[free][sd > KNOWN * size]
    if 2 * len(lost) < len(sd) or not len(lost):
        return ""
    return (
        f"the losses scatter by {found.scale / near.spread:.0%} of their spread, and the errors of {listed(lost)} are as "
        "large as their values: more runs, or runs further apart"
    )
