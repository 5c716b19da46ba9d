"""The model every run trains: a byte-level decoder-only transformer, the maths of nanoGPT without biases."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INIT_STD = 0.02  # GPT-2; projections back into the residual stream are smaller by sqrt(2 L)


class Attention(nn.Module):
    """Causal self-attention of `n_head` heads, queries, keys and values from one matrix."""

    def __init__(self, d_model: int, n_head: int):
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, context, d_model = x.shape
        heads = self.qkv(x).view(batch, context, 3, self.n_head, d_model // self.n_head)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (batch, n_head, context, head_dim)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, context, d_model))


class MLP(nn.Module):
    """Two matrices with an exact GELU between them, inner width 4 d."""

    def __init__(self, d_model: int):
        super().__init__()
        self.up = nn.Linear(d_model, 4 * d_model, bias=False)
        self.out = nn.Linear(4 * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.gelu(self.up(x)))


class Block(nn.Module):
    """Pre-norm block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, d_model: int, n_head: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model, bias=False)
        self.attention = Attention(d_model, n_head)
        self.norm_mlp = nn.LayerNorm(d_model, bias=False)
        self.mlp = MLP(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm_attention(x))
        return x + self.mlp(self.norm_mlp(x))


class GPT(nn.Module):
    """
    Byte-level transformer with learned positions and a head tied to the embedding.

    Parameters
    ----------
    n_layer, d_model, n_head : int
        Depth, width and heads; `d_model` is a multiple of `n_head`.
    context : int
        Longest sequence, in bytes.
    vocab : int
        256: one symbol per byte value.
    seed : int
        Decides the initial weights alone; no global random state is read or changed by them.
    """

    def __init__(self, n_layer: int, d_model: int, n_head: int, context: int, vocab: int = 256, *, seed: int = 0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, d_model)
        self.positions = nn.Embedding(context, d_model)
        self.blocks = nn.ModuleList(Block(d_model, n_head) for _ in range(n_layer))
        self.norm = nn.LayerNorm(d_model, bias=False)
        self._initialise(seed, INIT_STD / math.sqrt(2 * n_layer))

    @torch.no_grad()
    def _initialise(self, seed: int, residual_std: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                std = residual_std if name.endswith(".out.weight") else INIT_STD
                weight.normal_(0.0, std, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, context, vocab) of the byte after each of `tokens` (int64, batch x context)."""
        x = self.embedding(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embedding.weight)

    def decay_groups(self, weight_decay: float) -> list[dict]:
        """Parameter groups for AdamW: matrices and embeddings decay, normalisation gains do not."""
        matrices = [p for p in self.parameters() if p.dim() >= 2]
        gains = [p for p in self.parameters() if p.dim() < 2]
        return [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": gains, "weight_decay": 0.0},
        ]


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats of each target byte, shape (batch, context)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
