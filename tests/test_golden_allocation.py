"""Golden numbers of plans: shares in closed form, surfaces whose optimum is known, intervals of draws written out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

import scaling
from scaling.design.cuts import cuts
from scaling.errors import ArgumentError, FitError, LawError
from scaling.intervals.calibration import drifting
from scaling.planning import compute
from scaling.planning.shares import bounds, least_sum, least_worst, most_help
from scaling.planning.surface import COSTS, Budget, Surface

CHINCHILLA = scaling.laws["chinchilla"]
P = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.3, "beta": 0.35}
TIED = {"E": 2.0, "A": 300.0, "B": 300.0, "alpha": 0.4, "beta": 0.4}  # N* = D* = sqrt(C / 6)
ONE = Budget()


def surface(*sets, law=CHINCHILLA, **extra):
    return Surface.of(law, {k: np.array([s[k] for s in sets]) for k in sets[0]}, extra)


def own(fn, name):
    """A law that no registry keeps."""
    from scaling.formula import Law

    return Law.of(fn, name=name)


# shares


def test_shares_of_equal_exponents():
    """d/dp a p^-g = -a g p^(-g-1): p is in proportion to (a g)^(1/(1+g)); u is ln of the multiplier, from sum p = 1."""
    a, g = np.array([1.0, 3.0, 0.5, 8.0]), 0.25
    raw = (a * g) ** (1 / (1 + g))
    found = least_sum(a, np.full(4, g))
    np.testing.assert_allclose(found.p, raw / raw.sum(), rtol=1e-14)
    assert found.u == pytest.approx((1 + g) * np.log(raw.sum()), rel=1e-13)
    assert not found.at_floor.any() and not found.at_cap.any() and found.residual < 1e-14 and 0 < found.iterations < 12
    worst = least_worst(a, np.full(4, g))
    np.testing.assert_allclose(worst.p, a ** (1 / g) / (a ** (1 / g)).sum(), rtol=1e-13)
    np.testing.assert_allclose(a * worst.p**-g, np.exp(worst.u), rtol=1e-13)  # all losses equal
    help_ = most_help(a, np.full(4, g))
    raw = (a * g) ** (1 / (1 - g))
    np.testing.assert_allclose(help_.p, raw / raw.sum(), rtol=1e-13)
    assert help_.u == pytest.approx((1 - g) * np.log(raw.sum()), rel=1e-13)


def test_shares_of_unequal_exponents_meet_their_conditions():
    a, g = np.array([1.0, 2.0, 0.3]), np.array([0.1, 0.6, 1.5])
    found = least_sum(a, g)
    np.testing.assert_allclose(np.log(a * g * found.p ** (-g - 1)), found.u, rtol=1e-13)
    worst = least_worst(a, g)
    np.testing.assert_allclose(np.log(a * worst.p**-g), worst.u, rtol=1e-12)
    help_ = most_help(a, g / 2)
    np.testing.assert_allclose(np.log(a * g / 2 * help_.p ** (g / 2 - 1)), help_.u, rtol=1e-13)
    for one in (found, worst, help_):
        assert one.p.sum() == pytest.approx(1, abs=1e-15) and one.residual < 1e-13


def test_shares_at_floors_and_caps():
    """Capped at .2 and floored at .15, the other two share the rest in proportion, and only those are free."""
    a, g = np.array([8.0, 1.0, 2.0, 0.01]), 0.5
    lo, hi = np.array([0.0, 0.0, 0.0, 0.15]), np.array([0.2, 1.0, 1.0, 1.0])
    found = least_sum(a, np.full(4, g), lo, hi)
    raw = (a[1:3] * g) ** (1 / (1 + g))
    np.testing.assert_allclose(found.p, [0.2, *(0.65 * raw / raw.sum()), 0.15], rtol=1e-13)
    assert found.at_cap.tolist() == [True, False, False, False] and found.at_floor.tolist() == [False, False, False, True]
    assert found.u == pytest.approx((1 + g) * np.log(raw.sum() / 0.65), rel=1e-12) and found.residual < 1e-13
    held = least_sum(a, np.full(4, g), [0.3, 0, 0, 0], [0.3, 1, 1, 1])  # held from both sides it is at neither bound
    assert held.p[0] == pytest.approx(0.3, rel=1e-14) and not held.at_cap[0] and not held.at_floor[0]
    rest = (a[1:] * g) ** (1 / (1 + g))
    np.testing.assert_allclose(held.p[1:], 0.7 * rest / rest.sum(), rtol=1e-13)


def test_shares_that_the_bounds_fix():
    full = least_sum([1.0, 2.0], [0.5, 0.5], 0.0, [0.4, 0.6])
    np.testing.assert_allclose(full.p, [0.4, 0.6], rtol=1e-15)
    assert full.residual < 1e-15 and not full.at_floor.any()
    alone = least_sum([7.0], [0.3])  # at its cap from the start
    assert alone.p.tolist() == [1.0] and alone.iterations == 0
    with pytest.raises(FitError, match="first of web"):
        least_sum([1.0, 1.0], [0.5, 0.5], [0.4, 0.7], 1.0, ["code", "web"])
    least = least_sum([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [0.2, 0.3, 0.5])
    np.testing.assert_allclose(least.p, [0.2, 0.3, 0.5], rtol=1e-14)
    assert least.residual < 1e-14


def test_bounds_are_arrays_and_their_faults_are_named():
    lo, hi = bounds(3, 0.1, [0.5, 2.0, 1.0], None)
    assert lo.tolist() == [0.1, 0.1, 0.1] and hi.tolist() == [0.5, 1.0, 1.0]
    assert bounds(2, 0.5, 0.5, None)[0].tolist() == [0.5, 0.5]  # just possible
    assert bounds(2, [0.5, 0.5 + 1e-13], 1.0, None)[0].sum() > 1  # rounding is forgiven
    for lo, hi, said in (
        ([0.2, -0.1], 1.0, "number 1: floor -0.1 and cap 1 leave no share"),
        ([0.2, 0.4], [1.0, 0.3], "number 1: floor 0.4 and cap 0.3"),
        ([0.7, 0.4], 1.0, "the floors sum to 1.1, more than 1: lower them, first of number 0"),
        (0.0, [0.3, 0.4], r"the caps sum to 0.7, less than 1: 30.00% of the tokens .* The scarcest is number 0 \(cap 0.3\)"),
    ):
        with pytest.raises(FitError, match=said):
            bounds(2, lo, hi, None)
    with pytest.raises(FitError, match="first of web"):
        bounds(2, [0.4, 0.7], 1.0, ["code", "web"])
    with pytest.raises(FitError, match=r"gamma of web is -1\.0"):
        least_worst([1.0, 1.0], [0.1, -1.0], names=["code", "web"])
    with pytest.raises(FitError, match="a of number 0 is inf"):
        least_sum([np.inf, 1.0], [0.1, 0.1])
    with pytest.raises(FitError, match=r"a of number 1 is 0\.0"):
        least_sum([1.0, 0.0], [0.1, 0.1])
    with pytest.raises(FitError, match="concave for gamma below 1 only"):
        most_help([1.0, 1.0], [0.5, 1.0])


# budgets and surfaces


def test_a_budget_by_hand():
    """6 N D for training, 2 N for every token served."""
    served = Budget(1e9)
    assert ONE.flops(10.0, 20.0) == 1200.0 and served.flops(10.0, 20.0) == 1200.0 + 2e10
    assert ONE.tokens(10.0, 1200.0) == 20.0 and served.tokens(10.0, 1200.0 + 2e10) == pytest.approx(20.0)


def test_a_surface_by_hand():
    s = surface(P, {**P, "E": 2.0})
    N, D = np.array([[1e8, 1e9]]), np.array([[1e10, 2e10]])
    by_hand = 400 / N**0.3 + 900 / D**0.35
    np.testing.assert_allclose(s(N, D), np.concatenate([1.7 + by_hand, 2.0 + by_hand]), rtol=1e-15)
    assert s.sets == 2 and s.take(np.array([1])).values["E"].tolist() == [[2.0]]
    mixed = replace(s, values={**s.values, "A": np.array([[400.0]])})  # one value for all sets stays one
    assert mixed.take(np.array([1, 0])).values["A"].tolist() == [[400.0]] and mixed.sets == 2
    assert (s(np.array([[1e8]]), np.array([[0.0]])) > 1e300).all()
    undefined = surface({"E": 1.0}, law=own(lambda N, D, *, E: np.log(-N) + E * D, "undefined"))
    assert undefined(N, D).tolist() == [[np.inf, np.inf]]


def test_laws_that_a_plan_takes():
    tied = scaling.laws["over_training"]
    s = surface({"E": 1.5, "a": 100.0, "b": 200.0, "eta": 0.25}, law=tied)  # over N and M = D / N
    assert s(np.array([[1e8]]), np.array([[2e9]]))[0, 0] == pytest.approx(tied(1e8, 20.0, E=1.5, a=100.0, b=200.0, eta=0.25))
    with pytest.raises(LawError, match=r"a law over N and D is needed, and 'power_law' takes x\.$"):
        surface({"A": 1.0, "alpha": 1.0}, law=scaling.laws["power_law"])
    with pytest.raises(
        LawError, match=r"'data_constrained' takes N, D, U, which N and D alone do not say\. Give inputs=\{'U': \.\.\.\}\."
    ):
        surface(dict(scaling.laws["data_constrained"].published["muennighoff2023"]), law=scaling.laws["data_constrained"])
    with pytest.raises(LawError, match="law 'chinchilla' takes N, D, not bits"):
        surface(P, bits=8.0)


@pytest.mark.parametrize("C", [1e12, 6e20, 1e30])
def test_the_best_size_where_it_is_known(C):
    """Equal terms: N* = D* = sqrt(C / 6) and L = E + 2 A / N*^alpha; unequal ones by the algebra of Hoffmann et al."""
    N, loss = surface(TIED).best(C, ONE)
    assert N[0] == pytest.approx(np.sqrt(C / 6), rel=2e-9)
    assert loss[0] == pytest.approx(2 + 600 / np.sqrt(C / 6) ** 0.4, rel=1e-13)
    G = (0.3 * 400 / (0.35 * 900)) ** (1 / 0.65)
    N, loss = surface(P).best(C, ONE)
    exact = G * (C / 6) ** (0.35 / 0.65)
    assert N[0] == pytest.approx(exact, rel=5e-9)
    assert loss[0] == pytest.approx(1.7 + 400 / exact**0.3 + 900 / (C / 6 / exact) ** 0.35, rel=1e-13)


def test_the_best_size_of_many_sets_and_costs():
    s = surface(TIED, TIED, {**TIED, "A": 300 * 4**0.4})
    N, _ = s.best([6e20, 6e22, 6e20], ONE)
    # four times as many parameters for the same first term: N* doubles at equal N D
    np.testing.assert_allclose(N, [1e10, 1e11, 2e10], rtol=2e-9)


def test_the_best_size_when_tokens_are_served():
    """alpha A / N^alpha (D + T / 3) = beta B / D^beta D: the slope along 6 N D + 2 N T = C vanishes (arXiv:2401.00448)."""
    budget = Budget(1e12)
    N, _ = surface(P).best(1e23, budget)
    D = budget.tokens(N, 1e23)
    left = 0.3 * 400 / N**0.3
    right = 0.35 * 900 / D**0.35 * (D + 1e12 / 3) / D
    assert left[0] == pytest.approx(right[0], rel=1e-7)


def test_no_dip_and_its_ends():
    """A loss that falls with N at every cost: no best size, or with `ends` the largest one."""
    falls = surface({"E": 3.0}, law=own(lambda N, D, *, E: E / (1 + np.log(N) / 100), "falls"))
    assert np.isnan(falls.best(6e12, ONE)[0][0])
    N, _ = falls.best(6e12, ONE, ends=True)
    assert N[0] == pytest.approx(1e12, rel=0.01)
    rises = surface({"E": 3.0}, law=own(lambda N, D, *, E: E * (1 + np.log(N) / 100), "rises"))
    assert np.isnan(rises.best(6e12, ONE)[0][0])
    assert rises.best(6e12, ONE, ends=True)[0][0] == pytest.approx(1.0, rel=0.01)
    flat = surface({"E": 3.0}, law=own(lambda N, D, *, E: E + 0 * N, "flat"))
    assert np.isnan(flat.best(6e12, ONE)[0][0])


def test_compute_for_a_loss():
    """L = E + 2 A / (C / 6)^(alpha / 2) of equal terms, solved for C; out of reach below E, at any cost far above."""
    s = surface(TIED, TIED, TIED, TIED)
    found = s.compute_for([2.5, 2.1, 1.9, 1e6], ONE)
    np.testing.assert_allclose(found[:2], [6 * (600 / 0.5) ** 5, 6 * (600 / 0.1) ** 5], rtol=1e-12)
    assert found[2] == np.inf and found[3] == 0.0
    assert surface(TIED).compute_for(2.5, ONE).shape == (1,)


# plans


def test_wasted_compute_by_hand():
    """A held size wastes 1 - C_eq / C, C_eq the cost at which the best run is as good; both in closed form."""
    law, C, N = CHINCHILLA, 6e20, 3e9
    out = compute._held(surface(TIED), ONE, np.array([C]), compute.Asked(C, None, N, None))
    loss = float(law(N, C / 6 / N, **TIED))
    assert out["N"].tolist() == [N] and out["D"][0] == pytest.approx(C / 6 / N, rel=1e-14) and out["flops"].tolist() == [C]
    assert out["loss"][0] == pytest.approx(loss, rel=1e-14)
    assert out["wasted"][0] == pytest.approx(1 - 6 * (600 / (loss - 2)) ** 5 / C, rel=1e-10)
    out = compute._held(surface(TIED), ONE, np.array([C]), compute.Asked(C, None, None, 5e9))
    assert out["N"][0] == pytest.approx(C / 6 / 5e9, rel=1e-14) and out["D"][0] == pytest.approx(5e9, rel=1e-14)
    for asked, budget, said in (
        (compute.Asked(C, None, None, 2e20), ONE, "D=2e\\+20 leaves less than one parameter at 6e\\+20 FLOP"),
        (compute.Asked(C, None, 3e9, None), Budget(1e12), "N=3e\\+09 leaves no compute to train on 6e\\+20 FLOP once 1e\\+12"),
    ):
        with pytest.raises(FitError, match=said):
            compute._held(surface(TIED), budget, np.array([C]), asked)


def test_the_cheapest_by_hand():
    s = surface(TIED)
    out = compute._cheapest(s, ONE, compute.Asked(None, 2.5, None, None))
    C = 6 * (600 / 0.5) ** 5
    np.testing.assert_allclose([out[k][0] for k in ("flops", "N", "D", "loss")], [C, *2 * [np.sqrt(C / 6)], 2.5], rtol=1e-8)
    out = compute._cheapest(s, ONE, compute.Asked(None, None, 1e10, None))
    assert out["N"].tolist() == [1e10]
    np.testing.assert_allclose([out["flops"][0], out["D"][0], out["loss"][0]], [6e20, 1e10, 2 + 600 / 1e4], rtol=1e-8)
    out = compute._cheapest(s, ONE, compute.Asked(None, None, None, 1e11))
    np.testing.assert_allclose([out["flops"][0], out["N"][0], out["D"][0]], [6e22, 1e11, 1e11], rtol=1e-8)
    for asked, said in (
        (compute.Asked(None, 2.0, None, None), "loss=2.0 is out of reach: below what the law gives at 1e36 FLOP"),
        (compute.Asked(None, 1e6, None, None), "is reached by any run: the law gives less at 1e6 FLOP"),
        (compute.Asked(None, None, 1e19, None), "N=1e\\+19 is optimal at no budget between 1e6 and 1e36 FLOP"),
        (compute.Asked(None, None, None, 1e19), "D=1e\\+19 is optimal at no budget"),
    ):
        with pytest.raises(FitError, match=said):
            compute._cheapest(s, ONE, asked)


def test_replicates_that_never_reach_a_loss_cost_infinitely_much():
    out = compute._cheapest(surface(TIED, {**TIED, "E": 2.6}, {**TIED, "E": 2.4}), ONE, compute.Asked(None, 2.5, None, None))
    assert out["flops"][1] == np.inf and np.isnan(out["N"][1]) and np.isnan(out["loss"][1])
    np.testing.assert_allclose(out["flops"][[0, 2]], [6 * (600 / 0.5) ** 5, 6 * (600 / 0.1) ** 5], rtol=1e-9)
    cheap = compute._cheapest(surface(TIED, {**TIED, "A": 1e-6, "B": 1e-6}), ONE, compute.Asked(None, 2.5, None, None))
    assert cheap["flops"][1] == COSTS[0]  # reached by any run counts as the least budget there is


def test_a_row_and_its_intervals_by_hand():
    """Quantiles of the draws; the nearest rank below where some are infinite; nothing where all agree."""
    point = {"flops": np.array([1e20]), "N": np.array([2.0]), "D": np.array([8.0]), "loss": np.array([3.0])}
    draws = {
        "flops": np.full(5, 1e20),
        "N": np.arange(5.0) + 1,
        "D": np.arange(5.0) + 1,
        "loss": np.array([2.0, 3, np.nan, 5, 6]),
    }
    row = compute._row([{**point}, {**draws}], 0.5)
    assert row["tokens_per_param"] == 4.0 and list(row)[:5] == ["flops", "N", "D", "tokens_per_param", "loss"]
    assert (row["N_lower"], row["N_upper"]) == (2.0, 4.0) and (row["loss_lower"], row["loss_upper"]) == (2.75, 5.25)
    assert not {"flops_lower", "tokens_per_param_lower"} & {*row}
    endless = compute._row([{**point}, {**draws, "flops": np.array([1.0, 2, 3, 4, np.inf])}], 0.5)
    assert (endless["flops_lower"], endless["flops_upper"]) == (2.0, 4.0)
    never = compute._row([{**point}, {**draws, "loss": np.full(5, np.nan)}], 0.5)
    assert "loss_lower" not in never
    held = compute._row([{**point, "wasted": np.array([0.25])}], 0.9)
    assert held["wasted"] == 0.25 and list(held)[-1] == "wasted"


def test_the_flat_region_by_hand():
    """Of equal terms L(x) = E + R cosh(alpha ln x), x = N / N*, R = 2 A / N*^alpha: cosh(alpha ln x) = 1 + .001 L / R."""
    C = 6e20
    best = {"N": 1e10, "flops": C, "loss": 2 + 600 / 1e4}
    out = compute._flat(surface(TIED), ONE, [best])[0]
    x = np.exp(np.arccosh(1 + 1e-3 * best["loss"] / (600 / 1e4)) / 0.4)
    assert out["flat_N_lower"] == pytest.approx(1e10 / x, rel=1e-9) and out["flat_N_upper"] == pytest.approx(1e10 * x, rel=1e-9)
    nearly = surface({"E": 3.0}, law=own(lambda N, D, *, E: E + 1e-9 * np.log(N / 1e10) ** 2, "nearly flat"))
    out = compute._flat(nearly, ONE, [{"N": 1e10, "flops": C, "loss": 3.0}])[0]  # as far as is looked
    np.testing.assert_allclose([out["flat_N_lower"], out["flat_N_upper"]], [1e6, 1e14], rtol=1e-6)


def test_a_plan_of_constants_says_where_it_comes_from():
    rows = scaling.plan("chinchilla/besiroglu2024", [1e20, 1e22], served=1e11)
    assert len(rows) == 2 and rows["flops"].tolist() == [1e20, 1e22]
    assert rows.attrs["law"] == "chinchilla" and rows.attrs["cost"] == "C = 6 N D + 2 N x 1e+11 tokens served"
    assert rows.attrs["interval"] == "none: published constants without their data" and "extrapolation" not in rows.attrs
    assert scaling.plan("chinchilla/besiroglu2024", 1e20).attrs["cost"] == "C = 6 N D"
    repeated = scaling.plan("data_constrained/muennighoff2023", 1e22, unique=2e10)
    assert list(repeated)[4] == "epochs" and repeated["epochs"][0] == pytest.approx(repeated["D"][0] / 2e10)


def test_what_contradicts_itself_is_refused():
    for asked, error, said in (
        ({"flops": 1e20, "loss": 2.0}, ArgumentError, "needs one of flops=, loss=, N= or D="),
        ({}, ArgumentError, "needs one of"),
        ({"flops": 1e20, "N": 1e9, "D": 1e9}, ArgumentError, "leave nothing to plan"),
        ({"flops": 5.0}, FitError, "flops=5 is too little to train one parameter on one token"),
        ({"flops": 1e10, "served": 1e12}, FitError, r"and to serve 1e\+12 tokens"),
        ({"flops": 1e20, "unique": 1e9}, LawError, "does not know what repeated tokens are worth"),
        ({"flops": 1e20, "inputs": {"N": 1.0}}, LawError, "inputs= gives N, which the plan finds or has"),
        ({"flops": 1e20, "counts": "most"}, LawError, "counts='most' is unknown; there are"),
        ({"flops": 1e20, "counts": "non_embedding"}, LawError, "but the constants count total"),
        ({"flops": 1e20, "replicates": -1}, ArgumentError, "replicates=-1 must be a whole number"),
        ({"flops": 1e20, "seed": 0.5}, ArgumentError, "seed=0.5 must be a whole number"),
        ({"flops": 1e20, "level": 1.0}, ArgumentError, "level=1.0 must lie between 0 and 1"),
    ):
        with pytest.raises(error, match=said):
            scaling.plan("chinchilla/besiroglu2024", **asked)
    with pytest.raises(LawError, match="a plan needs a Fit, published constants, or their name"):
        scaling.plan({"E": 1.7}, 1e20)


def test_a_plan_from_a_fit_by_its_own_draws(points):
    """The intervals are quantiles of the optimum of every converged refit."""
    fit = scaling.fit(points, "chinchilla")
    row = scaling.plan(fit, 1e22, replicates=40, seed=3, level=0.8, interval="bootstrap").iloc[0]
    boot = fit.bootstrap(40, seed=3)
    boot = boot[boot["converged"]]
    G = (boot["alpha"] * boot["A"] / (boot["beta"] * boot["B"])) ** (1 / (boot["alpha"] + boot["beta"]))
    N = G * (1e22 / 6) ** (boot["beta"] / (boot["alpha"] + boot["beta"]))
    np.testing.assert_allclose([row["N_lower"], row["N_upper"]], np.quantile(N, [0.1, 0.9]), rtol=1e-8)
    D = 1e22 / 6 / N
    np.testing.assert_allclose([row["D_lower"], row["D_upper"]], np.quantile(D, [0.1, 0.9]), rtol=1e-8)
    loss = boot["E"] + boot["A"] / N ** boot["alpha"] + boot["B"] / D ** boot["beta"]
    np.testing.assert_allclose([row["loss_lower"], row["loss_upper"]], np.quantile(loss, [0.1, 0.9]), rtol=1e-9)
    none = scaling.plan(fit, 1e22, replicates=0)
    assert none.attrs["interval"] == "none: replicates=0" and not [c for c in none if c.startswith("N_")]
    assert none.attrs["counts"] == "as in the data of the fit"


def test_a_plan_of_a_doubtful_fit_warns(points):
    fit = scaling.fit(points, "chinchilla")
    doubted = replace(fit, verdict=replace(fit.verdict, failures=("only 1 of 8 starts", "too few rows")))
    with pytest.warns(UserWarning) as caught:
        scaling.plan(doubted, 1e22, replicates=0)
    said = [str(one.message) for one in caught]
    assert said == [f"the fit behind this plan is not trustworthy: {why}" for why in ("only 1 of 8 starts", "too few rows")]


def test_a_plan_from_runs_on_one_line_says_that_the_optimum_is_open():
    """At D = 20 N throughout, or at one budget: off the line no plan is known, on it there is nothing to warn of."""
    N, law = np.geomspace(1e7, 1e9, 12), scaling.laws["chinchilla"].published["besiroglu2024"]
    exact = pd.DataFrame({"N": N, "D": 20 * N, "loss": law(N, 20 * N)})
    with pytest.raises(FitError, match=r"where the best size lies these runs do not say: all rows lie on the line D = 20 N"):
        scaling.plan(scaling.fit(exact, "chinchilla"), 1e21)
    noisy = exact.assign(loss=exact["loss"] * np.exp(2e-3 * np.random.default_rng(0).standard_normal(12)))
    fit = scaling.fit(noisy, "chinchilla")
    with pytest.warns(UserWarning, match=r"do not say: all rows lie on the line D = 20 N.*D/N = 60 or 6\.7 would decide"):
        scaling.plan(fit, 1e21, replicates=0)
    scaling.plan(fit, 6 * 20 * 2e9**2, N=2e9, replicates=0)
    swept = pd.DataFrame({"N": N, "D": 1e19 / 6 / N, "loss": law(N, 1e19 / 6 / N)})
    with pytest.warns(UserWarning, match=r"do not say: all rows lie on the line D = 1\.67e\+18 N\^-1.*runs away from it"):
        scaling.plan(scaling.fit(swept, "chinchilla"), 1e21, replicates=0)


def test_a_law_that_pins_the_optimum_is_off_by_what_laws_usually_are():
    """Tied exponents say the same D / N at every budget, whatever is added: that nothing moved is no proof. In a world of
    untied ones the tokens planned at eight times the compute are inside."""
    law, inside = scaling.laws["chinchilla"], []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = {"E": 1.7, "A": 400.0, "alpha": 0.30 + 0.04 * rng.random(), "B": 900.0, "beta": 0.28 + 0.04 * rng.random()}
        C, tilt = (x.ravel() for x in np.meshgrid(np.geomspace(2e17, 1e19, 6), np.linspace(-1.1, 1.1, 9), indexing="ij"))
        N = law.hooks.optimum(C, **truth)["N"] * np.exp(tilt)
        M = C / 6 / N**2
        loss = law(N, N * M, **truth) * np.exp(5e-4 * rng.standard_normal(len(N)))
        row = scaling.plan(
            scaling.fit(pd.DataFrame({"N": N, "M": M, "loss": loss}), "over_training"), 8e19, replicates=40
        ).iloc[0]
        inside.append(row["D_lower"] < law.hooks.optimum(8e19, **truth)["D"] < row["D_upper"])
    assert sum(inside) >= 5, inside


def test_calibrated_ends_of_a_plan_by_hand(points):
    """How the optimum moved from each part of the rows to all, per root of distance, as usual where it did not, what the others
    say, and the bootstrap."""
    fit = scaling.fit(points, "chinchilla", objective="log_squares")
    C, level = 1e23, 0.8
    row = scaling.plan(fit, C, replicates=40, level=level).iloc[0]
    drawn = scaling.plan(fit, C, replicates=40, level=level, interval="bootstrap").iloc[0]
    o = np.log(6 * points["N"] * points["D"]).to_numpy()

    def best(v):
        G = (v["alpha"] * v["A"] / (v["beta"] * v["B"])) ** (1 / (v["alpha"] + v["beta"]))
        return G * (C / 6) ** (v["beta"] / (v["alpha"] + v["beta"]))

    tests = cuts(o)
    assert len(tests) >= 5
    parts = [scaling.fit(points[c.train], "chinchilla", objective="log_squares").values for c in tests]
    moved = np.log([best(v) / best(fit.values) for v in parts])
    distance = np.array([o.max() - o[c.train].max() for c in tests])
    w = np.exp(6.8 * np.array([c.train.mean() - 0.6 for c in tests]))
    seen = w @ (moved**2 / distance) / w.sum()
    # a loss tilted by .15 of its slope alpha A / N^alpha: the bowl along a budget has a curvature of (alpha + beta) times that
    usual = 0.15 / (fit.values["alpha"] + fit.values["beta"])
    rate = max((0.5 * usual**2 + w.sum() * seen) / (0.5 + w.sum()), seen)
    found, grid, apart = drifting(fit), np.geomspace(1e8, 1e13, 400001), 0.0
    for other in found.others:
        known = {"N": grid, "D": C / 6 / grid, "M": C / 6 / grid**2}
        loss = other.law(*(known[i] for i in other.law.inputs), **other.values)
        apart += other.share * np.log(grid[loss.argmin()] / row["N"]) ** 2
    drift2 = student.ppf(0.5 + level / 2, found.dof) ** 2 * (rate * (np.log(C) - o.max()) + 0.4**2 * apart)
    for end, sign in (("lower", -1), ("upper", 1)):
        half = np.hypot(0.5 * np.log(drawn[f"N_{end}"] / row["N"]), np.sqrt(drift2))
        assert sign * np.log(row[f"N_{end}"] / row["N"]) == pytest.approx(half, rel=2e-3)
    assert row["D_lower"] * row["N_upper"] * 6 == pytest.approx(C, rel=0.1)  # wide where the other is
    ends = fit.predict({"N": [row["N"]], "D": [row["D"]]}, level=level).iloc[0]
    assert (row["loss_lower"], row["loss_upper"]) == (ends["lower"], ends["upper"])
    said = scaling.plan(fit, C, replicates=40).attrs["interval"]
    assert said.startswith("90% interval, calibrated: how the optimum moved over") and "chinchilla_outer" in said
    with pytest.raises(ArgumentError, match="'calibrated' or 'bootstrap'"):
        scaling.plan(fit, C, interval="delta")
