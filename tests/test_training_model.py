# ruff: noqa: E402  (imports follow the check that torch is there)
"""The model against its maths written out, and the counts against published conventions."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.errors import TrainingError
from scaling.training import RunSpec
from scaling.training.counts import FLOP_CONVENTIONS, Shape, flops_per_token, param_counts
from scaling.training.learner import Learner
from scaling.training.model import GPT, token_losses


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


def test_forward_equals_the_maths_written_out():
    model = GPT(n_layer=3, d_model=24, n_head=3, context=20, seed=1).double()
    with torch.no_grad():
        for weight in model.parameters():  # away from the small initial weights, where much would cancel
            weight.mul_(3.0)
    windows = random_windows(4, 21)
    ours = token_losses(model(windows[:, :-1]), windows[:, 1:])
    theirs = reference_loss(dict(model.named_parameters()), windows[:, :-1], windows[:, 1:], 3, 3)
    torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_thirty_updates_equal_a_plain_loop_over_the_written_out_maths():
    spec = RunSpec(schedule="constant:peak=1e-2,steps=30", n_layer=2, d_model=16, n_head=2, context=16)
    learner = Learner(spec, torch.device("cpu"))
    weights = {name: p.detach().clone().requires_grad_() for name, p in learner.model.named_parameters()}
    groups = [
        {"params": [p for p in weights.values() if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in weights.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), foreach=False, fused=False)
    for step in range(30):
        windows = random_windows(8, 17, seed=step % 3)
        loss = reference_loss(weights, windows[:, :-1], windows[:, 1:], 2, 2).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        ours, _ = learner.update(windows, 1e-2)
        assert ours.item() == pytest.approx(loss.item(), abs=2e-5)
    assert loss.item() < 5.0  # it learned: ln 256 = 5.545


def test_no_byte_sees_its_successors():
    model = GPT(n_layer=2, d_model=16, n_head=2, context=12)
    tokens = random_windows(1, 12)
    changed = tokens.clone()
    changed[0, 7] = (changed[0, 7] + 1) % 256
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


def test_initial_weights_depend_on_the_seed_alone():
    torch.manual_seed(5)
    one = GPT(n_layer=2, d_model=32, n_head=2, context=16, seed=3).state_dict()
    two = GPT(n_layer=2, d_model=32, n_head=2, context=16, seed=3).state_dict()
    other = GPT(n_layer=2, d_model=32, n_head=2, context=16, seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["embedding.weight"], other["embedding.weight"])
    assert one["blocks.0.mlp.up.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert one["blocks.0.mlp.out.weight"].std() == pytest.approx(0.02 / 2, rel=0.05)


GOLDEN = Shape(n_layer=4, d_model=64, n_head=4, context=64)


def test_parameter_counts_are_golden_and_those_of_the_model():
    assert param_counts(GOLDEN) == {
        "n_params": 217_664,
        "n_params_nonemb": 196_608,
        "n_params_embedding": 20_480,
        "n_params_head": 16_384,
    }
    for shape in (GOLDEN, Shape(1, 8, 1, 4), Shape(3, 48, 3, 32)):
        assert param_counts(shape)["n_params"] == sum(p.numel() for p in GPT(*shape).parameters())


def test_flop_conventions_are_golden():
    per_token = {convention: flops_per_token(GOLDEN, convention) for convention in FLOP_CONVENTIONS}
    assert per_token == {
        "6nd": 6 * 217_664,
        "6nd_nonemb": 1_179_648,
        "kaplan": 1_277_952,
        "palm": 1_376_256,
        "lingua": 1_294_336,
        "chinchilla": 1_582_080,
        "chinchilla_blocks": 1_385_472,
        "exact": 1_377_792,
    }
    with pytest.raises(TrainingError, match="unknown FLOP convention 'kaplen'; known: 6nd,"):
        flops_per_token(GOLDEN, "kaplen")
