"""The drops of the learning rate that each logged row has behind it, for laws that sum over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from scaling.errors import ScheduleError
from scaling.schedules import Schedule

FINE, MOST = 256, 2048  # blocks per run that are cheap enough, and that are never worth their time


@dataclass(frozen=True, eq=False)
class RateDrops:
    """Pairs (row, earlier block of rate changes), flattened row by row.

    Attributes
    ----------
    d : (pairs,), drop of the rate in the block (a rise is negative).
    eta : (pairs,), rate after the drop, floored so that powers of it stay finite.
    S : (pairs,), area under the rate from the drop to the row.
    count, peak, span : (n,), pairs per row, peak rate of its run, area since the first drop (0 where there was none yet).
    """

    d: np.ndarray
    eta: np.ndarray
    S: np.ndarray
    count: np.ndarray
    peak: np.ndarray
    span: np.ndarray

    @classmethod
    def before(cls, steps: np.ndarray, schedule: Schedule, *, block: int, warmup_in_ld: bool, lr_floor: float) -> RateDrops:
        """Drops up to and including each step (arXiv:2503.12811 sums all of them).

        Parameters
        ----------
        steps : shape (n,), step labels. warmup_in_ld : do the rises of the warm-up count? lr_floor : as in `Schedule.blocks`.
        block : steps of change that one pair may stand for; 1 is exact.

        Notes
        -----
        Up to `block` changing steps are compressed into one, fewer where a run has fewer than `FINE` * block of them, so that
        short decays keep their shape, and more where there would be over `MOST` blocks.
        """
        if not block >= 1 or block != int(block):
            raise ScheduleError(f"block={block} must be a whole number of updates from 1 (exact) on")
        if not 0 <= lr_floor <= 1:
            raise ScheduleError(f"lr_floor={lr_floor} must be a fraction of the peak rate, between 0 and 1")
        at = schedule.index(steps)
        changing = int(np.count_nonzero(schedule.drops(warmup_in_ld)))
        size = max(min(block, max(1, changing // FINE)), changing // MOST) if block > 1 else 1
        blocks = schedule.blocks(size, warmup_in_ld=warmup_in_ld, floor=lr_floor)
        S = schedule.area[at][:, None] - blocks.area[None, :]
        seen = (blocks.first[None, :] <= at[:, None]) & (S > 0)
        row, col = np.nonzero(seen)
        return cls(
            blocks.drop[col],
            np.exp(blocks.log_rate[col]),
            S[row, col],
            seen.sum(1),
            np.full(len(at), schedule.peak),
            np.where(seen, S, 0.0).max(1, initial=0.0),
        )

    def __len__(self) -> int:
        return len(self.count)

    @property
    def size(self) -> int:
        """Pairs in all."""
        return len(self.d)

    def __getitem__(self, rows: Any) -> RateDrops:
        """The pairs of some rows, chosen as from an array."""
        rows = np.arange(len(self))[rows]
        count, begin = self.count[rows], (np.cumsum(self.count) - self.count)[rows]
        pairs = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)  # in the order of the rows
        return RateDrops(self.d[pairs], self.eta[pairs], self.S[pairs], count, self.peak[rows], self.span[rows])

    @classmethod
    def concatenate(cls, parts: list[RateDrops]) -> RateDrops:
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def sum(self, term: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> np.ndarray:
        """Sum term(d, eta, S) over the drops behind each row: shape (..., pairs) -> (..., n)."""
        values = np.asarray(term(self.d, self.eta, self.S))
        total = np.zeros((*values.shape[:-1], len(self)), values.dtype)
        rows = np.flatnonzero(self.count)
        if len(rows):
            starts = np.cumsum(self.count)[rows] - self.count[rows]
            total[..., rows] = np.add.reduceat(values, starts, axis=-1)
        return total
