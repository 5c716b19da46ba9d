"""Which predicted rows to trust: each has its `ok`, and what speaks against it is said with the rows it holds for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.verdict.tradeoffs import NEAR
from scaling.intervals.line import Bounds
from scaling.intervals.target import Target

SHOWN = 8  # numbers of rows listed


@dataclass(frozen=True, eq=False)
class Trust:
    """ok (n,) : may a row be trusted? why : what speaks against rows, in words."""

    ok: np.ndarray
    why: list[str]


def trust(target: Target, low: np.ndarray, high: np.ndarray, bounds: Bounds | None) -> Trust:
    """The verdict on every predicted row.

    Parameters
    ----------
    low, high (n,) : ends of the interval in the objective's units. bounds : what the line of the rows says, if they lie on one.
    """
    fit, n = target.fit, len(target.value)
    doubts: list[tuple[np.ndarray, str]] = [
        (np.full(n, not fit.ok), f"the fit is not trustworthy: {'; '.join(fit.verdict.failures)}")
    ]
    line = fit.findings.line
    if bounds is not None and line is not None:
        far = bounds.apart > max(NEAR, line.off)
        doubts.append((far, f"off the line {line.equation} on which all fitted rows lie, so nothing says which input counts"))
    else:
        doubts.append((np.isnan(target.deviation()), "not determined by the data: a free combination of parameters moves it"))
    if (without := fit.findings.without) is not None:
        moved = np.abs(fit.loss.link(target.model.value(target.model.terms(without[None])))[0] - target.middle)
        few = len(fit.findings.strange)
        doubts.append((moved > (high - low) / 2, f"{few} rows that do not belong move it by more than its half-width"))
    unbounded = ~(np.isfinite(low) & np.isfinite(high))
    doubts.append((unbounded, "the data set no bound to it"))
    ok, why = np.ones(n, bool), []
    for bad, reason in doubts:
        if (new := bad & ok).any():
            why.append(f"{_rows(new)}: {reason}")
            ok &= ~bad
    return Trust(ok, why)


def _rows(bad: np.ndarray) -> str:
    if bad.all():
        return "all rows" if len(bad) > 1 else "row 0"
    rows = np.flatnonzero(bad)
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:SHOWN]))}{more}"
