"""What a forecast rests on: the closed form of leaving one row out against fits without that row."""

import numpy as np
import pandas as pd
import pytest

import scaling
from benchmarks.verdict import families
from scaling.engine.verdict.influence import Influence
from scaling.intervals.target import Target

FAR = {"N": [2e10], "D": [4e11]}


def both(table, objective):
    """By the closed form, and by refits, of ln of the forecast."""
    fit = scaling.fit(table, "chinchilla", objective=objective)
    target = Target(fit, FAR)
    J = target.model.jacobian(target.terms, target.value[None])[0] / target.value
    quick = Influence.of(fit.near).moved(J)[:, 0]
    slow = []
    for row in range(len(fit.design)):
        again = scaling.fit(fit.design.frame.drop(fit.design.frame.index[row]), "chinchilla", objective=objective)
        slow.append(float(np.log(again.predict(FAR, interval="delta")["prediction"][0] / target.value[0])))
    return quick, np.array(slow)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_least_squares_move_as_said(seed):
    quick, slow = both(families.surface(np.random.default_rng(seed), 30, "random", 0.003), "log_squares")
    np.testing.assert_allclose(quick, slow, rtol=0.15, atol=0.03 * np.abs(slow).max())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_robust_fits_move_about_as_said(seed):
    quick, slow = both(families.surface(np.random.default_rng(seed), 30, "random", 0.003), "log_huber")
    assert np.corrcoef(quick, slow)[0, 1] > 0.7 and 0.3 < np.std(quick) / np.std(slow) < 3
    assert set(np.argsort(-np.abs(quick))[:8]) & set(np.argsort(-np.abs(slow))[:2])


def test_the_row_a_forecast_rests_on_is_told():
    x = np.append(np.geomspace(1e3, 1e4, 12), 3e5)
    loss = (2 + 60 / x**0.3) * np.exp(0.002 * np.random.default_rng(0).normal(size=13))
    fit = scaling.fit(pd.DataFrame({"x": x, "loss": loss}), "power_law_offset", objective="log_squares")
    said = fit.predict({"x": [3e5, 1e4]}, interval="delta").attrs["influence"]
    assert said and all("without it alone row 0" in one for one in said[:1]) and said[0].startswith("row 12: "), said
    healthy = scaling.fit(families.surface(np.random.default_rng(3), 90, "grid", 0.003), "chinchilla")
    assert healthy.predict({"N": [1e9], "D": [2e10]}).attrs["influence"] == []


def test_rows_that_cannot_move_a_forecast_are_not_asked():
    """Whatever a row does beyond its limit, it is among those asked; most rows of a long curve are not."""
    rng = np.random.default_rng(0)
    step = np.arange(100, 20_000, 10)
    table = pd.DataFrame({"step": step, "loss": (2 + 9 * step**-0.4) * np.exp(0.003 * rng.standard_normal(len(step)))})
    fit = scaling.fit(table, "power_law_offset:x=step")
    found, slopes = Influence.of(fit.near), Target(fit, {"step": [3e4, 1e6]}).slopes
    every = np.abs(found.moved(slopes))
    for part in (0.3, 0.9):
        limits = part * every.max(0)
        rows = found.beyond(slopes, limits)
        assert set(np.flatnonzero((every > limits).any(1))) <= set(rows) and len(rows) < len(step) / 2
        np.testing.assert_array_equal(np.abs(found.moved(slopes, rows)), every[rows])
