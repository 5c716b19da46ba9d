"""Laws of streams, vocabulary, experts, repeats, samples and optimisers: numbers by hand or as their papers print them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scaling
from scaling.judging.comparison import judged
from scaling.judging.contest import contest

laws = scaling.laws


def test_every_law_stands_in_the_table_of_the_readme():
    text = (Path(__file__).parents[1] / "README.md").read_text()
    missing = [name for name in laws if laws[name].cite and f"`{name}`" not in text.partition("## Laws")[2]]
    assert not missing


def test_power_lines_gives_the_batches_it_prints():
    """arXiv:2505.13738: 351.8 sequences of 2,048 tokens at 40e9 tokens (.72M), 130.45 (267,171 tokens) at 3e9."""
    best = laws["batch_size"].published["bergsma2025"]
    assert best(40e9) == pytest.approx(351.8, abs=0.05) and best(40e9) * 2048 == pytest.approx(0.72e6, rel=2e-3)
    assert best(3e9) == pytest.approx(130.45, abs=5e-3) and best(3e9) * 2048 == pytest.approx(267_171, abs=5)
    tau = laws["timescale"].published["bergsma2025"]
    assert tau(1.0) == 1.084 and tau(20.0) == pytest.approx(1.084 * 20**-0.527, rel=1e-12)
    with pytest.warns(UserWarning, match="not verified"):
        laws["batch_size"].published["bergsma2025_critical"](1e9)


def test_a_stream_is_worth_parameters():
    """k ln P + 1 times the size at one stream gives the loss of P streams."""
    for constants in laws["parallel"].published.values():
        more = constants["k"] * np.log(8) + 1
        assert constants(1e9, 8.0) == pytest.approx(constants(more * 1e9, 1.0), rel=1e-12)
    refused = laws["parallel"].hooks.needs(np.ones(2), np.array([0.5, 1.0]))
    assert "count the streams" in refused[0]


def test_size_at_fixed_data_ends_at_the_published_limit():
    with pytest.warns(UserWarning, match="not verified"):
        assert laws["power_law_offset"].published["kim2025_200m"](1e9) == pytest.approx(3.48)
    assert laws["ensemble"](np.array([1.0, 4.0]), E=3.34, A=0.2) == pytest.approx([3.54, 3.39])


def test_repeats_never_cost_more_than_an_untrained_model():
    values = {"E": 2.0, "rise": 9.0, "a": 100.0, "alpha": 0.4, "b": 500.0, "beta": 0.4, "c": 0.1, "gamma": 0.3, "delta": 0.3}
    law = laws["data_constrained_2"]
    h = 100 * 1e8**-0.4 + 500 * 1e9**-0.4 + 0.1
    assert law(1e8, 1e9, 1e8, **values) == pytest.approx(2 + 9 * h / (1 + h), rel=1e-12)
    assert law(1e8, 1.0, 1e8, **values) < 11
    assert law(1e9, 1e12, 1e8, **values) > law(1e9, 1e12, 1e10, **values)


def test_what_is_learned_by_heart_costs_nothing_in_the_first_pass_and_all_of_it_after_many():
    values = {"E": 2.0, "A": 5e3, "alpha": 0.5, "B": 1e5, "beta": 0.5, "g": 0.8, "C": 0.03, "gamma": 1.1, "delta": 0.95}
    law = laws["memorised"]
    fresh = 2 + (5e3 * 1e8**-0.5 + 1e5 * 1e9**-0.5) ** 0.8
    assert law(1e8, 1e9, 1e9, **values, R=1e6, q=0.5) == law(1e8, 1e9, 4e9, **values, R=1e6, q=0.5) == pytest.approx(fresh)
    all_known = 0.03 * 1e8**1.1 / 1e7**0.95
    late = 2 + (5e3 * 1e8**-0.5 + 1e5 * 1e11**-0.5) ** 0.8 + all_known
    assert law(1e8, 1e11, 1e7, **values, R=1e6, q=0.5) == pytest.approx(late, rel=1e-9)
    some = law(1e8, 1e7 + 1e6 * 1e7**0.5, 1e7, **values, R=1e6, q=0.5)
    there = 2 + (5e3 * 1e8**-0.5 + 1e5 * (1e7 + 1e6 * 1e7**0.5) ** -0.5) ** 0.8
    assert some == pytest.approx(there + all_known * (1 - np.exp(-1)), rel=1e-9)
    assert "repeats" in law.hooks.needs(np.ones(2), np.ones(2), np.array([1.0, 2.0]))[0]


def test_experts_count_as_many_as_seem_to_be_there():
    law, same = laws["experts_effective"], {"c": 1.0, "A": 20.0, "a": 0.15, "b": 0.1}
    assert law(1e8, 1.0, **same, E_start=2.0, E_max=300.0) == pytest.approx(1 + 20 / 1e8**0.15 / 2**0.1, rel=1e-12)
    assert law(1e8, 1e9, **same, E_start=2.0, E_max=300.0) == pytest.approx(1 + 20 / 1e8**0.15 / 300**0.1, rel=1e-6)


def test_best_vocabulary_costs_nothing_beside_size_and_data():
    same = {"E": -5.5, "A": 100.0, "a": 0.3, "B": 1e3, "b": 0.3}
    S = 100 * 1e8**-0.3 + 1e3 * 1e10**-0.3
    law = laws["vocabulary_bowl"]
    assert law(1e8, np.exp(10.0), 1e10, **same, lam=0.05, v0=10.0) == pytest.approx(S - 5.5, rel=1e-12)
    missed = law(1e8, np.exp(12.0), 1e10, **same, lam=0.05, v0=10.0)
    assert missed == pytest.approx(S * (1 + 0.05 * 4 / (1 + S)) - 5.5, rel=1e-12)
    plain = laws["vocabulary"](1e8, 1e4, 1e10, **same, C=10.0, g=0.5)
    assert plain == pytest.approx(S - 5.5 + 0.1, rel=1e-12)
    assert laws["vocabulary_data"](1e8, 1e4, 1e10, **same, C=10.0, g=0.5, m=0.0) == pytest.approx(plain, rel=1e-12)


def test_hill_and_rectified_are_one_curve():
    D = np.geomspace(1e2, 1e6, 9)
    ours = laws["rectified"](D, E=1.0, B=50.0, D_l=20.0, beta=0.5)
    np.testing.assert_allclose(ours, laws["hill"](D, c=1.0, A=50 / 20, n0=20.0**2, b=0.5), rtol=1e-12)


def test_reward_is_half_way_at_its_middle():
    assert laws["reward_sigmoid"](2e3, R0=0.2, gain=0.4, C_mid=2e3, B=1.7) == pytest.approx(0.4)
    assert laws["u_shape"](2.0, d0=1.0, d1=0.5, p=0.5, A=-0.2, m=2.0, w=1.0) == pytest.approx(1 - 0.05 - 0.2)


def test_tries_from_a_beta_are_those_of_its_draws():
    """pass@k = 1 - E (1 - p)^k, here by quadrature; at k = 1 the mean of the Beta."""
    law = laws["pass_at_k_beta"]
    assert law(1.0, al=0.4, be=1.6) == pytest.approx(0.2, rel=1e-12)
    for k in (3.0, 50.0):
        direct = stats.beta(0.4, 1.6).expect(lambda p, k=k: (1 - p) ** k)
        assert law(k, al=0.4, be=1.6) == pytest.approx(1 - direct, rel=1e-6)
    assert laws["pass_at_k"](16.0, a=1.5, b=0.5) == pytest.approx(np.exp(-1.5 / 4), rel=1e-12)


def test_a_mixture_of_equal_domains_follows_one_power_law():
    law = laws["mixture_transfer"].using(domains="web/code")
    assert law(0.3, 0.7, c=2.0, a=0.5, g=1.0, w_web=0.25, w_code=0.25) == pytest.approx(2 + 0.25**-0.5, rel=1e-12)
    assert law(1.0, 0.0, c=2.0, a=0.5, g=0.3, w_web=4.0, w_code=1.0) == pytest.approx(2.5, rel=1e-12)


def test_optimisers_are_rescaled_sizes_and_tokens():
    """Muon's 1.4 times the size and 1.2 times the tokens are found again, from a table with a column of names."""
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(np.log(1e8), np.log(2e9), 60)), np.exp(rng.uniform(np.log(2e9), np.log(1e11), 60))
    which = np.where(np.arange(60) % 2, "muon", "adamw")
    r_N, r_D = np.where(which == "muon", 1.4, 1.0), np.where(which == "muon", 1.2, 1.0)
    loss = 1.8 + 400 / (r_N * N) ** 0.34 + 1000 / (r_D * D) ** 0.36
    table = pd.get_dummies(
        pd.DataFrame({"N": N, "D": D, "loss": loss, "optimiser": which}), columns=["optimiser"], prefix="o", dtype=float
    )
    fit = scaling.fit(table, "optimisers")
    assert fit.ok, fit.warnings
    assert fit.values["alpha"] == pytest.approx(0.34, rel=1e-5)
    derived = fit.law.hooks.derived(**fit.values)
    assert derived["r_N_muon"] == pytest.approx(1.4, rel=1e-4) and derived["r_D_muon"] == pytest.approx(1.2, rel=1e-4)
    assert derived["r_N_adamw"] == 1.0


