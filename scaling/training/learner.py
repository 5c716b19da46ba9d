"""A model with its optimiser: what an update changes, and what a checkpoint must hold."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scaling.training.model import GPT, token_losses
from scaling.training.records import write_atomically
from scaling.training.spec import RunSpec


class Learner:
    """The state of a run on a device, and all of it: rates and data depend on the step alone."""

    def __init__(self, spec: RunSpec, device: torch.device):
        self.model = GPT(*spec.shape, seed=spec.seed).to(device)
        self.optimizer = torch.optim.AdamW(
            self.model.decay_groups(spec.weight_decay), betas=(spec.beta1, spec.beta2), eps=1e-8, fused=True
        )
        self.clip = spec.clip

    def update(self, windows: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """One step on windows (batch, context + 1); returns loss and gradient norm before clipping."""
        loss = token_losses(self.model(windows[:, :-1]), windows[:, 1:]).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.detach(), norm

    def save(self, path: Path, **facts: Any) -> None:
        """Write an atomic checkpoint: tensors and `facts`, which are plain values."""
        content = io.BytesIO()
        torch.save({**facts, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}, content)
        write_atomically(path, content.getvalue())

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Take over the state of a checkpoint read by `torch.load`."""
        self.model.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
