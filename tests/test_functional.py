"""The functional scaling law against its formula, written out update by update, and against the law it becomes."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.design.inputs import design
from tests.test_apart import curve

PLAN = "wsd:peak=3e-3,steps=400,warmup=30,decay=0.4,shape=linear,final=0.1"
TRUTH = {"L0": 2.5, "c1": 0.6, "s": 0.45, "c2": 30.0, "c3": 2.0, "c4": 5.0, "gamma": 0.7}


def inputs(law, steps):
    return design(scaling.schedule(PLAN), law, fitting=False, steps=steps).inputs.values()


def test_it_is_its_formula():
    law, rates = scaling.laws["functional"].using(block=1), scaling.schedule(PLAN).rates
    L0, c1, s, c2, c3, c4, gamma = TRUTH.values()
    steps, expected = [200, 300, 400], []
    for step in steps:
        T, saved = sum(rates[:step]), 0.0
        for k in range(30, step):
            before = sum(rates[:k])
            saved += (rates[k - 1] - rates[k]) * (c3 + before**-s) * (1 - (1 + c4 * (T - before)) ** -gamma)
        expected.append(L0 + c1 * T**-s - c2 * saved)
    np.testing.assert_allclose(law(*inputs(law, steps), **TRUTH), expected, rtol=1e-12)


def test_without_fading_it_is_the_multi_power_law_whose_kernel_knows_no_rate():
    ours, theirs = scaling.laws["functional"], scaling.laws["multi_power"]
    steps = np.arange(50, 401, 25)
    mine = ours(*inputs(ours, steps), **{**TRUTH, "c2": 30e-12, "c3": 1e12})
    other = theirs(*inputs(theirs, steps), L0=2.5, A=0.6, alpha=0.45, B=30.0, C=5.0, beta=0.7, gamma=0.0)
    assert mine == pytest.approx(other, rel=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
def test_curves_of_a_kernel_regression_are_fitted_from_starts_enough(seed):
    """Of eight starts one alone came to the best optimum, and the fit was not trusted."""
    runs = pd.concat(
        [curve(1e6, shape, 3000, 10 * seed + k, noise=1e-3) for k, shape in enumerate(("constant", "cosine", "wsd"))]
    )
    fit = scaling.fit(runs, "functional")
    assert fit.ok and fit.verdict.agree >= 2, fit.warnings