def test_experts_are_read_by_the_name_our_reader_gives_them():
    rng = np.random.default_rng(1)
    N, E = np.exp(rng.uniform(16, 20, 40)), 2.0 ** rng.integers(0, 9, 40)
    table = pd.DataFrame({"N": N, "experts": E, "loss": 1.3 + 24 / N**0.15 / E**0.06})
    fit = scaling.fit(table, "experts")
    assert fit.ok and fit.values["b"] == pytest.approx(0.06, rel=1e-5)


def test_a_column_that_a_law_takes_by_another_name_is_not_called_unused():
    rng = np.random.default_rng(1)
    N, E = np.exp(rng.uniform(16, 20, 40)), 2.0 ** rng.integers(0, 9, 40)
    table = pd.DataFrame({"N": N, "experts": E, "loss": 1.3 + 24 / N**0.15 / E**0.06})
    assert scaling.candidates(table).unused == []


def test_one_number_of_bits_is_what_the_paper_says_of_weights_alone_and_of_all_three():
    whole, one = scaling.laws["precision"], scaling.laws["precision_bits"]
    p = dict(whole.published["kumar2024"])
    same = {"gamma_w": 2.0, "gamma_a": 2.0, "gamma_kv": 2.0}
    shared = {k: p[k] for k in ("E", "A", "B", "alpha", "beta")}
    three = whole(1e8, 1e10, 4.0, 4.0, 4.0, **(p | same))
    assert one(1e8, 1e10, 4.0, **shared, gamma=2.0, k=3.0) == pytest.approx(three, rel=1e-12)
    weights = whole(1e8, 1e10, 4.0, 1e9, 1e9, **p)
    assert one(1e8, 1e10, 4.0, **shared, gamma=p["gamma_w"], k=1.0) == pytest.approx(weights, rel=1e-12)


