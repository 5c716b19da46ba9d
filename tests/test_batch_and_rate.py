"""Critical batch, noise scale, Step Law and learning-rate sensitivity."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError
from scaling.logs import formats
from scaling.procedures import batch, sensitivity, step_law
from tests import layouts

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    path = layouts.critical_batch(tmp_path_factory.mktemp("zhang") / "steps_to_target.csv")
    read = formats.critical_batch(path)
    assert read["N"].unique().tolist() == [85e6, 302e6, 1.2e9] and read["B"].min() == 64
    return read.assign(params_million=read["N"] / 1e6)


def test_critical_batches(steps):
    """Steps made as S_min (1 + B_crit / B): every definition gives its own number, and so its own exponent in size."""
    N = steps.groupby("model", sort=False)["params_million"].first()
    ratio = batch.critical_batches(steps, "ratio")
    np.testing.assert_allclose(ratio["B_crit"], 150 * N**0.6, rtol=2e-3)  # steps are whole numbers
    np.testing.assert_allclose(ratio["S_min"], 1500 * (N / 85) ** 0.1, rtol=1e-3)
    np.testing.assert_allclose(ratio["E_min"], ratio["S_min"] * ratio["B_crit"], rtol=1e-12)
    assert batch.power_of_size(N, ratio["B_crit"]) == pytest.approx((150, 0.6), rel=1e-2)
    small = batch.critical_batches(steps, "overhead_small")["B_crit"]
    np.testing.assert_allclose(small, 0.2 * ratio["B_crit"], rtol=1e-12)
    found = batch.critical_batches(steps)["B_crit"]
    np.testing.assert_allclose(found, 0.2 * ratio["B_crit"] + 1.2 * 256, rtol=1e-12)
    assert batch.power_of_size(N, found)[1] < batch.power_of_size(N, small)[1]
    with pytest.raises(DataError, match="use one of"):
        batch.critical_batches(steps, "mine")


def test_batch_algebra():
    found = batch.steps_and_examples(1000.0, np.array([1e-3, 1e3, 1e9]), 1e3)
    S, B = 1000.0, np.array([1e-3, 1e3, 1e9])
    np.testing.assert_allclose((S / found["S_min"] - 1) * (B * S / found["E_min"] - 1), 1, rtol=1e-6)
    assert found["S_min"][2] == pytest.approx(1000.0, rel=1e-5)  # B far above B_crit
    assert found["E_min"][0] == pytest.approx(1.0, rel=1e-5)  # B far below
    assert found["wasted"][1] == pytest.approx(0.5)


def test_noise_scale():
    found = batch.noise_scale((32, 3.0), (256, 1.5))
    assert found["gradient"] == pytest.approx(1.285714, abs=1e-6)
    assert found["trace"] == pytest.approx(54.857143, abs=1e-6)
    assert found["B_simple"] == pytest.approx(42.666667, abs=1e-6)
    with pytest.raises(DataError, match="smaller first"):
        batch.noise_scale((256, 1.0), (32, 1.0))


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = layouts.scalebench(tmp_path_factory.mktemp("steplaw")) / "lr_bsz_scaling_law/train-00000-of-00001.parquet"
    table = formats.scalebench(path)
    return table.assign(batch=table["batch"] * 2048)


def test_step_law_fit(grid):
    """A grid of runs around the optimum of a known rule: its constants come back, and following it costs next to nothing."""
    found = step_law.fit_lr_batch(grid, replicates=100)
    assert len(found.rows) > 40 and found.rows.groupby(["N", "D"]).ngroups == 9 and found.at_edge == 0
    # rows within 0.25 % of the best lie all around it, on a grid that is shifted by a tenth
    for name in ("alpha", "beta", "gamma"):
        assert found.values[name] == pytest.approx(layouts.STEP_LAW[name], rel=1e-3)
    lr, best = layouts.rule(2e8, 1e10)
    assert found.lr(2e8, 1e10) == pytest.approx(lr, rel=0.2) and found.batch(1e10) == pytest.approx(best, rel=0.2)
    exact = step_law.fit_lr_batch(grid, "quadratic", replicates=0)
    assert exact.values == pytest.approx(layouts.STEP_LAW, rel=1e-6)
    assert exact.r2 == pytest.approx((1, 1)) and min(found.r2) < 0.99
    regrets = step_law.regret(found, grid).dropna()
    assert len(regrets) == 9 and 0 <= regrets.median() < 1e-3


def test_what_counts_as_best_moves_the_exponents(grid):
    tilted = grid.assign(loss=grid["loss"] + 2e-4 * np.log(grid["lr"]) * np.log(grid["N"] / 1e8))
    by = {how: step_law.fit_lr_batch(tilted, how, replicates=0).values for how in ("within", "argmin", "quadratic")}
    for name in ("alpha", "beta", "gamma"):
        assert np.ptp([v[name] for v in by.values()]) < 0.25
    assert np.ptp([v["alpha"] for v in by.values()]) > 0
    with pytest.raises(DataError, match="sequences"):
        step_law.fit_lr_batch(grid.assign(batch=grid["batch"] / 2048))


WORTSMAN = {  # initial loss, losses at the seven rates, sensitivity, mean excess at or above the optimum
    "small": (6.601, (3.009, 2.459, 2.172, 2.022, 2.129, 2.444, 2.731), 0.4017, 0.310),
    "small, qk-norm": (6.599, (3.005, 2.451, 2.176, 2.026, 2.011, 2.121, 2.163), 0.2680, 0.087),
    "large": (5.845, (2.486, 2.153, 1.925, 1.83, 2.117, 2.526, 2.844), 0.4387, 0.499),
    "large, qk-norm": (5.856, (2.493, 2.203, 1.933, 1.791, 1.831, 2.022, 2.089), 0.2607, 0.142),
}


@pytest.mark.parametrize("name", WORTSMAN)
def test_learning_rate_sensitivity(name):
    initial, losses, expected, above = WORTSMAN[name]
    found = sensitivity.lr_sensitivity(sensitivity.RATES, losses, initial)
    assert found["sensitivity"] == pytest.approx(expected, abs=1e-4)
    assert found["above_optimum"] == pytest.approx(above, abs=1e-3)


def test_normalised_queries_lower_the_sensitivity_of_our_runs():
    """runs/rates: seven rates, two sizes, one seed (arXiv:2309.14322 in small)."""
    facts = scaling.read(ROOT / "runs/rates").facts.reset_index()
    names = {"n_params_nonemb": "N", "peak_lr": "lr", "final_loss": "loss"}
    grid = facts.rename(columns=names).assign(normed=facts["run"].str.contains("normed"))
    assert sorted(set(grid["lr"])) == list(sensitivity.RATES) and len(grid) == 28
    plain, normed = (sensitivity.sensitivity_by_size(grid[grid["normed"] == on]) for on in (False, True))
    assert list(plain.index) == [24576, 196608]
    assert plain["sensitivity"].tolist() == pytest.approx([0.4365, 0.4095], abs=1e-4)
    assert normed["sensitivity"].tolist() == pytest.approx([0.3128, 0.1887], abs=1e-4)
    assert (normed["sensitivity"] < plain["sensitivity"]).all()
    assert (normed["above_optimum"] < plain["above_optimum"] / 2).all()
    assert plain["above_optimum"].is_monotonic_increasing  # grows with size where instability shows


def test_diverged_runs_count_as_untrained():
    found = sensitivity.lr_sensitivity([1e-3, 1e-2, 1e-1], [2.0, 3.0, np.nan], 6.0)
    assert found["sensitivity"] == pytest.approx((0 + 1 + 4) / 3)
    with pytest.raises(DataError, match="one loss per"):
        sensitivity.lr_sensitivity([1.0], [1.0], 2.0)
    for rates in ([-1.0, 1.0], [np.nan, 1.0], [1.0, 1.0]):
        with pytest.raises(DataError, match="positive learning rates, each once"):
            sensitivity.lr_sensitivity(rates, [1.0, 1.5], 2.0)
    with pytest.raises(DataError, match="threshold"):
        sensitivity.extrapolate_logits([1e6, 1e7, 1e8], [1.0, 2.0, 3.0], threshold=-1)
    with pytest.raises(DataError, match="one value per size"):
        sensitivity.extrapolate_logits([1e6, 1e7, 1e8], [1.0, 2.0])


def test_sensitivity_by_size():
    rows = [
        {"N": n, "lr": lr, "loss": loss, "initial_loss": start}
        for n, (start, losses, *_) in ((24576, WORTSMAN["small"]), (196608, WORTSMAN["large"]))
        for lr, loss in zip(sensitivity.RATES, losses, strict=True)
    ]
    table = sensitivity.sensitivity_by_size(pd.DataFrame(rows))
    assert table["sensitivity"].is_monotonic_increasing
    with pytest.raises(DataError, match="different learning rates"):
        sensitivity.sensitivity_by_size(pd.DataFrame(rows[:-1]))


def test_logit_growth():
    N = np.array([1e6, 1e7, 1e8, 1e9])
    growth = sensitivity.extrapolate_logits(N, 3.0 * (N / 1e6) ** 0.9)
    assert growth.crosses_at == pytest.approx(1e6 * (1e4 / 3) ** (1 / 0.9), rel=1e-6)
    np.testing.assert_allclose(growth.at(N), 3.0 * (N / 1e6) ** 0.9, rtol=1e-9)
    assert sensitivity.extrapolate_logits(N, np.array([5.0, 5.1, 5.0, 4.7])).crosses_at == np.inf
    assert sensitivity.extrapolate_logits(N, np.array([5.0, 1e2, 2e4, 1e7])).crosses_at == pytest.approx(1e8)
