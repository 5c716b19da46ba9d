"""Plausible inputs of a law, as its `sample` hook draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Way = tuple[float, float] | list[float] | Callable[[np.random.Generator, int], Any]


def drawn(**ways: Way) -> Callable[[np.random.Generator, int], dict[str, Any]]:
    """A hook for `Law.sample`: each input log-uniform in (lo, hi), one of a list, or what a function of (rng, n) draws."""

    def draw(rng: np.random.Generator, n: int, way: Way) -> Any:
        if isinstance(way, list):
            return rng.choice(way, n)
        return np.exp(rng.uniform(np.log(way[0]), np.log(way[1]), n)) if isinstance(way, tuple) else way(rng, n)

    return lambda rng, n: {name: draw(rng, n, way) for name, way in ways.items()}
