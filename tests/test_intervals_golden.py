"""Targets of intervals against closed forms: a law of one free parameter."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.intervals.calibration import drifting
from scaling.intervals.distance import extrapolation
from scaling.intervals.target import Target

N = np.geomspace(1e6, 1e9, 30)


def fitted(loss, x):
    """A / N^0.5 fitted to ln loss: ln A is a mean, its error that of a mean."""
    law = scaling.laws["power_law"].using(x=x)
    return scaling.fit(pd.DataFrame({x: N, "loss": loss}), law, objective="log_squares", fixed={"alpha": 0.5})


def bent():
    """A law that is nearly right: its exponent drifts with size."""
    return 500 * N ** -(0.5 - 0.004 * np.log(N / 1e6)) * np.exp(0.002 * np.cos(7 * np.arange(30)))


@pytest.mark.parametrize("x", ["step", "N"])
def test_a_target_is_read_once_per_law(monkeypatch, x):
    """Prediction, components, interval and distance share the rows: one reading by the law and one by each law beside it."""
    fit = fitted(bent(), x)
    rows = pd.DataFrame({x: [1e10]})
    fit.predict(rows)
    read = []
    monkeypatch.setattr("scaling.intervals.target.design", lambda d, law, **k: read.append(law) or design(d, law, **k))
    fit.predict(rows)
    asked = {fit.law, *(other.law for other in drifting(fit).others)} if x == "N" else {fit.law}
    assert len(read) == len(set(read)) and set(read) <= asked and fit.law in read


def test_moments_of_a_target_are_the_delta_method_and_the_noise():
    fit = fitted(bent(), "N")
    target = Target(fit, {"N": [1e7, 1e10]})
    np.testing.assert_allclose(target.deviation(), target.value * fit.cov.noise / np.sqrt(30), rtol=1e-8)
    np.testing.assert_allclose(target.noise(), target.value * fit.cov.noise, rtol=1e-12)
    np.testing.assert_allclose(np.exp(target.middle), target.value, rtol=1e-12)
    lost = replace(fit, cov=replace(fit.cov, condition=1e8, root=1e6 * fit.cov.root))
    assert np.isnan(Target(lost, {"N": [1e7]}).deviation()).all()


@pytest.mark.parametrize("what", ["tokens", "n_params", "steps"])
def test_the_only_input_orders_the_rows_whatever_it_is(what):
    """A table with a column x, by which a law of one input is extrapolated, whatever its convention says that x is."""
    law = scaling.laws["power_law"].using(x=what)
    fit = scaling.fit(pd.DataFrame({"x": N, "loss": bent()}), law)
    row = fit.predict({"x": [1e10]}).iloc[0]
    assert row["lower"] < row["prediction"] < row["upper"]


def test_distance_counts_from_the_edge_of_the_data():
    fit = fitted(bent(), "N")
    said = extrapolation(fit.design, Target(fit, {"N": [5e5, 4e9]}).rows)
    assert said == "4x beyond the largest x seen; below the smallest x seen (5e+05 < 1e+06)"
