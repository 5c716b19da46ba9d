"""The direction in which a law is asked to extrapolate: one number per row, larger is further."""

from __future__ import annotations

import numpy as np

from scaling.counting import compute
from scaling.design.inputs import Design
from scaling.errors import FitError
from scaling.formula import Law

WORDS = {"compute": "compute", "size": "model size", "tokens": "tokens", "step": "steps", "schedule": "schedule"}
SIZE, TOKENS = ("N", "n_params", "params"), ("D", "tokens")
NAMES = {"compute": ("C", "flops", "compute"), "size": SIZE, "tokens": TOKENS, "step": ("step", "S")}


def natural_order(law: Law) -> str | None:
    """Along what a law is extrapolated unless told otherwise; None where its inputs have no common order."""
    if law.over_schedules:
        return "step"
    names = [str(law.conventions.get(i, i)) for i in law.inputs]
    if "C" in names or "flops" in names or {"N", "D"} <= set(names):
        return "compute"
    if "step" in names or "S" in names:
        return "step"
    return names[0] if len(names) == 1 else None


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
        x = None if N is None or D is None else compute(N, D)
    if x is None and len(made.inputs) == 1:  # a convention says what the only input is
        x = np.asarray(next(iter(made.inputs.values())), float)
    if x is None:
        raise FitError(f"cannot order these rows by {by}: there is no such column among {', '.join(map(str, frame.columns))}.")
    if not (x > 0).all():
        raise FitError(f"cannot order rows by {by}: {x[~(x > 0)][0]:g} is not positive.")
    return np.asarray(np.log(x))
