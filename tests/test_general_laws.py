"""Laws without structure that the engine knows: scales read off the law, linear sets in turns, heats of many starts."""

from typing import Annotated

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.engine import model as models
from scaling.engine.coordinates import build
from scaling.engine.losses import Loss
from scaling.engine.scales import read_off
from scaling.engine.starts import linear_sets
from scaling.formula import Domain, Exponent, Law, Positive, Real

Free = Annotated[float, Domain(-3.0, 3.0)]
TRUE = {
    "E": 1.2, "A": 30.0, "a": 0.2, "B": 300.0, "b": 0.3, "K": 2.0, "al": 0.6, "be": 0.25, "K_B": 1.0, "gam": 0.55,
    "cl": 0.005, "cr": 0.02, "bl": 0.006, "br": 0.01,
}  # fmt: skip


def bowls(
    N, D, lr, batch, *, E: Positive = 1.5, A: Positive = 400.0, a: Exponent = 0.34, B: Positive = 400.0, b: Exponent = 0.3,
    K: Positive = 1.0, al: Exponent = 0.5, be: Exponent = 0.2, K_B: Positive = 1.0, gam: Exponent = 0.5, cl: Positive = 0.01,
    cr: Positive = 0.01, bl: Positive = 0.01, br: Positive = 0.01,
):  # fmt: skip
    """L = (E + A / N^a + B / D^b) (1 + a parabola in ln lr / lr* + one in ln batch / B*), each with two halves"""
    x = np.log(lr) - (np.log(K) - al * np.log(N) + be * np.log(D))
    y = np.log(batch) - (np.log(K_B) + gam * np.log(D))
    shares = np.where(np.real(x) > 0, cr, cl) * x * x + np.where(np.real(y) > 0, br, bl) * y * y
    return (E + A / N**a + B / D**b) * (1 + shares)


law = Law.of(bowls, "test")


@pytest.fixture(scope="module")
def grid():
    rng, rows = np.random.default_rng(1), []
    for N in (6e7, 2e8, 6e8):
        for D in (2e9, 8e9, 3.2e10):
            lr, batch = 2.0 * N**-0.6 * D**0.25, D**0.55
            rows += [(N, D, lr * 2.0**i, batch * 2.0**j) for i in range(-3, 4) for j in range(-2, 3)]
    table = pd.DataFrame(rows, columns=["N", "D", "lr", "batch"])
    table["lr"] *= np.exp(rng.uniform(-0.3, 0.3, len(table)))
    return table.assign(loss=bowls(*table.to_numpy().T, **TRUE) * np.exp(2e-3 * rng.normal(size=len(table))))


def inputs(table):
    return {name: table[name].to_numpy() for name in law.inputs}


def test_scales_are_read_off_the_law(grid):
    params, grid = tuple(law.params.values()), grid.iloc[::2]
    found = read_off(law, params, [p.domain.log for p in params], inputs(grid), {})
    n, d, lr, batch = (np.log(grid[name]).mean() for name in law.inputs)
    assert found["A"] == (0.0, {"a": pytest.approx(-n)}) and found["B"] == (0.0, {"b": pytest.approx(-d)})
    assert found["K"] == (pytest.approx(-lr), {"al": pytest.approx(-n), "be": pytest.approx(d)})
    assert found["K_B"] == (pytest.approx(-batch), {"gam": pytest.approx(d)})
    assert found["E"] == found["cl"] == (0.0, {})


@pytest.mark.parametrize("name", ["configuration", "chinchilla_outer", "data_constrained_2", "vocabulary_bowl", "hill"])
def test_what_is_read_off_is_what_hooks_say(name):
    """The slopes of exponents that one scale has to itself, over the same few rows."""
    known = scaling.laws[name]
    at = known.hooks.sample(np.random.default_rng(0), 100) if known.hooks.sample else None
    at = at or {k: np.exp(np.random.default_rng(0).uniform(18, 23, 100)) for k in known.inputs}
    params = tuple(known.params.values())
    hook = build(known, params, at, {}, None)
    free = [p.domain.log and np.isinf(p.domain.hi) for p in params]
    found = read_off(known, params, free, at, {})
    names = [p.name for p in params]
    for scale, (_, slopes) in found.items():
        for exponent, slope in slopes.items():
            assert slope == pytest.approx(hook.M[names.index(scale), names.index(exponent)], rel=1e-9)
    assert any(slopes or shift for shift, slopes in found.values())


def test_a_law_of_real_numbers_alone_keeps_plain_logarithms():
    import math

    def one(x, *, A: Positive = 1.0, a: Exponent = 0.5):
        """L = A x^-a"""
        return np.array([A * math.pow(v, -a) for v in np.atleast_1d(x)])

    params = tuple(Law.of(one, "test").params.values())
    assert read_off(Law.of(one, "test"), params, [True, False], {"x": np.array([1.0, 2.0])}, {}) == {}


def test_parameters_are_linear_in_sets(grid):
    model = models.build(law, tuple(law.params.values()), inputs(grid), {}, Loss.parse("log_huber", 1e-3))
    names = [[model.coordinates.names[j] for j in one] for one in linear_sets(model)]
    assert names == [["E", "A", "B"], ["cl", "cr", "bl", "br"]]


def test_many_parameters_are_found_from_most_starts_whatever_seed_and_units(grid):
    fits = [scaling.fit(grid, law, seed=seed) for seed in range(5)]
    fits.append(scaling.fit(grid.assign(lr=grid["lr"] * 1e9, batch=grid["batch"] * 1e-6, N=grid["N"] * 1e-3), law))
    for fit in fits:
        assert fit.verdict.converged and fit.verdict.agree >= fit.verdict.tried / 2 > 1
        assert fit.objective == pytest.approx(fits[0].objective, rel=1e-8)
    for name in ("a", "b", "al", "be", "gam"):
        assert fits[0].values[name] == pytest.approx(TRUE[name], abs=0.1), name
    assert fits[0].values["cr"] > 2 * fits[0].values["cl"]


def test_a_product_of_sums_starts_from_its_first_factor_alone():
    """(a + b u) (c + d v): the sets are seen in turns, and one scale of the product is free: the fit says so."""

    def product(u, v, *, a: Real = 1.0, b: Real = 1.0, d: Real = 0.5):
        """L = (a + b u) (1 + d v)"""
        return (a + b * u) * (1 + d * v)

    rng = np.random.default_rng(3)
    u, v = rng.uniform(0, 2, (2, 60))
    fit = scaling.fit(pd.DataFrame({"u": u, "v": v, "loss": (3.0 - 0.7 * u) * (1 + 0.2 * v)}), Law.of(product, "test"))
    assert fit.values == pytest.approx({"a": 3.0, "b": -0.7, "d": 0.2}, rel=1e-6)


def test_factors_of_one_product_start_from_their_plain_values():
    """a + b d / x^c: without d nothing tells b, so the sets are not begun at nothing, and the fit says what is free."""

    def pair(x, *, a: Positive = 1.0, b: Positive = 1.0, d: Positive = 1.0, c: Exponent = 0.5):
        """L = a + b d e^(-c x)"""
        return a + b * d * np.exp(-c * x)

    x = np.linspace(0.1, 5, 30)
    fit = scaling.fit(pd.DataFrame({"x": x, "loss": 2 + 3 * np.exp(-0.7 * x)}), Law.of(pair, "test"))
    assert fit.values["b"] * fit.values["d"] == pytest.approx(3.0, rel=1e-6) and 1e-3 < fit.values["b"] < 1e3
    assert not fit.ok and "b and d are not determined" in fit.warnings[0]
