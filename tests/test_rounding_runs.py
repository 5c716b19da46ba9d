"""The runs of runs/rounding: what 4-bit weights cost at toy scale, and what the published rule says of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling

FOLDER = Path(__file__).parents[1] / "runs" / "rounding"


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    table = pd.read_csv(FOLDER / "runs.csv", index_col="run_id")
    assert set(scaling.read(FOLDER).facts.index) == set(table.index)
    return table.assign(fraction=table.index.str.extract(r"fraction([\d.]+)$")[0].to_numpy(float))


def test_the_last_part_of_a_run_is_in_4_bits_and_costs_loss(made):
    part = 1 - made["qat_from"] / made["steps"]
    np.testing.assert_allclose(part[made["fraction"] > 0], made["fraction"][made["fraction"] > 0], atol=1e-3)
    loss = made.pivot_table(index=["n_params", "steps"], columns="fraction", values="final_loss")
    cost = loss.drop(columns=0.0).sub(loss[0.0], axis=0)
    assert (cost > 0).all(axis=None)
    # at every size and length the whole run in 4 bits costs more than its last tenth, and more tokens make it dearer
    assert (cost[1.0] > cost[0.1]).all()
    by_length = cost.mean(axis=1).unstack("steps")
    assert (by_length[1600] > by_length[800]).all()


def test_the_published_best_share_is_too_large_for_these_runs(made):
    law = scaling.laws["qat_fraction"]
    with pytest.warns(UserWarning, match="verified|unverified"):
        share = law.published["dremov2025"](made["n_params_nonemb"], made["tokens"], 4.0)
    assert (np.asarray(share) > 0.2).all()
    best = made[made["fraction"] > 0].groupby(["n_params", "steps"])["final_loss"].idxmin()
    assert (made.loc[best, "fraction"] == 0.1).all()
