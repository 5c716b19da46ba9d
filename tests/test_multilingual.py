"""Language families on simulated data of known truth (the paper prints no constants), and the exact solver of shares."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import scaling
from scaling.errors import ArgumentError, DataError, FitError
from scaling.planning import own_shares
from scaling.planning.shares import least_sum, least_worst, most_help
from scaling.procedures.families import family
from scaling.procedures.independence import independence

# gammas implied by normalised losses printed for uniform shares; the order of families is unknown (spec 1.4)
GAMMA = dict(zip(("a", "b", "c", "d", "e"), (0.0825, 0.1028, 0.15, 0.0825, 0.0781), strict=True))
SHARES = {n: f"p_{n}" for n in GAMMA}
NORMALISED = [0.16460599, 0.20773148, 0.30775736, 0.16460599, 0.15529918]


def families(seed=0, noise=0.01, mixtures=8, sizes=(8.5e7, 3.97e8, 8.1e8, 1.2e9)):
    """Runs over sizes, tokens and mixtures; each family's loss follows its own share."""
    rng = np.random.default_rng(seed)
    drawn = np.maximum(rng.dirichlet(np.full(5, 3.0), mixtures - 1), 0.02)
    drawn = np.vstack([np.full(5, 0.2), drawn / drawn.sum(1, keepdims=True)])
    rows = []
    for N in sizes:
        for D in (5e9, 1.5e10, 5e10):
            for p in drawn:
                row = {"N": N, "D": D, **dict(zip(SHARES.values(), p, strict=True))}
                alone = 0.9 + 300 / N**0.34 + 400 / D**0.28
                for (n, g), share in zip(GAMMA.items(), p, strict=True):
                    row[f"loss_{n}"] = alone * share**-g * np.exp(noise * rng.normal())
                rows.append(row)
    return pd.DataFrame(rows)


def of(rows, name):
    return rows.assign(p=rows[f"p_{name}"], loss=rows[f"loss_{name}"])


@pytest.fixture(scope="module")
def runs():
    return families()


@pytest.fixture(scope="module")
def fits(runs):
    return {n: scaling.fit(of(runs, n), "multilingual") for n in GAMMA}


def test_gammas_come_back_within_two_standard_errors(runs, fits):
    for n, gamma in GAMMA.items():
        assert fits[n].ok
        assert abs(fits[n].values["gamma"] - gamma) < 2 * fits[n].errors()["gamma"]


def test_steps_agree_and_the_links_are_told_apart(runs):
    found = family(of(runs, "c"))
    assert abs(found.slope - GAMMA["c"]) < 2 * found.slope_error and found.cells == 12
    assert found.equal_slopes > 0.01 and not found.warnings
    assert found.better is found.fit and found.aic["multilingual"] < found.aic["multilingual_reducible"] - 2
    assert "the share moves the whole loss" in str(found)
    with pytest.raises(DataError, match="no two rows share N and D"):
        family(of(runs, "c").drop_duplicates(["N", "D"]))
    with pytest.raises(DataError, match="missing p"):
        family(runs.assign(loss=1.0))


def test_unequal_slopes_are_seen(runs):
    rows = of(runs, "c")
    bent = rows.assign(loss=rows["loss"] * rows["p"] ** np.where(rows["N"] > 5e8, 0.1, 0.0))
    assert family(bent).equal_slopes < 1e-3


def test_reducible_link_wins_on_its_own_data(runs):
    rows = of(runs, "c")
    law = scaling.laws["multilingual_reducible"]
    values = {"E": 0.9, "A": 300, "B": 400, "alpha": 0.34, "beta": 0.28, "gamma": 0.3}
    found = family(rows.assign(loss=law(rows["N"], rows["D"], rows["p"], **values)))
    assert found.better is found.rival and found.rival.values["gamma"] == pytest.approx(0.3, rel=1e-5)


def test_a_share_of_zero_is_refused(runs):
    rows = of(runs, "a").reset_index(drop=True)
    rows.loc[7, "p"] = 0.0
    with pytest.raises(DataError, match=r"row 7.*0 < p <= 1"):
        scaling.fit(rows, "multilingual")


