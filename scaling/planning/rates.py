"""Learning rate and batch size from published rules, with what their authors counted."""

from __future__ import annotations

import warnings

import pandas as pd

from scaling.errors import LawError
from scaling.laws import find

RULES = {  # name -> law and input of the rate, law and input of the batch
    "li2025": ("lr_batch", ("N", "D"), "D"),
    "deepseek2024": ("lr_compute", ("flops",), "flops"),
    "moonlight2025": ("lr_compute", ("flops",), "flops"),
}


def recommended(name: str, runs: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns `lr` and `batch_tokens` for rows with flops, N and D, by the rule of that name."""
    if name not in RULES:
        raise LawError(f"rates='{name}' is unknown; there are {', '.join(RULES)}.")
    law, inputs, x = RULES[name]
    rate, batch = find(law).published[name], find("batch_size").published[name]
    warnings.warn(f"rates of '{name}' count {rate.counts}: convert N or C if yours are counted otherwise", stacklevel=3)
    return {"lr": find(law)(*(runs[i] for i in inputs), **rate), "batch_tokens": find("batch_size")(runs[x], **batch)}
