"""PlanarG/active-sl: <task>_scaling_law/train-*.parquet, eight tables of runs that other papers published."""

from pathlib import Path

import pandas as pd

from scaling.errors import DataError
from scaling.logs.formats.table import table
from scaling.words import parse_number

# task -> name in the file -> name in our laws
TASKS = {
    "farseer": {"N": "N", "D": "D", "loss": "loss"},
    "data_constrained": {"params": "N", "tokens": "D", "unique_tokens": "U", "loss": "loss"},
    "lr_bsz": {"non_embedding_param_size": "N", "data_size": "D", "lr": "lr", "bsz": "batch", "lm_loss": "loss"},
    "moe": {"dense_parameter_count": "N", "num_experts": "experts", "loss_validation": "loss"},
    "parallel": {"num_params": "N", "parallel_size": "streams", "loss": "loss"},
    "sparsity": {"P": "P", "N_active": "N", "N_dense": "N_dense", "D1": "D1", "D2": "D2", "loss": "loss"},
    "vocab": {
        "non_vocab_parameters": "N", "vocab_size": "V", "num_characters": "characters", "unigram_normalized_loss": "loss",
    },
}  # fmt: skip


def scalebench(path: str | Path) -> pd.DataFrame:
    """One row per run of a task, named as our laws name their inputs: group, N, D, loss and what else the task varies.

    Units are the file's: `batch` of lr_bsz counts sequences of 2,048 tokens, and sparsity counts in thousands of millions.
    Mixtures of domains have their own reader, `scalebench_mixtures`. Reading parquet needs pyarrow.
    """
    raw = table(path, ["group"])
    for task, names in TASKS.items():
        if set(raw) == {"group", *names}:
            out = raw[["group", *names]].rename(columns=names)
            out = out.astype(dict.fromkeys(names.values(), float))
            out.attrs["note"] = f"task {task}; units as in the file"
            return out
    raise DataError(
        f"{path}: the columns {', '.join(map(str, raw))} are those of none of {', '.join(TASKS)}; "
        "mixtures are read by scalebench_mixtures."
    )


def scalebench_mixtures(path: str | Path) -> pd.DataFrame:
    """One row per mixture and size: group, N (nominal), r_<1..5> (shares, many of them 0) and <1..5>_loss.

    The file has no token counts, so laws of D cannot be fitted to it; fit `mixture_exponential` to one group at a time.
    Reading parquet needs pyarrow.
    """
    domains = range(1, 6)
    raw = table(path, ["group", *(f"proportion_domain_{i}" for i in domains), *(f"loss_domain_{i}" for i in domains)])
    out = raw[["group"]].assign(N=raw["group"].map(parse_number))
    for i in domains:
        out[f"r_{i}"], out[f"{i}_loss"] = raw[f"proportion_domain_{i}"], raw[f"loss_domain_{i}"]
    out.attrs["note"] = "N nominal, no token counts; domains are unnamed"
    return out
