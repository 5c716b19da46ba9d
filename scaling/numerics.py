"""Roots of many functions side by side, derivatives without differences, and points spread over a cube."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

STEP = 1e-30  # of the complex step: nothing is subtracted, so it may be as small as one likes


def root(f: Callable[[np.ndarray, np.ndarray], Any], low: Any, high: Any) -> np.ndarray:
    """Where functions change their sign, to rounding; where one keeps it, the end at which it comes closer to zero.

    Parameters
    ----------
    f : of points (m,) and the numbers (m,) of the functions they belong to; values (m,), finite.
    low, high : ends, one pair for each function, in any shape; the roots have it too.
    """
    from scipy.optimize import elementwise  # noqa: PLC0415 - slow, and `scaling train --help` finds no root

    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    found = elementwise.find_root(f, (low.ravel(), high.ravel()), args=(np.arange(low.size),))
    (left, right), (f_left, f_right) = found.bracket, found.f_bracket
    closer = np.where(np.abs(f_left) < np.abs(f_right), left, right)
    ends: np.ndarray = np.where(found.success, found.x, closer).reshape(low.shape)
    return ends


def complex_step(f: Callable[[np.ndarray], Any], x: Any, along: Any = 1.0, h: Any = STEP) -> np.ndarray:
    """The derivative of f at x in a direction, exact to rounding; f must carry complex numbers through."""
    slope: np.ndarray = np.imag(f(np.asarray(x) + 1j * (h * along))) / h
    return slope


def spread(count: int, points: int, seed: int) -> np.ndarray:
    """Points (points, count) spread evenly over the unit cube: Halton's with permuted digits (Owen, arXiv:1706.02808).

    They are bitwise those of `scipy.stats.qmc.Halton`, whose import takes as long as a fit and its forecast.

    Parameters
    ----------
    count : dimensions of the cube. seed : of the permutations.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    out = np.zeros((points, count))
    for k, base in enumerate(_primes(count)):
        rest, place = np.arange(points), 1.0
        for _ in range(math.ceil(54 / math.log2(base)) - 1):  # digits that a double holds
            place /= base
            out[:, k] += rng.permutation(base)[rest % base] * place
            rest //= base
    return out


def _primes(count: int) -> list[int]:
    found: list[int] = []
    number = 2
    while len(found) < count:
        if all(number % p for p in found):
            found.append(number)
        number += 1
    return found
