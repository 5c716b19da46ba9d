"""Fit the loss-to-loss relation between two data sets (arXiv:2411.12925), knowing both irreducible losses, one, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import ArgumentError, DataError
from scaling.fits import Fit, fit
from scaling.transfer.pairs import pair
from scaling.transfer.relation import OPEN, PARAMS, Relation, share_explained, slopes
from scaling.words import listed, many, verb

LOOSE = 0.5  # relative standard error beyond which an irreducible loss is not called determined
FEW = 3  # pairs beyond the number of free parameters below which an interval rests on almost nothing


def relate(source: Any, target: Any, *, E0: float | None = None, E1: float | None = None) -> Relation:
    """Fit how the loss on one distribution follows from the loss on another, over runs of equal size and tokens.

    Parameters
    ----------
    source, target : a joint Fit of (N, D), which brings its rows and its irreducible loss; or rows alone (Runs, or a DataFrame
        with N, D, loss), whose irreducible loss is then estimated here.
    E0, E1 : irreducible losses where you know better.

    Returns
    -------
    Relation
        Two Fits: least squares of ln(L1 - E1) on ln(L0 - E0). A Fit and rows ("few points"): least squares of L1 over K, kappa
        and E1. Rows and rows: E0 as well. Rows at or below an irreducible loss are left out and counted in the warnings.

    Raises
    ------
    DataError, FitError : nothing pairs, or fewer pairs than unknowns. ArgumentError : an irreducible loss below zero.
    """
    pairs = pair(source, target)
    known, errors, said = _irreducible({"E0": (source, E0), "E1": (target, E1)})
    x, y = pairs["x"].to_numpy(), pairs["loss"].to_numpy()
    above = (x > known.get("E0", -np.inf)) & (y > known.get("E1", -np.inf))
    if not above.all():
        low = int((~above).sum())
        lie = verb(low, "lies", "lie")
        said.append(f"{low} of {len(pairs)} pairs {lie} at or below an irreducible loss and {verb(low)} left out")
    if not above.any():
        raise DataError(
            f"no pair lies above the irreducible losses {', '.join(f'{k} = {v:.6g}' for k, v in known.items())}; the losses "
            f"start at {x.min():.6g} (source) and {y.min():.6g} (target). Are source and target swapped?"
        )
    x, y = x[above], y[above]
    if len(known) == 2:
        frame = pd.DataFrame({"x": x - known["E0"], "loss": y - known["E1"]})
        found = fit(frame, "loss_to_loss", fixed={"E0": 0.0, "E1": 0.0}, objective="log_squares")
        values, how = {**found.values, **known}, "irreducible losses from joint fits or given"
    else:
        found = fit(pd.DataFrame({"x": x, "loss": y}), "loss_to_loss", fixed=known, objective="squares")
        values = found.values
        how = f"{listed(n for n in ('E0', 'E1') if n not in known)} estimated from these pairs"
    K, kappa, E0, E1 = (values[name] for name in PARAMS)
    relation = Relation(K, kappa, E0, E1, how, found, pairs)
    r2 = share_explained(relation, x, y)
    said += [*found.warnings, *_doubts(relation, y, known)]
    carried = {}
    for name, error in errors.items():
        if np.isfinite(error):
            carried[name] = tuple(error * _moved(relation.values, x, y, name, [n for n in PARAMS if n not in known]))
        else:
            said.append(f"{name} has no standard error in its joint fit and counts as exact")
    return replace(relation, r2=r2, warnings=tuple(said), carried=carried)


def _irreducible(sides: Mapping[str, tuple[Any, float | None]]) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Irreducible losses that are given or come from a joint fit, the standard errors of the latter, and what to tell."""
    known, errors, said = {}, {}, []
    for name, (side, given) in sides.items():
        if given is not None:
            if not 0 <= given < np.inf:
                raise ArgumentError(f"{name}={given:g} must be 0 or more: no loss is irreducible below zero.")
            known[name] = float(given)
        elif isinstance(side, Fit):
            if "E" not in side.values:
                raise DataError(f"law '{side.law.name}' has no irreducible E; fit 'kaplan_offset', or give {name}=.")
            known[name], errors[name] = side.values["E"], float(side.errors()["E"])
            if not side.ok:
                said.append(f"{name} comes from a fit that is not trustworthy: {side.warnings[0]}")
    return known, errors, said


def _moved(values: Mapping[str, float], x: np.ndarray, y: np.ndarray, name: str, free: list[str]) -> np.ndarray:
    """By how much K, kappa, E0 and E1 of the least-squares fit move per unit of the irreducible loss `name` held in it."""
    J = slopes(values, x)
    if "E0" not in free and "E1" not in free:  # fitted as a line in logarithms of reducible losses
        J = J / (y - values["E1"])[:, None]
    rows = [PARAMS.index(n) for n in free]
    out = np.zeros(len(PARAMS))
    out[PARAMS.index(name)] = 1.0
    out[rows] = -np.linalg.lstsq(J[:, rows], J[:, PARAMS.index(name)], rcond=None)[0]
    return out


def _doubts(relation: Relation, y: np.ndarray, known: Mapping[str, float]) -> list[str]:
    """What the target losses y (n,) that were fitted cannot settle."""
    out, n, free = [], len(y), len(PARAMS) - len(known)
    if 0.1 * y.min() > relation.E1 and relation.kappa < 0.5:
        out.append(
            f"E1 = {relation.E1:.3g} is near zero and kappa = {relation.kappa:.3g} below 0.5: the irreducible loss is not "
            "identified, and kappa makes up for it"
        )
    if n < free + FEW:
        out.append(
            f"{many(n, 'pair')} for {many(free, 'unknown')}: the interval rests on {many(n - free, 'degree')} of freedom"
        )
    error = relation.errors
    if loose := [n for n in ("E0", "E1") if n not in known and not error[n] < LOOSE * relation.values[n]]:
        out.append(f"{OPEN} {listed(loose)}, nor kappa with it: take irreducible losses from joint fits")
    return out
