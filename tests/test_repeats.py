"""What limited data cost: epochs that pay, pools mixed from domains, limits one after the other."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import ArgumentError, LawError
from scaling.papers.muennighoff2023 import worth
from scaling.planning.repeats import Pool

NAME = "data_constrained/muennighoff2023"
LAW = scaling.laws["data_constrained"]
P = dict(LAW.published["muennighoff2023"])
TOKENS = {"web": 2e11, "code": 2e10}


def test_epochs_that_pay_at_the_published_budget():
    """arXiv:2305.16264: 25B unique tokens, 1e22 FLOP: 9.49 epochs. There, by definition, another one pays as much as size."""
    row = scaling.plan(NAME, 1e22, unique=25e9).iloc[0]
    assert row["epochs"] == pytest.approx(9.49, rel=2e-3) and row["epochs_pay_to"] == pytest.approx(row["epochs"], rel=1e-5)
    served = scaling.plan(NAME, 1e22, unique=25e9, served=1e12).iloc[0]
    assert served["epochs"] > row["epochs"] and served["epochs_pay_to"] == pytest.approx(served["epochs"], rel=1e-5)


def test_far_more_tokens_than_a_budget_sees():
    row = scaling.plan(NAME, 1e22, unique=1e20).iloc[0]
    assert row["epochs_pay_to"] == pytest.approx(row["epochs"], rel=1e-4) and row["epochs"] < 1e-8


@pytest.mark.parametrize("N", [1e9, 8.67e9])
def test_where_another_epoch_stops_paying_at_a_size(N):
    """A thousandth of the compute buys as much loss in tokens as in parameters; then a thousandth of the loss is left."""
    U = 25e9
    row = scaling.plan(NAME, 1e22, N=N, unique=U).iloc[0]
    D = row["epochs_pay_to"] * U
    loss = lambda n, d: float(LAW(n, d, U, **P))
    assert loss(N, D * 0.999) - loss(N, D * 1.001) == pytest.approx(loss(N * 0.999, D) - loss(N * 1.001, D), rel=1e-6)
    assert loss(N, row["epochs_end"] * U) == pytest.approx(1.001 * loss(N, 1e20), rel=1e-9)


def test_limits_add_up():
    """The best run without limits is Hoffmann's in closed form; every limit adds to its loss, and the last is the plan."""
    rows = scaling.plan(NAME, 1e22, N=2e9, unique=25e9, served=1e12)
    costs = pd.DataFrame(rows.attrs["costs"])
    assert costs["what"].tolist() == [
        "every token fresh, none served",
        "unique tokens limited",
        "1e+12 tokens served",
        "N held",
    ]
    best = scaling.laws["chinchilla"].hooks.optimum(1e22, **{k: P[k] for k in ("E", "A", "B", "alpha", "beta")})
    assert costs.loc[0, ["N", "D", "loss"]].tolist() == pytest.approx([best[k] for k in ("N", "D", "loss")], rel=1e-5)
    assert (costs["added"][1:] > 0).all() and costs["compute"].is_monotonic_decreasing
    assert costs["added"].cumsum().tolist() == pytest.approx(costs["total"].tolist(), abs=1e-12)
    assert costs["loss"].iloc[-1] == rows["loss"][0]
    k = best["loss"] - P["E"]  # ends at equal compute by L - E ~ C^-(alpha beta / (alpha + beta))
    power = P["alpha"] * P["beta"] / (P["alpha"] + P["beta"])
    assert costs["compute"][1] == pytest.approx(((costs["loss"][1] - P["E"]) / k) ** (-1 / power), rel=1e-6)
    plain = scaling.plan("chinchilla/besiroglu2024", 1e22, served=1e12).attrs["costs"]
    assert [row["what"] for row in plain] == ["every token fresh, none served", "1e+12 tokens served"]
    assert "costs" not in scaling.plan("chinchilla/besiroglu2024", 1e22).attrs


def test_a_mix_is_worth_the_sum_of_its_domains():
    pool = Pool.of(TOKENS, {"code": 0.5}, LAW)
    assert pool.shares == {"web": 0.5, "code": 0.5}
    values = {"R_D": np.array([[P["R_D"]], [3.0]])}
    D = np.array([[3e10, 2e11, 5e11, 4e12]])
    found = pool.equivalent(1e9, D, values)
    R = np.broadcast_to(values["R_D"], found.shape)
    wanted = worth(0.5 * D, 2e11, R) + worth(0.5 * D, 2e10, R)
    np.testing.assert_allclose(worth(np.broadcast_to(D, R.shape), found, R), wanted, rtol=1e-12)
    edge = 2e10 / 0.5  # code begins to repeat here
    np.testing.assert_allclose(pool.equivalent(1e9, edge * np.array([[1 - 1e-9, 1 + 1e-9]]), values), edge, rtol=1e-4)


