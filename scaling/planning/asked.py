"""What a plan may be asked for, checked before any work is done."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from scaling.errors import ArgumentError
from scaling.words import check_level


def number(name: str, value: Any, *, least: float = 0.0, what: str = "a positive number") -> float:
    """A finite number above `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not least < float(value) < math.inf:
        raise ArgumentError(f"{name}={value!r} must be {what}.")
    return float(value)


def budgets(flops: Any) -> list[float]:
    """One budget or several."""
    many = isinstance(flops, Iterable) and not isinstance(flops, (str, Mapping))
    what = "a positive number of FLOP, or a list of them"
    found = [number("flops", C, what=what) for C in (flops if many else [flops])]
    if not found:
        raise ArgumentError("flops=[] holds no budget; give one, for example 1e22.")
    return found


def whole(name: str, value: Any) -> int:
    """A whole number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ArgumentError(f"{name}={value!r} must be a whole number, 0 or more.")
    return int(value)


def check(flops: Any, loss: Any, N: Any, D: Any, served: Any, level: Any, inputs: Any) -> None:
    """Refuse what contradicts itself, and values that are no budget, size, loss, ..."""
    if (flops is not None and loss is not None) or (flops is None and sum(x is not None for x in (loss, N, D)) != 1):
        raise ArgumentError("a plan needs one of flops=, loss=, N= or D=; with flops= one of N= and D= may be held.")
    if N is not None and D is not None:
        raise ArgumentError("N= and D= together leave nothing to plan; fit.predict gives the loss of such a run.")
    for name, value in (("loss", loss), ("N", N), ("D", D)):
        if value is not None:
            number(name, value)
    number("served", served, least=-1e-300, what="a number of tokens, 0 or more")
    check_level(level)
    if inputs is not None and not isinstance(inputs, Mapping):
        raise ArgumentError(f"inputs={inputs!r} must map inputs of the law to values, for example {{'P_w': 8}}.")
    for name, value in (inputs or {}).items():
        number(f"inputs: {name}", value, least=-math.inf, what="a finite number")