def test_optimal_shares_from_fits(fits):
    found = own_shares(fits, N=1.2e9, D=5e10)
    np.testing.assert_allclose(found.frame["share"], NORMALISED, atol=0.01)
    inside = (found.frame["lower"] <= NORMALISED) & (found.frame["upper"] >= NORMALISED)
    assert inside.all() and found.residual < 1e-12
    assert found.worth_it and found.gain_lower < 0.0247 < found.gain_upper
    elsewhere = own_shares(fits, N=7e10, D=1e12)
    np.testing.assert_allclose(elsewhere.frame["share"], found.frame["share"], rtol=1e-12)
    assert any("not evidence" in n for n in found.notes)
    assert list(found.others) == ["sum", "worst"] and "better than the reference" in str(found)
    worst = own_shares(fits, N=1.2e9, D=5e10, objective="worst")
    level = worst.losses["loss"] / [f.law(1.2e9, 5e10, 1.0, **f.values) for f in fits.values()]
    assert np.ptp(level) < 1e-9
    same = own_shares(fits, N=1.2e9, D=5e10, reference=found.shares)
    assert not same.worth_it and "indistinguishable" in str(same)


def test_figure_says_whether_it_is_worth_it(fits):
    import matplotlib as mpl

    mpl.use("Agg")
    ax = scaling.plots.shares(own_shares(fits, N=1.2e9, D=5e10))
    assert [t.get_text() for t in ax.get_yticklabels()] == list(GAMMA)
    title = " ".join(ax.get_legend().get_title().get_text().split())
    assert "more than its uncertainty" in title and "not more" not in title


def test_what_no_shares_can_be_found_for_is_refused(fits):
    whole = dict.fromkeys(fits, 1 / len(fits))
    one, two = list(fits)[:2]
    for wrong, error, why in (
        ({"reference": {**whole, one: 0.0, two: 2 / len(fits)}}, FitError, "no share"),
        ({"level": 2.0}, ArgumentError, "between 0 and 1"),
    ):
        with pytest.raises(error, match=why):
            own_shares(fits, N=1e9, D=1e11, **wrong)
    with pytest.raises(FitError, match="at least one"):
        own_shares({}, N=1e9, D=1e11)


def test_caps_floors_weights(fits):
    capped = own_shares(fits, N=1.2e9, D=5e10, floors=0.05, unique_tokens={"c": 2.5e9}, epochs=4)
    assert capped.shares["c"] == pytest.approx(0.2) and capped.frame.loc["c", "bound"] == "cap"
    heavy = own_shares(fits, N=1.2e9, D=5e10, weights={"a": 3.0})
    assert heavy.shares["a"] > 0.3
    with pytest.raises(FitError, match=r"caps sum to 0\.8.*have no data"):
        own_shares(fits, N=1.2e9, D=5e10, caps=0.16)
    with pytest.raises(FitError, match=r"floors sum to 1\.5"):
        own_shares(fits, N=1.2e9, D=5e10, floors=0.3)
    with pytest.raises(FitError, match="weights names 'x'"):
        own_shares(fits, N=1.2e9, D=5e10, weights={"x": 1.0})


def test_worst_family_with_an_irreducible_loss(runs):
    rows = families(noise=0.0)
    law = scaling.laws["multilingual_reducible"]
    values = {"E": 0.9, "A": 300, "B": 400, "alpha": 0.34, "beta": 0.28}
    fits = {
        n: scaling.fit(
            of(rows, n).assign(loss=law(rows["N"], rows["D"], rows[f"p_{n}"], gamma=3 * g, **values)), "multilingual_reducible"
        )
        for n, g in GAMMA.items()
    }
    found = own_shares(fits, N=1.2e9, D=5e10, objective="worst")
    assert found.frame["share"].sum() == pytest.approx(1, abs=1e-12)
    assert np.ptp(found.losses["loss"]) < 1e-6  # equal losses, as all families are alike when trained alone


def test_independence_passes_families_that_are_independent(runs):
    found = independence(of(runs, "c"), "c", SHARES)
    assert found.verdict == "independent" and found.ratio < 1.2
    alone = independence(of(runs, "c")[lambda d: d["p_c"].isin(d["p_c"].unique()[:4])], "c", SHARES)
    assert alone.verdict == "not testable"
    with pytest.raises(DataError, match="sum to"):
        independence(of(runs, "c"), "c", {"c": "p_c", "a": "p_a"})


