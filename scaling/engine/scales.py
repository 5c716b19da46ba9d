"""Natural scales of a law that declares none, read off the law itself: units must not decide where a search begins.

In A / N^a the exponent moves the law as ln A does, times -ln N: at every row d f / d a = rho d f / d ln A, with the same rho
wherever the parameters are. The search then goes over ln A + mean(rho) a, the term at the middle of the data. And where an
input and a scale may be multiplied by one number without effect, as lr and K in lr / K, the scale counts in units of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.formula import Law, Parameter
from scaling.numerics import STEP

ROWS = 256  # that are looked at
SAME = 1e-8  # relative difference that is none
FACTOR = 2.0
Scales = dict[str, tuple[float, dict[str, float]]]


@np.errstate(all="ignore")  # probes may lie where the law overflows; what is not finite says nothing
def read_off(
    law: Law, params: tuple[Parameter, ...], free: list[bool], inputs: Mapping[str, Any], fixed: Mapping[str, float]
) -> Scales:
    """name -> (shift, {exponent: slope}) of the scales marked `free`, as a `natural` hook would say it."""
    columns = [inputs[name] for name in law.inputs]
    if law.over_schedules or not all(isinstance(x, np.ndarray) and x.ndim == 1 for x in columns):
        return {}
    rows = np.unique(np.linspace(0, len(columns[0]) - 1, ROWS).round().astype(int))
    x = {name: column[rows] for name, column in zip(law.inputs, columns, strict=True)}
    rng = np.random.default_rng(0)
    held = {**law.held, **fixed}
    probes = [held | {p.name: _near(p, rng) for p in params} for _ in range(2)]
    try:
        slopes = [_slopes(law, params, x, probe) for probe in probes]
        scales = [p for p, is_free in zip(params, free, strict=True) if is_free]
        return {p.name: (_shift(law, p.name, x, probes), _exponents(p, params, slopes)) for p in scales}
    except (TypeError, ValueError):  # a law of real numbers, or of single rows
        return {}


def _near(p: Parameter, rng: np.random.Generator) -> float:
    value = p.start * np.exp(rng.uniform(-0.3, 0.3)) if p.start else rng.uniform(-0.2, 0.2)
    return float(np.clip(value, p.domain.lo, p.domain.hi))


def _slopes(law: Law, params: tuple[Parameter, ...], x: Mapping[str, np.ndarray], probe: Mapping[str, Any]) -> dict[str, Any]:
    """d f / d ln p of scales, d f / d p of the others."""
    out = {}
    for p in params:
        size = probe[p.name] if p.domain.log else 1.0
        step = STEP * (abs(probe[p.name]) or 1.0)
        moved = np.imag(law.fn(*x.values(), **{**probe, p.name: probe[p.name] + 1j * step})) / step * size
        out[p.name] = np.broadcast_to(moved, (len(next(iter(x.values()))),))
    return out


def _exponents(scale: Parameter, params: tuple[Parameter, ...], slopes: list[dict[str, Any]]) -> dict[str, float]:
    """Slope of every parameter that only ever changes this scale from row to row."""
    found = {}
    for p in params:
        if p.domain.log:
            continue
        ratios = [slope[p.name] / slope[scale.name] for slope in slopes]
        known = np.isfinite(ratios).all(0) & (np.abs(slopes[0][scale.name]) > 1e-12 * np.abs(slopes[0][scale.name]).max())
        if known.sum() < 2:
            continue
        one, other = (ratio[known] for ratio in ratios)
        size = np.abs(one).max()
        if size > SAME and np.abs(one - other).max() <= SAME * size:
            found[p.name] = float(one.mean())
    return found


def _shift(law: Law, scale: str, x: Mapping[str, np.ndarray], probes: list[dict[str, Any]]) -> float:
    """Minus the mean logarithm of the inputs in whose units the scale counts, plus that of inputs it divides."""
    shift = 0.0
    for name, values in x.items():
        if not (values > 0).all():
            continue
        for power in (1, -1):
            if all(_unmoved(law, x, probe, name, scale, power) for probe in probes):
                shift -= power * float(np.log(values).mean())
    return shift


def _unmoved(law: Law, x: Mapping[str, np.ndarray], probe: dict[str, Any], name: str, scale: str, power: int) -> bool:
    """Is the law the same with the input times a number and the scale times its power, though not with the input alone?"""
    base, moved, both = (
        law.fn(*{**x, name: x[name] * factor}.values(), **{**probe, scale: probe[scale] * by})
        for factor, by in ((1.0, 1.0), (FACTOR, 1.0), (FACTOR, FACTOR**power))
    )
    size = np.abs(base).max()
    away = [float(np.abs(other - base).max()) for other in (moved, both)]
    return bool(np.isfinite(away).all() and away[0] > 1e-6 * size and away[1] <= 1e-10 * size)
