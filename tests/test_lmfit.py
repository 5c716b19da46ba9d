"""lmfit's vocabulary: the same numbers where lmfit is right, and an answer where it is silent."""

import pickle
import subprocess
import sys

import lmfit
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from scaling.errors import FitError, LawError
from scaling.fits import guess, lmfit_model
from scaling.formula import Exponent, Law, Positive

X = np.linspace(1.0, 10.0, 60)


def curve(noise=0.01):
    return 2.0 + 1.4 * X**-0.5 + noise * np.random.default_rng(1).normal(size=len(X))


def power(x, *, a: Positive = 1.0, b: Positive = 1.0, c: Exponent = 0.4):
    """L = a + b / x^c"""
    return a + b / x**c


def pair(x, *, a: Positive = 1.0, b: Positive = 1.0, d: Positive = 1.0, c: Exponent = 0.4):
    """L = a + b d / x^c, where only the product b d can be known"""
    return a + b * d / x**c


def as_law(fn):
    return Law.of(fn, "test")


@pytest.fixture(scope="module")
def epoch(points):
    return points


def test_lmfit_is_loaded_only_when_asked_for():
    code = "import sys, scaling.fits; scaling.laws; sys.exit('lmfit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", list(scaling.laws))
def test_every_law_is_an_lmfit_model(name):
    law = scaling.laws[name]
    model = lmfit_model(law)
    assert isinstance(model, lmfit.Model)
    assert model.param_names == list(law.params) and model.independent_vars == list(law.inputs)
    for key, p in model.make_params().items():
        domain = law.params[key].domain
        assert (p.value, p.min, p.max) == (law.params[key].start, domain.lo, domain.hi)
    if law.over_schedules:
        plan = "wsd:peak=3e-3,steps=600,warmup=100,decay=0.3,shape=linear,final=0.1"
        told = {"N": 1e8, "batch": 1e6, "schedule": plan} if law.hooks.facts else plan
        inputs = design(told, law, fitting=False, steps=[200, 400, 600]).inputs
        values = {k: p.start for k, p in law.params.items()}
        found = model.eval(model.make_params(), **inputs)
        np.testing.assert_array_equal(found, law(*inputs.values(), **values))


def test_the_model_fits_from_our_guess(epoch):
    law = scaling.laws["chinchilla"]
    start = guess(law, epoch)
    assert isinstance(start, lmfit.Parameters) and start["E"].min == 0
    again = pickle.loads(pickle.dumps(lmfit_model(law).func))
    assert again(N=1e8, D=1e9, **start.valuesdict()) == law(1e8, 1e9, **start.valuesdict())
    result = lmfit_model(law).fit(epoch["loss"], start, N=epoch["N"], D=epoch["D"])
    assert result.chisqr == pytest.approx(scaling.fit(epoch, law, objective="squares").objective, rel=1e-9)
    fit = scaling.fit(epoch, law, params=start)  # the guess is accepted back
    assert fit.objective == pytest.approx(scaling.fit(epoch, law).objective, rel=1e-9)


def test_same_numbers_as_lmfit_where_lmfit_is_right(epoch):
    law = scaling.laws["chinchilla"]
    ours = scaling.fit(epoch, law, objective="squares")
    theirs = lmfit_model(law).fit(epoch["loss"], ours.params, N=epoch["N"], D=epoch["D"])
    for name in ("chisqr", "redchi", "aic", "bic", "nfree", "ndata", "nvarys"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-6), name
    assert ours.best_values == pytest.approx(theirs.best_values, rel=1e-4)
    assert ours.var_names == theirs.var_names and ours.success and ours.errorbars and ours.nfev > 0
    np.testing.assert_allclose(ours.covar, theirs.covar, rtol=2e-2)  # their derivatives are finite differences
    for name, p in ours.params.items():
        q = theirs.params[name]
        assert p.stderr == pytest.approx(q.stderr, rel=1e-2)
        assert p.correl == pytest.approx(q.correl, abs=1e-3)
    target = {"N": np.array([7e10, 1e9]), "D": np.array([1.4e12, 2e10])}
    np.testing.assert_allclose(ours.eval(**target), theirs.eval(**target), rtol=1e-6)
    for sigma in (1, 2, 0.9):
        np.testing.assert_allclose(
            ours.eval_uncertainty(sigma, **target), theirs.eval_uncertainty(sigma=sigma, **target), rtol=1e-2
        )
    np.testing.assert_allclose(ours.best_fit, ours.eval(N=ours.data["N"], D=ours.data["D"]))
    assert ours.eval({"E": 2.0}, **target)[0] == pytest.approx(ours.eval(**target)[0] + 2.0 - ours.values["E"])
    for ends, expected in (
        (ours.conf_interval(["E"])["E"], theirs.conf_interval(p_names=["E"])["E"]),
        (ours.conf_interval(["A"], sigmas=[0.9])["A"], theirs.conf_interval(p_names=["A"], sigmas=[0.9])["A"]),
    ):
        np.testing.assert_allclose(ends, expected, rtol=1e-3)
        assert [v for _, v in ends] == sorted(v for _, v in ends)


