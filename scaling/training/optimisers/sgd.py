"""Stochastic gradient descent with momentum, for the theory of its noise (temperature = sum of tokens x rate / batch)."""

import numpy as np
from torch import Tensor

from scaling.training.optimisers.rule import Rule
from scaling.training.spec import RunSpec


class SGD(Rule):
    """m <- beta1 m + g; w <- (1 - decay) w - rate m."""

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        rate, decay, _ = spec.updates.T
        return np.column_stack([1 - decay, rate])

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        grads.mul_(scale)
        keep, rate = constants
        m = self.slots["m"].mul_(self.spec.beta1).add_(grads)
        flat[:, self.decaying].mul_(keep)
        flat.sub_(m * rate)
        return []
