"""Muon: updates of block matrices are made orthogonal (rule by K. Jordan, scaled as in arXiv:2502.16982); the rest by AdamW.

The factor on the update gives it the root mean square of AdamW's, so that rates and decay carry over.
"""

import math

import numpy as np
import torch
from torch import Tensor

from scaling.training.model import BOUNDARY, Model
from scaling.training.optimisers.adamw import constants_and_rate, remember
from scaling.training.optimisers.rule import Rule, size_of
from scaling.training.spec import RunSpec

MOMENTUM, SIZE = 0.95, 0.2
STEPS, A, B, C = 5, 3.4445, -4.7750, 2.0315  # of the iteration x <- a x + (b x x^T + c (x x^T)^2) x


def orthogonal(x: Tensor) -> Tensor:
    """Matrices (n, rows, columns) with nearly equal singular values (.7 to 1.2) in the directions of those given."""
    x = x / size_of(x)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    for _ in range(STEPS):
        square = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=B, alpha=C), x, beta=A)
    return x.transpose(1, 2) if tall else x


class Muon(Rule):
    """Matrices of blocks by Muon with Nesterov momentum, embeddings and gains by AdamW."""

    def __init__(self, spec: RunSpec, model: Model, flat: Tensor):
        super().__init__(spec, model, flat)
        self.alike: dict[tuple[int, int], list[int]] = {}  # shape -> which of the matrices: made orthogonal together
        for i, name in enumerate(model.hidden):
            self.alike.setdefault(model.weights[name].shape[-2:], []).append(i)  # type: ignore[arg-type]

    def sizes(self) -> dict[str, int]:
        return {"v": self.model.n_params - self.model.n_hidden}

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        return constants_and_rate(spec)

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        grads.mul_(scale)
        keep, eps, divisor, rate = constants
        m, v = self.slots["m"], self.slots["v"]
        remember(self.spec, m[:, self.others], v, grads[:, self.others])
        flat[:, self.decaying].mul_(keep)
        flat[:, self.others].addcdiv_(m[:, self.others], v.sqrt().add_(eps).mul_(divisor), value=-1)

        ahead = grads[:, self.hidden]
        ahead.add_(m[:, self.hidden].mul_(MOMENTUM).add_(ahead), alpha=MOMENTUM)
        steps, weights = list(self.matrices(ahead)), list(self.matrices(flat))
        for (rows, columns), which in self.alike.items():
            together = torch.cat([steps[i] for i in which], dim=1)  # (K, n, rows, columns)
            if together[0].numel() % BOUNDARY:  # see `Model.even`
                found = torch.stack([orthogonal(own.clone()) for own in together])
            else:
                found = orthogonal(together.flatten(0, 1)).view_as(together)
            size = (SIZE * math.sqrt(max(rows, columns)) * rate)[..., None, None]
            for i, step in zip(which, torch.split(found, [steps[i].shape[1] for i in which], dim=1), strict=True):
                weights[i].sub_(step * size)
        return []
