"""Numbers and names as people write them."""

from __future__ import annotations

import math
import numbers
from typing import Any

from scaling.errors import ArgumentError


def digits(value: float, error: float) -> str:
    """A value to the precision of its own error: two digits of the error."""
    if not math.isfinite(error) or error <= 0 or error > 1e3 * abs(value):
        return f"{value:.6g}"
    if error < 1e-12 * abs(value):  # known to rounding
        return f"{value:.12g}"
    places = max(0, 1 - math.floor(math.log10(error)))
    if abs(value) >= 1e6 or (value != 0 and abs(value) < 1e-4):
        return f"{value:.{max(0, math.floor(math.log10(abs(value))) + places)}e}"
    return f"{value:.{places}f}"


def check_level(level: Any) -> None:
    """Refuse what is no level of an interval."""
    if isinstance(level, bool) or not isinstance(level, numbers.Real) or not 0 < level < 1:
        raise ArgumentError(f"level={level!r} must lie between 0 and 1, for example 0.9.")
