"""ATLAS (arXiv:2510.22037): effective data, and how model and data must grow with the number of languages."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.papers.longpre2025 import same_loss, same_loss_with, saturating

ALPHA, BETA = 0.453, 0.147  # implied by the printed exponents 0.243 and 0.728


@pytest.mark.parametrize(
    ("r", "N", "D", "C"), [(2, 1.18, 1.66, 1.96), (4, 1.40, 2.74, 3.84), (8, 1.66, 4.54, 7.52), (16, 1.96, 7.52, 14.7)]
)
def test_printed_multipliers(r, N, D, C):
    found = same_loss(r, alpha=ALPHA, beta=BETA)
    assert found["N"] == pytest.approx(N, abs=0.006)
    assert found["D_total"] == pytest.approx(D, abs=0.011)
    assert found["C"] == pytest.approx(C, rel=0.004)
    exponents = [np.log(found[k]) / np.log(r) for k in ("N", "D_total", "C")]
    np.testing.assert_allclose(exponents, [0.243, 0.728, 0.970], atol=1e-3)


def test_the_frontier_keeps_the_loss():
    law = scaling.laws["multilinguality"]
    start = {"K": 4.0, "N": 1e9, "D_t": 2e10}
    values = {"L_inf": 1.2, "A": 300.0, "B": 60.0, "alpha": ALPHA, "beta": BETA, "phi": 0.11, "psi": -0.04}
    part_N = values["A"] * 4**0.11 / 1e9**ALPHA
    share = part_N / (part_N + values["B"] * 4**-0.04 / 2e10**BETA)
    loss = law(*start.values(), **values)
    for r in (2, 8, 16):
        for s in (1.5, 2.0, 4.0):
            t = same_loss_with(r, s, alpha=ALPHA, beta=BETA, share_N=share)
            assert law(4.0 * r, 1e9 * s, 2e10 * t, **values) == pytest.approx(loss, abs=1e-12)
        both = same_loss(r, alpha=ALPHA, beta=BETA)
        assert law(4.0 * r, 1e9 * both["N"], 2e10 * both["D_t"], **values) == pytest.approx(loss, abs=1e-12)
        assert same_loss_with(r, both["N"], alpha=ALPHA, beta=BETA) == pytest.approx(both["D_t"], rel=1e-12)
    assert same_loss_with(16, 0.05, alpha=ALPHA, beta=BETA) == np.inf


def test_repeated_tokens_fade():
    U, lam = 1e9, 0.5
    D = np.array([0.0, 5e8, 1e9, 1e9 * (1 + 1e-6), 4e9, 1e14])
    S = saturating(D, U, lam)
    np.testing.assert_array_equal(S[:3], D[:3])
    assert (S[3] - 1e9) / (D[3] - 1e9) == pytest.approx(1.0, rel=1e-5)  # slope one where repetition starts
    assert S[4] == pytest.approx(U * (1 + (1 - np.exp(-1.5)) / 0.5)) and S[5] == pytest.approx(U * (1 + 1 / lam))
    assert saturating(3e9, U, 1e-9) == pytest.approx(3e9, rel=1e-6)
    assert saturating(5.0, 0.0, lam) == 0.0


def test_without_other_languages_it_is_hoffmann_s_law():
    law = scaling.laws["atlas"].using(domains="de")
    values = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28}
    found = law(1e9, 2e10, 1e12, 0.0, 0.0, 0.0, 0.0, **values, lam=0.5, tau_de=0.3, tau_other=0.1)
    assert found == pytest.approx(scaling.laws["chinchilla"](1e9, 2e10, **values), rel=1e-14)


def test_unique_tokens_may_be_one_number_for_all_rows():
    law = scaling.laws["atlas"]
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: np.exp(rng.uniform(np.log(1e9), np.log(1e11), 60)) for name in law.inputs})
    rows["N"] /= 100
    for name in law.inputs:
        if name.startswith("U"):
            rows[name] = 3e9
    taus = {"tau_1": 0.3, "tau_2": 0.2, "tau_3": 0.1, "tau_other": 0.05}
    truth = {"E": 1.5, "A": 300.0, "B": 2000.0, "alpha": 0.35, "beta": 0.4, "lam": 0.2, **taus}
    rows["loss"] = law(*(rows[n].to_numpy() for n in law.inputs), **truth)
    fit = scaling.fit(rows, "atlas", fixed={"lam": 0.2})
    assert fit.ok and fit.values == pytest.approx(truth, rel=1e-6)
