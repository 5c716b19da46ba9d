"""Tables that a fit should call OK, and tables that it should not, drawn from a seed: designs x noise x laws x faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

import scaling

TRUTH = {"E": 1.82, "A": 482.0, "B": 2085.0, "alpha": 0.348, "beta": 0.366}
CURVE = {"L0": 2.0, "A": 60.0, "alpha": 0.3}
Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Case:
    """A table, the law to fit, what is wrong with it ("" for nothing), and which rows were spoilt."""

    kind: str
    law: str
    table: pd.DataFrame
    good: bool
    planted: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    options: dict[str, Any] = field(default_factory=dict)


def surface(rng: Random, n: int, design: str, noise: float) -> pd.DataFrame:
    """n runs of chinchilla's law, its constants drawn around published ones."""
    law = {k: v * np.exp(0.1 * rng.normal()) for k, v in TRUTH.items()}
    low, high = 10 ** rng.uniform(6.5, 7.5), 10 ** rng.uniform(9, 10)
    N = np.exp(rng.uniform(np.log(low), np.log(high), n))
    if design == "grid":
        side = max(3, round(np.sqrt(n)))
        N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(low, high, side), np.geomspace(5, 300, -(-n // side))))
        D = ratio * N
    elif design == "budgets":
        C = np.geomspace(6 * 20 * low**2, 6 * 20 * high**2, max(3, n // 6)).repeat(6)
        N = np.sqrt(C / 120) * np.tile(np.geomspace(0.3, 3, 6), len(C) // 6)
        D = C / 6 / N
    elif design == "line":
        N = np.geomspace(low, high, n)
        D = 20 * N
    else:
        D = N * np.exp(rng.uniform(np.log(5), np.log(300), n))
    exact = law["E"] + law["A"] / N ** law["alpha"] + law["B"] / D ** law["beta"]
    return pd.DataFrame({"N": N, "D": D, "loss": exact * np.exp(noise * rng.normal(size=len(N)))})


def curve(rng: Random, n: int, noise: float) -> pd.DataFrame:
    """n losses along one input, compute or steps."""
    law = {k: v * np.exp(0.1 * rng.normal()) for k, v in CURVE.items()}
    x = np.geomspace(1e3, 10 ** rng.uniform(5, 7), n)
    exact = law["L0"] + law["A"] / x ** law["alpha"]
    return pd.DataFrame({"x": x, "loss": exact * np.exp(noise * rng.normal(size=n))})


def good(seed: int) -> Case:
    """A table with nothing wrong."""
    rng = np.random.default_rng([seed, 1])
    design = ["grid", "budgets", "random", "line", "curve"][seed % 5]
    n, noise = int(rng.choice([16, 24, 40, 80, 160])), float(rng.choice([0, 0.001, 0.003, 0.008, 0.015]))
    if design == "curve":
        table, law = curve(rng, n, noise), "power_law_offset"
    else:
        table, law = surface(rng, n, design, noise), "chinchilla"
    if seed % 7 == 3:
        table["weight"] = 10 ** rng.uniform(-6, 6) * rng.uniform(0.5, 2, len(table))
    if seed % 7 == 5:
        table["loss"] = table["loss"].round(4)
    return Case(f"good {design}", law, table, True)


def _wide(rng: Random, noise: float | None = None) -> pd.DataFrame:
    n = int(rng.choice([24, 30, 48, 90]))
    noise = float(rng.choice([0.001, 0.003, 0.008])) if noise is None else noise
    return surface(rng, n, str(rng.choice(["grid", "budgets", "random"])), noise)


def _rows(rng: Random, table: pd.DataFrame, count: int) -> np.ndarray:
    return np.sort(rng.choice(len(table), count, replace=False))


def _spoilt(kind: str, spoil: Callable[[Random, pd.DataFrame], np.ndarray]) -> Callable[[Random], Case]:
    def make(rng: Random) -> Case:
        table = _wide(rng)
        rows = spoil(rng, table)
        return Case(kind, "chinchilla", table, False, rows)

    return make


def _ten(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, 1)
    table.loc[rows, "loss"] *= 10.0
    return rows


def _off(rng: Random, table: pd.DataFrame) -> np.ndarray:
    """One to five losses wrong by 6 to 60 standard deviations of what is left by the clean fit."""
    rows = _rows(rng, table, int(rng.integers(1, 6)))
    fit = scaling.fit(table, "chinchilla", objective="log_squares")
    size = fit.cov.noise * np.exp(rng.uniform(np.log(7), np.log(60), len(rows)))
    table.loc[rows, "loss"] *= np.exp(size * rng.choice([-1, 1], len(rows)))
    return rows


def _swapped(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, int(rng.integers(2, 6)))
    table.loc[rows, ["N", "D"]] = table.loc[rows, ["D", "N"]].to_numpy()
    return rows


def _thousand(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, 1)
    table.loc[rows, "N"] *= 1e3
    return rows


def _shares(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, len(table) // 3)
    table.loc[rows, "loss"] *= 1.5
    return rows


def _bits(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, 8 if len(table) > 24 else 6)
    table.loc[rows, "loss"] /= np.log(2)
    return rows


def _millions(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, len(table) // 2)
    table.loc[rows, "N"] /= 1e6
    return rows


def _billions(rng: Random, table: pd.DataFrame) -> np.ndarray:
    rows = _rows(rng, table, 3)
    table.loc[rows, "D"] /= 1e9
    return rows


def _shape(kind: str, f: Callable[[np.ndarray], np.ndarray]) -> Callable[[Random], Case]:
    """One-resource tables whose loss, as a function of u in 0 .. 1 along ln x, no power law follows."""

    def make(rng: Random) -> Case:
        n, noise = int(rng.choice([16, 30, 60])), float(rng.choice([0, 0.001, 0.005]))
        u = np.linspace(0, 1, n)
        x = 1e3 * 10 ** (u * rng.uniform(2, 4))
        table = pd.DataFrame({"x": x, "loss": f(u) * np.exp(noise * rng.normal(size=n))})
        return Case(kind, "power_law_offset", table, False)

    return make


def _few(rng: Random) -> Case:
    if rng.random() < 0.5:
        return Case("too few", "power_law_offset", curve(rng, 4, 0.003), False)
    return Case("too few", "chinchilla", surface(rng, 6, "random", 0.003), False)


def _copies(rng: Random) -> Case:
    return Case("copies", "chinchilla", pd.concat([surface(rng, 7, "random", 0.003)] * 20, ignore_index=True), False)


def _integers(rng: Random) -> Case:
    table = _wide(rng)
    return Case("integers", "chinchilla", table.assign(loss=table["loss"].round()), False)


def _noisy(rng: Random) -> Case:
    return Case("noise", "chinchilla", surface(rng, int(rng.choice([12, 20, 30])), "random", 0.2), False)


def _shuffled(rng: Random) -> Case:
    table = _wide(rng)
    return Case("shuffled", "chinchilla", table.assign(loss=rng.permutation(table["loss"])), False)


def _rising(rng: Random) -> Case:
    table = _wide(rng)
    grown = 2.0 * (table["N"] / table["N"].min()) ** 0.08 * np.exp(0.003 * rng.normal(size=len(table)))
    return Case("rise with size", "chinchilla", table.assign(loss=grown), False)


def _one_cosine(rng: Random) -> Case:
    steps = np.arange(1, 4001)
    rate = 3e-4 * np.minimum(1, steps / 100) * (0.55 + 0.45 * np.cos(np.pi * steps / 4000))
    loss = 2.6 + 3.0 * (steps / 100.0) ** -0.5 - 0.25 * (1 - rate / 3e-4) * (steps > 100)
    loss = loss * np.exp(0.002 * rng.normal(size=len(steps)))
    table = pd.DataFrame({"run": "a", "step": steps, "lr": rate, "loss": loss})
    table.loc[steps % 40 != 0, "loss"] = np.nan
    return Case("one cosine", "multi_power_5", table, False)


BAD: list[Callable[[Random], Case]] = [
    _spoilt("loss x10", _ten), _spoilt("planted", _off), _spoilt("swapped", _swapped), _spoilt("N x1000", _thousand),
    _spoilt("third x1.5", _shares), _spoilt("bits", _bits), _spoilt("half in millions", _millions),
    _spoilt("D in billions", _billions), _spoilt("planted", _off),
    _shape("step", lambda u: np.where(u < 0.5, 4.0, 3.0)), _shape("exponential", lambda u: 2 + 3 * np.exp(-12 * u**2)),
    _shape("U shape", lambda u: 3 + 2 * (u - 0.5) ** 2), _shape("rise", lambda u: 2 + u**2),
    _few, _copies, _integers, _noisy, _shuffled, _rising,
]  # fmt: skip


def bad(seed: int, cosine: bool = True) -> Case:
    """A table with one thing wrong."""
    rng = np.random.default_rng([seed, 2])
    if cosine and seed % 60 == 59:
        return _one_cosine(rng)
    return BAD[seed % len(BAD)](rng)
