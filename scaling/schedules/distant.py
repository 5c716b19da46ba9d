"""Blocks of rate changes behind a row, those long past joined: kernels are smooth there, so that few terms say the same.

What a drop does changes over a part of the area S since it, over no less: drops in a row that lie within a part `APART` of
their distance act like two, at the nodes of the Gauss quadrature that has their first three moments in area. From a tree of
the blocks every row takes the largest groups for which this is so: some tens of pairs instead of up to thousands. A sum
errs by less than 2e-5 of what the whole drop brings (tests/test_distant.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.schedules.table import Blocks

APART = 0.4  # extent of a group, as a part of its distance, of its rate, and of the area before it
LEAST = 4  # blocks that two nodes may stand for


@dataclass(frozen=True)
class _Level:
    """Groups of neighbouring blocks, all of one number.

    parts : the one or two blocks that each group acts like. first, last : updates at which its first and last block begin.
    near, wide : its largest area, and how much smaller its least is. alike : may it ever count as its parts?
    """

    parts: tuple[Blocks, ...]
    first: np.ndarray
    last: np.ndarray
    near: np.ndarray
    wide: np.ndarray
    alike: np.ndarray


def pairs(blocks: Blocks, at: np.ndarray, progress: np.ndarray, *, join: bool) -> tuple[np.ndarray, Blocks]:
    """The blocks behind every node, node by node: which node, and the block, one of each a pair.

    Parameters
    ----------
    at, progress : shape (n,), the update of a node and the area up to it. join : may distant blocks be joined?
    """
    levels = _tree(blocks) if join else [_leaves(blocks)]
    row, group = (x.ravel() for x in np.indices((len(at), len(levels[-1].first))))
    found = []
    for below, level in zip([*levels[:-1][::-1], None], levels[::-1], strict=True):
        begun = level.first[group] <= at[row]
        row, group = row[begun], group[begun]
        distance = progress[row] - level.near[group]
        taken = (distance > 0) & (level.last[group] <= at[row])
        if below is not None:
            taken &= level.alike[group] & (level.wide[group] <= APART * distance)
        found += [(row[taken], _some(part, group[taken])) for part in level.parts]
        if below is not None:
            row, group = np.repeat(row[~taken], 2), (2 * group[~taken][:, None] + [0, 1]).ravel()
            inside = group < len(below.first)
            row, group = row[inside], group[inside]
    rows = np.concatenate([row for row, _ in found])
    every = Blocks(*(np.concatenate([getattr(part, name) for _, part in found]) for name in vars(blocks)))
    order = np.lexsort([every.area, every.first, rows])
    return rows[order], _some(every, order)


def _some(blocks: Blocks, which: np.ndarray) -> Blocks:
    return Blocks(*(values[which] for values in vars(blocks).values()))


def _leaves(blocks: Blocks) -> _Level:
    return _Level((blocks,), blocks.first, blocks.first, blocks.area, np.zeros(len(blocks)), np.ones(len(blocks), bool))


def _tree(blocks: Blocks) -> list[_Level]:
    """The blocks, groups of two, of four and so on, up to all of them."""
    levels, size = [_leaves(blocks)], 2
    # drops in a row are one drop; a rise between two of them, or a change of the rate that no block holds, keeps them apart
    low, scale = blocks.high - blocks.drop, blocks.high.max(initial=0.0)
    broken = ~np.isclose(low[:-1], blocks.high[1:], rtol=1e-6, atol=1e-9 * scale)
    broken = np.append(False, broken | (np.sign(blocks.drop[:-1]) != np.sign(blocks.drop[1:])))
    while size < 2 * len(blocks):
        levels.append(_level(blocks, np.arange(0, len(blocks), size), broken))
        size *= 2
    return levels


def _level(blocks: Blocks, begin: np.ndarray, broken: np.ndarray) -> _Level:
    """Groups of blocks, which begin at `begin`; broken : blocks that are not in a row with the one before."""
    end = np.append(begin[1:], len(blocks)) - 1
    lowest, near = np.minimum.reduceat(blocks.area, begin), np.maximum.reduceat(blocks.area, begin)
    slowest, fastest = np.minimum.reduceat(blocks.log_rate, begin), np.maximum.reduceat(blocks.log_rate, begin)
    whole = np.add.reduceat(broken, begin, dtype=int) == broken[begin]
    alike = whole & (fastest - slowest <= APART) & (near - lowest <= APART * lowest) & (end - begin + 1 >= LEAST)
    return _Level(_quadrature(blocks, begin), blocks.first[begin], blocks.first[end], near, near - lowest, alike)


def _quadrature(blocks: Blocks, begin: np.ndarray) -> tuple[Blocks, Blocks]:
    """Two blocks for every group: shares and places of the Gauss quadrature of its drops over the area."""
    weight = np.abs(blocks.drop)
    group = np.repeat(np.arange(len(begin)), np.diff(np.append(begin, len(blocks))))

    def mean(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(weight * x, begin) / np.add.reduceat(weight, begin))

    area, log_rate, drop = mean(blocks.area), mean(blocks.log_rate), np.add.reduceat(blocks.drop, begin)
    off = blocks.area - area[group]
    square = mean(off**2)
    sd = np.sqrt(np.where(square > 0, square, 1.0))
    tilt = mean(off * blocks.log_rate) / sd**2  # of the logarithm of the rate, with the area
    half = mean(off**3) / sd**3 / 2
    far = np.abs(half) + np.sqrt(1 + half**2)  # the roots of x^2 - 2 half x - 1, without cancellation
    early, late = np.where(half < 0, -far, -1 / far), np.where(half < 0, 1 / far, far)
    share = late / (late - early)  # of the earlier one
    first, high, parts = blocks.first[begin], blocks.high[begin], []
    for part, place, above in ((share * drop, early, high), ((1 - share) * drop, late, high - share * drop)):
        # rates that round differently are drops, too, and nothing beside others: their places are lost in rounding
        there = np.clip(area + sd * place, np.minimum.reduceat(blocks.area, begin), np.maximum.reduceat(blocks.area, begin))
        parts.append(Blocks(part, above, log_rate + tilt * (there - area), there, first))
    return parts[0], parts[1]