def of_all(rng, n=60):
    N, D = 10 ** rng.uniform(7, 9, n), 10 ** rng.uniform(8.5, 10.5, n)
    return pd.DataFrame({"params": N, "tokens": D})


@pytest.mark.parametrize(
    ("column", "values", "effective", "law"),
    [
        ("weight_bits", (3.0, 4.0, 6.0, 8.0, 16.0), lambda N, x: N * (1 - np.exp(-x / 2.7)), "precision_bits"),
        ("num_experts", (1.0, 2.0, 8.0, 32.0), lambda N, x: N * x**0.3, "experts_data"),
    ],
)
def test_auto_takes_the_law_of_what_varies_beside_size_and_tokens(column, values, effective, law):
    rng = np.random.default_rng(2)
    table, x = of_all(rng), rng.choice(values, 60)
    table[column] = x
    table["lm_loss"] = (1.8 + 400 / effective(table["params"], x) ** 0.34 + 400 / table["tokens"] ** 0.28) * np.exp(
        rng.normal(0, 0.002, 60)
    )
    fit = scaling.fit(table)
    assert fit.law.name == law and fit.ok, fit.warnings
    asked = {"params": 4e9, "tokens": 2e11, column: values[1]}
    truth = 1.8 + 400 / effective(4e9, values[1]) ** 0.34 + 400 / 2e11**0.28
    row = fit.predict(asked).iloc[0]
    assert row["lower"] < truth < row["upper"] and row["prediction"] == pytest.approx(truth, rel=0.01)


