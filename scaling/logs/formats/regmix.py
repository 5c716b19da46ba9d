"""sail-sg/regmix: data/{train,test}_mixture_1m.csv and {train,test}_pile_loss_1m.csv, runs of 1M parameters on the Pile."""

from pathlib import Path

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs.formats.table import table

ROUNDING = 0.005  # shares are written with three decimals


def regmix(folder: str | Path, split: str = "train") -> pd.DataFrame:
    """One row per mixture: r_<domain> (17 shares, renormalised to sum to 1) and <domain>_loss (13 validation losses).

    Parameters
    ----------
    folder : the repository's folder `data`. split : "train" (512 runs) or "test" (256).

    Raises
    ------
    DataError : a file is missing, the two do not list the same runs, or shares do not sum to 1 within rounding.
    """
    folder = Path(folder)
    mixture = table(folder / f"{split}_mixture_1m.csv", ["index"]).set_index("index")
    losses = table(folder / f"{split}_pile_loss_1m.csv", ["index"]).set_index("index")
    if not mixture.index.equals(losses.index):
        raise DataError(
            f"{folder}: the mixtures and losses of '{split}' do not list the same runs in the same order; "
            "both files must come from one clone."
        )
    total = mixture.sum(axis=1)
    if (np.abs(total - 1) > ROUNDING).any():
        run = np.abs(total - 1).idxmax()
        raise DataError(f"{folder}/{split}_mixture_1m.csv, index {run}: the shares sum to {total[run]:.4f}, not 1.")
    shares = mixture.div(total, axis=0).rename(columns=lambda c: "r_" + str(c).removeprefix("train_the_pile_"))
    named = losses.rename(columns=lambda c: str(c).removeprefix("metric/the_pile_").removesuffix("_val_loss") + "_loss")
    out = pd.concat([shares, named], axis=1).reset_index(drop=True)
    out.attrs["note"] = "1M parameters; shares rounded to 0.001 in the file and renormalised here"
    return out
