"""The model every run trains: K transformers side by side, the maths of nanoGPT without biases.

All K members have one shape; what is stacked is their weights, in one buffer (K, P). No operation mixes members, so a
member computes the same bits alone or in company (on the CPU), and a member that diverges leaves the others alone.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from scaling.counting import Shape
from scaling.training.experts import mixture

BOUNDARY = 16  # numbers between two places in memory that are alike to any vector unit: 64 bytes
INIT_STD = 0.02  # GPT-2; projections back into the residual stream are smaller by sqrt(2 L)
Weights = Mapping[str, Tensor]
Watch = Callable[[str, Callable[[], Tensor]], None]


class Weight(NamedTuple):
    """One tensor of a member: its shape and initial standard deviation (0: a gain, which starts at 1, or a bias, at 0)."""

    shape: tuple[int, ...]
    std: float


class Rules(NamedTuple):
    """What the parametrisation makes of width and depth."""

    hidden_std: float  # of block matrices, times INIT_STD
    hidden_rate: float  # their rate, times that of the schedule
    hidden_eps: float  # their AdamW epsilon, times 1e-8
    head: float  # factor on the logits
    branch: float  # factor on what a block adds to the residual stream
    depth_init: bool  # projections into the residual stream start smaller by sqrt(2 L)
    attention_power: float  # scores are divided by head_dim to this power

    @classmethod
    def of(cls, parametrization: str, m: float = 1.0, m_L: float = 1.0) -> "Rules":
        """sp; mup (2203.03466, for Adam); completep (2505.01618, alpha = 1); m = width / base, m_L = depth / base."""
        return {
            "sp": cls(1.0, 1.0, 1.0, 1.0, 1.0, True, 0.5),
            "mup": cls(m**-0.5, 1 / m, 1.0, 1 / m, 1.0, True, 1.0),
            "completep": cls(m**-0.5, 1 / m, 1 / (m * m_L), 1 / m, 1 / m_L, False, 1.0),
        }[parametrization]


class Model:
    """Structure of the members; their weights are handed in, so that the same code trains and judges any of them."""

    def __init__(self, shape: Shape, rules: Rules | None = None):
        self.shape, self.rules = shape, rules or Rules.of("sp")
        self.weights = self._weights()
        # block matrices, then embeddings, then gains: what decays, and what mup treats apart, is one slice each
        self.hidden = [n for n, w in self.weights.items() if len(w.shape) > 1 and n.startswith(("blocks", "encoder"))]
        others = [n for n, w in self.weights.items() if len(w.shape) > 1 and n not in self.hidden]
        self.order = [*self.hidden, *others, *(n for n, w in self.weights.items() if len(w.shape) == 1)]
        sizes = {n: math.prod(w.shape) for n, w in self.weights.items()}
        self.n_hidden = sum(sizes[n] for n in self.hidden)
        self.n_decay = self.n_hidden + sum(sizes[n] for n in others)
        self.n_params = sum(sizes.values())

    def _weights(self) -> dict[str, Weight]:
        s, rules = self.shape, self.rules
        d, layers = s.d_model, s.n_layer + s.n_encoder
        std = INIT_STD * rules.hidden_std
        into_stream = std / math.sqrt(2 * layers) if rules.depth_init else std

        gain, gains = Weight((d,), 0.0), Weight((d // s.n_head,), 0.0)
        norms = {"q_gain": gains, "k_gain": gains} if s.qk_norm else {}
        qkv = {"qkv": Weight((3 * d, d), std)}, {"q": Weight((d, d), std), "kv": Weight((2 * d, d), std)}
        attention, cross = ({"norm": gain, **from_, "out": Weight((d, d), into_stream), **norms} for from_ in qkv)
        many = (s.experts,) if s.experts > 1 else ()
        router = {"router": Weight((*many, d), d**-0.5), "bias": Weight(many, 0.0)} if many else {}
        mlp = {"norm": gain, **router, "up": Weight((*many, s.ff, d), std), "out": Weight((*many, d, s.ff), into_stream)}

        table = {"embedding": Weight((s.vocab, d), INIT_STD), "positions": Weight((s.context, d), INIT_STD)}
        for stack, blocks in ("encoder", s.n_encoder), ("blocks", s.n_layer):
            parts = {"attention": attention, "cross": cross, "mlp": mlp}
            if stack == "encoder" or not s.n_encoder:
                del parts["cross"]
            for i in range(blocks):
                table |= {f"{stack}.{i}.{part}.{n}": w for part, of_it in parts.items() for n, w in of_it.items()}
        return table | ({"encoder_norm": gain} if s.n_encoder else {}) | {"norm": gain}

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The named tensors (K, *shape) that a buffer (K, P) holds, without copying.

        Block matrices come transposed, as (K, [experts,] inputs, outputs): that is how they are multiplied, and learned, with
        the fewest operations.
        """
        sizes = [math.prod(self.weights[name].shape) for name in self.order]
        parts = zip(self.order, torch.split(flat, sizes, dim=1), strict=True)
        views = {name: part.view(len(flat), *self.weights[name].shape) for name, part in parts}
        return views | {name: views[name].mT for name in self.hidden}

    def initial(self, seed: int) -> Tensor:
        """Initial weights (P,) of a member, decided by its seed alone; no global random state is read or changed."""
        generator, flat = torch.Generator().manual_seed(seed), torch.empty(1, self.n_params)
        views = self.views(flat)
        for name, weight in self.weights.items():
            if weight.std:
                drawn = torch.empty(weight.shape).normal_(0.0, weight.std, generator=generator)
                views[name][0] = drawn.mT if name in self.hidden else drawn
            else:
                views[name].fill_(0.0 if name.endswith("bias") else 1.0)
        return flat[0]

    def even(self, rows: int) -> bool:
        """Does what K members make of so many rows each lie as it would for one, seen from boundaries in memory?

        Where it does not, products may differ in their last bits on the CPU: then members come one after the other.
        """
        sizes = [rows * self.shape.d_model, rows * self.shape.vocab]
        sizes += [math.prod(self.weights[name].shape) for name in self.order if len(self.weights[name].shape) > 1]
        return not any(size % BOUNDARY for size in sizes)

    def span(self) -> int:
        """Tokens in one sequence: what is read, and the last one predicted."""
        return (2 if self.shape.n_encoder else 1) * self.shape.context + 1

    def logits(self, weights: Weights, windows: Tensor, watch: Watch | None = None) -> Tensor:
        """Logits (K, batch * context, vocab) of the last `context` tokens of every window (K, batch, span)."""
        return torch.bmm(self.features(weights, windows, watch), weights["embedding"].transpose(1, 2))

    def features(self, weights: Weights, windows: Tensor, watch: Watch | None = None) -> Tensor:
        """What the embedding turns into logits, (K, batch * context, d_model).

        `weights` are named tensors as `views` gives them. `watch` is offered (name, how to get a tensor) along the way:
        attention scores, loads of experts, and what each block leaves in the stream.
        """
        context = self.shape.context
        source, tokens = windows[..., :context], windows[..., -context - 1 : -1]
        memory = None
        if self.shape.n_encoder:
            memory = self._blocks(weights, "encoder", self._embed(weights, source), None, source.shape[1], watch)
            memory = _norm(memory, weights["encoder_norm"])
        x = self._blocks(weights, "blocks", self._embed(weights, tokens), memory, tokens.shape[1], watch)
        x = _norm(x, weights["norm"])
        return x if self.rules.head == 1 else x * self.rules.head

    def _embed(self, weights: Weights, tokens: Tensor) -> Tensor:
        members, batch, context = tokens.shape
        table = weights["embedding"]  # one table of K x V rows, so that one look-up serves all members
        if members > 1:
            tokens = tokens + torch.arange(members, device=tokens.device).view(-1, 1, 1) * table.shape[1]
        x = F.embedding(tokens, table.reshape(-1, table.shape[2]))
        return (x + weights["positions"][:, None]).view(members, batch * context, -1)

    def _blocks(
        self, weights: Weights, stack: str, x: Tensor, memory: Tensor | None, batch: int, watch: Watch | None
    ) -> Tensor:
        for i in range(self.shape.n_encoder if stack == "encoder" else self.shape.n_layer):
            at = f"{stack}.{i}"
            x = self._attention(weights, f"{at}.attention", x, None, batch, watch)
            if memory is not None:
                x = self._attention(weights, f"{at}.cross", x, memory, batch, watch)
            normed = _norm(x, weights[f"{at}.mlp.norm"])
            if self.shape.experts > 1:
                mlp = {name.removeprefix(f"{at}.mlp."): w for name, w in weights.items() if name.startswith(f"{at}.mlp.")}
                mixed, load = mixture(normed, mlp, self.shape.top_k)
                if watch:
                    watch(f"{at}.mlp.load", lambda load=load: load)  # type: ignore[misc]
                x = torch.add(x, mixed, alpha=self.rules.branch)
            else:
                up = torch.bmm(normed, weights[f"{at}.mlp.up"])
                x = _onto(x, F.gelu(up), weights[f"{at}.mlp.out"], self.rules.branch)
            if watch:
                watch(at, lambda x=x: x)  # type: ignore[misc]
        return x

    def _attention(
        self, weights: Weights, at: str, x: Tensor, memory: Tensor | None, batch: int, watch: Watch | None
    ) -> Tensor:
        members, rows, d = x.shape
        head_dim, causal = d // self.shape.n_head, at.startswith("blocks") and memory is None
        normed = _norm(x, weights[f"{at}.norm"])

        def heads(y: Tensor, parts: int) -> list[Tensor]:  # each (K batch, n_head, context, head_dim)
            split = y.view(members * batch, -1, parts, self.shape.n_head, head_dim).unbind(2)
            return [part.transpose(1, 2) for part in split]

        if memory is None:
            q, k, v = heads(torch.bmm(normed, weights[f"{at}.qkv"]), 3)
        else:
            (q,) = heads(torch.bmm(normed, weights[f"{at}.q"]), 1)
            k, v = heads(torch.bmm(memory, weights[f"{at}.kv"]), 2)
        if self.shape.qk_norm:
            q, k = (
                F.layer_norm(y, (head_dim,)) * weights[f"{at}.{gain}"].repeat_interleave(batch, 0)[:, None, None]
                for y, gain in ((q, "q_gain"), (k, "k_gain"))
            )
        scale = head_dim**-self.rules.attention_power
        if watch:

            def scores() -> Tensor:
                of_all: Tensor = q @ k.transpose(-1, -2) * scale
                return (of_all.tril() if causal else of_all).view(members, -1)

            watch(f"{at}.scores", scores)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale)
        mixed = mixed.transpose(1, 2).reshape(members, rows, d)
        return _onto(x, mixed, weights[f"{at}.out"], self.rules.branch)