def test_active_parameters_are_the_share_that_sparse_experts_go_by_and_what_no_law_takes_is_told():
    rng = np.random.default_rng(3)
    table = of_all(rng)
    share = rng.choice([0.05, 0.1, 0.25, 0.5, 1.0], 60)
    law = scaling.laws["sparse_moe"]
    table["loss"] = law(table["params"], table["tokens"], share, **law.published["abnar2025"])
    counted = scaling.fit(table.assign(active_params=table["params"] * share), "sparse_moe")
    assert counted.values == scaling.fit(table.assign(active=share), "sparse_moe").values
    wrong = scaling.candidates(table.assign(active=table["params"] * share))  # a count where a share is meant
    assert "0 <= active <= 1" in wrong.absent["sparse_moe"] and wrong.unused == ["active"]


def test_of_laws_that_forecast_alike_one_that_the_data_determine_is_taken():
    """Bends of nine parameters err as little as a power law, and say nothing with an interval."""
    rng = np.random.default_rng(5)
    C = 10 ** rng.uniform(17, 19.5, 30)
    table = pd.DataFrame({"C": C, "loss": (1.7 + 1.9 * (C / 1e17) ** -0.15) * np.exp(rng.normal(0, 0.002, 30))})
    fit = scaling.fit(table)
    assert fit.ok and min(fit.choice.errors) < fit.choice.errors[fit.choice.laws.index(fit.choice.chosen)], fit.warnings
    row = fit.predict({"C": 3e20}).iloc[0]
    truth = 1.7 + 1.9 * 3e3**-0.15
    assert row["ok"] and row["lower"] < truth < row["upper"] < 1.05 * row["lower"]


def test_mixtures_beside_size_and_tokens_have_a_forecast_with_an_interval():
    rng = np.random.default_rng(5)
    N, D, h = 10 ** rng.uniform(6.5, 8.5, 150), 10 ** rng.uniform(8, 10, 150), rng.dirichlet([1.5, 1.5, 1.5], 150)
    shared = 1.5 + 1 / (np.array([2.0, 0.6, 1.0]) * h ** np.array([0.5, 0.4, 0.6])).sum(1)
    table = pd.DataFrame({"N": N, "D": D, "h_web": h[:, 0], "h_code": h[:, 1], "h_books": h[:, 2]})
    table["loss"] = (shared + 300 / N**0.33 + 400 / D**0.3) * np.exp(rng.normal(0, 0.002, 150))
    fit = scaling.fit(table)
    assert fit.law.name == "mixture_additive" and fit.ok, fit.warnings
    row = fit.predict({"N": 2e9, "D": 1e11, "h_web": 0.5, "h_code": 0.3, "h_books": 0.2}).iloc[0]
    mixed = 2.0 * 0.5**0.5 + 0.6 * 0.3**0.4 + 1.0 * 0.2**0.6
    truth = 1.5 + 1 / mixed + 300 / 2e9**0.33 + 400 / 1e11**0.3
    assert row["lower"] < truth < row["upper"] < 1.1 * row["lower"]


def test_a_law_that_is_off_by_more_than_any_number_warns_of_nothing_and_is_not_called_no_worse():
    rng = np.random.default_rng(5184)
    table = pd.DataFrame({"N": 10 ** rng.uniform(6, 9, 60), "D": 10 ** rng.uniform(8, 11, 60)})
    table["loss"] = (1.7 + 400 / table["N"] ** 0.34 + 400 / table["D"] ** 0.28) * np.exp(rng.normal(0, 0.01, 60))
    found = contest(table, ["chinchilla", "kaplan"], None, objective="log_huber", delta=1e-3, seed=0)
    trial = found.trials["kaplan"]
    found.trials["kaplan"] = replace(trial, scores=np.where(np.isfinite(trial.scores), trial.scores * 1e220, np.nan))
    row = judged(found)["kaplan"]
    assert row["error"] > 1e200 and np.isfinite(row["se"]) and "no worse" not in row["reason"]
