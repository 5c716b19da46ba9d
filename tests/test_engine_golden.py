"""The engine against closed forms and differences: every number here is derived a second way, without the package."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import elementwise
from scipy.stats import qmc
from scipy.stats import t as student

import scaling
from scaling.engine import model as models
from scaling.engine.losses import NAMES, Loss
from scaling.engine.refit import refit
from scaling.engine.solver import costs, minimise
from scaling.engine.steps import Damped, GaussNewton, Newton
from scaling.engine.uncertainty import covariance, deviation, lag_one
from scaling.engine.verdict.judgement import judge
from scaling.numerics import root, spread

X = np.geomspace(1e3, 1e6, 24)
NOISE = 0.01 * np.random.default_rng(0).standard_normal(24)
LINE = np.column_stack([np.ones(24), -np.log(X)])  # of ln A and alpha


def power_law():
    """ln loss = ln A - alpha ln x + noise: least squares on logarithms is linear regression."""
    frame = pd.DataFrame({"x": X, "loss": 20 * X**-0.3 * np.exp(NOISE)})
    return frame, scaling.fit(frame, "power_law", objective="log_squares")


def line(y, rows=slice(None)):
    """Linear regression of y on LINE: coefficients, residuals, their sd, and (X^T X)^-1."""
    A = LINE[rows]
    beta, rss, *_ = np.linalg.lstsq(A, y[rows])
    return beta, y[rows] - A @ beta, np.sqrt(rss[0] / (len(A) - 2)), np.linalg.inv(A.T @ A)


VALUES = {  # loss functions at delta = 0.5 and r = 0.25, 2, -2, by hand from the formulas in `Loss`
    "squares": (0.03125, 2.0, 2.0),
    "huber": (0.03125, 0.875, 0.875),
    "one_sided": (0.03125, 0.875, 0.0875),
    "soft_l1": (0.25 * (np.sqrt(1.25) - 1), 0.25 * (np.sqrt(17) - 1), 0.25 * (np.sqrt(17) - 1)),
    "student_t": (0.625 * np.log(1.0625), 0.625 * np.log(5), 0.625 * np.log(5)),
}


@pytest.mark.parametrize("name", NAMES)
def test_values_slopes_and_curvatures_of_the_losses(name):
    loss, r, h = Loss(name, False, 0.5), np.array([0.25, 2.0, -2.0]), 1e-4
    np.testing.assert_allclose(loss.value(r), VALUES[name], rtol=1e-12)
    r = np.array([-1.7, -0.3, 0.1, 0.45, 0.9, 3.0])
    slope, curvature, ratio = loss.slopes(r)
    np.testing.assert_allclose(slope, (loss.value(r + h) - loss.value(r - h)) / (2 * h), rtol=1e-6)
    up, down = loss.slopes(r + h)[0], loss.slopes(r - h)[0]
    np.testing.assert_allclose(curvature, (up - down) / (2 * h), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(ratio, slope / r, rtol=1e-12)
    assert loss.scale * loss.value(np.array([0.1]))[0] == pytest.approx(0.01 if name == "squares" else loss.value(0.1))
    total = loss.total(np.array([[0.1, 0.2], [0.1, np.nan]]), np.array([[1.0, 3.0], [1.0, 1.0]]))
    assert total[0] == pytest.approx(loss.value(0.1) + 3 * loss.value(0.2)) and total[1] == np.inf


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_newton_has_the_gradient_and_the_hessian_of_the_objective(name, log):
    law, rng = scaling.laws["chinchilla"], np.random.default_rng(1)
    inputs = {"N": np.exp(rng.uniform(16, 21, 12)), "D": np.exp(rng.uniform(20, 25, 12))}
    loss = Loss(name, log, 0.07)
    model = models.build(law, tuple(law.params.values()), inputs, {}, loss)
    t = model.coordinates.from_params(np.array([1.7, 400.0, 410.0, 0.34, 0.28]))[None]
    # residuals far from zero: in the exact Hessian they multiply second derivatives, of the link too
    y = loss.link(model.value(model.terms(t))[0]) - 0.3 * rng.choice([-1.0, 0.1, 1.0], 12)
    w = rng.uniform(0.5, 2.0, (1, 12))
    steps = Newton(model, y, loss)
    _, r, terms = steps.at(t, w)
    g, H, _ = (a[0] for a in steps.local(r, terms, w))
    h = 1e-5
    for j in range(5):
        up, down = t + h * np.eye(5)[j], t - h * np.eye(5)[j]
        rise = costs(model, y, up, w, loss) - costs(model, y, down, w, loss)
        np.testing.assert_allclose(g[j], rise[0] / (2 * h), rtol=1e-5)
        gradients = [steps.local(*steps.at(s, w)[1:], w)[0][0] for s in (up, down)]
        np.testing.assert_allclose(H[j], (gradients[0] - gradients[1]) / (2 * h), rtol=1e-4, atol=1e-6 * np.abs(H).max())
    general = models.GeneralModel(law, model.coordinates, inputs, {}, log)
    theirs = GaussNewton(general, y, loss).local(r, general.terms(t), w)
    np.testing.assert_allclose(theirs[0][0], g, rtol=1e-9)
    # with no residual left both have the same Hessian, and reweighted least squares the same damping
    none = np.zeros_like(r)
    exact, near = steps.local(none, terms, w), GaussNewton(general, y, loss).local(none, general.terms(t), w)
    np.testing.assert_allclose(exact[1], near[1], rtol=1e-9)
    np.testing.assert_allclose(1.001 * np.diag(near[2][0]), np.diag(exact[2][0]), rtol=1e-9)


def test_a_damped_step_solves_its_equations():
    rng = np.random.default_rng(2)
    A, g = rng.normal(size=(4, 3)), rng.normal(size=(1, 3))
    H = (A.T @ A)[None]
    D = np.diag(np.diag(H[0]))[None]
    none, far = np.zeros((1, 3), bool), np.full(3, np.inf)
    step, promised = Damped(H, D, np.array([0.5]), none, far).step(g)
    np.testing.assert_allclose((H[0] + 0.5 * D[0]) @ step[0], -g[0], rtol=1e-10)
    np.testing.assert_allclose(promised, -g[0] @ step[0] - 0.5 * step[0] @ H[0] @ step[0], rtol=1e-10)
    held, _ = Damped(H, D, np.array([0.0]), np.array([[False, True, False]]), far).step(g)
    rest = [0, 2]
    assert held[0, 1] == 0
    np.testing.assert_allclose(H[0][np.ix_(rest, rest)] @ held[0, rest], -g[0, rest], rtol=1e-10)
    assert np.abs(Damped(H, D, np.array([0.0]), none, np.full(3, 1e-3)).step(g)[0]).max() <= 1e-3


@pytest.mark.parametrize("kind", ["exact", "general"])
@pytest.mark.parametrize(
    ("lo", "hi", "start", "end"), [(0.1, 2, 0.1, 0.3), (0.5, 2, 1.0, 0.5), (0, 0.2, 0.1, 0.2), (0, 2, 2, 0.3)]
)
def test_a_bound_holds_only_against_the_slope(kind, lo, hi, start, end):
    """A start at a bound leaves it where the objective falls inwards; an optimum beyond a bound is held there, and the other
    parameter is that of the regression with the exponent at the bound."""
    law, loss = scaling.laws["power_law"], Loss("squares", True, 1.0)
    alpha = law.params["alpha"]
    specs = (law.params["A"], replace(alpha, domain=replace(alpha.domain, lo=lo, hi=hi)))
    model = models.build(law, specs, {"x": X}, {}, loss)
    if kind == "general":
        model = models.GeneralModel(law, model.coordinates, {"x": X}, {}, True)
    y = np.log(20 * X**-0.3)
    t = model.coordinates.from_params(np.array([5.0, start]))
    found = minimise(model, y, t[None], np.ones(24), loss)
    A, a = model.coordinates.to_params(found.t[0])
    assert a == pytest.approx(end, rel=1e-9)
    assert np.log(A) == pytest.approx(np.mean(y + end * np.log(X)), rel=1e-9)
    assert found.converged[0]


def test_a_parameter_at_its_bound_has_no_error():
    """Nor has the scale it is tied to more than that of a mean: the exponent counts as known."""
    frame, fit = power_law()
    held = scaling.fit(frame, "power_law", objective="log_squares", params=bounded(fit.params, "alpha", 0.4))
    assert held.verdict.at_bound == ("alpha",) and held.values["alpha"] == 0.4
    errors = held.errors()
    assert np.isnan(errors["alpha"])
    assert errors["A"] == pytest.approx(held.values["A"] * held.cov.noise / np.sqrt(24), rel=1e-8)


def bounded(params, name, low):
    params[name].set(min=low, value=low)
    return params


def test_covariance_of_least_squares_is_that_of_the_regression():
    frame, fit = power_law()
    beta, _, s, inverse = line(np.log(frame["loss"].to_numpy()))
    assert np.log(fit.values["A"]) == pytest.approx(beta[0], rel=1e-10)
    assert fit.values["alpha"] == pytest.approx(beta[1], rel=1e-10)
    assert fit.cov.noise == pytest.approx(s, rel=1e-10)
    assert fit.errors()["alpha"] == pytest.approx(s * np.sqrt(inverse[1, 1]), rel=1e-8)
    assert fit.errors()["A"] == pytest.approx(fit.values["A"] * s * np.sqrt(inverse[0, 0]), rel=1e-8)
    scale = np.array([fit.values["A"], 1.0])
    np.testing.assert_allclose(fit.covar, scale[:, None] * s**2 * inverse * scale, rtol=1e-8)


def test_rows_that_lean_alike_count_for_fewer():
    """Lag-1 autocorrelation rho within a run leaves (1 - rho) / (1 + rho) of the rows; errors grow by the root of that."""
    r = np.sin(np.arange(24) / 3)
    rho = (r[1:] @ r[:-1]) / (r @ r)
    assert lag_one(r, np.zeros(24, int)) == pytest.approx(rho, rel=1e-12)
    assert lag_one(r, np.arange(24)) == 0.0
    two = np.repeat([0, 1], 12)  # the step from one run to the next is no neighbourhood
    assert lag_one(r, two) == pytest.approx((r[1:] @ r[:-1] - r[12] * r[11]) / (r @ r), rel=1e-12)
    law, loss = scaling.laws["power_law"], Loss("squares", True, 1.0)
    model = models.build(law, tuple(law.params.values()), {"x": X}, {}, loss)
    beta, left, s, inverse = line(0.01 * r - 0.3 * np.log(X))
    t = model.coordinates.from_params(np.array([np.exp(beta[0]), beta[1]]))
    args = model, t, 0.01 * r - 0.3 * np.log(X), np.ones(24), loss
    rho = (left[1:] @ left[:-1]) / (left @ left)
    assert rho > 0.5
    alone, alike = (covariance(*args, runs, np.zeros(2, bool)) for runs in (np.arange(24), np.zeros(24, int)))
    np.testing.assert_allclose(np.diag(alone.matrix)[1], s**2 * inverse[1, 1], rtol=1e-8)
    np.testing.assert_allclose(alike.matrix, alone.matrix * (1 + rho) / (1 - rho), rtol=1e-8)


def test_covariance_of_robust_losses_is_the_sandwich():
    law, loss = scaling.laws["power_law"], Loss("soft_l1", True, 0.008)
    model = models.build(law, tuple(law.params.values()), {"x": X}, {}, loss)
    y = np.log(20) - 0.3 * np.log(X) + NOISE
    t = minimise(model, y, model.coordinates.from_params(np.array([20.0, 0.3]))[None], np.ones(24), loss).t[0]
    f, J = models.at(model, t)
    J, r = J / f, np.log(f) - y
    z = 1 + (r / 0.008) ** 2
    psi, curvature = r / np.sqrt(z), z**-1.5
    leverage = np.einsum("pn,pq,qn->n", J, np.linalg.inv(J @ J.T), J)
    H = np.linalg.inv((J * curvature) @ J.T)
    expected = H @ ((J * (psi / (1 - leverage)) ** 2) @ J.T) @ H
    found = covariance(model, t, y, np.ones(24), loss, np.arange(24), np.zeros(2, bool))
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-8)


def test_the_delta_method_and_its_threshold():
    rng = np.random.default_rng(3)
    J, root = rng.normal(size=(3, 5)), rng.normal(size=(3, 3))
    sd = np.sqrt(np.diag(J.T @ root @ root.T @ J))
    np.testing.assert_allclose(deviation(J, root), sd, rtol=1e-12)
    np.testing.assert_allclose(deviation(np.stack([J, 2 * J]), np.stack([root, root])), [sd, 2 * sd], rtol=1e-12)
    np.testing.assert_allclose(deviation(J, root, 0.99e7), sd, rtol=1e-12)
    assert np.isnan(deviation(J, root, 1.01e7)).all()
    between = np.sort(sd)[2]
    np.testing.assert_array_equal(np.isnan(deviation(J, root, 1.01e7, between)), sd >= between)


def test_one_threshold_for_all_that_is_not_determined():
    fit = power_law()[1]
    for condition, lost in ((0.99e7, False), (1.01e7, True)):
        cov = replace(fit.cov, condition=condition, root=100 * fit.cov.root)
        free = replace(fit, cov=cov)
        assert free.errors().isna().all() == lost
        assert free.identified()["lower"].isna().all() == lost
        assert free.errorbars != lost
        told = judge(
            fit.law, fit.design, cov, converged=True, agree=8, tried=8, rival=np.inf, at_bound=(), vanished=(), idle=(),
            iterations=1, explained=1.0, left=0.0,
        )  # fmt: skip
        assert told.ok != lost
        assert free.summary()["note"].str.startswith("not determined").all() == lost
        # a prediction is lost where it moves by more than its own size, and only there
        far = free.predict(pd.DataFrame({"x": [1e3, 1e30]}), interval="delta")
        assert far["lower"].isna().tolist() == [False, lost]


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_the_delta_interval_is_that_of_the_regression(level):
    frame, fit = power_law()
    beta, _, s, inverse = line(np.log(frame["loss"].to_numpy()))
    row = np.array([1.0, -np.log(1e8)])
    half = student.ppf((1 + level) / 2, 22) * s * np.sqrt(1 + row @ inverse @ row)
    found = fit.predict(pd.DataFrame({"x": [1e8]}), interval="delta", level=level).iloc[0]
    assert np.log(found["prediction"]) == pytest.approx(row @ beta, rel=1e-10)
    assert np.log(found["upper"] / found["prediction"]) == pytest.approx(half, rel=1e-8)
    assert np.log(found["prediction"] / found["lower"]) == pytest.approx(half, rel=1e-8)
    mean = fit.eval_uncertainty(sigma=level, x=np.array([1e8]))[0] / found["prediction"]
    assert mean == pytest.approx(student.ppf((1 + level) / 2, 22) * s * np.sqrt(row @ inverse @ row), rel=1e-8)


def test_refits_of_parts_are_regressions_of_parts():
    frame, fit = power_law()
    y = np.log(frame["loss"].to_numpy())
    weights = np.array([np.arange(24) < 16, np.arange(24) >= 4], float)
    fits = refit(fit.law, fit.design, fit.loss, weights)
    middle, variance = fits.predict(fits.model(fit.design))
    for f, w in enumerate(weights):
        beta, _, s, inverse = line(y, w > 0)
        np.testing.assert_allclose(middle[f], LINE @ beta, rtol=1e-9)
        spread = np.einsum("np,pq,nq->n", LINE, inverse, LINE)
        np.testing.assert_allclose(variance[f], s**2 * (1 + spread), rtol=1e-7)
    doubled = replace(fits, alike=np.array([3.0, 3.0])).predict(fits.model(fit.design))[1]
    np.testing.assert_allclose(doubled - variance, 2 * (variance - fits.noise[:, None] ** 2), rtol=1e-7)


def test_information_criteria_have_one_definition():
    frame, fit = power_law()
    rss = fit.cov.noise**2 * 22
    assert fit.aic == pytest.approx(24 * np.log(rss / 24) + 4, rel=1e-10)
    assert fit.bic == pytest.approx(24 * np.log(rss / 24) + 2 * np.log(24), rel=1e-10)
    assert fit.aicc == pytest.approx(fit.aic + 2 * 3 * 4 / (24 - 3 - 1), rel=1e-12)
    weighted = frame.assign(weight=np.linspace(0.5, 2.0, 24), N=X, D=20 * X * np.exp(NOISE))
    table = scaling.compare(weighted, ["power_law", "power_law_offset", "chinchilla"], objective="log_squares", holdout=0.4)
    for law, row in table.iterrows():
        found = scaling.fit(weighted, law, objective="log_squares")
        assert (row["aicc"], row["bic"]) == (found.aicc, found.bic), law


@pytest.mark.parametrize(("count", "points", "seed"), [(1, 7, 0), (3, 256, 0), (5, 300, 11), (14, 40, 3)])
def test_starts_are_spread_as_scipy_spreads_them(count, points, seed):
    expected = qmc.Halton(count, rng=np.random.default_rng(seed)).random(points)
    assert np.array_equal(spread(count, points, seed), expected)


@pytest.mark.parametrize("swapped", [False, True])
def test_roots_are_those_of_scipy(swapped):
    rng = np.random.default_rng(5)
    at = rng.normal(size=40) * 10.0 ** rng.integers(-3, 3, 40)
    ends = at - rng.uniform(0, 5, 40), at + rng.uniform(0, 5, 40)
    low, high = ends[::-1] if swapped else ends
    for f in (lambda x: x, np.tanh, lambda x: x**3, lambda x: np.expm1(x / 50), lambda x: np.where(x < 0, -1.0, x)):
        expected = elementwise.find_root(lambda x, k, f=f: f(x - at[k]), (low, high), args=(np.arange(40),)).x
        np.testing.assert_array_equal(root(lambda x, k, f=f: f(x - at[k]), low, high), expected)


def test_without_a_root_the_end_nearer_to_one_is_returned():
    f = lambda x, k: np.array([x[0] + 1, 1 / x[1], 1.0])
    assert root(f, [1, 1, 1], [2, 2, 2]).tolist() == [1, 2, 2]
    assert root(lambda x, k: x**2 - 4, [[2.0, 0.0]], [[5.0, 2.0]]).tolist() == [[2, 2]]  # a root at an end


def test_a_root_is_found_far_below_one():
    pools = np.array([1e-200, 1e-3])
    np.testing.assert_allclose(root(lambda u, k: np.log(u / pools[k]), [1e-300] * 2, [1.0] * 2), pools, rtol=1e-13)
