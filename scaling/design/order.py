"""The direction in which a law is asked to extrapolate: one number per row, larger is further."""

from __future__ import annotations

import numpy as np

from scaling.counting import compute
from scaling.design.inputs import Design
from scaling.errors import FitError
from scaling.formula import Law
from scaling.logs.tables import listed_columns

WORDS = {"compute": "compute", "size": "model size", "tokens": "tokens", "step": "steps", "schedule": "schedule"}
SIZE, TOKENS, PER = ("N", "n_params", "params"), ("D", "tokens"), ("M", "tokens_per_param")
NAMES = {"compute": ("C", "flops", "compute"), "size": SIZE, "tokens": TOKENS, "step": ("step", "S")}


def natural_order(law: Law) -> str | None:
    """Along what a law is extrapolated unless told otherwise; None where its inputs have no common order."""
    if "N" in law.hooks.facts:
        return "compute"
    if law.over_schedules:
        return "step"
    names = [str(law.conventions.get(i, i)) for i in law.inputs]
    if "C" in names or "flops" in names or {"N", "D"} <= set(names) or {"N", "M"} <= set(names):
        return "compute"
    if "step" in names or "S" in names:
        return "step"
    if len(names) == 1:
        return names[0]
    return "size" if "N" in names else "tokens" if "D" in names else None


def order(made: Design, by: str) -> np.ndarray:
    """ln of the quantity `by` for every row: compute (6 N D if not logged), size, tokens, step, or a column."""
    frame = made.frame

    def column(*names: str) -> np.ndarray | None:
        for name in names:
            for source in (made.inputs, frame):
                if name in source:
                    return np.asarray(source[name], float)
        return None

    x = column(*NAMES.get(by, (by,)))
    if x is None and by == "compute":
        N, D = column(*NAMES["size"]), column(*NAMES["tokens"])
        if D is None and N is not None and (M := column(*PER)) is not None:
            D = M * N
        x = None if N is None or D is None else compute(N, D)
    if x is None and by == "tokens" and (N := column(*SIZE)) is not None and (M := column(*PER)) is not None:
        x = M * N
    if x is None and len(made.inputs) == 1:  # a convention says what the only input is
        x = np.asarray(next(iter(made.inputs.values())), float)
    if x is None:
        raise FitError(f"cannot order these rows by {by}: there is no such column among {listed_columns(frame)}.")
    if not (x > 0).all():
        raise FitError(f"cannot order rows by {by}: {x[~(x > 0)][0]:g} is not positive.")
    return np.asarray(np.log(x))


def measures(made: Design, by: str) -> np.ndarray:
    """ln of everything in which a row may lie beyond others (k, n): the order itself; beside compute, size and tokens (NaN
    where the rows do not say them)."""
    found = [order(made, by)]
    for what in ("size", "tokens") if by == "compute" else ():
        try:
            found.append(order(made, what))
        except FitError:
            found.append(np.full(len(made), np.nan))
    return np.array(found)


def beyond(asked: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """By how much (m,) rows lie beyond the largest seen, in the measure (k, m) in which they do so most; negative inside."""
    return np.asarray(np.nanmax(asked - seen.max(axis=1, keepdims=True), axis=0))