@pytest.mark.slow
def test_independence_rarely_cries_wolf():
    two = (8.5e7, 8.1e8)
    found = [independence(of(families(seed, sizes=two), "b"), "b", SHARES).verdict for seed in range(200)]
    assert found.count("coupled") <= 10 and "not testable" not in found


# ---- the solver of shares


def gain_free(a, g, p):
    return (a * p**-g).sum()


G = np.array(list(GAMMA.values()))


def test_golden_shares():
    best = least_sum(np.ones(5), G)
    np.testing.assert_allclose(best.p, NORMALISED, atol=1e-8)
    assert gain_free(1, G, best.p) <= 5.846238848409 and gain_free(1, G, np.full(5, 0.2)) == pytest.approx(5.870907312228)
    worst = least_worst(np.ones(5), G)
    np.testing.assert_allclose(worst.p, [0.1490368, 0.21704206, 0.35100348, 0.1490368, 0.13388086], atol=1e-8)
    np.testing.assert_allclose(worst.p**-G, 1.1700469419, atol=1e-10)
    boxed = least_sum(np.ones(5), G, 0.05, [1, 1, 0.25, 1, 1])
    np.testing.assert_allclose(boxed.p, [0.17840604, 0.22481363, 0.25, 0.17840604, 0.16837429], atol=1e-8)
    assert gain_free(1, G, boxed.p) == pytest.approx(5.851877961895, abs=1e-11) and boxed.at_cap.tolist()[2]
    for solved in (best, worst, boxed):
        assert solved.residual <= 1e-12


def test_equal_gammas_have_a_closed_form():
    a = np.array([1.0, 3.0, 0.2])
    p = a ** (1 / 1.1)
    np.testing.assert_allclose(least_sum(a, np.full(3, 0.1)).p, p / p.sum(), rtol=1e-14)
    assert least_sum([7.0], [0.3]).p.tolist() == [1.0]
    np.testing.assert_allclose(least_sum(np.ones(5), G, 0.2).p, 0.2)
    rule = G / G.sum()
    assert gain_free(1, G, rule) / gain_free(1, G, least_sum(np.ones(5), G).p) - 1 < 1e-5


def test_three_hundred_random_boxes_against_a_general_solver():
    rng = np.random.default_rng(0)
    iterations = []
    for _ in range(300):
        k = rng.integers(2, 12)
        a, g = np.exp(rng.normal(0, 1, k)), rng.uniform(0.02, 0.6, k)
        lo = rng.choice([0, 0.02, 0.05])
        hi = np.where(rng.random(k) < 0.5, rng.uniform(1 / k, 1, k), 1.0)
        found = least_sum(a, g, lo, hi)
        assert found.residual <= 1e-12 and abs(found.p.sum() - 1) <= 1e-14
        assert (found.p >= lo).all() and (found.p <= hi + 1e-15).all()
        iterations.append(found.iterations)
        f = lambda p, a=a, g=g: (a * p**-g).sum()
        other = minimize(
            f,
            np.full(k, 1 / k),
            jac=lambda p, a=a, g=g: -a * g * p ** (-g - 1),
            method="SLSQP",
            bounds=[(max(lo, 1e-9), h) for h in hi],
            options={"ftol": 1e-14, "maxiter": 300},
            constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": np.ones_like},
        )
        assert f(found.p) <= other.fun * (1 + 1e-10)
    assert max(iterations) <= 12


@pytest.mark.parametrize("g", [1e-4, 0.1, 3.0])
def test_extreme_scales(g):
    a = 10.0 ** np.random.default_rng(3).uniform(-8, 8, 6)
    for solve in (least_sum, least_worst):
        found = solve(a, np.full(6, g), 0.02)
        assert found.residual <= 1e-12 and found.p.sum() == pytest.approx(1, abs=1e-14)
    with pytest.raises(FitError, match="gamma of b is"):
        least_sum([1.0, 1.0], [0.1, -1.0], names=["a", "b"])
    with pytest.raises(FitError, match="concave for gamma below 1"):
        most_help([1.0, 1.0], [0.5, 1.5])
