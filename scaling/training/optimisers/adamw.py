"""AdamW (arXiv:1711.05101), for all weights or those that another rule leaves to it."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from scaling.training.model import Model
from scaling.training.optimisers.rule import Rule
from scaling.training.spec import RunSpec

EPS = 1e-8
AT_ONCE = 2**16  # weights of all members that are changed together on the CPU: they and their state fit the cache


def adam_constants(spec: RunSpec, t: np.ndarray | None = None) -> np.ndarray:
    """What AdamW needs of each update: the factor on the weights, epsilon, divisor; (updates, 3).

    A weight changes by -m / ((sqrt(v) + epsilon) divisor): the rate and both bias corrections are in the last two.
    `t` counts the updates in the moments, from 1; all of the run, if not given.
    """
    rate, decay, _ = spec.updates.T
    t = np.arange(1, len(rate) + 1) if t is None else t
    second = np.sqrt(1 - spec.beta2**t)
    with np.errstate(divide="ignore"):  # a rate of 0: nothing changes
        divisor = (1 - spec.beta1**t) / second / rate
    return np.column_stack([1 - decay, EPS * second, divisor])


def constants_and_rate(spec: RunSpec) -> np.ndarray:
    """The same and, last, the rate of each update, for rules that leave AdamW some of the weights; (updates, 4)."""
    return np.column_stack([adam_constants(spec), spec.updates[:, 0]])


def remember(spec: RunSpec, m: Tensor, v: Tensor, grads: Tensor) -> None:
    """Take gradients into both moments."""
    m.lerp_(grads, 1 - spec.beta1)
    v.mul_(spec.beta2).addcmul_(grads, grads, value=1 - spec.beta2)


class AdamW(Rule):
    """All weights by AdamW, with the rates and epsilons of the parametrisation."""

    def __init__(self, spec: RunSpec, model: Model, flat: Tensor):
        super().__init__(spec, model, flat)
        most = max(1, AT_ONCE // len(flat) // 32) * 32 if flat.device.type == "cpu" else model.n_params
        apart = {model.n_hidden} if model.rules.hidden_eps != 1 or model.rules.hidden_rate != 1 else set[int]()
        edges = sorted({*range(0, model.n_params, most), *apart, model.n_params})
        below = torch.empty(len(flat), min(most, model.n_params), device=flat.device)
        self.parts = [  # of the weights, with their state and room to reckon in
            (slice(first, last), self.slots["m"][:, first:last], self.slots["v"][:, first:last], below[:, : last - first])
            for first, last in pairwise(edges)
        ]

    def sizes(self) -> dict[str, int]:
        return {"v": self.model.n_params}

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        return adam_constants(spec)

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        keep, eps, divisor = constants
        rules = self.model.rules
        for part, m, v, below in self.parts:  # what is done to one stays in the cache
            hidden, own = part.start < self.model.n_hidden, flat[:, part]
            remember(self.spec, m, v, grads[:, part].mul_(scale))
            torch.sqrt(v, out=below)
            if hidden and rules.hidden_eps != 1:
                below += eps * (rules.hidden_eps - 1)
            below.add_(eps).mul_(divisor)
            if hidden and rules.hidden_rate != 1:
                below *= 1 / rules.hidden_rate
            if part.start < self.model.n_decay:
                own[:, : self.model.n_decay - part.start].mul_(keep)
            own.addcdiv_(m, below, value=-1)
        return []
