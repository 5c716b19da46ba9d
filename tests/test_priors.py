"""Priors of parameters: linear cases have closed forms, worked out here without the package."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.engine.estimate import TURNS
from scaling.engine.prior import counted, onward, settled
from scaling.errors import LawError
from scaling.formula import Exponent, Law, Positive, Prior

X = np.geomspace(1e3, 1e6, 24)
NOISE = 0.02 * np.random.default_rng(3).standard_normal(24)
FRAME = pd.DataFrame({"x": X, "loss": 20 * X**-0.3 * np.exp(NOISE)})
LINE = np.column_stack([np.ones(24), -np.log(X)])  # ln loss = LINE @ (ln A, alpha)


def closed_form(means, sds, rows_of_one=1.0):
    """Mean, covariance and the cost of a standard deviation squared: normal equations, in turns with the scatter."""
    y, P, cost = np.log(FRAME["loss"].to_numpy()), np.diag(1 / np.square(sds)), 0.0
    for _ in range(100):
        H = LINE.T @ LINE + cost * P
        beta = np.linalg.solve(H, LINE.T @ y + cost * P @ means)
        determined = np.trace(np.linalg.solve(LINE.T @ LINE + cost * P, LINE.T @ LINE))  # of two parameters
        cost = np.sum((y - LINE @ beta) ** 2) / (24 / rows_of_one - determined)
    return beta, cost * np.linalg.inv(H), cost


MEANS, SDS = (math.log(25), 0.35), (0.05, 0.01)


def fitted(means=MEANS, sds=SDS, **more):
    priors = {"A": Prior(math.exp(means[0]), sds[0]), "alpha": Prior(means[1], sds[1])}
    return scaling.fit(FRAME, "power_law", objective="log_squares", params=priors, **more)


def test_least_squares_with_priors_is_the_conjugate_closed_form():
    means, sds = np.array([math.log(25), 0.35]), np.array([0.05, 0.01])
    beta, covariance, cost = closed_form(means, sds)
    fit = fitted(means, sds)
    assert fit.coordinates.strength == pytest.approx(cost, rel=0.01)
    assert [math.log(fit.values["A"]), fit.values["alpha"]] == pytest.approx(beta, rel=1e-3)
    errors = fit.errors()
    assert [errors["A"] / fit.values["A"], errors["alpha"]] == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.01)
    r = np.log(FRAME["loss"].to_numpy()) - LINE @ beta
    assert fit.objective == pytest.approx(r @ r, rel=1e-3)  # the data's alone


def test_a_prior_of_one_parameter_at_its_own_strength_to_the_last_digit():
    fit = scaling.fit(FRAME, "power_law", objective="log_squares", params={"alpha": Prior(0.35, 0.01)})
    P, y = np.diag([0.0, 1 / 0.01**2]) * fit.coordinates.strength, np.log(FRAME["loss"].to_numpy())
    beta = np.linalg.solve(LINE.T @ LINE + P, LINE.T @ y + P @ [0.0, 0.35])
    assert [math.log(fit.values["A"]), fit.values["alpha"]] == pytest.approx(beta, rel=1e-10)


@pytest.mark.parametrize("objective", ["log_squares", "log_huber"])
def test_a_weak_prior_is_none_and_a_strong_one_holds(objective):
    plain = scaling.fit(FRAME, "power_law", objective=objective)
    weak = scaling.fit(FRAME, "power_law", objective=objective, params={"alpha": Prior(0.5, 1e5)})
    assert weak.values == pytest.approx(plain.values, rel=1e-6) and not weak.verdict.from_prior
    assert weak.objective == pytest.approx(plain.objective, rel=1e-9)
    held = scaling.fit(FRAME, "power_law", objective=objective, fixed={"alpha": 0.35})
    strong = scaling.fit(FRAME, "power_law", objective=objective, params={"alpha": Prior(0.35, 1e-7)})
    assert strong.values == pytest.approx(held.values, rel=1e-6)
    assert strong.verdict.from_prior == ("alpha",) and strong.ok
    assert "from its prior" in strong.summary()["note"]["alpha"] and "alpha from what is known beforehand" in str(strong)


def test_a_prior_of_infinite_width_takes_the_laws_away():
    law = Law.of(scaling.laws["power_law"].fn, priors={"alpha": Prior(0.9, 1e-4)}, name="known_power_law")
    assert law.params["alpha"].start == 0.9
    plain = scaling.fit(FRAME, "power_law")
    assert scaling.fit(FRAME, law).values["alpha"] == pytest.approx(0.9, abs=1e-3)
    free = scaling.fit(FRAME, law, params={"alpha": Prior(0.5, math.inf)})
    assert free.values == pytest.approx(plain.values, rel=1e-6)


def test_a_robust_fit_weighs_by_its_own_scatter():
    """Huber far inside its threshold is least squares, and so are its errors."""
    means, sds = np.array([math.log(25), 0.35]), np.array([0.05, 0.01])
    beta, covariance, cost = closed_form(means, sds)
    fit = scaling.fit(
        FRAME, "power_law", objective="log_huber", delta=10.0,
        params={"A": Prior(25.0, 0.05), "alpha": Prior(0.35, 0.01)},
    )  # fmt: skip
    assert fit.coordinates.strength == pytest.approx(cost, rel=0.01)
    assert [math.log(fit.values["A"]), fit.values["alpha"]] == pytest.approx(beta, rel=1e-3)
    errors = np.array([fit.errors()["A"] / fit.values["A"], fit.errors()["alpha"]])
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=0.25)  # a sandwich of 24 rows


def test_rows_of_a_curve_count_as_four_and_runs_as_one():
    assert counted(np.ones(100), np.repeat([0, 1], 50)) == 8
    assert counted(np.ones(5), np.arange(5)) == 5
    assert counted(np.ones(53), np.r_[np.zeros(50, int), [1, 2, 2]]) == 4 + 1 + 2
    assert counted(np.r_[np.ones(50), np.zeros(50)], np.repeat([0, 1], 50)) == 4
    curve = scaling.fit(
        FRAME.assign(run="one", step=X.round()), "power_law:x=step", objective="log_squares",
        params={"A": Prior(25.0, 0.05), "alpha": Prior(0.35, 0.01)},
    )  # fmt: skip
    beta, _, cost = closed_form(np.array(MEANS), np.array(SDS), 24 / 4)
    assert curve.coordinates.strength == pytest.approx(cost, rel=0.01)
    assert curve.values["alpha"] == pytest.approx(beta[1], rel=1e-3)


def test_resampled_refits_draw_the_prior_too():
    """Where the data say nothing of a parameter its replicates scatter as its prior does."""
    fit = fitted((math.log(20), 0.3), (1e-5, 0.01))
    spread = fit.bootstrap(2000, seed=1)
    assert np.log(spread["A"]).std() == pytest.approx(1e-5, rel=0.1)
    assert np.log(spread["A"]).mean() == pytest.approx(math.log(20), abs=1e-6)


def test_backtests_refit_with_the_prior():
    from scaling.engine.refit import refit

    fit = fitted((math.log(25), 0.35), (0.05, 0.01))
    again = refit(fit.law, fit.design, fit.loss, np.ones((2, 24)), params=fit.coordinates.params)
    for t in again.coordinates.to_params(again.t):
        assert t == pytest.approx([fit.values["A"], fit.values["alpha"]], rel=1e-3)
    root = again.noise[0] * np.sqrt(again.alike[0]) * again.root[0]
    assert np.abs(root @ root.T) == pytest.approx(np.abs(fit.cov.matrix), rel=0.02)


def test_profiles_and_intervals_see_the_prior():
    fit = fitted((math.log(20), 0.3), (1.0, 1e-4))
    profile = fit.profile("alpha", level=0.95)
    low, high = profile.attrs["interval"]
    se = fit.errors()["alpha"]
    assert (high - low) / 2 == pytest.approx(1.96 * se, rel=0.1)
    ahead = {"x": [1e8]}
    held = scaling.fit(FRAME, "power_law", objective="log_squares", fixed={"alpha": fit.values["alpha"]})
    for interval in ("delta", "profile"):
        known, free = (f.predict(ahead, interval=interval).iloc[0] for f in (fit, fitted((math.log(20), 0.3), (9.0, 9.0))))
        assert known["upper"] - known["lower"] < 0.85 * (free["upper"] - free["lower"])
        width = held.predict(ahead, interval=interval).iloc[0]
        assert known["upper"] - known["lower"] > width["upper"] - width["lower"]


def test_saved_fits_keep_their_priors(tmp_path):
    fit = fitted()
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert [p.prior for p in again.coordinates.params] == [p.prior for p in fit.coordinates.params]
    assert again.coordinates.strength == fit.coordinates.strength and again.verdict == fit.verdict
    saved = json.loads((tmp_path / "fit.json").read_text())
    assert saved["internal"]["params"][1]["prior"] == {"mean": 0.35, "sd": 0.01, "source": ""}


def test_lmfit_parameters_carry_priors():
    fit = fitted()
    again = scaling.fit(FRAME, "power_law", objective="log_squares", params=fit.params)
    assert again.values == pytest.approx(fit.values, rel=1e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Prior(1.0, 0.0), "standard deviation above 0"),
        (lambda: Prior(math.nan, 1.0), "finite mean"),
        (lambda: scaling.fit(FRAME, "power_law", params={"A": Prior(-1.0, 1.0)}), "outside its domain"),
        (lambda: scaling.fit(FRAME, "power_law", params={"a": Prior(1.0, 1.0)}), "no parameter 'a'"),
        (lambda: Law.of(_law, priors={"b": Prior(1.0, 1.0)}), "priors of b"),
    ],
)
def test_priors_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(LawError, match=said):
        wrong()


def _law(x, *, A: Positive = 1.0, alpha: Exponent = 0.5):
    return A * x**-alpha


@pytest.mark.parametrize("bend", [0.4, 0.9, -0.5])
@pytest.mark.parametrize("jump", [0.0, 1e-3, 2e-2])
@pytest.mark.parametrize("start", [1e-6, 6e-5, 1e-3])
def test_how_strong_priors_are_is_found_where_what_is_asked_for_jumps(bend, jump, start):
    """Rows cross the corner of a robust loss as the strength moves: the end is an answer, and no leap of a secant."""

    def asks(known):
        return 5e-5 * (known / 5e-5) ** bend * (1 + jump * np.sin(3e3 * np.log(known)).round())

    known, tried = start, []
    for _ in range(TURNS):
        tried.append((known, asks(known)))
        if settled(*tried[-1]) or settled(known, further := onward(tried)):
            break
        known = further
    assert len(tried) < TURNS and known == pytest.approx(5e-5, rel=1.1 * jump / (1 - bend) + 2e-3)