def _onto(x: Tensor, y: Tensor, weight: Tensor, alpha: float) -> Tensor:
    """The stream x and `alpha` times a product, in single precision also where products are in less (autocast)."""
    if x.dtype != y.dtype:
        return torch.add(x, torch.bmm(y, weight), alpha=alpha)
    return torch.baddbmm(x, y, weight, alpha=alpha)


def _norm(x: Tensor, gain: Tensor) -> Tensor:
    width = x.shape[-1:]
    if len(x) == 1:
        return F.layer_norm(x, width, gain.squeeze(0))
    if x.device.type == "cpu":  # the fused kernel takes one gain; it is faster even one member after the other
        return torch.stack([F.layer_norm(member, width, own) for member, own in zip(x, gain, strict=True)])
    return F.layer_norm(x, width) * gain[:, None]


def fake_quantised(weight: Tensor, levels: Tensor) -> Tensor:
    """Weights (K, [experts,] inputs, outputs) rounded to 2 `levels` + 1 values an output; gradients pass as if they were not.

    `levels` (K,) is 0 for members still in full precision: their weights come back bit by bit.
    """
    level = levels.view(-1, *(1 for _ in weight.shape[1:]))
    step = weight.detach().abs().amax(dim=-2, keepdim=True).clamp_min(1e-12) / level.clamp_min(1)
    rounded = torch.where(level > 0, (weight.detach() / step).round() * step, weight.detach())
    return weight + (rounded - weight.detach())