def test_shares_in_proportion_to_the_tokens_cost_nothing():
    even = scaling.plan(NAME, 1e22, unique=TOKENS).iloc[0]
    assert even["loss"] == scaling.plan(NAME, 1e22, unique=2.2e11)["loss"][0]
    told = scaling.plan(NAME, 1e23, unique=TOKENS, shares={"web": 10 / 11, "code": 1 / 11})
    whole = scaling.plan(NAME, 1e23, unique=TOKENS).iloc[0]
    assert told["loss"][0] == pytest.approx(whole["loss"], rel=1e-9) and told["N"][0] == pytest.approx(whole["N"], rel=1e-4)
    assert told["epochs_code"][0] == pytest.approx(told["epochs_web"][0], rel=1e-6)
    assert "by its own epochs" in told.attrs["mixing"]


def test_the_more_a_small_domain_is_repeated_the_more_it_costs():
    plans = [scaling.plan(NAME, 1e22, unique=TOKENS, shares={"code": share}) for share in (0.1, 0.3, 0.5, 0.9)]
    totals = [rows.attrs["costs"][-1]["total"] for rows in plans]
    assert totals == sorted(totals) and totals[-1] > 10 * totals[1] > 0
    half = plans[2].iloc[0]
    assert half["epochs"] == half["epochs_code"] == pytest.approx(half["D"] / 2 / 2e10)
    assert half["epochs_pay_to"] == pytest.approx(half["epochs"], rel=1e-4) and half["epochs_web"] < 1


def test_a_fit_gives_epochs_with_intervals():
    rng = np.random.default_rng(3)
    inputs = LAW.hooks.sample(rng, 120)
    loss = LAW(*inputs.values(), **P) * np.exp(0.004 * rng.standard_normal(120))
    fit = scaling.fit(pd.DataFrame({**inputs, "loss": loss}), "data_constrained")
    row = scaling.plan(fit, 1e22, unique=25e9, replicates=40).iloc[0]
    for name in ("epochs", "epochs_pay_to", "epochs_end"):
        assert row[f"{name}_lower"] < row[name] < row[f"{name}_upper"]
    mixed = scaling.plan(fit, 1e22, unique=TOKENS, shares={"code": 0.5}, replicates=20).iloc[0]
    assert mixed["epochs_code_lower"] < mixed["epochs_code"] < mixed["epochs_code_upper"]


def test_a_law_in_which_tokens_never_lose_their_worth_always_pays():
    """data_constrained_2 charges size for few unique tokens, and a repeated token as a fresh one."""
    values = {"E": 1.7, "rise": 9.0, "a": 60.0, "alpha": 0.35, "b": 150.0, "beta": 0.35, "c": 1e-6, "gamma": 0.7, "delta": 0.1}
    law = scaling.laws["data_constrained_2"]
    rng = np.random.default_rng(0)
    inputs = law.hooks.sample(rng, 150)
    fit = scaling.fit(pd.DataFrame({**inputs, "loss": law(*inputs.values(), **values)}), law)
    row = scaling.plan(fit, 1e22, unique=1e9, replicates=0).iloc[0]
    assert row["epochs_pay_to"] == pytest.approx(row["epochs"], rel=1e-3)
    large = scaling.plan(fit, 1e22, N=1e11, unique=1e9, replicates=0).iloc[0]
    assert large["epochs_pay_to"] == np.inf  # more parameters would only memorise more
    with pytest.raises(LawError, match=r"knows one pool of unique tokens; shares= needs 'data_constrained'"):
        scaling.plan(fit, 1e22, unique=TOKENS, shares={"code": 0.5})


def test_pools_that_cannot_be():
    for asked, error, said in (
        ({"shares": {"code": 0.5}}, ArgumentError, "shares= goes with unique="),
        ({"unique": 1e9, "shares": {"code": 0.5}}, ArgumentError, "needs the unique tokens of each domain"),
        ({"unique": TOKENS, "shares": {"math": 0.5}}, ArgumentError, "must give shares of the domains web, code"),
        ({"unique": TOKENS, "shares": {"web": 0.5, "code": 0.6}}, ArgumentError, "shares= sum to 1.1"),
        ({"unique": TOKENS, "shares": {"code": 1.5}}, ArgumentError, "shares= sum to 1.5"),
        ({"unique": TOKENS, "shares": {"code": -0.5}}, ArgumentError, "shares: code=-0.5 must be a share, 0 or more"),
        ({"unique": {"web": 0.0}}, ArgumentError, "unique: web=0.0 must be a positive number"),
        ({"unique": {}}, ArgumentError, "holds no domain"),
        ({"unique": float("inf")}, ArgumentError, "unique=inf must be a positive number"),
    ):
        with pytest.raises(error, match=said):
            scaling.plan(NAME, 1e22, **asked)


def test_the_command_line_says_the_same(capsys):
    line = ["plan", NAME, "--flops", "1e22", "--unique", "web=200B", "--unique", "code=20B", "--share", "code=0.5"]
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = scaling.plan(NAME, 1e22, unique=TOKENS, shares={"code": 0.5})
    assert told["costs"] == rows.attrs["costs"] and told["plan"][0]["epochs_code"] == rows["epochs_code"][0]
    assert main(line) == 0
    out = capsys.readouterr().out
    assert "mixed as asked: N 7.509B" in out and "5.55 at 1e22; another pays up to 5.55" in out
    assert main(["plan", NAME, "--flops", "1e22", "--unique", "0"]) == 2
    assert "--unique 0: must be a number of tokens above 0" in capsys.readouterr().err
