"""MoMo-Adam (arXiv:2305.07583): AdamW whose rate is cut where a lower bound of the loss says that it is too high.

Between losses and gradients of past updates there is an affine model of the loss; a step goes no further than where that
model meets the bound. `rate_share` in the curve is the part of the rate that was taken: below 1, the rate is too high.
"""

import numpy as np
import torch
from torch import Tensor

from scaling.training.optimisers.adamw import EPS, remember
from scaling.training.optimisers.rule import Rule
from scaling.training.spec import RunSpec


def product(x: Tensor, y: Tensor) -> Tensor:
    """Inner product of each member (K, 1)."""
    return (x * y).sum(dim=1, keepdim=True)


class MoMo(Rule):
    """The bound is `loss_floor`; where gradients are clipped, losses and bound count as much less."""

    def sizes(self) -> dict[str, int]:
        return {"v": self.model.n_params, "above": 1, "slope": 1}  # means of loss above the bound, and of <g, w>

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        rate, decay, _ = spec.updates.T
        t = np.arange(1, len(rate) + 1)
        return np.column_stack([rate / (1 - spec.beta1**t), 1 + decay, np.sqrt(1 - spec.beta2**t)])

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        grads.mul_(scale)
        most, shrink, second = constants
        m, v, above, slope = (self.slots[name] for name in ("m", "v", "above", "slope"))
        for mean, now in (above, (loss - self.spec.loss_floor) * scale), (slope, product(grads, flat)):
            mean.lerp_(now, 1 - self.spec.beta1)
        remember(self.spec, m, v, grads)
        step = m / (v.sqrt().div_(second).add_(EPS))
        top = shrink * (above - slope) + product(m, flat)
        limit = top.clamp_min(0) / product(m, step).clamp_min(1e-30)
        flat.sub_(step * torch.minimum(most, limit))
        flat[:, self.decaying].div_(shrink)
        return [(limit / most).clamp_max(1)]
