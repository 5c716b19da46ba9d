"""Ties, long curves, resampling, profiles, influence and drift."""

import lmfit
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.bins import binned
from scaling.design.resampling import groups
from scaling.errors import FitError, LawError


@pytest.fixture(scope="module")
def surface():
    """120 noisy points of a Chinchilla surface."""
    rng = np.random.default_rng(0)
    N, D = np.exp(rng.uniform(17, 23, 120)), np.exp(rng.uniform(21, 26, 120))
    loss = scaling.laws["chinchilla"](N, D, E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(0.004 * rng.normal(size=120))})


@pytest.fixture(scope="module")
def curve():
    """A long constant-rate curve with independent noise: 100 000 rows."""
    rng = np.random.default_rng(1)
    x = np.exp(rng.uniform(np.log(1e2), np.log(1e5), 100_000))
    return pd.DataFrame({"x": x, "loss": 2.5 + 12 / x**0.35 + 0.01 * rng.normal(size=len(x))})


def tied(**expressions):
    params = lmfit.Parameters()
    for name in ("E", "A", "B", "alpha", "beta"):
        params.add(name, value=1.0)
    for name, text in expressions.items():
        params[name].expr = text
    return params


def test_tied_exponents_equal_the_law_written_that_way(surface):
    fit = scaling.fit(surface, "chinchilla", params=tied(beta="alpha"))
    assert fit.values["beta"] == fit.values["alpha"] and fit.ok
    from scaling.formula import Exponent, Positive

    @scaling.law("arXiv:0000.00000", name="one_exponent")
    def one_exponent(N, D, *, E: Positive, A: Positive, B: Positive, alpha: Exponent = 0.3):
        """L = E + A / N^alpha + B / D^alpha"""
        return E + A / N**alpha + B / D**alpha

    try:
        other = scaling.fit(surface, one_exponent)
    finally:
        scaling.laws.remove("one_exponent")
    assert fit.objective == pytest.approx(other.objective, rel=1e-9)
    assert fit.summary().loc["beta", "note"] == "= alpha"
    assert (fit.bootstrap(3)["beta"] == fit.bootstrap(3)["alpha"]).all()


def test_ties_may_use_functions_and_survive_saving(surface, tmp_path):
    fit = scaling.fit(surface, "chinchilla", params=tied(beta="sqrt(alpha**2) + 0.02"))
    assert fit.values["beta"] == pytest.approx(fit.values["alpha"] + 0.02, rel=1e-12)
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert again.values == fit.values and again.law.ties == fit.law.ties
    target = {"N": [1e11], "D": [1e12]}
    pd.testing.assert_frame_equal(again.predict(target), fit.predict(target))


@pytest.mark.parametrize(("expressions", "message"), [
    ({"beta": "alhpa"}, "no parameter alhpa"),
    ({"beta": "alpha", "alpha": "beta"}, "in a circle"),
    ({"beta": "__import__('os')"}, "only arithmetic"),
    ({"beta": "alpha +"}, "not an expression"),
])  # fmt: skip
def test_wrong_ties_are_refused(expressions, message):
    with pytest.raises(LawError, match=message):
        scaling.laws["chinchilla"].tie(**expressions)


def test_long_curves_are_searched_in_bins_and_finished_on_all_rows(curve):
    fit = scaling.fit(curve, "power_law_offset", objective="squares")
    assert len(fit.data) == 100_000
    short = binned(fit.design)
    assert len(short) <= 1000 and short.weights.sum() == 100_000
    assert f"100,000 rows -> {len(short):,} log-spaced bins" in str(fit)
    from scipy.optimize import curve_fit

    best, cov = curve_fit(lambda x, E, A, a: E + A * x**-a, curve["x"], curve["loss"], [2, 10, 0.3], ftol=1e-14, xtol=1e-14)
    np.testing.assert_allclose([fit.values[k] for k in ("E", "A", "alpha")], best, rtol=1e-6)
    np.testing.assert_allclose(fit.errors(), np.sqrt(np.diag(cov)), rtol=1e-3)
    spread = fit.bootstrap(200, seed=0, by="row").std()
    np.testing.assert_allclose(spread[["E", "A", "alpha"]], fit.errors(), rtol=0.25)


def test_bins_do_not_depend_on_the_order_of_rows(curve):
    one = scaling.fit(curve, "power_law_offset")
    other = scaling.fit(curve.sample(frac=1, random_state=0), "power_law_offset")
    assert one.values == other.values


