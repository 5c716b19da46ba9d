"""Critical batch, noise scale, Step Law and learning-rate sensitivity against published numbers and public data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError
from scaling.procedures import batch, sensitivity, step_law

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def steps(shared_data):
    table = pd.read_csv(shared_data / "critical-batch-size/steps_to_target.csv")
    return table.rename(columns={"batch_sequences": "B"})


def test_critical_batches_of_zhang(steps):
    """CBS = 93.1968 N^0.468278, N in millions; other definitions of the same data have exponent 0.619."""
    found = batch.critical_batches(steps)
    N = steps.groupby("model", sort=False)["params_million"].first()
    expected = {
        "85M": (1293.8, 2.8343e6, 745.32),
        "151M": (1752.4, 5.6775e6, 955.16),
        "302M": (2095.3, 1.13833e7, 1393.73),
        "604M": (2459.9, 1.94497e7, 1888.52),
        "1.2B": (3897.3, 4.33811e7, 2533.41),
    }
    for (_, row), numbers in zip(found.iterrows(), expected.values(), strict=True):
        np.testing.assert_allclose(row, numbers, rtol=1e-4)
    assert batch.power_of_size(N, found["B_crit"]) == pytest.approx((93.1968, 0.468278), rel=1e-4)
    ratio = batch.critical_batches(steps, "ratio")["B_crit"]
    assert batch.power_of_size(N, ratio) == pytest.approx((146.10, 0.6191), rel=1e-3)
    small = batch.critical_batches(steps, "overhead_small")["B_crit"]
    assert batch.power_of_size(N, small) == pytest.approx((29.22, 0.6191), rel=1e-3)
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
def grid(shared_data):
    table = pd.read_parquet(shared_data / "scalebench/lr_bsz_scaling_law/train-00000-of-00001.parquet")
    names = {"bsz": "batch", "data_size": "D", "non_embedding_param_size": "N", "lm_loss": "loss"}
    table = table.rename(columns=names)
    return table.assign(batch=table["batch"] * (2048 if table["batch"].median() < 1e4 else 1))


def test_step_law_fit(grid):
    """Train split: 231 near-optimal rows in 41 groups. Least squares gives lr = 1.586 N^-0.708 D^0.309; the mean of the
    authors' 1000 row bootstraps (seed 42) is 1.663 N^-0.711 D^0.309."""
    assert len(grid) == 2702
    found = step_law.fit_lr_batch(grid, replicates=200)
    assert len(found.rows) == 231 and found.rows.groupby(["N", "D"]).ngroups == 41
    v = found.values
    assert (v["alpha"], v["beta"], v["gamma"]) == pytest.approx((0.7081, 0.3088, 0.5812), abs=1e-4)
    assert (v["K"], v["K_B"]) == pytest.approx((1.586, 0.4605), rel=1e-3)
    assert found.r2 == pytest.approx((0.738, 0.800), abs=1e-3)
    rng = np.random.default_rng(42)
    draws = pd.DataFrame([step_law._ols(found.rows.iloc[rng.integers(0, 231, 231)])[0] for _ in range(1000)])
    mean = draws.assign(K=np.log(draws["K"]), K_B=np.log(draws["K_B"])).mean()
    assert (mean["alpha"], mean["beta"], mean["gamma"]) == pytest.approx((0.711, 0.309, 0.581), abs=1e-3)
    assert (np.exp(mean["K"]), np.exp(mean["K_B"])) == pytest.approx((1.663, 0.456), rel=1e-3)
    assert abs(v["alpha"] - 0.713) < 0.0299 and abs(v["beta"] - 0.307) < 0.0191  # published, their bootstrap sd
    assert all(found.spread_groups[k] > found.spread_rows[k] for k in ("alpha", "gamma"))
    regrets = step_law.regret(found, grid).dropna()
    assert len(regrets) > 30 and regrets.median() < 0.0025


def test_what_counts_as_best_moves_the_exponents(grid):
    by = {how: step_law.fit_lr_batch(grid, how, replicates=0).values for how in ("within", "argmin", "quadratic")}
    for name in ("alpha", "beta", "gamma"):
        assert 0 < np.ptp([v[name] for v in by.values()]) < 0.25
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
    names = {"n_params_nonemb": "N", "peak_lr": "lr", "final_val_loss": "loss"}
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
