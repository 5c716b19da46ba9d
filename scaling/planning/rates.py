"""Learning rate and batch size from published rules, fed what their authors counted."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from scaling.counting import FLOPS, PARAMETERS, Shape, grown, named_in
from scaling.errors import LawError
from scaling.formula import find

COST = "C = 6 N D"
RULES = {  # name -> law and inputs of the rate, input of the batch
    "li2025": ("lr_batch", ("N", "D"), "D"),
    "deepseek2024": ("lr_compute", ("flops",), "flops"),
    "moonlight2025": ("lr_compute", ("flops",), "flops"),
}


def recommended(name: str, runs: pd.DataFrame, counts: str | None, shape: Shape | None) -> dict[str, pd.Series]:
    """Columns `lr` and `batch_tokens` for rows with flops, N and D, by the rule of that name.

    Parameters
    ----------
    counts : convention that N of the rows counts by, None where nobody said. shape : proportions of the models, with which N
        and 6 N D are counted anew as the rule does.

    Raises
    ------
    LawError : an unknown rule, or one that counts otherwise and no shape to convert with.
    """
    if not isinstance(name, str) or name not in RULES:
        raise LawError(f"rates={name!r} is unknown; there are {', '.join(RULES)}.")
    if shape is not None and not isinstance(shape, Shape):
        raise LawError(f"shape={shape!r} must be a scaling.counting.Shape, or None.")
    law, inputs, x = RULES[name]
    rate, batch = find(law).published[name], find("batch_size").published[name]
    doubts = [] if rate.verified and batch.verified else [f"is not verified against the primary source ({rate.source})"]
    if named_in(rate.counts) is None:
        doubts.append(f"does not say how its FLOP are counted; the plan's {COST} is used")
    if doubts:
        warnings.warn(f"rates='{name}' {' and '.join(doubts)}", stacklevel=3)
    rows = as_counted(rate.counts, runs, counts, shape)
    if rows is None:
        raise LawError(
            f"rates='{name}' counts {rate.counts.partition(';')[0]}; the plan counts {COST} with N = "
            f"{counts or 'unsaid'}.\nNear the size of the embeddings these differ by factors. Say "
            f"{'counts=, what N counts, and ' if counts is None else ''}shape=Shape(d_model, n_layer, vocab, context), the "
            "proportions of the models, to convert."
        )
    return {"lr": find(law)(*(rows[i] for i in inputs), **rate), "batch_tokens": find("batch_size")(rows[x], **batch)}


def as_counted(theirs: str, runs: pd.DataFrame, counts: str | None, shape: Shape | None) -> pd.DataFrame | None:
    """Rows with flops, N and D counted as constants say they count; None where these are others and there is no shape."""
    wanted = named_in(theirs)
    if wanted is None or (wanted in PARAMETERS and counts == wanted):
        return runs
    if counts is None or shape is None:
        return None
    shapes = [grown(shape, N, counts) for N in runs["N"]]
    if wanted in PARAMETERS:
        return runs.assign(N=[float(PARAMETERS[wanted](s)) for s in shapes])
    return runs.assign(flops=np.array([FLOPS[wanted](s) for s in shapes]) * runs["D"])
