"""Plans: published allocations, algebra of the optimum, inference, repeated data, intervals."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import counting, synthetic
from scaling.cli import main
from scaling.counting import Shape
from scaling.errors import ArgumentError, FitError, LawError
from scaling.planning import compute
from scaling.planning.surface import Budget, Surface

CHINCHILLA = scaling.laws["chinchilla"]
BESIROGLU = CHINCHILLA.published["besiroglu2024"]
GRID = pd.DataFrame([(n, d) for n in np.geomspace(1e8, 1e10, 4) for d in np.geomspace(1e9, 1e11, 4)], columns=["N", "D"])


@pytest.fixture(scope="module")
def epoch_fit(points):
    return scaling.fit(points, "chinchilla")


@pytest.mark.parametrize(
    ("preset", "N", "D", "ratio"),
    [
        ("hoffmann2022_rounded", 32.2e9, 2.98e12, 92.83),
        ("hoffmann2022", 40.4e9, 2.38e12, 59.04),
        ("besiroglu2024", 72.35e9, 1.327e12, 18.33),
    ],
)
def test_allocation_of_published_constants(preset, N, D, ratio):
    rows = scaling.plan(f"chinchilla/{preset}", [5.76e23, 5.88e23])
    assert rows["N"][0] == pytest.approx(N, rel=2e-3)
    assert rows["D"][0] == pytest.approx(D, rel=2e-3)
    assert rows["tokens_per_param"][1] == pytest.approx(ratio, abs=6e-3)
    np.testing.assert_allclose(6 * rows["N"] * rows["D"], rows["flops"], rtol=1e-12)


@pytest.mark.parametrize("name", ["chinchilla", "over_training", "kaplan", "chinchilla_outer"])
def test_search_agrees_with_the_closed_form(name):
    law = scaling.laws[name]
    sets = list(law.published.values()) or [{"E": 1.7, "A": 5e3, "B": 1e5, "alpha": 0.46, "beta": 0.55, "gamma": 0.7}]
    for constants in sets:
        s = Surface.of(law, {k: np.array([v]) for k, v in constants.items()}, {})
        for C in (1e18, 1e22, 1e26):
            N, loss = s.best(C, Budget())
            exact = law.hooks.optimum(C, **constants)
            assert N[0] == pytest.approx(exact["N"], rel=2e-9)
            assert loss[0] == pytest.approx(exact["loss"], rel=1e-12)
            assert s.compute_for(loss, Budget())[0] == pytest.approx(C, rel=1e-12)


def test_algebra_of_the_optimum():
    """alpha A / N^alpha = beta B / D^beta; the budgets of a size, of a number of tokens and of a loss invert each other."""
    row = scaling.plan(BESIROGLU, 1e22).iloc[0]
    p = BESIROGLU
    assert p["alpha"] * p["A"] * row["N"] ** -p["alpha"] == pytest.approx(p["beta"] * p["B"] * row["D"] ** -p["beta"], rel=1e-6)
    for asked in ({"loss": row["loss"]}, {"N": row["N"]}, {"D": row["D"]}):
        again = scaling.plan(BESIROGLU, **asked).iloc[0]
        assert again["flops"] == pytest.approx(1e22, rel=1e-6)
        assert again["N"] == pytest.approx(row["N"], rel=1e-6)


@pytest.mark.parametrize("served", [0.0, 1e11, 1e12, 1e13])
def test_inference_aware(served):
    """First-order condition of arXiv:2401.00448: ratio of the two marginal losses = 1 + D_inf / (3 D)."""
    p = BESIROGLU
    row = scaling.plan(p, loss=2.0, served=served).iloc[0]
    ratio = p["alpha"] * p["A"] * row["N"] ** -p["alpha"] / (p["beta"] * p["B"] * row["D"] ** -p["beta"])
    assert ratio == pytest.approx(1 + served / (3 * row["D"]), rel=1e-5)
    assert row["flops"] == pytest.approx(6 * row["N"] * row["D"] + 2 * row["N"] * served, rel=1e-9)
    assert p(row["N"], row["D"]) == pytest.approx(2.0, rel=1e-9)


def test_serving_makes_models_smaller_and_longer_trained():
    rows = pd.concat([scaling.plan(BESIROGLU, loss=2.0, served=s) for s in (0, 1e11, 1e12, 1e13)])
    assert (np.diff(rows["N"]) < 0).all()
    assert (np.diff(rows["D"]) > 0).all()


def test_repeated_data():
    """arXiv:2305.16264: 1e22 FLOP and 25B unique tokens: 7.0B parameters, 9.5 epochs."""
    row = scaling.plan("data_constrained/muennighoff2023", 1e22, unique=25e9).iloc[0]
    assert row["N"] == pytest.approx(7.02e9, rel=0.01)
    assert row["D"] == pytest.approx(2.373e11, rel=0.01)
    assert row["epochs"] == pytest.approx(9.49, rel=0.01)
    with pytest.raises(LawError, match="data_constrained"):
        scaling.plan(BESIROGLU, 1e22, unique=25e9)
    with pytest.raises(LawError, match="'U'"):
        scaling.plan("data_constrained/muennighoff2023", 1e22)


def test_held_sizes_say_what_they_waste():
    best = scaling.plan(BESIROGLU, 1e22).iloc[0]
    same = scaling.plan(BESIROGLU, 1e22, N=best["N"]).iloc[0]
    assert abs(same["wasted"]) < 1e-6
    small = scaling.plan(BESIROGLU, 1e22, N=best["N"] / 4).iloc[0]
    assert small["loss"] > best["loss"]
    equal = scaling.plan(BESIROGLU, loss=small["loss"]).iloc[0]
    assert small["wasted"] == pytest.approx(1 - equal["flops"] / 1e22, rel=1e-6)
    other = scaling.plan(BESIROGLU, 1e22, D=small["D"]).iloc[0]
    assert other["N"] == pytest.approx(small["N"], rel=1e-12)


def test_flat_region():
    row = scaling.plan(BESIROGLU, 1e22).iloc[0]
    for N in (row["flat_N_lower"], row["flat_N_upper"]):
        assert BESIROGLU(N, 1e22 / 6 / N) == pytest.approx(1.001 * row["loss"], rel=1e-9)


def test_intervals_from_the_bootstrap(epoch_fit):
    """Every resample has its own optimum; the interval holds the middle of them."""
    rows = scaling.plan(epoch_fit, [5.88e23, 1e26], level=0.8, replicates=400, interval="bootstrap")
    draws = epoch_fit.bootstrap(400, seed=0).drop(columns="converged").to_dict("list")
    for C, row in zip((5.88e23, 1e26), rows.itertuples(), strict=True):
        best = CHINCHILLA.hooks.optimum(C, **{k: np.array(v) for k, v in draws.items()})
        low, high = np.quantile(best["D"] / best["N"], [0.1, 0.9])
        assert (row.tokens_per_param_lower, row.tokens_per_param_upper) == pytest.approx((low, high), rel=1e-6)
        exact = CHINCHILLA.hooks.optimum(C, **epoch_fit.values)
        assert row.tokens_per_param == pytest.approx(exact["D"] / exact["N"], rel=1e-6)
    assert "bootstrap" in rows.attrs["interval"]
    assert "beyond the largest parameters" in rows.attrs["extrapolation"]
    target = scaling.plan(epoch_fit, loss=1.95, replicates=50)
    assert "loss_lower" not in target and target["flops_lower"][0] < target["flops"][0] < target["flops_upper"][0]


def test_rates_are_fed_what_they_count():
    """Step Law counts without embeddings, the replication with them: converted by the shape, or refused."""
    with pytest.raises(LawError, match=r"non-embedding.*\n.*shape="):
        scaling.plan(BESIROGLU, 1e22, rates="li2025")
    shape = Shape(d_model=2048, n_layer=24, vocab=50257, context=2048)
    row = scaling.plan(BESIROGLU, 1e22, rates="li2025", shape=shape).iloc[0]
    inner = counting.grown(shape, row["N"], "total")
    assert counting.PARAMETERS["total"](inner) == pytest.approx(row["N"], rel=1e-9)
    assert inner.d_model / inner.n_layer == pytest.approx(2048 / 24)
    assert 0.9 < inner.blocks / row["N"] < 1
    assert row["lr"] == pytest.approx(1.79 * inner.blocks**-0.713 * row["D"] ** 0.307, rel=1e-9)
    assert row["batch_tokens"] == pytest.approx(0.58 * row["D"] ** 0.571, rel=1e-12)
    same = scaling.plan("kaplan/kaplan2020", 1e22, rates="li2025").iloc[0]  # counts as Step Law does
    assert same["lr"] == pytest.approx(1.79 * same["N"] ** -0.713 * same["D"] ** 0.307, rel=1e-12)
    with pytest.warns(UserWarning, match="not verified"):
        deep = scaling.plan(BESIROGLU, 1e22, rates="deepseek2024", shape=shape).iloc[0]
    C = deep["D"] * counting.FLOPS["deepseek"](inner)
    assert deep["lr"] == pytest.approx(0.3118 * C**-0.125, rel=1e-9)
    with pytest.warns(UserWarning, match="does not say how"):
        scaling.plan(BESIROGLU, 1e22, rates="moonlight2025")
    with pytest.raises(LawError, match="constants count total"):
        scaling.plan(BESIROGLU, 1e22, counts="non_embedding")


def test_a_fit_counts_as_its_data():
    rows = synthetic.runs_of("chinchilla", BESIROGLU, GRID, noise="none")
    plain = scaling.fit(rows[["N", "D", "loss"]], "chinchilla")
    with pytest.raises(LawError, match="Say counts="):
        scaling.plan(plain, 1e22, rates="li2025", replicates=0)
    said = scaling.plan(plain, 1e22, rates="li2025", replicates=0, counts="non_embedding")
    known = scaling.fit(rows.assign(params_counted="non_embedding"), "chinchilla")
    found = scaling.plan(known, 1e22, rates="li2025", replicates=0)
    pd.testing.assert_frame_equal(found, said)
    assert found.attrs["counts"] == "N = non_embedding parameters"


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({}, ArgumentError, "one of flops"),
        ({"flops": 1e22, "loss": 2.0}, ArgumentError, "one of flops"),
        ({"flops": 1e22, "N": 1e9, "D": 1e10}, ArgumentError, "nothing to plan"),
        ({"flops": -1.0}, ArgumentError, "positive"),
        ({"flops": "a"}, ArgumentError, "flops='a' must be a positive number"),
        ({"flops": []}, ArgumentError, "no budget"),
        ({"flops": [1e22, np.nan]}, ArgumentError, "nan must be"),
        ({"flops": 1e22, "N": np.inf}, ArgumentError, "N=inf"),
        ({"flops": 1e22, "D": 1e30}, FitError, "less than one parameter"),
        ({"flops": 1e22, "D": 1e22 / 6 / 0.9}, FitError, "less than one parameter"),
        ({"flops": 2e18, "N": 1e9, "served": 1e9}, FitError, "leaves no compute"),
        ({"flops": 1e22, "served": -1}, ArgumentError, "served=-1"),
        ({"flops": 1e22, "served": None}, ArgumentError, "served=None"),
        ({"flops": 1e22, "level": 1.0}, ArgumentError, "between 0 and 1"),
        ({"flops": 1e22, "replicates": 2.5}, ArgumentError, "whole number"),
        ({"flops": 1e22, "seed": -1}, ArgumentError, "whole number"),
        ({"flops": 1e22, "inputs": []}, ArgumentError, "must map"),
        ({"flops": 1e22, "counts": "all"}, LawError, "there are"),
        ({"flops": 1e22, "rates": "li2025", "shape": "big"}, LawError, "Shape"),
        ({"loss": True}, ArgumentError, "loss=True"),
        ({"loss": 1.5}, FitError, "out of reach"),
        ({"flops": 1e22, "rates": "none"}, LawError, "li2025"),
        ({"flops": 1e18, "N": 1e12, "served": 1e9}, FitError, "leaves no compute"),
        ({"flops": 1e22, "served": 1e40}, FitError, "too little"),
        ({"flops": 1e-3}, FitError, "too little"),
        ({"N": 1.0}, FitError, "optimal at no budget"),
        ({"D": 1e30}, FitError, "optimal at no budget"),
        ({"loss": 1000.0}, FitError, "reached by any run"),
        ({"flops": 1e22, "inputs": {"N": 8}}, LawError, "which the plan finds"),
    ],
)
def test_refusals(asked, error, said):
    with pytest.raises(error, match=said):
        scaling.plan(BESIROGLU, **asked)


def test_the_lowest_dip_counts_not_the_ends():
    """Farseer's constants promise .22 to 1e21 parameters and one token; a rule for rates is no loss at all."""
    row = scaling.plan("farseer/li2025", 1e22).iloc[0]
    assert row["N"] == pytest.approx(6.41e9, rel=0.01)
    law = scaling.laws["farseer"]
    near = law(row["N"] * np.array([0.9, 1.1]), row["D"] / np.array([0.9, 1.1]), **law.published["li2025"])
    assert (near > row["loss"]).all()
    assert scaling.plan("farseer/li2025", loss=row["loss"]).iloc[0]["flops"] == pytest.approx(1e22, rel=1e-6)
    for N in row[["flat_N_lower", "flat_N_upper"]]:  # the nearest sizes at which it is worse, not the far end
        assert law(N, 1e22 / 6 / N, **law.published["li2025"]) == pytest.approx(1.001 * row["loss"], rel=1e-12)
    with pytest.raises(FitError, match="no best size"):
        scaling.plan("lr_batch/li2025", 1e22)