def test_report_has_the_verdict_before_the_numbers(epoch):
    fit = scaling.fit(epoch, "chinchilla", fixed={"E": 1.8})
    report = fit.fit_report()
    heads = ["[[Model]]", "[[Verdict]]", "[[Fit Statistics]]", "[[Variables]]", "[[Correlations]]"]
    assert [line.split(" (")[0] for line in report.splitlines() if line.startswith("[[")] == heads
    assert "OK: converged, 8 of 8 starts agree" in report and "1.8 (fixed)" in report and "init" not in report
    assert fit.params["E"].stderr is None and not fit.params["E"].vary and fit.var_names == ["A", "B", "alpha", "beta"]
    assert fit.covar.shape == (4, 4) and fit.errorbars


def test_tied_parameters_are_shown_as_tied(epoch):
    tied = lmfit.Parameters()
    tied.add("alpha", value=0.3, min=0, max=10)
    tied.add("beta", expr="alpha")
    params = scaling.fit(epoch, "chinchilla", params=tied).params
    assert params["beta"].expr == "alpha" and params["beta"].value == params["alpha"].value


def test_a_bound_leaves_the_other_errors(epoch):
    """lmfit: 'Fit succeeded. Could not estimate error-bars.', every stderr None, eval_uncertainty all zero."""
    y, law = curve(), as_law(power)
    start = lmfit_model(law).make_params(a={"value": 2.3, "min": 2.2})
    silent = lmfit_model(law).fit(y, start, x=X)
    assert silent.success and not silent.errorbars and not silent.eval_uncertainty().any()

    fit = scaling.fit(pd.DataFrame({"x": X, "loss": y}), law, objective="squares", params=start)
    assert not fit.success and "a is at the edge of the allowed range" in fit.message
    assert fit.params["a"].stderr is None and np.isnan(fit.covar[0]).all()
    # the others as if a had been fixed there
    held = scaling.fit(fit.data, law, objective="squares", fixed={"a": 2.2})
    for name in "bc":
        assert fit.params[name].stderr == pytest.approx(held.params[name].stderr, rel=1e-6) and fit.params[name].stderr > 0
        assert list(fit.params[name].correl) == ["c" if name == "b" else "b"]
    width = fit.eval_uncertainty(x=np.array([5.0, 20.0]))
    assert (width > 0).all() and width[1] == pytest.approx(held.eval_uncertainty(x=[20.0])[0], rel=1e-6)
    assert "NOT TRUSTWORTHY" in fit.fit_report()


def test_a_pair_that_cannot_be_told_apart_is_named():
    """lmfit: success, errorbars=True, errors of 1e12 and more, and uncertainties of 1e8 or of zero."""
    y, law = curve(), as_law(pair)
    silent = lmfit_model(law).fit(y, x=X)
    assert silent.success and (not silent.errorbars or silent.params["b"].stderr > 1e3)

    fit = scaling.fit(pd.DataFrame({"x": X, "loss": y}), law, objective="squares")
    assert not fit.success and "b and d are not determined by these data" in fit.message
    assert fit.params["b"].stderr is None and fit.params["d"].stderr is None and not fit.errorbars
    # the product is determined, and so are predictions: as those of the law with one factor
    one = scaling.fit(fit.data, as_law(power), objective="squares")
    far = np.array([5.0, 20.0, 30.0])
    np.testing.assert_allclose(fit.eval_uncertainty(x=far), one.eval_uncertainty(x=far), rtol=1e-2)  # 4, not 3, are counted


def test_what_is_not_determined_is_nan_and_said():
    def exponents(x, z, *, a: Positive = 1.0, b: Exponent = 0.3, c: Exponent = 0.3):
        """L = a / (x^b z^c)"""
        return a / (x**b * z**c)

    data = pd.DataFrame({"x": X, "z": X**2, "loss": curve()})  # z follows x, so only b + 2 c is known
    fit = scaling.fit(data, as_law(exponents), objective="log_squares")
    assert "z = 1 x^2: b and c are not determined" in " ".join(fit.warnings)
    on_the_line = fit.eval_uncertainty(x=np.array([20.0]), z=np.array([400.0]))
    assert np.isfinite(on_the_line).all()
    with pytest.warns(UserWarning, match=r"1 of 2 uncertainties are NaN: .*b and c are not determined"):
        off = fit.eval_uncertainty(x=np.array([20.0, 20.0]), z=np.array([400.0, 1.0]))
    assert np.isfinite(off[0]) and np.isnan(off[1])


def test_an_interval_without_a_limit_is_infinite():
    rng = np.random.default_rng(0)
    x = np.exp(rng.uniform(0, 3, 40))
    data = pd.DataFrame({"x": x, "loss": 0.3 + 5 / x**0.3 + 0.05 * rng.normal(size=40)})
    ends = scaling.fit(data, as_law(power), objective="squares").conf_interval(["a"], sigmas=[1, 3])["a"]
    assert [p for p, _ in ends] == pytest.approx([0.9973, 0.6827, 0, 0.6827, 0.9973], abs=1e-4)
    values = [v for _, v in ends]
    assert values == sorted(values) and values[0] == -np.inf and np.isfinite(values[-1])


def test_wrong_names_are_answered(epoch):
    fit = scaling.fit(epoch, "chinchilla")
    with pytest.raises(LawError, match="did you mean 'alpha'"):
        fit.eval({"alhpa": 1.0})
    with pytest.raises(FitError, match="has no input n"):
        fit.eval(n=1e9)
