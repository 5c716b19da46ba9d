"""AdamW (arXiv:1711.05101), for all weights or those that another rule leaves to it."""

import numpy as np
from torch import Tensor

from scaling.training.optimisers.rule import Rule
from scaling.training.spec import RunSpec

EPS = 1e-8


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

    def sizes(self) -> dict[str, int]:
        return {"v": self.model.n_params}

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        return adam_constants(spec)

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        keep, eps, divisor = constants
        m, v, rules = self.slots["m"], self.slots["v"], self.model.rules
        remember(self.spec, m, v, grads)
        below = v.sqrt()
        if rules.hidden_eps != 1:
            below[:, self.hidden] += eps * (rules.hidden_eps - 1)
        below.add_(eps).mul_(divisor)
        if rules.hidden_rate != 1:
            below[:, self.hidden] *= 1 / rules.hidden_rate
        flat[:, self.decaying].mul_(keep)
        flat.addcdiv_(m, below, value=-1)
        return []