def test_replicates_that_never_reach_a_loss(epoch_fit, recwarn):
    """Near the irreducible loss some replicates cannot: the cost has no upper end, and no warning of numpy shows."""
    rows = scaling.plan(epoch_fit, loss=epoch_fit.values["E"] + 0.01)
    assert rows["flops_upper"][0] == np.inf
    assert np.isfinite(rows[["flops_lower", "N_lower", "N_upper", "D_lower", "D_upper"]]).all(axis=None)
    assert "never reach" in rows.attrs["interval"]
    assert not recwarn


def test_of_several_dips_the_lowest_counts():
    """Two wells in ln N, the deeper one at the larger size; along a budget, whatever the tokens."""

    class Wells:
        name, inputs = "wells", ("N", "D")

        def __call__(self, N, D, *, deep):
            return 3 - np.exp(-((np.log(N) - 12) ** 2)) - deep * np.exp(-((np.log(N) - 20) ** 2)) + 0 * D

    s = Surface.of(Wells(), {"deep": np.array([1.5, 0.5])}, {})
    N, loss = s.best(1e22, Budget())
    np.testing.assert_allclose(np.log(N), [20, 12], atol=1e-6)
    np.testing.assert_allclose(loss, [1.5, 2.0], rtol=1e-12)


def test_a_replicate_without_a_best_size_counts_as_at_the_end_it_points_to():
    sets = {k: np.array([v, 0.0 if k == "B" else v]) for k, v in BESIROGLU.items()}  # tokens that teach nothing
    s = Surface.of(CHINCHILLA, sets, {})
    found = compute._solve(s, Budget(), compute.Asked(1e22, None, None, None))
    assert found["N"][0] == pytest.approx(scaling.plan(BESIROGLU, 1e22)["N"][0], rel=1e-9)
    assert found["N"][1] > 1e20 and np.isnan(s.best(1e22, Budget())[0][1])


