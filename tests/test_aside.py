"""A row off the line on which all others lie: alone it says what size and tokens do apart, so its own size must be right."""

import numpy as np
import pandas as pd
import pytest

import scaling


def law(N, D):
    return 1.7 + 480 * N**-0.34 + 1800 * D**-0.36


def line(noise=0.002, seed=0):
    N = np.geomspace(1e7, 2e9, 12)
    loss = law(N, 20 * N) * np.exp(noise * np.random.default_rng(seed).standard_normal(12))
    return pd.DataFrame({"N": N, "D": 20 * N, "loss": loss})


@pytest.mark.parametrize(("column", "factor"), [("N", 10.0), ("N", 0.1), ("D", 10.0), ("D", 0.1), ("N", 1e3)])
@pytest.mark.parametrize("row", [4, 7])
def test_a_size_ten_times_off_on_a_line_is_named(column, factor, row):
    table = line()
    table.loc[row, column] *= factor
    fit = scaling.fit(table, "chinchilla")
    (said,) = (text for text in fit.warnings if "does not belong" in text)
    assert said.startswith(f"1 row does not belong: row {row}, as if its {column} were 1e{round(np.log10(factor)):+d} of what")
    assert "all others lie on the line D = 20 N" in said and not fit.ok
    assert not fit.predict({"N": 1e10, "D": 5e10})["ok"].any()
    rest = scaling.fit(table, "chinchilla", where=said.rpartition('where="')[2].rstrip('"'))
    assert len(rest.design) == 11 and not any("does not belong" in text for text in rest.warnings)


@pytest.mark.parametrize("ratio", [3.0, 1 / 3, 10.0, 0.1])
def test_a_run_off_the_line_that_is_right_is_told_to_stand_alone(ratio):
    N = 2e8
    one = pd.DataFrame({"N": [N], "D": [20 * N * ratio], "loss": [law(N, 20 * N * ratio)]})
    fit = scaling.fit(pd.concat([line(), one], ignore_index=True), "chinchilla")
    assert not any("does not belong" in text for text in fit.warnings)
    (said,) = (text for text in fit.warnings if "rests on that row alone" in text)
    assert said.startswith("without row 12 all rows lie on the line D = 20 N: what N and D do apart")


def test_rows_on_a_line_and_rows_of_a_grid_have_none_that_stands_alone():
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 5), [5.0, 20.0, 80.0]))
    loss = law(N, N * ratio) * np.exp(0.002 * np.random.default_rng(1).standard_normal(15))
    for table in (line(), pd.DataFrame({"N": N, "D": N * ratio, "loss": loss})):
        assert not any("alone" in text or "belong" in text for text in scaling.fit(table, "chinchilla").warnings)
