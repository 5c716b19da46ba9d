"""PlanarG/active-sl: domain_mixture_scaling_law/train-*.parquet, 20 mixtures of five unnamed domains at four sizes."""

from pathlib import Path

import pandas as pd

from scaling.logs.formats.table import table

SIZES = {"70M": 70e6, "160M": 160e6, "305M": 305e6, "410M": 410e6}


def scalebench_mixtures(path: str | Path) -> pd.DataFrame:
    """One row per mixture and size: group, N (nominal), r_<1..5> (shares, many of them 0) and <1..5>_loss.

    The file has no token counts, so laws of D cannot be fitted to it; fit `mixture_exponential` to one group at a time.
    Reading parquet needs pyarrow.
    """
    domains = range(1, 6)
    raw = table(path, ["group", *(f"proportion_domain_{i}" for i in domains), *(f"loss_domain_{i}" for i in domains)])
    out = raw[["group"]].assign(N=raw["group"].map(SIZES))
    for i in domains:
        out[f"r_{i}"], out[f"{i}_loss"] = raw[f"proportion_domain_{i}"], raw[f"loss_domain_{i}"]
    out.attrs["note"] = "N nominal, no token counts; domains are unnamed"
    return out