def test_what_a_bootstrap_draws(surface, curve):
    rows = scaling.fit(surface, "chinchilla").design
    assert len(np.unique(groups(rows, None))) == 120
    blocks = groups(binned(scaling.fit(curve.head(3000), "power_law_offset").design), None)
    assert len(np.unique(blocks)) == 8 and (np.bincount(blocks) > 50).all()
    with pytest.raises(FitError, match="rows that lie on a curve"):
        groups(rows, "block")


def test_profile_agrees_with_the_standard_error_where_the_law_is_nearly_linear(surface):
    fit = scaling.fit(surface, "chinchilla", objective="log_squares")
    profile = fit.profile("alpha", level=0.68)
    lower, upper = profile.attrs["interval"]
    assert (upper - lower) / 2 == pytest.approx(fit.errors()["alpha"], rel=0.1)
    assert profile["excess"].min() >= -1e-12 and (np.diff(np.sign(np.diff(profile["ratio"]))) >= 0).all()
    with pytest.raises(LawError, match="no parameter 'gamma'"):
        fit.profile("gamma")


def test_profile_says_when_a_side_is_open():
    x = np.geomspace(1, 4, 12)
    rng = np.random.default_rng(0)
    short = pd.DataFrame({"x": x, "loss": 2 + 1 / x**0.3 + 0.02 * rng.normal(size=12)})
    fit = scaling.fit(short, "power_law_offset", objective="squares")
    assert np.isnan(fit.profile("E").attrs["interval"]).any()


def test_influence_equals_refits(surface):
    fit = scaling.fit(surface, "chinchilla", objective="log_squares")
    table = fit.influence()
    assert len(table) == 120 and (table["largest"].diff().dropna() <= 0).all()
    worst = table.iloc[0]
    without = scaling.fit(surface.drop(index=int(worst["run"])), "chinchilla", objective="log_squares")
    se = np.sqrt(np.diag(fit.cov.matrix))
    at = fit.coordinates.from_params(np.array([without.values[n] for n in fit.coordinates.names]))
    np.testing.assert_allclose(worst[fit.coordinates.names].astype(float), (at - fit.t) / se, rtol=1e-5, atol=1e-6)


def test_one_bad_row_is_named(surface):
    spoiled = surface.copy()
    corner = int(surface["N"].idxmin())
    spoiled.loc[corner, "loss"] *= 1.3
    fit = scaling.fit(spoiled, "chinchilla", objective="log_squares")
    assert fit.influence().iloc[0]["run"] == corner
    assert fit.influence().iloc[0]["largest"] > 3 * fit.influence().iloc[1]["largest"]
    few = scaling.fit(spoiled.sample(30, random_state=2).sort_index(), "chinchilla", objective="log_squares")
    assert any("alone moves" in reason for reason in few.diagnose())


def test_drift_settles_on_an_exact_law_and_is_said_on_a_wrong_one(surface):
    path = scaling.fit(surface, "chinchilla").drift()
    assert path["converged"].all() and list(path["cutoff"])[-1] == 1.0
    x = np.geomspace(1, 1e4, 200)
    rng = np.random.default_rng(0)
    bent = pd.DataFrame({"x": x, "loss": (2 + 3 / x**0.5 + 0.5 * np.log1p(x / 300)) * np.exp(1e-3 * rng.normal(size=200))})
    fit = scaling.fit(bent, "power_law_offset")
    assert any("has not settled" in reason for reason in fit.diagnose())


def test_identified_form_has_smaller_errors_than_the_amplitudes(surface):
    fit = scaling.fit(surface, "chinchilla")
    table = fit.identified()
    relative = (table.loc["A'", "upper"] - table.loc["A'", "lower"]) / table.loc["A'", "value"] / 3.92
    assert relative < 0.3 * fit.errors()["A"] / fit.values["A"]
    a = table.loc["exponent of N* in C"]
    assert a["lower"] < 0.37 / 0.72 < a["upper"] and a["upper"] - a["lower"] < 0.1


@pytest.mark.parametrize("objective", ["log_soft_l1", "log_student_t", "log_one_sided", "huber", "student_t"])
def test_every_objective_is_at_its_minimum(surface, objective):
    fit = scaling.fit(surface, "chinchilla", objective=objective, delta=5e-3)
    assert fit.ok
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = {k: v * (1 + 1e-3 * rng.normal()) for k, v in fit.values.items()}
        r = fit.loss.link(fit.law(surface["N"].to_numpy(), surface["D"].to_numpy(), **moved))
        assert fit.loss.value(r - fit.loss.link(surface["loss"].to_numpy())).sum() >= fit.objective


