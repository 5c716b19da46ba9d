"""FRUGAL (arXiv:2411.07837): a quarter of the columns of block matrices by AdamW, in turn, the others by signs.

Its point is the memory that signs do not need; here it is only about the loss that is reached.
"""

import numpy as np
import torch
from torch import Tensor

from scaling.training.model import Model
from scaling.training.optimisers.adamw import adam_constants, remember
from scaling.training.optimisers.rule import Rule
from scaling.training.spec import RunSpec

TURN, PARTS = 200, 4  # updates until the next columns have their turn, with new moments; one in PARTS at a time


class Frugal(Rule):
    """The columns j that have their turn are those with j + turn divisible by four."""

    def __init__(self, spec: RunSpec, model: Model, flat: Tensor):
        super().__init__(spec, model, flat)
        whole = torch.empty(1, model.n_hidden, device=flat.device)
        columns = [torch.arange(x.shape[-1], device=flat.device).expand(x.shape).flatten() for x in self.matrices(whole)]
        self.column = (torch.cat(columns) % PARTS).to(flat.dtype)

    def sizes(self) -> dict[str, int]:
        return {"v": self.model.n_params}

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        done = np.arange(len(spec.updates))
        turn, since = done // TURN, done % TURN
        own = adam_constants(spec, since + 1)[:, 1:]
        return np.column_stack([adam_constants(spec), own, since > 0, -turn % PARTS, spec.updates[:, 0]])

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        grads.mul_(scale)
        keep, eps, divisor, own_eps, own_divisor, going_on, turn, rate = constants
        m, v = self.slots["m"], self.slots["v"]
        for moment in m, v:
            moment[:, self.hidden].mul_(going_on)
        remember(self.spec, m, v, grads)
        root = v.sqrt()
        flat[:, self.decaying].mul_(keep)
        flat[:, self.others].addcdiv_(m[:, self.others], (root[:, self.others] + eps) * divisor, value=-1)
        by_moments = m[:, self.hidden] / ((root[:, self.hidden] + own_eps) * own_divisor)
        flat[:, self.hidden].sub_(torch.where(self.column == turn, by_moments, grads[:, self.hidden].sign() * rate))
        return []
