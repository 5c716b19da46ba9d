# ruff: noqa: E402  (imports follow the check that torch is there)
"""Optimisers against their rules written out for one run, matrix by matrix, in double precision."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.errors import ArgumentError, TrainingError
from scaling.training import RunSpec, train, train_group
from scaling.training.losses import token_losses
from scaling.training.optimisers import RULES
from scaling.training.optimisers.muon import orthogonal
from scaling.training.probes import Bench, sharpness
from scaling.training.spec import OPTIMISERS
from scaling.training.stack import Stack
from tests.tiny import text_in

SMALL = {"n_layer": 2, "d_model": 16, "n_head": 2, "context": 16, "batch": 8}
UPDATES = 12


def text():
    return np.random.default_rng(0).integers(97, 123, 3000).astype(np.uint8)


def both(rule, updates=UPDATES, **settings):
    """Weights by name after some updates: ours, and those of `rule(name, state, w, g, t, rate, decay)` for every tensor."""
    spec = RunSpec(**{"schedule": f"cosine:peak=1e-2,steps={updates},warmup=4"} | SMALL | settings)
    stack = Stack(spec, 1, updates, text(), torch.device("cpu"))
    stack.start(0, spec)
    model, rows = stack.model, stack.model.views(stack.flat.detach().clone())
    weights = {name: rows[name][0].double() for name in rows}
    places = np.random.default_rng(1).integers(0, 2900, (updates, 1, 8))
    losses = stack.advance(places)
    states = {}
    for t, (rate, decay, _) in enumerate(spec.updates, 1):
        where = places[t - 1, 0][:, None] + np.arange(17)
        windows = torch.tensor(text()[where]).long()[None]
        leaves = {name: w.clone().requires_grad_() for name, w in weights.items()}
        loss = token_losses(model.logits({n: w[None] for n, w in leaves.items()}, windows), windows).mean()
        slopes = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        norm = torch.cat([g.flatten() for g in slopes.values()]).norm()
        assert losses.grad_norm[0, t - 1] == pytest.approx(float(norm), rel=2e-4)
        slopes = {name: g * min(1.0, spec.clip / float(norm)) for name, g in slopes.items()}
        weights = rule(weights, slopes, states, t, rate, decay, loss.item() * min(1.0, spec.clip / float(norm)), model.hidden)
    ours = {name: view[0].detach().double() for name, view in stack.weights.items()}
    return ours, weights, losses


def adam(state, w, g, t, rate, decay):
    m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    v = state["v"] = 0.95 * state.get("v", 0) + 0.05 * g**2
    step = (m / (1 - 0.9**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-8)
    return (w if w.dim() == 1 else (1 - decay) * w) - rate * step


def each(of_hidden):
    """A rule for block matrices, and AdamW for the rest."""

    def rule(weights, slopes, states, t, rate, decay, loss, hidden):
        return {
            name: (of_hidden if name in hidden else adam)(states.setdefault(name, {}), w, slopes[name], t, rate, decay)
            for name, w in weights.items()
        }

    return rule


def sgd(weights, slopes, states, t, rate, decay, loss, hidden):
    for name, g in slopes.items():
        states[name] = 0.9 * states.get(name, 0) + g
    return {n: (w if w.dim() == 1 else (1 - decay) * w) - rate * states[n] for n, w in weights.items()}


def muon(state, w, g, t, rate, decay):
    m = state["m"] = 0.95 * state.get("m", 0) + g
    x = g + 0.95 * m
    tall = x.shape[0] > x.shape[1]
    x = (x.T if tall else x) / x.norm()
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (1 - decay) * w - rate * 0.2 * math.sqrt(max(x.shape)) * (x.T if tall else x)


def hyperball(state, w, g, t, rate, decay):
    radius = state.setdefault("radius", w.norm())
    u = adam(state, 0 * w, g, t, -1.0, 0.0)
    turned = w - rate * radius * u / u.norm()
    return radius * turned / turned.norm()


def frugal(state, w, g, t, rate, decay):
    turn, since = (t - 1) // 200, (t - 1) % 200
    if not since:
        state.clear()
    by_moments = adam(state, w, g, since + 1, rate, decay)
    chosen = (torch.arange(w.shape[0]) + turn) % 4 == 0  # w is (inputs, outputs) here
    return torch.where(chosen[:, None], by_moments, (1 - decay) * w - rate * g.sign())


def momo(floor):
    def rule(weights, slopes, states, t, rate, decay, loss, hidden):
        dot = lambda x, y: float(sum((x[n] * y[n]).sum() for n in x))
        f = states["f"] = 0.9 * states.get("f", 0.0) + 0.1 * loss
        c = states["c"] = 0.9 * states.get("c", 0.0) + 0.1 * dot(slopes, weights)
        d = states["d"] = {n: 0.9 * states["d"][n] + 0.1 * g if t > 1 else 0.1 * g for n, g in slopes.items()}
        v = states["v"] = {n: 0.95 * states["v"][n] + 0.05 * g**2 if t > 1 else 0.05 * g**2 for n, g in slopes.items()}
        step = {n: d[n] / ((v[n] / (1 - 0.95**t)).sqrt() + 1e-8) for n in d}
        top = (1 + decay) * (f - (1 - 0.9**t) * floor) + dot(d, weights) - (1 + decay) * c
        tau = min(rate / (1 - 0.9**t), max(top, 0) / dot(d, step))
        states.setdefault("share", []).append(tau / (rate / (1 - 0.9**t)))
        new = {n: w - tau * step[n] for n, w in weights.items()}
        return {n: w if w.dim() == 1 else w / (1 + decay) for n, w in new.items()}

    return rule


WRITTEN_OUT = {
    "adamw": each(adam), "sgd": sgd, "muon": each(muon), "hyperball": each(hyperball), "momo": momo(0.0),
    "frugal": each(frugal),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMISERS)
def test_updates_are_those_of_the_rule_written_out(name):
    peak = {"sgd": 0.3}.get(name, 1e-2)
    ours, theirs, losses = both(WRITTEN_OUT[name], optimiser=name, schedule=f"cosine:peak={peak},steps=12,warmup=4")
    for tensor, expected in theirs.items():
        # a gradient of rounding has any sign, and Adam and signs make whole steps of it: few weights may be far off
        apart = (ours[tensor] - expected).abs() / expected.abs().mean()
        assert apart.quantile(0.95) < 2e-3, (tensor, apart.quantile(0.95), apart.max())
    assert losses.train[0, -1] < losses.train[0, 0] - 0.1


def test_every_name_has_a_rule_and_an_unknown_one_is_told():
    assert tuple(RULES) == OPTIMISERS
    with pytest.raises(TrainingError, match="optimiser = 'adam': choose one of adamw, sgd, muon"):
        RunSpec(schedule="constant:peak=1,steps=1", optimiser="adam")
    with pytest.raises(TrainingError, match="says how AdamW's rates depend on width"):
        RunSpec(schedule="constant:peak=1,steps=1", optimiser="muon", parametrization="mup")


@pytest.mark.parametrize("shape", [(3, 16, 48), (2, 48, 16), (1, 16, 16)])
def test_orthogonal_directions_are_those_given_with_sizes_near_one(shape):
    given = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()
    u, _, v = torch.linalg.svd(given, full_matrices=False)
    inside = u.transpose(1, 2) @ orthogonal(given) @ v.transpose(1, 2)
    sizes = inside.diagonal(dim1=1, dim2=2)
    assert (inside - torch.diag_embed(sizes)).abs().max() < 1e-9 and sizes.min() > 0.6 and sizes.max() < 1.25
    assert not orthogonal(torch.zeros(shape)).any()


def test_frugal_changes_columns_and_their_moments_after_200_updates():
    spec = RunSpec(schedule="constant:peak=1,steps=450", optimiser="frugal")
    table = RULES["frugal"].constants(spec)
    assert [*np.flatnonzero(table[:, 5] == 0)] == [0, 200, 400] and [table[i, 6] for i in (0, 199, 200, 400)] == [0, 0, 3, 2]
    assert table[200, 3:5] == pytest.approx(table[0, 1:3])  # corrected as if the run had begun there


def test_momo_takes_less_of_a_rate_that_is_too_high_and_says_so():
    share = {}
    for peak, floor in (1e-3, 0.0), (3.0, 0.0), (1e-2, 5.5):
        spec = RunSpec(schedule=f"constant:peak={peak},steps=12", optimiser="momo", loss_floor=floor, **SMALL)
        stack = Stack(spec, 1, 12, text(), torch.device("cpu"))
        stack.start(0, spec)
        found = stack.advance(np.random.default_rng(1).integers(0, 2900, (12, 1, 8)))
        assert np.isfinite(found.train).all()
        share[peak] = found.watched[0, 0]
    assert (share[1e-3] == 1).all() and share[3.0][-1] < 0.5 and share[1e-2].min() < 1
    ours, theirs, losses = both(momo(5.4), optimiser="momo", loss_floor=5.4, clip=1e9)
    assert losses.watched.shape == (1, 1, 12) and losses.watched.min() < 1
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-2, atol=1e-4) for name in theirs)


def test_hyperball_keeps_the_size_of_every_block_matrix():
    spec = RunSpec(schedule="constant:peak=0.1,steps=50", optimiser="hyperball", **SMALL)
    stack = Stack(spec, 1, 50, text(), torch.device("cpu"))
    stack.start(0, spec)
    before = {name: float(stack.weights[name].detach().norm()) for name in stack.model.hidden}
    stack.advance(np.random.default_rng(1).integers(0, 2900, (50, 1, 8)))
    for name, size in before.items():
        assert float(stack.weights[name].detach().norm()) == pytest.approx(size, rel=1e-5)


TINY = {
    "n_layer": 1, "d_model": 8, "n_head": 1, "context": 16, "batch": 4, "eval_every": 5, "eval_tokens": 256, "val_tokens": 512,
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMISERS[1:])
def test_runs_again_resumed_branched_and_in_company_write_the_same_bytes(name, tmp_path, monkeypatch):
    text = text_in(tmp_path / "text").as_posix()
    plans = {"constant": "constant:peak=1e-2,steps=24", "wsd": "wsd:peak=1e-2,steps=24,decay=0.5"}
    specs = {
        f"{shape}-{seed}": RunSpec(schedule=plan, corpus=text, optimiser=name, seed=seed, **TINY)
        for shape, plan in plans.items()
        for seed in (1, 2, 3)
    }
    for run, spec in specs.items():
        train(spec, tmp_path / "alone", name=run, device="cpu")
    train_group(specs, tmp_path / "company", lanes=3, device="cpu")
    calls = []

    def stop():
        calls.append(1)
        return len(calls) % 3 != 0

    for _ in range(40):
        try:
            train_group(specs, tmp_path / "stopped", lanes=2, device="cpu", checkpoint_seconds=0.0, wanted=stop)
        except TrainingError as problem:
            assert "taken over" in str(problem)
        else:
            break
    assert len(calls) > 6
    for run in specs:
        alone = (tmp_path / "alone" / "curves" / f"{run}.csv").read_bytes()
        for other in ("company", "stopped"):
            assert (tmp_path / other / "curves" / f"{run}.csv").read_bytes() == alone
    assert (b"rate_share" in alone) == (name == "momo")


def test_a_probe_of_adamw_is_refused_for_others(tmp_path):
    from scaling.training.corpus import read_corpus

    spec = RunSpec(schedule="constant:peak=1e-2,steps=24", optimiser="sgd", **TINY)
    bench = Bench(spec, read_corpus(text_in(tmp_path / "text").as_posix()))
    with pytest.raises(ArgumentError, match="preconditioned sharpness is that of AdamW"):
        sharpness(bench, bench.windows(2), preconditioned=True)