def test_a_size_that_is_optimal_just_outside_all_budgets_is_refused():
    least = CHINCHILLA.hooks.optimum(1e6, **BESIROGLU)["N"]
    assert scaling.plan(BESIROGLU, N=1.05 * least)["flops"][0] == pytest.approx(1.1e6, rel=0.05)
    with pytest.raises(FitError, match="optimal at no budget"):
        scaling.plan(BESIROGLU, N=0.95 * least)
    assert scaling.plan("farseer/li2025", N=6.41e9)["flops"][0] == pytest.approx(1e22, rel=0.05)


def test_what_is_held_alone_is_kept_exactly(epoch_fit):
    rows = scaling.plan(epoch_fit, N=1e10, replicates=20)
    assert rows["N"][0] == 1e10
    assert "N_lower" not in rows
    assert "flops_lower" in rows and rows["loss_lower"][0] < rows["loss"][0] < rows["loss_upper"][0]  # within 1 %
    assert scaling.plan(BESIROGLU, D=1e12)["D"][0] == pytest.approx(1e12, rel=1e-12)


def test_refuses_laws_without_size_and_tokens():
    with pytest.raises(LawError, match="over N and D"):
        scaling.plan("annealing/example_refit", 1e22)
    with pytest.raises(LawError, match="chinchilla/besiroglu2024"):
        scaling.plan("chinchilla/besiroglu", 1e22)
    with pytest.raises(LawError, match="a plan needs a Fit"):
        scaling.plan(3, 1e22)


