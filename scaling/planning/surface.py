"""A loss over size and tokens, for many sets of parameters at once, and its minimum along a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.counting import SERVE, TRAIN
from scaling.errors import LawError
from scaling.formula import Law
from scaling.numerics import root

# Nodes per search, and searches; each narrows ln N to two node distances. The last nodes are 2e-5 apart: the parabola through
# three has its lowest point to 1e-9, through nearer ones it would follow the rounding of the losses.
ZOOM, LEVELS = 65, 4
COSTS = 1e6, 1e36  # budgets among which the cheapest is sought


@dataclass(frozen=True)
class Budget:
    """Compute of a run: TRAIN N D for training, SERVE N T for the T = `served` tokens it will be asked for."""

    served: float = 0.0

    def flops(self, N: Any, D: Any) -> Any:
        """Cost of N parameters and D tokens, numbers or arrays."""
        return N * (TRAIN * D + SERVE * self.served)

    def tokens(self, N: Any, C: Any) -> Any:
        """Tokens that N parameters leave at cost C, numbers or arrays."""
        return (C / N - SERVE * self.served) / TRAIN


@dataclass(frozen=True)
class Surface:
    """L(N, D) of a law for B parameter sets: values are arrays (B, 1); other inputs of the law are given numbers, or functions
    of N, D and the values.
    """

    law: Law
    values: Mapping[str, np.ndarray]
    extra: Mapping[str, Any]

    @classmethod
    def of(cls, law: Law, values: Mapping[str, np.ndarray], extra: Mapping[str, Any]) -> Surface:
        free = [k for k in law.inputs if k not in ("N", "D", "M", *extra)]
        if "N" not in law.inputs or not {"D", "M"} & set(law.inputs) or free:
            takes = f"'{law.name}' takes {', '.join(law.inputs)}"
            if free and {"N", "D"} <= set(law.inputs):
                fill = ", ".join(f"{k!r}: ..." for k in free)
                raise LawError(f"law {takes}, which N and D alone do not say. Give inputs={{{fill}}}.")
            raise LawError(f"a law over N and D is needed, and {takes}.")
        if unknown := set(extra) - set(law.inputs):
            raise LawError(f"law '{law.name}' takes {', '.join(law.inputs)}, not {', '.join(sorted(unknown))}.")
        return cls(law, {k: np.reshape(v, (-1, 1)) for k, v in values.items()}, extra)

    @property
    def sets(self) -> int:
        return max(len(v) for v in self.values.values())

    def take(self, rows: np.ndarray) -> Surface:
        """Of some of the parameter sets."""
        return replace(self, values={k: v if len(v) == 1 else v[rows] for k, v in self.values.items()})

    def repeated(self, times: int) -> Surface:
        """All the parameter sets, so many times one after the other."""
        return replace(self, values={k: np.tile(v, (times, 1)) if len(v) == self.sets else v for k, v in self.values.items()})

    def __call__(self, N: np.ndarray, D: np.ndarray) -> np.ndarray:
        """Loss (B, k) for N and D that broadcast with (B, k)."""
        extra = {k: v(N, D, self.values) if callable(v) else v for k, v in self.extra.items()}
        known = {"N": N, "D": D, "M": D / N, **extra}
        shape = np.broadcast_shapes((self.sets, 1), np.shape(N), np.shape(D))
        with np.errstate(all="ignore"):
            loss = self.law(*(known[k] for k in self.law.inputs), **self.values)
        return np.broadcast_to(np.nan_to_num(loss, nan=np.inf), shape)

    def best(self, C: ArrayLike, budget: Budget, ends: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """N and loss (B,) that minimise the loss at cost C (B,), by zooming in on ln N.

        The lowest dip counts, not the ends: laws with many exponents may fall there again, far from any data. Where there
        is none, as the loss falls up to a single parameter or token: NaN and inf, or with `ends` the better end.
        """
        C = np.broadcast_to(np.asarray(C, float), (self.sets,))
        # from one parameter to the size at which a single token is left
        low, high = np.zeros(self.sets), np.log(C / budget.flops(1.0, 1.0))
        rows, nodes, none = np.arange(self.sets), np.linspace(0, 1, ZOOM), high <= low
        for level in range(LEVELS):
            x = low[:, None] + (high - low)[:, None] * nodes
            N = np.exp(x)
            loss = self(N, np.maximum(budget.tokens(N, C[:, None]), 1e-300))
            at = loss.argmin(1)
            if level == 0:
                dips = (loss[:, 1:-1] < loss[:, :-2]) & (loss[:, 1:-1] <= loss[:, 2:])
                none |= ~dips.any(1)
                at = np.where(none, at, np.where(dips, loss[:, 1:-1], np.inf).argmin(1) + 1)
            at = np.clip(at, 1, ZOOM - 2)
            low, high = x[rows, at - 1], x[rows, at + 1]
        left, lowest, right = (loss[rows, at + k] for k in (-1, 0, 1))
        with np.errstate(invalid="ignore", divide="ignore"):  # losses may be equal, or infinite
            shift = np.clip(0.5 * (left - right) / (left - 2 * lowest + right), -1, 1)  # in node distances
        best = np.exp(x[rows, at] + 0.5 * (high - low) * np.nan_to_num(shift))
        best = best if ends else np.where(none, np.nan, best)
        return best, self(best[:, None], budget.tokens(best, C)[:, None])[:, 0]

    def compute_for(self, loss: ArrayLike, budget: Budget) -> np.ndarray:
        """Least cost C (B,) at which the best run reaches `loss` (B,); infinite where no run does, 0 where any does."""
        target = np.broadcast_to(np.asarray(loss, float), (self.sets,))
        grid = np.linspace(np.log(COSTS[0]), np.log(COSTS[1]), 16)
        met = np.array([self.best(np.exp(x), budget)[1] <= target for x in grid])
        first = met.argmax(0)
        low, high = grid[np.maximum(first - 1, 0)], grid[first]

        def over(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
            return np.asarray(np.minimum(self.take(rows).best(np.exp(x), budget)[1], 1e300) - target[rows])

        C: np.ndarray = np.exp(root(over, low, high))
        return np.where(met.any(0), np.where(met[0], 0.0, C), np.inf)
