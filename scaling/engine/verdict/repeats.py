"""Pure error: where inputs are repeated, their scatter is the noise, and what the law misses beyond it is its own fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from scaling.engine.verdict.near import Near
from scaling.engine.verdict.structure import CHANCE, TOLD

LEAST = 4  # repeats beyond the first of each place, from which on their scatter is known at all


@dataclass(frozen=True)
class Repeats:
    """chance of what the law misses, if it were noise; noise of one row by its repeats, miss of the means of repeats beyond
    it, both as standard deviations in the objective's units; share of the scatter, size against the spread of the losses."""

    chance: float
    noise: float
    miss: float
    share: float
    size: float
    log: bool

    @property
    def seen(self) -> bool:
        """Is the law off by more than noise?"""
        return self.chance < CHANCE

    @property
    def told(self) -> bool:
        """Is it off by so much that it does not describe the data? As much is asked as of residuals that follow an input."""
        return self.seen and any(self.share > share and self.size > size for share, size in TOLD)

    @property
    def said(self) -> str:
        noise, miss = (f"{100 * x:.2g} %" if self.log else f"{x:.2g}" for x in (self.noise, self.miss))
        end = "the law does not describe these data" if self.told else "it is off by more than noise"
        return f"rows of equal inputs scatter by {noise}, and the law misses their means by a further {miss}: {end}"


def repeats(near: Near, kept: np.ndarray, rest: np.ndarray) -> Repeats | None:
    """The F test of lack of fit against pure error (Draper and Smith 1998, section 2.1); None where too few rows repeat.

    Parameters
    ----------
    kept (n,) : which rows belong. rest (n,) : data - law, by the root of the weights.
    """
    inputs = [x[kept] for x in near.design.inputs.values() if isinstance(x, np.ndarray)]
    if near.exact or near.on_curves or near.law.over_schedules or not inputs:
        return None
    y, w, e = near.y[kept], near.design.weights[kept], rest[kept]
    order = np.lexsort([y, *inputs])
    rows = np.stack([*inputs, y])[:, order]
    place = np.concatenate([[0], np.cumsum((rows[:-1, 1:] != rows[:-1, :-1]).any(0))])
    new = np.append(True, (rows[:, 1:] != rows[:, :-1]).any(0))
    copies = 2 * new.sum() <= len(new)  # losses may agree by chance; where every row is there twice they are no repeats
    spare = len(new) - int(place[-1]) - 1
    Q = np.linalg.qr(near.basis[kept])[0]
    lack = int(place[-1]) + 1 - Q.shape[1]
    if spare < LEAST or lack < 1 or copies:
        return None
    e = (e - Q @ (Q.T @ e))[order]
    w = w[order]
    mean = np.bincount(place, e * np.sqrt(w)) / np.bincount(place, w)
    pure = float(((e - mean[place] * np.sqrt(w)) ** 2).sum())
    missed = max(float(e @ e) - pure, 0.0)
    if not np.sqrt(pure / spare) > 1e-9 * near.spread:  # copies of one row, which are no repeats
        return None
    noise = pure / spare
    chance = float(fdtrc(lack, spare, missed / lack / noise))
    beyond = max(missed - lack * noise, 0.0)
    share = beyond / float(e @ e)
    return Repeats(
        chance, float(np.sqrt(noise)), float(np.sqrt(beyond / len(e))), share,
        float(np.sqrt(beyond / len(e)) / near.spread), near.loss.log,
    )  # fmt: skip
