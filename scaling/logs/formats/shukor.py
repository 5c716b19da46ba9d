"""The mixture runs of arXiv:2507.09404 (dmsl_llm_slimpajama.csv): seven SlimPajama domains, five model sizes."""

from pathlib import Path

import numpy as np
import pandas as pd

from scaling.logs.formats.table import table

DOMAINS = ("arxiv", "book", "c4", "github", "commoncrawl", "stackexchange", "wikipedia")
LEAST_TOKENS = {310e6: 3.9e9, 680e6: 7e9, 937e6: 7e9, 1235e6: 13e9}  # the paper's table 1: from a size on, up to the next


def slimpajama_mixtures(path: str | Path, *, paper_rows: bool = True) -> pd.DataFrame:
    """One row per run and token count: run, N, D, h_<domain>, and the losses <domain>_loss and openhermes_loss.

    Parameters
    ----------
    paper_rows : only the rows the paper fits (310M and larger, from a number of tokens that grows with size).
        Choose one loss with ``rows.assign(loss=rows["c4_loss"]).dropna(subset="loss")``; 16 cells are empty.
    """
    needed = ["model_size", "n_tokens", *(f"weight_{d}" for d in DOMAINS), *(f"{d}_loss" for d in DOMAINS)]
    raw = table(path, needed)
    out = raw[["model_size", "n_tokens"]].set_axis(["N", "D"], axis=1)
    shares, losses = [f"h_{d}" for d in DOMAINS], [str(c) for c in raw if str(c).endswith("_loss")]
    out[shares] = raw[[f"weight_{d}" for d in DOMAINS]].to_numpy()
    out[losses] = raw[losses]
    out.insert(0, "run", out.groupby(["N", *shares], sort=False).ngroup().map("mixture-{}".format))
    if paper_rows:
        least = np.array([np.inf, *LEAST_TOKENS.values()])
        out = out[out["D"] >= least[np.searchsorted([*LEAST_TOKENS], out["N"], side="right")]].reset_index(drop=True)
    out.attrs["note"] = "N without embeddings, D tokens, loss in nats per token; rows of one run are not independent"
    return out
