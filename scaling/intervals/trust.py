"""Which predicted rows to trust: each has its `ok`, and what speaks against it is said with the rows it holds for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.engine.verdict.examine import NAMED, called
from scaling.engine.verdict.influence import moved
from scaling.engine.verdict.tradeoffs import NEAR
from scaling.intervals.line import Bounds
from scaling.intervals.target import Target

BEYOND = 0.05  # of the range of an input, which is none
SHOWN = 8  # numbers of rows listed
ASKED = 16  # predicted rows, of many, of which it is told what they rest on
MUCH = 0.5  # of its half-width, by which a forecast must move without a row for that row to be told


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
    doubts += assumed(target)
    unbounded = ~(np.isfinite(low) & np.isfinite(high))
    doubts.append((unbounded, "the data set no bound to it"))
    ok, why = np.ones(n, bool), []
    for bad, reason in doubts:
        if (new := bad & ok).any():
            why.append(f"{_rows(new)}: {reason}")
            ok &= ~bad
    return Trust(ok, why)


@np.errstate(all="ignore")
def rests_on(target: Target, low: np.ndarray, high: np.ndarray) -> list[str]:
    """Which single rows a forecast rests on: without them it would move by more than `MUCH` of its half-width.

    Parameters
    ----------
    low, high (n,) : ends of the interval in the objective's units.
    """
    fit, n = target.fit, len(target.value)
    some = np.unique(np.linspace(0, n - 1, min(n, ASKED)).round().astype(int))
    J = target.model.jacobian(target.terms, target.value[None])[0][:, some]
    shift = moved(fit.near, J / target.value[some] if fit.loss.log else J)
    part = np.nan_to_num(np.abs(shift) / ((high - low) / 2)[some])
    worst = part.max(1)
    said = []
    for row in np.argsort(-worst)[:NAMED]:
        if worst[row] > MUCH:
            k = int(part[row].argmax())
            by = shift[row, k]
            size = f"{100 * by:+.2g} %" if fit.loss.log else f"{by:+.2g}"
            how = f"moves by {size}, {worst[row]:.1f} of its half-width" if np.isfinite(by) else "is not determined"
            said.append(f"{called(fit.design, np.array([row]))[0]}: without it alone row {some[k]} {how}")
    return said


def assumed(target: Target) -> list[tuple[np.ndarray, str]]:
    """Rows (n,) outside the fitted range of an input whose effect out there is known from a prior alone, and why."""
    fit, found = target.fit, []
    reach = {} if fit.law.hooks.reach is None else fit.law.hooks.reach()
    for name in (name for name in reach if name in fit.verdict.from_prior):
        outside = np.zeros(len(target.value), bool)
        for x in reach[name]:
            seen, asked = fit.design.inputs[x], target.rows.inputs[x]
            outside |= (asked > seen.max() * (1 + BEYOND)) | (asked < seen.min() * (1 - BEYOND) if name != "E" else False)
        found.append((outside, f"beyond the runs fitted, and {name} is known there from its prior alone, not from these runs"))
    return found


def _rows(bad: np.ndarray) -> str:
    if bad.all():
        return "all rows" if len(bad) > 1 else "row 0"
    rows = np.flatnonzero(bad)
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:SHOWN]))}{more}"
