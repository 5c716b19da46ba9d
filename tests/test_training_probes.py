# ruff: noqa: E402  (imports follow the check that torch is there)
"""Probes against what is known, and the coordinate check of the parametrisations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.training import RunSpec
from scaling.training import probes as p
from scaling.training.corpus import Corpus, Source

CONSTANT = "constant:peak=1e-2,steps=40"


@pytest.fixture(scope="module")
def corpus():
    words = np.random.default_rng(0).choice(["if ", "else:\n", "return ", "x = ", "None\n"], 4000)
    text = np.frombuffer("".join(words).encode(), np.uint8)
    return Corpus((Source("words", 1.0, text, text[:2000], 1, "words"),))


def bench(corpus, **settings):
    return p.Bench(
        RunSpec(**({"schedule": CONSTANT, "d_model": 16, "n_head": 2, "context": 16, "batch": 8} | settings)), corpus
    )


def test_top_eigenvalue_of_a_known_quadratic():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(300, 300)))[0]
    eigenvalues = np.concatenate([[7.3, 7.0, -9.0], rng.uniform(-1, 5, 297)])  # a larger negative one must not win
    matrix = torch.tensor(basis * eigenvalues @ basis.T)
    found = p.top_eigenvalue(lambda v: matrix @ v, 300, tolerance=1e-9)
    assert found == pytest.approx(7.3, rel=1e-4)


def test_sharpness_is_the_top_eigenvalue_of_the_hessian(corpus):
    tiny = bench(corpus, n_layer=1, d_model=2, n_head=1, context=4, batch=4)
    tiny.train(5)
    windows, flat = tiny.windows(8), tiny.stack.flat.detach().clone()
    with p.sdpa_kernel(p.SDPBackend.MATH):
        full = torch.autograd.functional.hessian(lambda x: tiny.loss(x, windows), flat)[0, :, 0].double()
    assert p.sharpness(tiny, windows) == pytest.approx(float(torch.linalg.eigvalsh(full)[-1]), rel=1e-3)
    scale = (tiny.stack.rule.slots["v"][0] / (1 - 0.95**5)).sqrt().add(1e-8).rsqrt().double()
    expected = float(torch.linalg.eigvalsh(full * scale * scale[:, None])[-1])
    found = p.sharpness(tiny, windows, preconditioned=True)
    assert found == pytest.approx(expected, rel=1e-2)


def test_noise_scale_of_a_model(corpus):
    early = bench(corpus)
    found = p.noise_scale(early, 4, 64, repeats=4)
    assert found["trace"] > 0 and 0.05 < found["B_simple"] < 50  # at the start all sequences pull one way


def test_probes_change_nothing_and_know_adam(corpus):
    one, two = bench(corpus), bench(corpus)
    updates = p.update_rms(one)  # the first step of Adam moves every weight with a gradient by the rate
    assert updates["blocks.0.mlp.up"] == pytest.approx(1e-2, rel=0.02)
    windows = one.windows(8)
    p.gradient_rms(one, windows), p.forward_probes(one, windows), p.sharpness(one, windows)
    assert np.array_equal(one.train(4).train, two.train(4).train)
    views = one.stack.model.views(one.gradient(windows)[None])
    assert p.gradient_rms(one, windows)["norm"] == pytest.approx(float(views["norm"].square().mean().sqrt()))


def test_forward_probes_see_scores_and_log_z(corpus):
    plain, normed = (bench(corpus, qk_norm=on, schedule="constant:peak=0.3,steps=40") for on in (False, True))
    first = p.forward_probes(plain, plain.windows(8))
    assert first["log_z"] == pytest.approx(np.log(256), abs=0.02)
    assert set(first) >= {"logit_max/blocks.0.attention", "activation/blocks.1", "activation/logits"}
    logits = []
    for one in (plain, normed):
        one.train(40)
        logits.append(p.forward_probes(one, one.windows(8))["logit_max/blocks.0.attention"])
    assert logits[0] > 10 * logits[1]  # a high rate blows up the scores unless queries and keys are normalised


def test_coordinate_check_tells_mup_from_sp(corpus):
    found = {}
    for rules in ("sp", "mup", "completep"):
        spec = RunSpec(schedule=CONSTANT, parametrization=rules, base_width=16, d_model=16, n_head=2, context=16, batch=8)
        found[rules] = p.slopes(p.coordinate_check(spec, (16, 32, 64, 128), corpus, updates=6, seeds=(0, 1)))
    assert found["sp"]["blocks.1"] > 0.3
    assert found["mup"].abs().max() < 0.1
    assert found["completep"].abs().max() < 0.1
