"""Hyperball (arXiv:2606.16899, second-hand and unverified): block matrices keep their size and only turn; the rest by AdamW."""

from typing import Any

import numpy as np
from torch import Tensor

from scaling.training.optimisers.adamw import constants_and_rate, remember
from scaling.training.optimisers.rule import Rule, size_of
from scaling.training.spec import RunSpec


class Hyperball(Rule):
    """For each matrix w <- R n(w - rate R n(u)), n(x) = x / |x|, R = |w_0|, u the update of AdamW; no decay on these."""

    def sizes(self) -> dict[str, int]:
        experts = (self.model.weights[name].shape[:-2] for name in self.model.hidden)
        return {"v": self.model.n_params, "radius": sum(shape[0] if shape else 1 for shape in experts)}

    def start(self, k: int, flat: Tensor, state: dict[str, Any]) -> None:
        radius = [size for matrix in self.matrices(flat[None]) for size in size_of(matrix).flatten().tolist()]
        super().start(k, flat, {"radius": flat.new_tensor(radius)} | state)

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        return constants_and_rate(spec)

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        grads.mul_(scale)
        keep, eps, divisor, rate = constants
        m, v = self.slots["m"], self.slots["v"]
        remember(self.spec, m, v, grads)
        below = v.sqrt().add_(eps)  # a divisor is for each member one number, so the direction needs none
        embeddings = slice(self.model.n_hidden, self.model.n_decay)
        flat[:, embeddings].mul_(keep)
        flat[:, self.others].addcdiv_(m[:, self.others], below[:, self.others] * divisor, value=-1)
        steps, first = self.matrices(m[:, self.hidden] / below[:, self.hidden]), 0
        for weights, step in zip(self.matrices(flat), steps, strict=True):
            radius = self.slots["radius"][:, first : first + weights.shape[1], None, None]
            first += weights.shape[1]
            weights.sub_(step * (rate[..., None, None] * radius / size_of(step)))
            weights.mul_(radius / size_of(weights))
        return []
