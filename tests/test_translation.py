"""Laws of machine translation (Gordon 2021; Ghorbani 2021's allocation; Fernandes 2023)."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

import scaling
from scaling.logs import formats
from tests import layouts


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return formats.mt_scaling(layouts.translation(tmp_path_factory.mktemp("gordon") / "data_scaling.0126.summary"))


def test_the_table_is_what_it_says(runs):
    assert runs["pair"].value_counts().to_dict() == {"ruen": 25, "deen": 25}
    sizes = [393216, 1572864, 6291456, 18874368, 37748736]  # 2 layers (4 d^2 + 2 d ff), two stacks
    assert sorted(runs["N"].unique()) == sizes
    assert sorted(runs["D"].unique()) == [3e6, 1.2e7, 4.8e7, 1.5e8, 3e8]


def test_gordon_refit(runs):
    """Runs of more than 5 MB, as the paper fits them: the constants come back within their errors, and BLEU exactly."""
    rows = runs[(runs["pair"] == "ruen") & (runs["D"] > 5242880)]
    assert len(rows) == 20
    fit = scaling.fit(rows, "mt_data", objective="squares")
    assert fit.ok, fit
    for name, value in layouts.TRANSLATION.items():
        assert abs(fit.values[name] - value) < 3 * fit.errors()[name], name
    bleu = scaling.fit(rows.assign(L=rows["loss"], loss=rows["bleu"]), "bleu_exponential", objective="squares")
    assert bleu.values == pytest.approx(layouts.BLEU, rel=1e-6)


@pytest.mark.parametrize("pair", ["ruen", "deen", "zhen"])
def test_published_constants_of_gordon(pair):
    """The corner where twice the model and twice the text help alike: loss 1 lies where N = N_C and D is unlimited."""
    preset = scaling.laws["mt_data"].published[f"gordon2021_{pair}"]
    p = dict(preset)
    assert preset(p["N_C"], 1e30) == pytest.approx(1.0, rel=1e-3)
    assert preset(1e30, p["D_C"]) == pytest.approx(1.0, rel=1e-3)


def test_encoder_decoder_allocation():
    law = scaling.laws["encoder_decoder"]
    values = {"L_inf": 1.0, "A": 0.2 * 7**0.3 * 9**0.5, "p_e": 0.3, "p_d": 0.5}
    best = law.hooks.optimum(40.0, **values)
    assert best["loss"] - 1.0 == pytest.approx(0.0954735959604, abs=1e-13)
    found = minimize_scalar(lambda x: law(40 / (1 + np.exp(-x)), 40 / (1 + np.exp(x)), **values), bracket=(-2, 1), tol=1e-14)
    assert best["loss"] == pytest.approx(found.fun, rel=1e-12)
    assert best["N_e"] / 40 == pytest.approx(1 / (1 + np.exp(-found.x)), rel=1e-6)
    from scaling.papers.ghorbani2021 import reduction_at

    assert reduction_at(7, 9, **values) == pytest.approx(0.2, rel=1e-14)


def test_encoder_decoder_fit_with_the_printed_noise():
    """Run-to-run noise of 0.003 in log-perplexity, sizes of 2 to 32 layers on either side."""
    law, rng = scaling.laws["encoder_decoder"], np.random.default_rng(0)
    layers = np.array([2, 4, 8, 12, 16, 24, 32])
    N_e, N_d = (x.ravel() * s for x, s in zip(np.meshgrid(layers, layers), (2.1e7, 2.5e7), strict=True))
    truth = {"L_inf": 1.1, "A": 0.35 * 2.5e8**0.18 * 3e8**0.28, "p_e": 0.18, "p_d": 0.28}
    rows = pd.DataFrame({"N_e": N_e, "N_d": N_d, "loss": law(N_e, N_d, **truth) + rng.normal(0, 0.003, len(N_e))})
    fit = scaling.fit(rows, "encoder_decoder", objective="squares")
    assert fit.ok
    for name, value in truth.items():
        assert abs(np.log(fit.values[name] / value)) < 3 * fit.errors()[name] / fit.values[name], name


def test_bleu_stands_still_on_source_original_sets_alone():
    loss = np.linspace(1.0, 3.0, 40)
    for knee, law in ((1.6, "bleu_source"), (0.5, "bleu_target")):
        bleu = 45 / np.maximum(loss, knee) ** 0.6
        fit = scaling.fit(pd.DataFrame({"L": loss, "loss": bleu}), law, objective="squares")
        assert fit.values["p"] == pytest.approx(0.6, rel=1e-5) and fit.values["c"] == pytest.approx(45, rel=1e-5)
        if law == "bleu_source":
            assert fit.values["knee"] == pytest.approx(1.6, rel=1e-4)


def test_multitask_share_alone_is_the_whole_model():
    from scaling.papers.fernandes2023 import effective_share

    assert effective_share(1.0, c1=0.7, c2=0.4, c3=0.6) == 1.0
    law = scaling.laws["multitask"]
    values = {"L_inf": 1.0, "beta": 50.0, "alpha": 0.3, "c1": 0.0, "c2": 0.5, "c3": 0.5}
    assert law(1e8, 0.5, **values) == pytest.approx(law(5e7, 1.0, **values))
