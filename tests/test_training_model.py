# ruff: noqa: E402  (imports follow the check that torch is there)
"""The model against its maths written out, and the counts against published conventions."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.counting import FLOPS, Shape, flops_per_token
from scaling.errors import ArgumentError
from scaling.training import RunSpec
from scaling.training.losses import CrossEntropy, token_losses
from scaling.training.model import Model, fake_quantised
from scaling.training.spec import OPTIMISERS
from scaling.training.stack import Stack


def reference_loss(weights, tokens, targets, n_layer, n_head):
    """Cross-entropy of nanoGPT's forward pass, from formulas only: no torch module, no fused kernel."""

    def norm(x, gain):
        centred = x - x.mean(-1, keepdim=True)
        return gain * centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)

    context = tokens.shape[1]
    x = weights["embedding.weight"][tokens] + weights["positions.weight"][:context]
    head_dim = x.shape[-1] // n_head
    for layer in range(n_layer):
        w = {k.split(".", 2)[2]: v for k, v in weights.items() if k.startswith(f"blocks.{layer}.")}
        q, k, v = (norm(x, w["norm_attention.weight"]) @ w["attention.qkv.weight"].T).chunk(3, dim=-1)
        mixed = []
        for h in range(n_head):
            one = slice(h * head_dim, (h + 1) * head_dim)
            scores = q[..., one] @ k[..., one].transpose(1, 2) / math.sqrt(head_dim)
            future = torch.ones(context, context).triu(1).bool()
            weight = torch.exp(scores.masked_fill(future, -math.inf))
            mixed.append(weight / weight.sum(-1, keepdim=True) @ v[..., one])
        x = x + torch.cat(mixed, -1) @ w["attention.out.weight"].T
        up = norm(x, w["norm_mlp.weight"]) @ w["mlp.up.weight"].T
        x = x + (up * (1 + torch.erf(up / math.sqrt(2))) / 2) @ w["mlp.out.weight"].T
    logits = norm(x, weights["norm.weight"]) @ weights["embedding.weight"].T
    return torch.logsumexp(logits, -1) - logits.gather(-1, targets[..., None])[..., 0]


def random_windows(*shape, seed=0):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed))


def named(model, flat):
    """Weights of the first member under the names of the formulas, without the leading axis."""
    return {
        name.replace("attention.norm", "norm_attention").replace("mlp.norm", "norm_mlp") + ".weight": (
            view[0].T if name in model.hidden else view[0]
        )
        for name, view in model.views(flat).items()
    }


def test_forward_equals_the_maths_written_out():
    model = Model(Shape(n_layer=3, d_model=24, n_head=3, context=20, vocab=256))
    # away from the small initial weights, where much would cancel; two members, of which we look at the second
    flat = torch.stack([model.initial(0), model.initial(1)]).double() * 3
    windows = random_windows(2, 4, 21)
    ours = token_losses(model.logits(model.views(flat), windows), windows)[1].view(4, 20)
    theirs = reference_loss(named(model, flat[1:]), windows[1, :, :-1], windows[1, :, 1:], 3, 3)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def text(length=3000):
    return np.random.default_rng(0).integers(97, 123, length).astype(np.uint8)


def stack_of(*specs, quantise=False):
    stack = Stack(specs[0], len(specs), max(s.table.steps for s in specs), text(), torch.device("cpu"), quantise)
    for k, spec in enumerate(specs):
        stack.start(k, spec)
    return stack


def places(updates, members, batch, seed=0):
    return np.random.default_rng(seed).integers(0, 2900, (updates, members, batch))


SMALL = {"n_layer": 2, "d_model": 16, "n_head": 2, "context": 16, "batch": 8}


def test_thirty_updates_equal_a_plain_loop_over_the_written_out_maths():
    stack = stack_of(RunSpec(schedule="constant:peak=1e-2,steps=30", **SMALL))
    initial = named(stack.model, stack.flat.detach().clone())
    weights = {name: p.clone().requires_grad_() for name, p in initial.items()}
    groups = [
        {"params": [p for p in weights.values() if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in weights.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), foreach=False, fused=False)
    where = places(30, 1, 8)
    ours = stack.advance(where)
    for step in range(30):
        windows = torch.tensor(text()[where[step, 0][:, None] + np.arange(17)]).long()
        loss = reference_loss(weights, windows[:, :-1], windows[:, 1:], 2, 2).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        assert ours.train[0, step] == pytest.approx(loss.item(), abs=2e-5)
        assert ours.grad_norm[0, step] == pytest.approx(norm.item(), rel=1e-3)
    assert loss.item() < 4.5  # it learned: ln 256 = 5.545


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_the_loss_of_training_is_that_of_evaluation_also_where_chances_underflow(size):
    windows = random_windows(2, 3, 9)
    logits = torch.randn(2, 24, 256, generator=torch.Generator().manual_seed(1)).double().mul(size).requires_grad_()
    ours, log_z = CrossEntropy.apply(logits, windows)
    theirs = token_losses(logits, windows)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_z, logits.logsumexp(dim=2), rtol=1e-9, atol=1e-9)
    (slope,) = torch.autograd.grad((ours + 0.1 * log_z.square()).sum(), logits)
    (expected,) = torch.autograd.grad((theirs + 0.1 * logits.logsumexp(dim=2).square()).sum(), logits)
    torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-9)


