"""auto leaves out the smallest rows where they do harm, and only there."""

import numpy as np
import pandas as pd
import pytest

import scaling


def bent(harm: float, noise: float = 0.001) -> pd.DataFrame:
    """A law of sizes and tokens from which small sizes depart, by `harm` at 3e7 parameters and less beyond."""
    rng = np.random.default_rng(3)
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 4e9, 12), [5.0, 10, 20, 40, 80], indexing="ij"))
    D = N * ratio
    law = (1.8 + 480 * N**-0.34 + 1800 * D**-0.36) * (1 + harm * (N / 3e7) ** -0.7)
    loss = law * np.exp(noise * rng.standard_normal(len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


def parts(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    small = rows["N"] * rows["D"] <= np.quantile(rows["N"] * rows["D"], 0.75)
    return rows[small].reset_index(drop=True), rows[~small].reset_index(drop=True)


def test_harmful_rows_are_left_out_and_named():
    known, larger = parts(bent(0.04))
    fit = scaling.fit(known)
    assert len(fit.design) < len(known)
    kept = fit.data["N"] * fit.data["D"]
    assert kept.min() > (known["N"] * known["D"]).sort_values().iloc[len(known) - len(fit.design) - 1]
    (said,) = (line for line in fit.choice.left if "left out" in line)
    assert said.startswith(f"the smallest {len(known) - len(fit.design)} of {len(known)} rows by compute")
    error = [
        np.mean(np.abs(found.predict(larger)["prediction"] / larger["loss"] - 1))
        for found in (fit, scaling.fit(known, fit.law.name))
    ]
    assert error[0] < 0.5 * error[1]


def test_rows_of_the_law_itself_stay():
    known, _ = parts(bent(0.0, noise=0.0))
    assert len(scaling.fit(known).design) == len(known)


def test_rows_that_the_user_chose_are_all_fitted():
    known, _ = parts(bent(0.04))
    assert len(scaling.fit(known, where="N > 0").design) == len(known)


def test_a_saved_fit_keeps_what_was_left_out(tmp_path):
    known, larger = parts(bent(0.04))
    fit = scaling.fit(known)
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert again.choice.left == fit.choice.left
    pd.testing.assert_frame_equal(again.predict(larger), fit.predict(larger))


def test_the_order_of_rows_does_not_matter():
    known, larger = parts(bent(0.04))
    one, other = (scaling.fit(rows).predict(larger)["prediction"] for rows in (known, known.sample(frac=1, random_state=1)))
    assert np.allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("rows", [6, 14, 24])
def test_few_rows_stay(rows):
    known = bent(0.04).sample(rows, random_state=2)
    assert len(scaling.fit(known).design) == rows
