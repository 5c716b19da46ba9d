"""The yardstick: the model and the loop of nanoGPT (commit 3adf61e1), written out with torch's modules.

Same maths as ours without biases: memory-mapped data, a window copied for each sequence, AdamW in its default form on
the CPU, clipping by the library, a loss brought to the host every ten updates.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, d: int, heads: int):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)

    def forward(self, x):
        B, T, d = x.shape
        q, k, v = (y.view(B, T, self.heads, d // self.heads).transpose(1, 2) for y in self.qkv(x).split(d, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).contiguous().view(B, T, d))


class Block(nn.Module):
    def __init__(self, d: int, heads: int):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(d, bias=False), Attention(d, heads)
        self.norm2 = nn.LayerNorm(d, bias=False)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d, bias=False), nn.GELU(), nn.Linear(4 * d, d, bias=False))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Anchor:
    """One run; `train(n)` does n updates."""

    def __init__(self, layers: int, d: int, heads: int, context: int, batch: int, data: Path, device: str = "cpu"):
        self.context, self.batch, self.data, self.device = context, batch, data, device
        self.embedding, self.positions = nn.Embedding(256, d), nn.Embedding(context, d)
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d, bias=False)
        model = nn.ModuleList([self.embedding, self.positions, self.blocks, self.norm])
        for name, p in model.named_parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers) if name.endswith(("out.weight", "mlp.2.weight")) else 0.02)
        self.parameters = list(model.to(device).parameters())
        groups = [
            {"params": [p for p in self.parameters if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))

    def get_batch(self):
        data = np.memmap(self.data, dtype=np.uint8, mode="r")  # opened anew for each batch, as there
        at = torch.randint(len(data) - self.context, (self.batch,))
        x = torch.stack([torch.from_numpy(data[i : i + self.context].astype(np.int64)) for i in at])
        y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + self.context].astype(np.int64)) for i in at])
        return x.to(self.device), y.to(self.device)

    def train(self, updates: int, rate: float = 1e-3) -> None:
        for step in range(updates):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            tokens, targets = self.get_batch()
            x = self.embedding(tokens) + self.positions(torch.arange(self.context, device=self.device))
            for block in self.blocks:
                x = block(x)
            logits = F.linear(self.norm(x), self.embedding.weight)
            loss = F.cross_entropy(logits.view(-1, 256), targets.view(-1))
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            if step % 10 == 0:
                loss.item()
