"""Lack of fit against pure error: what repeats of the same inputs say of the law."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import fdtrc

import scaling
from benchmarks.verdict import families
from scaling.engine.verdict.repeats import repeats


def repeated(bend, noise=0.003, times=3, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.concat([families.surface(rng, 16, "grid", 0.0)] * times, ignore_index=True)
    u = (np.log(table["N"]) - np.log(table["N"]).mean()) / np.log(table["N"]).std()
    table["loss"] *= np.exp(bend * u**2 + noise * rng.normal(size=len(table)))
    return table


def asked(fit):
    return repeats(fit.near, np.ones(len(fit.design), bool), fit.near.rest)


def test_the_chance_is_that_of_an_f_test_worked_out_by_hand():
    x = np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], 3)
    y = 3 - 0.3 * np.log(x) + np.tile([0.01, -0.02, 0.01], 6) + np.repeat([0.0, 0.02, -0.02, -0.02, 0.02, 0.0], 3)
    fit = scaling.fit(pd.DataFrame({"x": x, "loss": np.exp(y)}), "power_law", objective="log_squares")
    found = asked(fit)
    pure = 6 * (0.01**2 + 0.02**2 + 0.01**2)
    X = np.stack([np.ones(18), np.log(x)], 1)
    total = np.sum((y - X @ np.linalg.lstsq(X, y)[0]) ** 2)
    assert found.noise == pytest.approx(np.sqrt(pure / 12), rel=1e-6)
    F = ((total - pure) / 4) / (pure / 12)
    assert found.chance == pytest.approx(fdtrc(4, 12, F), rel=1e-4)


def test_a_law_off_by_more_than_noise_is_told_and_one_far_off_fails():
    little, much = (scaling.fit(repeated(bend), "chinchilla") for bend in (0.04, 0.2))
    assert little.ok and "scatter by 0.3" in little.warnings[0] and "it is off by more than noise" in little.warnings[0]
    assert not much.ok


def test_healthy_repeats_copies_and_tables_without_repeats_say_nothing():
    fits = [scaling.fit(repeated(0.0, seed=seed), "chinchilla") for seed in range(10)]
    assert not any(fit.warnings for fit in fits)
    assert np.mean([asked(fit).chance for fit in fits]) > 0.2
    table = families.surface(np.random.default_rng(0), 16, "grid", 0.003)
    assert asked(scaling.fit(table, "chinchilla")) is None
    assert asked(scaling.fit(pd.concat([table] * 3, ignore_index=True), "chinchilla")) is None
