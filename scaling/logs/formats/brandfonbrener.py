"""KempnerInstitute/loss-to-loss-notebooks: data/sweep.csv, 529 runs on six data sets at eight compute budgets."""

from pathlib import Path

import pandas as pd

from scaling.logs.formats.table import table

OWN = {
    "fineweb-100b": "fineweb_100b",
    "fineweb-edu-100b": "fineweb_edu_100b",
    "proof-pile-2": "proof_pile_2",
    "slimpajama-chunk1": "slimpajama",
    "smollm-corpus": "smollm",
    "starcoder": "starcoder",
}


def loss_to_loss(path: str | Path) -> pd.DataFrame:
    """One row per run: run, data, N (total parameters), D (tokens), C = 6 N D, loss (validation on its own data), n_layers.

    Further columns ``<set>_val`` hold the validation loss on every set, ``<task>_test`` the test cross entropy of the answer.
    The file's own column `flops` is per sequence and is not used.
    """
    names = ["id", "data", "params", "tokens", "iso_flop", "val_loss", "n_layers"]
    raw = table(path, names)
    out = raw[names].set_axis(["run", "data", "N", "D", "C", "loss", "n_layers"], axis=1)
    extra = {}
    for column in map(str, raw):
        if column.startswith("eval/downstream_ce_loss/") and column.endswith("_test_ce_loss"):
            extra[column.split("/")[-1].removesuffix("_ce_loss")] = raw[column]
        elif column.startswith("eval/") and column.endswith("_val/CrossEntropyLoss"):
            extra[column.split("/")[1]] = raw[column]
    out = pd.concat([out, pd.DataFrame(extra)], axis=1).astype({"N": float, "D": float, "C": float})
    out.attrs["note"] = "N total parameters, D tokens, C = 6 N D, loss in nats per token"
    return out
