"""mitchellgordon95/mt-scaling: summaries/data_scaling.0126.summary, 240 translation runs to English."""

from pathlib import Path

import pandas as pd

from scaling.logs.formats.table import table


def mt_scaling(path: str | Path) -> pd.DataFrame:
    """One row per run: pair (ruen, zhen, deen), N (without embeddings), D (bytes), loss (ent_dev), bleu.

    N is counted from the shape, 2 layers (4 d^2 + 2 d ff), as in the authors' plots: their column ModelSize
    is the width d. The paper fits rows with more than 5 MB of text (D > 5242880).
    """
    columns = ["DataPercent", "FeedForward", "Lang", "Layers", "ModelSize", "bleu_dev", "data_bytes", "ent_dev"]
    raw = table(path, columns, sep="\t", comment="#")
    d = raw["ModelSize"].astype(float)
    out = pd.DataFrame(
        {
            "pair": raw["Lang"],
            "N": 2 * raw["Layers"] * (4 * d**2 + 2 * d * raw["FeedForward"]),
            "D": raw["data_bytes"].astype(float),
            "loss": raw["ent_dev"],
            "bleu": raw["bleu_dev"],
        }
    )
    out.attrs["note"] = "N without embeddings, D in bytes, loss as logged (unit not stated by the authors)"
    return out
