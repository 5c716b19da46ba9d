"""Columns that follow from others, or go by another name: compute, tokens, size and tokens per parameter say each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import compute, tokens

ALIASES = {  # input of laws -> what tables call it
    "N": ("n_params", "params"), "D": ("tokens",), "C": ("flops",), "U": ("unique_tokens",), "B": ("batch_tokens",),
    "E": ("experts", "num_experts"), "M": ("tokens_per_param",),
}  # fmt: skip
# column -> ways to it: from which columns, how, and what is said of it
RULES: dict[str, list[tuple[tuple[str, str], Callable[[Any, Any], Any], str]]] = {
    "M": [(("D", "N"), lambda D, N: D / N, "M counted as D / N")],
    "D": [
        (("M", "N"), lambda M, N: M * N, "D counted as M N"),
        (("C", "N"), tokens, "D counted as C / (6 N)"),
    ],
    "N": [(("C", "D"), tokens, "N counted as C / (6 D)")],
    "C": [(("N", "D"), compute, "C counted as 6 N D")],
}


def completed(frame: pd.DataFrame, names: Iterable[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table with those of the named columns that it lacks and that follow from what it has, and a note for each."""
    notes = []
    for name in names:
        if name in frame:
            continue
        if (same := next((c for c in ALIASES.get(name, ()) if c in frame), None)) is not None:
            frame = frame.assign(**{name: frame[same]})
            notes.append(f"{name} is column '{same}'")
            continue
        for needed, how, said in RULES.get(name, []):
            if all(pd.api.types.is_numeric_dtype(frame[c]) if c in frame else False for c in needed):
                with np.errstate(all="ignore"):  # what is not positive is refused where the law reads it
                    frame = frame.assign(**{name: how(*(frame[c].to_numpy(float) for c in needed))})
                notes.append(said)
                break
    return frame, tuple(notes)
