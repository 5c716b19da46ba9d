"""What an optimiser is: state of every member, constants of every update, and one update as a chain of tensor operations."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scaling.training.model import Model
from scaling.training.spec import RunSpec


class Rule:
    """How K members, whose weights are the rows of `flat` (K, P), learn from their gradients; one file a rule.

    `update` runs in a CUDA graph: no host value may enter it, no shape or address change; nothing is reduced over members.
    """

    def __init__(self, spec: RunSpec, model: Model, flat: Tensor):
        self.spec, self.model = spec, model
        self.hidden, self.others = slice(None, model.n_hidden), slice(model.n_hidden, None)
        self.decaying = slice(None, model.n_decay)
        sizes = self.sizes() | {"m": model.n_params}
        self.slots = {name: torch.zeros(len(flat), size, device=flat.device) for name, size in sizes.items()}

    def sizes(self) -> dict[str, int]:
        """State of a member beside `m` (P,), the memory of its gradients: names and sizes, which begin at zero."""
        return {}

    def start(self, k: int, flat: Tensor, state: dict[str, Any]) -> None:
        """Set the state of member k, with weights `flat` (P,), to what was saved, or to that of a run that begins."""
        for name, slot in self.slots.items():
            slot[k] = state.get(name, 0.0)

    @staticmethod
    def constants(spec: RunSpec) -> np.ndarray:
        """What `update` needs to know of each update of a run, (updates, n)."""
        raise NotImplementedError

    def update(self, flat: Tensor, grads: Tensor, constants: tuple[Tensor, ...], loss: Tensor, scale: Tensor) -> list[Tensor]:
        """Change `flat` (K, P); returns what `RunSpec.watched` names of it, each (K, 1).

        Parameters
        ----------
        grads : (K, P), before clipping; may be used up.
        constants : each (K, 1).
        loss, scale : each (K, 1), what was minimised, and the factor that clips its gradient.
        """
        raise NotImplementedError

    def matrices(self, flat: Tensor) -> Iterator[Tensor]:
        """The block matrices in a buffer (K, P) or (K, n_hidden), each (K, n, rows, columns): n experts, or 1."""
        begin = 0
        for name in self.model.hidden:
            *experts, rows, columns = self.model.weights[name].shape
            n = experts[0] if experts else 1
            yield flat[:, begin : begin + n * rows * columns].view(len(flat), n, rows, columns)
            begin += n * rows * columns


def size_of(matrices: Tensor) -> Tensor:
    """Frobenius norm of each matrix (.., 1, 1), never 0."""
    norms: Tensor = torch.linalg.vector_norm(matrices, dim=(-2, -1), keepdim=True)
    return norms.clamp_min(1e-30)
