# ruff: noqa: E402  (imports follow the check that torch is there)
"""A mixture of experts against its maths written out, row by row; how its loads are kept even, and what it counts."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.counting import FLOPS, Shape, flops_per_token
from scaling.errors import DataError, TrainingError
from scaling.training import RunSpec
from scaling.training.experts import mixture
from scaling.training.model import Model
from scaling.training.stack import Stack

SMALL = {"n_layer": 2, "d_model": 16, "n_head": 2, "context": 16, "batch": 8}


def block(experts, top_k, members=2):
    """A block's weights, far from even, and what comes into it."""
    model = Model(Shape(n_layer=1, d_model=8, n_head=1, context=6, vocab=256, experts=experts, top_k=top_k))
    weights = model.views(torch.stack([model.initial(seed) for seed in range(members)]) * 10)
    weights = {name.removeprefix("blocks.0."): w.clone() for name, w in weights.items()}
    weights["mlp.bias"][:] = torch.linspace(-0.9, 0.3, experts)
    return weights, torch.randn(members, 30, 8, generator=torch.Generator().manual_seed(0))


def written_out(weights, x, top_k):
    """What the experts make of rows x (30, 8) of one member, and how many rows each has."""
    router, bias, up, out = (weights[f"mlp.{name}"] for name in ("router", "bias", "up", "out"))
    counted, made = [0] * len(bias), []
    for row in x:
        gate = 1 / (1 + torch.exp(-(row @ router)))
        best = sorted(range(len(bias)), key=lambda e: -float(gate[e].detach() + bias[e].detach()))[:top_k]
        for e in best:
            counted[e] += 1
        made.append(sum(gate[e] * (torch.nn.functional.gelu(row @ up[e]) @ out[e]) for e in best) * 2 / top_k)
    return torch.stack(made), counted


@pytest.mark.parametrize("top_k", [1, 2])
def test_every_row_passes_its_experts_and_teaches_them_and_the_router(top_k):
    weights, x = block(5, top_k)
    ours, theirs = ({name: w.clone().requires_grad_() for name, w in weights.items()} for _ in range(2))
    out, load = mixture(x, {name.removeprefix("mlp."): w for name, w in ours.items() if name.startswith("mlp.")}, top_k)
    pairs = [written_out({name: w[k] for name, w in theirs.items()}, x[k], top_k) for k in range(2)]
    expected = torch.stack([made for made, _ in pairs])
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)
    assert load.tolist() == [counted for _, counted in pairs]
    assert load.sum() == 2 * 30 * top_k and (top_k == 2 or load.min() == 0)  # also with an expert that nobody asks
    out.square().sum().backward()
    expected.square().sum().backward()
    for name in ("mlp.router", "mlp.up", "mlp.out"):
        torch.testing.assert_close(ours[name].grad, theirs[name].grad, rtol=1e-3, atol=1e-4)
    assert ours["mlp.router"].grad.abs().max() > 0 and ours["mlp.bias"].grad is None


@pytest.mark.parametrize("optimiser", ["adamw", "momo"])
def test_biases_move_against_the_load_and_make_it_even(optimiser):
    words = b"".join(b"if x1 == %d: return %d\n" % (i, i * i) for i in range(400))
    settings = {"experts": 4, "balance": 4e-3, "optimiser": optimiser} | SMALL
    spec = RunSpec(schedule="constant:peak=3e-3,steps=400", **settings)
    stack = Stack(spec, 1, 400, np.frombuffer(words, np.uint8), torch.device("cpu"))
    stack.start(0, spec)
    begun = torch.tensor([0.4, 0.0, 0.0, -0.4])  # all ask the first
    stack.weights["blocks.0.mlp.bias"].detach()[:] = begun
    rng, seen = np.random.default_rng(1), []
    for _ in range(4):
        seen.append(stack.advance(rng.integers(0, len(words) - 20, (100, 1, 8))).watched[-1, 0])
    assert spec.watched[-1] == "max_vio" and 1 < seen[0][0] <= 3  # 3: one expert has all, in both blocks
    assert seen[-1][-50:].mean() < 0.4 * seen[0][:50].mean()
    moved = stack.weights["blocks.0.mlp.bias"].detach()[0]
    assert moved[0] < 0.2 and moved[3] > -0.2
    steps = (moved - begun) / 4e-3
    assert torch.allclose(steps, steps.round(), atol=1e-2)  # nothing else moved them


def test_total_and_active_counts():
    dense = RunSpec(schedule="constant:peak=1,steps=1", n_layer=4, d_model=64, n_head=4, context=64)
    routed = replace(dense, experts=16, top_k=2)
    one = 2 * 4 * 64 * 64  # parameters of an expert
    assert routed.params["n_params_nonemb"] == 196_608 + 4 * (15 * one + 16 * 64)
    assert routed.params["n_params"] == 217_664 + 4 * (15 * one + 16 * 64 + 16)
    assert routed.params["n_params_active"] == routed.params["n_params"] - 4 * 14 * one
    assert "n_params_active" not in dense.params
    for convention in FLOPS:
        more = flops_per_token(routed.shape, convention) - flops_per_token(dense.shape, convention)
        biases = 6 * 4 * 16 if convention == "6ND_with_gains" else 0
        assert more == 6 * 4 * (one + 16 * 64) + biases, convention
    for wrong in {"experts": 2, "top_k": 3}, {"experts": 4, "top_k": 0}:
        with pytest.raises(DataError, match="top_k is 1 to experts"):
            Shape(d_model=8, n_layer=1, **wrong)
        with pytest.raises(TrainingError, match=r"top_k = .: must be 1 to experts"):
            replace(dense, **wrong)
    with pytest.raises(TrainingError, match="need a forward derivative, which torch has not for experts"):
        replace(routed, probes=True)
