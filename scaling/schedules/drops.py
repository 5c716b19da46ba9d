"""The drops of the learning rate that each logged row has behind it, for laws that sum over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from scaling.errors import ScheduleError
from scaling.schedules import Blocks, Schedule
from scaling.schedules.distant import pairs

FINE, MOST = 256, 2048  # blocks per run that are cheap enough, and that are never worth their time
PART = 1 << 13  # pairs summed at a time
# rows of a run that are summed at, each; of more rows so many spread evenly and, after a sudden drop, at growing distances:
# those between are interpolated, to about 1e-5 nats; sudden drops that are looked at, and the part of the peak that is one
MANY, EVEN, AFTER, SUDDEN, LARGE = 1000, 600, 400, 30, 0.01
PAIRS = ("d", "high", "low", "eta", "done", "S")  # attributes with one value per pair


@dataclass(frozen=True, eq=False)
class RateDrops:
    """Pairs (node, earlier block of rate changes), flattened node by node; nodes are rows, of long runs some of them.

    Attributes
    ----------
    d : (pairs,), drop of the rate in the block (a rise is negative).
    high, low : (pairs,), rate before it and after it.
    eta : (pairs,), mean rate after each update of it, floored so that powers of it stay finite.
    done, S : (pairs,), area under the rate up to the drop, and from there to the row.
    count, peak, span : (nodes,), pairs per node, peak rate of its run, area since the first drop (0 where there was none yet).
    place : (n,), where among the nodes each row lies: whole numbers at them, fractions between two.
    """

    d: np.ndarray
    high: np.ndarray
    low: np.ndarray
    eta: np.ndarray
    done: np.ndarray
    S: np.ndarray
    count: np.ndarray
    peak: np.ndarray
    span: np.ndarray
    place: np.ndarray

    @classmethod
    def before(
        cls, steps: np.ndarray, schedule: Schedule, *, block: int, warmup_in_ld: bool, lr_floor: float, power: float = 1.0
    ) -> RateDrops:
        """Drops up to and including each step (arXiv:2503.12811 sums all of them).

        Parameters
        ----------
        steps : shape (n,), step labels. warmup_in_ld : do the rises of the warm-up count? lr_floor : as in `Schedule.blocks`.
        block : steps of change that one pair may stand for; 1 is exact.
        power : S is an area under rates to that power, as in `Schedule.progress`.

        Notes
        -----
        Up to `block` changing steps are compressed into one, fewer where a run has fewer than `FINE` * block of them, so that
        short decays keep their shape, and more where there would be over `MOST` blocks. Behind a row compressed blocks are
        joined the more, the longer they are past (`scaling.schedules.distant`).
        """
        if not block >= 1 or block != int(block):
            raise ScheduleError(f"block={block} must be a whole number of updates from 1 (exact) on")
        if not 0 <= lr_floor <= 1:
            raise ScheduleError(f"lr_floor={lr_floor} must be a fraction of the peak rate, between 0 and 1")
        at, place = _nodes(schedule.index(steps), schedule, warmup_in_ld)
        changing = int(np.count_nonzero(schedule.drops(warmup_in_ld)))
        size = max(min(block, max(1, changing // FINE)), changing // MOST) if block > 1 else 1
        blocks = schedule.blocks(size, warmup_in_ld=warmup_in_ld, floor=lr_floor, power=power)
        progress = schedule.progress(power)[at]
        row, behind = pairs(blocks, at, progress, join=size > 1)
        return cls(
            behind.drop,
            behind.high,
            behind.high - behind.drop,
            np.exp(behind.log_rate),
            behind.area,
            progress[row] - behind.area,
            np.bincount(row, minlength=len(at)),
            np.full(len(at), schedule.peak),
            _span(blocks, at, progress),
            place,
        )

    def paced(self, gamma: float, *, rate: float = 1.0, area: float = 1.0, level: float = 1.0) -> RateDrops:
        """The same with S / eta^gamma in place of S, which is all that a kernel of known pace asks of a drop.

        Parameters
        ----------
        rate, area : units in which d and eta, and S, are counted from then on. level : that of high and low.
        """
        eta, peak = self.eta / rate, self.peak / rate
        S, span = self.S / area * eta**-gamma, self.span / area * peak**-gamma
        levels, done = (self.d / rate, self.high / level, self.low / level), self.done / area
        return RateDrops(*levels, eta, done, S, self.count, peak, span, self.place)

    def saturating(self, eta_0: Any) -> np.ndarray:
        """Drops (..., pairs) of h(eta) = eta / (1 + eta / eta_0), which a high rate hardly raises; eta_0 as high and low."""
        return np.asarray(self.d / ((1 + self.high / eta_0) * (1 + self.low / eta_0)))

    def __len__(self) -> int:
        return len(self.place)

    @cached_property
    def _every(self) -> bool:
        """Is every row a node, in order?"""
        return len(self.place) == len(self.count) and bool((self.place == np.arange(len(self.count))).all())

    @property
    def size(self) -> int:
        """Pairs in all."""
        return len(self.d)

    def __getitem__(self, rows: Any) -> RateDrops:
        """The pairs of some rows, chosen as from an array."""
        rows = np.arange(len(self))[rows]
        place, nodes = np.arange(len(rows), dtype=float), rows
        if not self._every:
            low, share = np.divmod(self.place[rows], 1.0)
            nodes = np.unique(np.concatenate([low, low[share > 0] + 1])).astype(int)
            place = np.searchsorted(nodes, low) + share
        return replace(self._of_nodes(nodes), place=place)

    def near(self, rows: np.ndarray) -> RateDrops:
        """As of some rows, each taken for the node next to it: half the pairs, and enough to see where a fit begins."""
        nodes, place = np.unique(np.round(self.place[rows]).astype(int), return_inverse=True)
        return replace(self._of_nodes(nodes), place=place.astype(float))

    def _of_nodes(self, rows: np.ndarray) -> RateDrops:
        count, begin = self.count[rows], (np.cumsum(self.count) - self.count)[rows]
        pairs = np.arange(count.sum()) + np.repeat(begin - np.cumsum(count) + count, count)  # in the order of the rows
        return self._of(pairs, rows)

    def _of(self, pairs: Any, rows: np.ndarray) -> RateDrops:
        by_pair = {name: getattr(self, name)[pairs] for name in PAIRS}
        place = np.arange(len(rows), dtype=float)
        return RateDrops(**by_pair, count=self.count[rows], peak=self.peak[rows], span=self.span[rows], place=place)

    @classmethod
    def concatenate(cls, parts: list[RateDrops]) -> RateDrops:
        begin = np.cumsum([0, *(len(p.count) for p in parts[:-1])])
        place = np.concatenate([p.place + first for p, first in zip(parts, begin, strict=True)])
        others = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls) if f.name != "place"}
        return cls(**others, place=place)

    def sum(self, term: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> np.ndarray:
        """Sum term(d, eta, S) over the drops behind each row: shape (..., pairs) -> (..., n)."""
        return self.sums(lambda part: [term(part.d, part.eta, part.S)])[0]

    def sums(self, terms: Callable[[RateDrops], Sequence[np.ndarray]]) -> list[np.ndarray]:
        """Sums over the drops behind each row, of several terms that share work: each of shape (..., pairs) -> (..., n).

        `terms` is asked for part after part of the pairs, each small enough for the processor's cache.
        """
        found: list[list[np.ndarray]] = []
        for part, starts in self._parts:
            values = [np.asarray(x) for x in terms(part)]
            found.append([np.add.reduceat(x, starts, axis=-1) if x.size else x[..., :0] for x in values])
        rows, out = np.flatnonzero(self.count), []
        for sums in zip(*found, strict=True):
            total = np.zeros((*sums[0].shape[:-1], len(self.count)), sums[0].dtype)
            total[..., rows] = np.concatenate(sums, axis=-1)
            out.append(total if self._every else self._between(total))
        return out

    def _between(self, total: np.ndarray) -> np.ndarray:
        """Sums at the rows, from those at the nodes."""
        low = self.place.astype(int)
        share = self.place - low
        high = np.minimum(low + 1, len(self.count) - 1)
        return np.asarray(total[..., low] * (1 - share) + total[..., high] * share)

    @cached_property
    def _parts(self) -> list[tuple[RateDrops, np.ndarray]]:
        """The rows with drops behind them in parts of about `PART` pairs, and where in it the pairs of each row begin."""
        rows = np.flatnonzero(self.count)
        ends = np.cumsum(self.count[rows])
        cuts = np.unique(np.searchsorted(ends, np.arange(PART, self.size, PART)))
        parts, first = [], 0
        for own in np.split(rows, cuts[cuts > 0]):
            starts, last = np.cumsum(self.count[own]) - self.count[own], first + int(self.count[own].sum())
            parts.append((self._of(slice(first, last), own), starts))
            first = last
        return parts


def _span(blocks: Blocks, at: np.ndarray, progress: np.ndarray) -> np.ndarray:
    """Area from the first of the blocks that nodes at updates `at` (n,) have behind them, 0 where there is none."""
    if not len(blocks):
        return np.zeros(len(at))
    count = np.searchsorted(blocks.first, at, side="right")
    earliest = np.minimum.accumulate(blocks.area)[np.maximum(count, 1) - 1]
    return np.where(count > 0, np.maximum(progress - earliest, 0.0), 0.0)


def _nodes(at: np.ndarray, schedule: Schedule, warmup_in_ld: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of rows at updates `at` (n,) those that are summed at, and the place of every row among them (n,)."""
    if len(at) <= MANY or not (np.diff(at) > 0).all():
        return at, np.arange(len(at), dtype=float)
    drops = np.abs(schedule.drops(warmup_in_ld))
    k = np.flatnonzero(drops)
    gap = max(1, schedule.steps // MANY)
    begins = k[(np.diff(k, prepend=-gap) > gap) | (drops[k] > LARGE * schedule.peak)]
    begins = begins[np.argsort(-drops[begins], kind="stable")[:SUDDEN]]
    marks = [np.linspace(at[0], at[-1], EVEN if len(begins) < SUDDEN else EVEN * 8)]
    for begin in begins[begins < at[-1]]:
        marks.append(np.append(begin, begin + np.geomspace(1, at[-1] - begin, AFTER)))
    last = np.searchsorted(at, begins) - 1  # rows before a drop
    nodes = np.unique(np.clip(np.append(np.searchsorted(at, np.concatenate(marks)), last), 0, len(at) - 1))
    return at[nodes], np.interp(at, at[nodes], np.arange(len(nodes)))