def test_one_sided_ignores_badly_tuned_runs(surface):
    worse = surface.copy()
    worse.loc[::2, "loss"] *= 1.05
    clean = scaling.fit(surface, "chinchilla")
    target = {"N": [1e10], "D": [1e11]}
    at = lambda fit: fit.predict(target)["prediction"][0]
    plain, lower = scaling.fit(worse, "chinchilla"), scaling.fit(worse, "chinchilla", objective="log_one_sided")
    assert abs(at(lower) - at(clean)) < 0.5 * abs(at(plain) - at(clean))


def test_delta_may_follow_the_residuals(surface):
    fit = scaling.fit(surface, "chinchilla", delta="mad")
    assert fit.loss.delta == pytest.approx(0.004, rel=0.25)


def test_standard_errors_of_losses_weigh_rows(surface):
    rng = np.random.default_rng(3)
    se = np.where(np.arange(120) % 2, 0.2, 0.004) * surface["loss"]
    noisy = surface.assign(loss=surface["loss"] + se * rng.normal(size=120))
    weighed = scaling.fit(noisy.assign(loss_se=se), "chinchilla", objective="log_squares")
    plain = scaling.fit(noisy, "chinchilla", objective="log_squares")
    law = scaling.laws["chinchilla"]
    truth = law(surface["N"], surface["D"], E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
    miss = lambda fit: np.sqrt(((fit.predict(surface)["prediction"] / truth - 1) ** 2).mean())
    assert miss(weighed) < 0.2 * miss(plain)


def test_selected_rows_are_reported(surface):
    fit = scaling.fit(surface, "chinchilla", where="N > 1e8", top_budgets=60)
    assert "selected N > 1e8" in str(fit) and "60 largest budgets" in str(fit) and 60 <= len(fit.data) < 90


@pytest.mark.parametrize(("spoil", "reason"), [
    (lambda d: pd.concat([d.iloc[[0, 30, 60, 90, 110, 119]]] * 8), "only 6 distinct rows for 5 parameters"),
    (lambda d: d.assign(loss=3.0), "explain 0% of the spread"),
    (lambda d: d.assign(loss=np.random.default_rng(0).permutation(d["loss"])), "explain"),
])  # fmt: skip
def test_no_success_on_a_fit_that_says_nothing(surface, spoil, reason):
    fit = scaling.fit(spoil(surface), "chinchilla")
    assert not fit.ok and any(reason in why for why in fit.warnings)


def test_copies_are_no_rows_to_fit(surface):
    with pytest.raises(FitError, match="need at least 6 rows to fit 5 parameters of 'chinchilla'; got 5"):
        scaling.fit(pd.concat([surface.iloc[[0, 30, 60, 90, 119]]] * 8), "chinchilla")


def test_no_interval_without_scatter(surface):
    exact = surface.assign(loss=scaling.laws["chinchilla"](surface["N"], surface["D"], E=1.8, A=480.0, B=2100.0,
                                                           alpha=0.35, beta=0.37))  # fmt: skip
    fit = scaling.fit(exact, "chinchilla", objective="log_squares")
    for interval in ("calibrated", "delta"):
        out = fit.predict({"N": [1e11], "D": [1e12]}, interval=interval)
        assert fit.ok and out["ok"].all() and "no scatter" in out.attrs["interval"]
        assert (out["lower"] == out["upper"]).all() and out["lower"].to_numpy() == pytest.approx(out["prediction"].to_numpy())


@pytest.mark.parametrize("wrong", [
    {"where": "N"}, {"fixed": {"E": "a"}}, {"fixed": ["E"]}, {"params": {"E": 1}}, {"params": 3}, {"delta": None},
    {"delta": np.inf}, {"fixed": {"alpha": -1}}, {"delta": "wide"},
])  # fmt: skip
def test_wrong_arguments_are_answered(surface, wrong):
    with pytest.raises(scaling.ScalingError):
        scaling.fit(surface, "chinchilla", **wrong)


def test_a_fixed_value_that_leaves_no_room_is_not_a_success(surface):
    assert not scaling.fit(surface, "chinchilla", fixed={"E": 9.0}).ok
