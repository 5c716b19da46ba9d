"""Roots of many functions side by side, derivatives without differences, and points spread over a cube."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

EPS, TINY = np.finfo(float).eps, np.finfo(float).tiny
HALVINGS = 2098  # from the largest number to the smallest
STEP = 1e-30  # of the complex step: nothing is subtracted, so it may be as small as one likes


def root(f: Callable[[np.ndarray, np.ndarray], Any], low: Any, high: Any) -> np.ndarray:
    """Where functions change their sign, to rounding; where one keeps it, the end nearer to zero, the larger of equals.

    Parameters
    ----------
    f : of points (m,) and the numbers (m,) of the functions they belong to; values (m,), finite.
    low, high : ends, one pair for each function, in any shape; the roots have it too.

    Notes
    -----
    Chandrupatla, Adv. Eng. Softw. 28:145 (1997): inverse quadratic interpolation where it is safe, else bisection. It is what
    `scipy.optimize.elementwise.find_root` does, whose import takes longer than a plan.
    """
    low, high = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    a, b = low.ravel(), high.ravel()
    fa, fb = (np.asarray(f(x, np.arange(low.size)), float) for x in (a, b))
    found = np.where(np.abs(fa) == np.abs(fb), np.maximum(a, b), np.where(np.abs(fa) < np.abs(fb), a, b))
    rows = np.flatnonzero(np.sign(fa) * np.sign(fb) < 0)
    a, b, fa, fb, part = a[rows], b[rows], fa[rows], fb[rows], np.full(len(rows), 0.5)
    for _ in range(HALVINGS if len(rows) else 0):
        x = a + part * (b - a)
        fx = np.asarray(f(x, rows), float)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        a, b, fa, fb = x, np.where(same, b, a), fx, np.where(same, fb, fa)
        found[rows] = best = np.where(np.abs(fa) < np.abs(fb), a, b)
        width, least = np.abs(b - a), 4 * (EPS * np.abs(best) + TINY)
        part = _next(a, b, c, fa, fb, fc)
        part = np.minimum(np.maximum(part, 0.5 * least / width), 1 - 0.5 * least / width)
        on = (width >= least) & (fa != 0) & (fb != 0)
        rows, a, b, fa, fb, part = rows[on], a[on], b[on], fa[on], fb[on], part[on]
        if not len(rows):
            break
    return np.asarray(found.reshape(low.shape))


@np.errstate(all="ignore")  # what is not safe is not used
def _next(a: np.ndarray, b: np.ndarray, c: np.ndarray, fa: np.ndarray, fb: np.ndarray, fc: np.ndarray) -> np.ndarray:
    """Where between a and b (0 to 1) to look next, c being the point before."""
    at, of = (a - b) / (c - b), (fa - fb) / (fc - fb)
    safe = (1 - np.sqrt(1 - at) < of) & (of < np.sqrt(at))
    bent = fa / (fa - fb) * fc / (fc - fb) - (c - a) / (b - a) * fa / (fc - fa) * fb / (fb - fc)
    return np.where(safe, bent, 0.5)


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
