"""Roots of many functions side by side, and derivatives without differences."""

from __future__ import annotations

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
