"""A table of one curve that names no run: its neighbouring rows err alike, as those of a named run do."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design


def curve(seed=0, alike=0.9):
    rng, step = np.random.default_rng(seed), np.arange(100.0, 4001.0, 40.0)
    error = rng.standard_normal(len(step))
    for k in range(1, len(step)):
        error[k] += alike * error[k - 1]
    return pd.DataFrame({"step": step, "loss": 2.5 + 12 * step**-0.4 + 0.003 * error})


@pytest.mark.parametrize("column", ["step", "S"])
def test_a_curve_without_the_name_of_its_run_has_the_intervals_of_one_with_it(column):
    table = curve().rename(columns={"step": column})
    asked = {column: [8000.0]}
    one, named = (scaling.fit(rows, f"power_law_offset:x={column}") for rows in (table, table.assign(run="a")))
    assert one.cov.autocorrelation == named.cov.autocorrelation > 0.7
    for interval in ("calibrated", "delta", "bootstrap"):
        ends = [fit.predict(asked, interval=interval)[["lower", "upper"]] for fit in (one, named)]
        np.testing.assert_array_equal(*ends)


def test_rows_of_tokens_with_the_name_of_a_run_are_its_curve():
    table = curve().rename(columns={"step": "D"})
    asked, law = {"D": [8000.0]}, "power_law_offset:x=D"
    by_step = scaling.fit(table.assign(run="a", step=table["D"]), law).predict(asked, interval="delta")
    np.testing.assert_array_equal(
        scaling.fit(table.assign(run="a"), law).predict(asked, interval="delta")["upper"], by_step["upper"]
    )


def test_rows_of_steps_and_another_input_are_a_curve_for_each_of_its_values():
    @scaling.law("mine", name="one_curve_of_size")
    def by_size(
        N, S, *, E: scaling.formula.Positive = 2.0, A: scaling.formula.Positive = 5.0, a: scaling.formula.Exponent = 0.3
    ):
        """L = E + A / (N S)^a"""
        return E + A / (N * S) ** a

    try:
        table = pd.concat([curve(k).rename(columns={"step": "S"}).assign(N=n) for k, n in enumerate((1e6, 4e6))])
        runs = design(table, by_size, fitting=True).runs
        assert (np.bincount(runs) == 98).all()
        named = design(table.assign(run=table["N"].astype(str)), by_size, fitting=True).runs
        np.testing.assert_array_equal(named, runs)
    finally:
        scaling.laws.remove("one_curve_of_size")


def test_rows_of_sizes_stay_runs_of_their_own():
    N = np.geomspace(1e6, 1e9, 12)
    table = pd.DataFrame({"N": N, "D": 20 * N[::-1], "step": np.arange(12.0), "loss": 1.7 + 400 / N**0.34})
    np.testing.assert_array_equal(design(table, scaling.laws["chinchilla"], fitting=True).runs, np.arange(12))
