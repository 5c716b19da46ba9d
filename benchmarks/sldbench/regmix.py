"""RegMix at 1M parameters: 512 mixtures fitted, 256 predicted, thirteen losses; LightGBM in the same run."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import scaling
from scaling.logs import formats

LAWS = ("mixture_exponential", "mixture_transfer")
ROUNDS, RATE = 1000, 1e-2  # the authors' settings of LightGBM, without their early stopping on the test rows
Predict = Callable[[pd.DataFrame, np.ndarray, pd.DataFrame], np.ndarray]


def by_law(law: str) -> Predict:
    """Predictions of a law at its defaults, in the units of the loss."""

    def predict(shares: pd.DataFrame, loss: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
        fit = scaling.fit(shares.assign(loss=loss), law, objective="squares")
        return fit.predict(asked, interval="delta")["prediction"].to_numpy()

    return predict


def by_trees(shares: pd.DataFrame, loss: np.ndarray, asked: pd.DataFrame) -> np.ndarray:
    """Predictions of boosted trees."""
    import lightgbm

    data = lightgbm.Dataset(shares.to_numpy(), loss)
    settings = {"objective": "regression", "learning_rate": RATE, "num_threads": 1, "verbosity": -1, "seed": 42}
    return np.asarray(lightgbm.train(settings, data, ROUNDS).predict(asked.to_numpy()))


def table(root: Path) -> pd.DataFrame:
    """Mean over the thirteen losses of RMSE (nats) and Spearman on the test mixtures, by method."""
    train, test = (formats.regmix(root / "regmix/data", split) for split in ("train", "test"))
    shares = [c for c in train if str(c).startswith("r_")]
    targets = [c for c in train if str(c).endswith("_loss")]
    methods: dict[str, Predict] = {law: by_law(law) for law in LAWS}
    if importlib.util.find_spec("lightgbm"):
        methods["LightGBM"] = by_trees
    else:
        print("LightGBM is not installed (pip install lightgbm); its row is missing")
    found = []
    for name, predict in methods.items():
        start, errors, ranks = time.process_time(), [], []
        for target in targets:
            guess, loss = predict(train[shares], train[target].to_numpy(), test[shares]), test[target].to_numpy()
            errors.append(np.sqrt(((guess - loss) ** 2).mean()))
            ranks.append(spearmanr(guess, loss).statistic)
        found.append((name, np.mean(errors), np.mean(ranks), time.process_time() - start))
    return pd.DataFrame(found, columns=["RegMix 1M, test 256", "RMSE", "Spearman", "CPU s"]).round(4)