def test_command_line(capsys, tmp_path, epoch_fit):
    assert main(["plan", "chinchilla/besiroglu2024", "--flops", "5.76e23", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["plan"]
    assert row["N"] == pytest.approx(72.35e9, rel=1e-3)
    epoch_fit.save(tmp_path / "fit.json")
    assert main(["plan", str(tmp_path / "fit.json"), "--flops", "1e22", "--flops", "1e23", "--replicates", "50"]) == 0
    out = capsys.readouterr().out
    assert "\ntokens_per_param " in out and " to " in out and "\nextrapolation " in out
    assert main(["plan", "chinchilla/besiroglu2024"]) == 2
    assert main(["plan", "chinchilla/besiroglu2024", "--loss", "1.2"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chinchilla", "--flops", "1e22"], "chinchilla/besiroglu2024"),
        (["chinchilla/besiroglu2024", "--flops", "-1"], "--flops -1: must be a number above 0"),
        (["chinchilla/besiroglu2024", "--flops", "abc"], "--flops abc: must be a number"),
        (["chinchilla/besiroglu2024", "--flops", "1e22", "--flops", "x"], "--flops x: must be a number"),
        (["chinchilla/besiroglu2024", "--flops", "1e22", "--level", "2"], "--level 2"),
        (["chinchilla/besiroglu2024", "--flops", "1e22", "--served", "-1"], "--served -1"),
        (["chinchilla/besiroglu2024", "--flops", "1e22", "--rates", "li2025"], "--shape "),
        (["chinchilla/besiroglu2024", "--flops", "1e22", "--rates", "li2025", "--shape", "d=3"], "write d_model="),
    ],
)
def test_command_line_refuses_in_one_plain_answer(words, said, capsys):
    assert main(["plan", *words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) <= 3


@pytest.mark.filterwarnings("ignore:these constants are not verified")
def test_command_line_gives_further_inputs(capsys):
    line = ["plan", "precision/kumar2024", "--flops", "1e22", "--input", "P_w=8", "--input", "P_a=16", "--input"]
    assert main([*line, "P_kv=16", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["plan"][0]
    same = scaling.plan("precision/kumar2024", 1e22, inputs={"P_w": 8, "P_a": 16, "P_kv": 16})
    assert row["N"] == pytest.approx(same["N"][0], rel=1e-12)
    assert main([*line, "P_kv=x"]) == 2
    assert "--input" in capsys.readouterr().err


def test_many_budgets_at_once_are_planned_as_each_alone():
    budgets = np.geomspace(1e18, 1e24, 7)
    for source in ("chinchilla/besiroglu2024", "farseer/li2025"):
        together = scaling.plan(source, budgets)
        alone = pd.concat([scaling.plan(source, C) for C in budgets], ignore_index=True)
        pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_a_plan_from_runs_on_one_line_says_that_no_split_is_known():
    """Every run at D = 20 N, the commonest ladder there is."""
    N = 10 ** np.linspace(7, 9, 10)
    loss = (1.8 + 480 / N**0.35 + 2000 / (20 * N) ** 0.37) * np.exp(2e-3 * np.random.default_rng(0).standard_normal(10))
    fit = scaling.fit(pd.DataFrame({"N": N, "D": 20 * N, "loss": loss}), "chinchilla")
    with pytest.warns(UserWarning, match=r"D/N = 60 or 6.7 would decide"):
        row = scaling.plan(fit, 1e21).iloc[0]
    assert (row[["N_lower", "D_lower", "loss_lower"]] == 0).all() and np.isinf(row[["N_upper", "D_upper", "loss_upper"]]).all()


def test_a_budget_at_which_losses_differ_by_no_digit_is_refused():
    with pytest.raises(FitError, match=r"flops=1e\+40 is beyond 1e\+36"):
        scaling.plan(BESIROGLU, 1e40)
    A, B, alpha, beta = (BESIROGLU[k] for k in ("A", "B", "alpha", "beta"))
    exact = (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (1e36 / 6) ** (beta / (alpha + beta))
    assert scaling.plan(BESIROGLU, 1e36)["N"][0] == pytest.approx(exact, rel=1e-6)
