"""Learning rate and batch size from published rules, with what their authors counted."""

from __future__ import annotations

import warnings

import pandas as pd

from scaling.conventions import named_in
from scaling.errors import LawError
from scaling.laws import find

RULES = {  # name -> law and input of the rate, law and input of the batch
    "li2025": ("lr_batch", ("N", "D"), "D"),
    "deepseek2024": ("lr_compute", ("flops",), "flops"),
    "moonlight2025": ("lr_compute", ("flops",), "flops"),
}


def recommended(name: str, runs: pd.DataFrame, counts: str) -> dict[str, pd.Series]:
    """Columns `lr` and `batch_tokens` for rows with flops, N and D counted as `counts`, by the rule of that name."""
    if name not in RULES:
        raise LawError(f"rates='{name}' is unknown; there are {', '.join(RULES)}.")
    law, inputs, x = RULES[name]
    rate, batch = find(law).published[name], find("batch_size").published[name]
    if named_in(counts) != named_in(rate.counts) or "flops" in inputs:
        warnings.warn(
            f"the plan counts '{counts}', the rates of '{name}' count '{rate.counts}'; near the size of the "
            "embeddings these differ: see scaling.conventions",
            stacklevel=3,
        )
    return {"lr": find(law)(*(runs[i] for i in inputs), **rate), "batch_tokens": find("batch_size")(runs[x], **batch)}