SWITCHES = {
    "default": {},
    "normed": {"qk_norm": True, "z_loss": 1e-3},
    "pairs": {"n_encoder": 1},
    "completep": {"parametrization": "completep", "independent_decay": True, "weight_decay": 1e-3},
    "rounded": {"qat_bits": 3, "qat_from": 5},
    "tokens": {"vocab": 300},
    "chunked": {"vocab": 5000, "z_loss": 1e-3},
    "held back": {"safe_step": 0.05},
    **{name: {"optimiser": name} for name in OPTIMISERS},
    "experts": {"experts": 4, "top_k": 2},
    "odd experts": {"experts": 5, "top_k": 2, "d_model": 12, "context": 7, "eval_tokens": 7, "val_tokens": 7},
    "experts with muon": {"experts": 3, "optimiser": "muon", "qat_bits": 4, "qat_from": 3},
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_member_computes_the_same_bits_alone_and_in_company(switch):
    settings = SMALL | SWITCHES[switch]
    one = RunSpec(schedule="cosine:peak=1e-2,steps=12,warmup=2", seed=3, **settings)
    others = (
        RunSpec(schedule="constant:peak=1e30,steps=9", seed=1, **settings),  # diverges, and leaves the others alone
        RunSpec(schedule="constant:peak=1e-3,steps=14", seed=2, clip=0.1, **settings),
    )
    where = places(8, 3, 8)
    quantise = "qat_bits" in settings
    alone, company = stack_of(one, quantise=quantise), stack_of(others[0], one, others[1], quantise=quantise)
    single, three = alone.advance(where[:, 1:2]), company.advance(where)
    for a, b in zip((*single[:3], *single.watched), (*three[:3], *three.watched), strict=True):
        assert np.array_equal(a[0], b[1])
    for name, value in alone.state(0).items():
        assert torch.equal(value, company.state(1)[name]) if torch.is_tensor(value) else value == company.state(1)[name]
    assert np.isfinite(three.train[0]).all() == ("safe_step" in settings)  # held back, the first does not diverge either
    assert np.isfinite(three.train[1:]).all()


@pytest.mark.parametrize(
    "width, heads, context, batch", [(12, 2, 7, 3), (20, 2, 5, 1), (33, 3, 16, 4), (33, 1, 7, 3), (50, 5, 5, 1)]
)
@pytest.mark.parametrize("switch", ["default", "normed", "pairs", "rounded", "tokens", "momo", "muon", "experts"])
def test_members_of_odd_shapes_lie_in_memory_as_one_alone(switch, width, heads, context, batch):
    settings = SMALL | {"d_model": width, "n_head": heads, "context": context, "batch": batch} | SWITCHES[switch]
    settings |= {"eval_tokens": context, "val_tokens": context}
    if switch == "tokens":
        settings["vocab"] = 301
    specs = [RunSpec(schedule=f"cosine:peak=1e-2,steps=12,warmup={1 + k}", seed=k, **settings) for k in range(5)]
    where, quantise = places(6, 5, batch), "qat_bits" in settings
    alone = [stack_of(spec, quantise=quantise) for spec in specs]
    losses = [stack.advance(where[:, k : k + 1]) for k, stack in enumerate(alone)]
    for members in (2, 3, 5):
        company = stack_of(*specs[:members], quantise=quantise)
        found = company.advance(where[:, :members])
        for k in range(members):
            for a, b in zip((*losses[k][:3], *losses[k].watched), (*found[:3], *found.watched), strict=True):
                assert np.array_equal(a[0], b[k])
            ours, theirs = alone[k].state(0), company.state(k)
            assert all(torch.equal(value, theirs[name]) for name, value in ours.items() if torch.is_tensor(value))


def test_a_state_put_into_another_stack_goes_on_bit_by_bit():
    spec = RunSpec(schedule="wsd:peak=1e-2,steps=12,warmup=2", seed=3, **SMALL)
    where = places(12, 1, 8)
    whole, first = stack_of(spec), stack_of(spec)
    expected = whole.advance(where)
    first.advance(where[:5])
    second = stack_of(spec)
    second.start(0, spec, first.state(0))
    assert np.array_equal(second.advance(where[5:]).train, expected.train[:, 5:])


def test_no_byte_sees_its_successors():
    for n_encoder in (0, 1):
        model = Model(Shape(n_layer=2, d_model=16, n_head=2, context=12, vocab=256, n_encoder=n_encoder))
        flat = model.initial(0)[None] * 5
        windows = random_windows(1, 1, model.span())
        changed = windows.clone()
        changed[..., -6] = (changed[..., -6] + 1) % 256  # input 7 of 12
        before, after = (model.logits(model.views(flat), w)[0] for w in (windows, changed))
        assert torch.equal(before[:7], after[:7])
        assert not torch.equal(before[7:], after[7:])
    changed[..., 0] += 1  # what the encoder reads reaches every prediction
    assert (model.logits(model.views(flat), changed)[0] != after).any(dim=1).all()


def test_initial_weights_depend_on_the_seed_alone():
    model = Model(Shape(n_layer=2, d_model=32, n_head=2, context=16, vocab=256))
    torch.manual_seed(5)
    one = model.initial(3)
    torch.manual_seed(6)
    assert torch.equal(one, model.initial(3))
    views = model.views(one[None])
    assert not torch.equal(views["embedding"], model.views(model.initial(4)[None])["embedding"])
    assert views["blocks.0.mlp.up"].std() == pytest.approx(0.02, rel=0.05)
    assert views["blocks.0.mlp.out"].std() == pytest.approx(0.02 / 2, rel=0.05)
    assert (views["norm"] == 1).all()


def test_fake_quantised_weights_lie_on_a_grid_and_pass_gradients():
    weight = torch.randn(2, 4, 50, generator=torch.Generator().manual_seed(0)).requires_grad_()
    levels = torch.tensor([0.0, 3.0])  # full precision, and 3 bits
    rounded = fake_quantised(weight.transpose(1, 2), levels).transpose(1, 2)
    assert torch.equal(rounded[0], weight[0])
    for row, original in zip(rounded[1].detach(), weight[1].detach(), strict=True):
        grid = row / (original.abs().max() / 3)
        assert torch.allclose(grid, grid.round(), atol=1e-5) and len(grid.round().unique()) <= 7
        assert (row - original).abs().max() <= original.abs().max() / 6 + 1e-6
    (slope,) = torch.autograd.grad((rounded * 2).sum(), weight)
    assert torch.equal(slope, torch.full_like(slope, 2.0))


def test_z_loss_pulls_log_z_to_zero_and_stays_out_of_the_loss():
    plain, pulled = (stack_of(RunSpec(schedule="constant:peak=1e-2,steps=40", z_loss=c, **SMALL)) for c in (0.0, 1.0))
    where = places(40, 1, 8)
    first, second = plain.advance(where), pulled.advance(where)
    assert first.train[0, 0] == second.train[0, 0] and not first.z.any()
    assert second.z[0, 0] == pytest.approx(np.log(256) ** 2, rel=0.02)
    assert second.z[0, -1] < 0.2 * second.z[0, 0]


def test_independent_decay_shrinks_by_rate_over_peak():
    spec = RunSpec(schedule="constant:peak=1e-3,steps=4,warmup=2", independent_decay=True, weight_decay=1e-4, **SMALL)
    assert spec.updates[:, 1] == pytest.approx([5e-5, 1e-4, 1e-4, 1e-4])
    assert RunSpec(schedule="constant:peak=1e-3,steps=4", **SMALL).updates[0].tolist() == [1e-3, 1e-4, 0]


GOLDEN = RunSpec(schedule="constant:peak=1,steps=1", n_layer=4, d_model=64, n_head=4, context=64)


def test_parameter_counts_are_golden_and_those_of_the_model():
    assert GOLDEN.params == {
        "n_params": 217_664,
        "n_params_nonemb": 196_608,
        "n_params_embedding": 20_480,
        "n_params_head": 16_384,
    }
    for other in (
        {}, {"n_layer": 1, "d_model": 8, "n_head": 1, "context": 4}, {"n_layer": 3, "d_model": 48, "n_head": 3},
        {"n_layer": 3, "d_model": 48, "n_head": 4, "qk_norm": True}, {"n_layer": 2, "d_model": 16, "n_encoder": 3},
        {"n_layer": 2, "d_model": 16, "n_encoder": 1, "qk_norm": True}, {"experts": 4, "top_k": 2},
        {"n_layer": 2, "d_model": 16, "n_encoder": 1, "experts": 3},
    ):  # fmt: skip
        spec = replace(GOLDEN, **other)
        model, counts = Model(spec.shape), spec.params
        assert counts["n_params"] == model.n_params
        assert counts["n_params_nonemb"] == model.n_hidden
        if spec.n_encoder:
            assert counts["n_params_encoder"] + counts["n_params_decoder"] == model.n_hidden


def test_flop_conventions_are_golden():
    per_token = {convention: flops_per_token(GOLDEN.shape, convention) for convention in FLOPS}
    assert per_token == {
        "6ND": 6 * (217_664 - 9 * 64),
        "6ND_with_gains": 6 * 217_664,
        "6ND_non_embedding": 1_179_648,
        "6ND_with_head": 1_179_648 + 6 * 16_384,
        "6ND+attn": 1_179_648 + 6 * 16_384 + 6 * 4 * 64 * 64,
        "kaplan": 1_277_952,
        "deepseek": 1_376_256,
        "lingua": 1_294_336,
        "hoffmann": 1_582_080,
        "hoffmann_blocks": 1_385_472,
        "exact": 1_377_792,
    }
    with pytest.raises(ArgumentError, match="unknown convention 'kaplen' for FLOP; there are 6ND,"):
        flops_per_token(GOLDEN.shape, "kaplen")
