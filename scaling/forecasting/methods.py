"""Ways to carry a running loss curve to its end. Each takes the prefix and its schedule, and returns a function of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import ScalingError
from scaling.fitting import fit
from scaling.formula import Law
from scaling.laws import find
from scaling.logs import Runs
from scaling.schedules import Schedule

Curve = Callable[[np.ndarray], np.ndarray]
LONG = 1000.0  # updates at the peak rate: the unit in which areas are compared between models
FALLEN = 0.5  # of the peak rate: a fall that shows what annealing does
SAME = 1e-3  # schedules that differ by less than this share of their peak are one schedule


@dataclass(frozen=True)
class Prefix:
    """The evaluated rows of one run and its whole schedule."""

    name: str
    step: np.ndarray
    loss: np.ndarray
    plan: Schedule

    @classmethod
    def of(cls, runs: Runs, name: str) -> Prefix:
        rows = runs.frame
        rows = rows[(rows["run"] == name) & rows["loss"].notna()]
        plan = runs.schedules[name]
        warm = rows["step"] < plan.first + plan.warmup - 1
        rows = rows[~warm]
        return cls(name, rows["step"].to_numpy(int), rows["loss"].to_numpy(float), plan)

    def until(self, step: float) -> Prefix:
        keep = self.step <= step
        return replace(self, step=self.step[keep], loss=self.loss[keep])

    def runs(self) -> Runs:
        frame = pd.DataFrame({"run": self.name, "step": self.step, "loss": self.loss})
        return Runs.from_frame(frame, schedule=self.plan)


def law_curve(law: Law | str, prefix: Prefix, fixed: dict[str, float] | None = None) -> Curve:
    """A law fitted to the prefix alone."""
    found = fit(prefix.runs(), law, fixed=fixed)

    def curve(step: np.ndarray) -> np.ndarray:
        return found.predict(prefix.plan, interval="delta", steps=step)["prediction"].to_numpy()

    return curve


@dataclass(frozen=True)
class Kernel:
    """What annealing does elsewhere: B / A and C of a multi-power law in units of its peak rate and 1000 peak updates."""

    ratio: float
    C: float
    beta: float
    gamma: float

    @classmethod
    def of(cls, v: Mapping[str, float], peak: float) -> Kernel:
        size = v["A"] * (LONG * peak) ** -v["alpha"]
        return cls(v["B"] * peak / size, v["C"] * LONG * peak ** (1 - v["gamma"]), v["beta"], v["gamma"])


def published_kernel() -> Kernel:
    """The kernel to assume where nothing else is known: luo2025_25M of multi_power, at its peak rate of 3e-4."""
    return Kernel.of(find("multi_power").published["luo2025_25M"], 3e-4)


@lru_cache(maxsize=64)
def kernel(references: Runs) -> Kernel | None:
    """The kernel of the references, if they lowered their rate and were trained at one peak."""
    try:
        found = fit(references, "multi_power_5")
    except ScalingError:
        return None
    if not np.any(found.design.inputs["drops"].d):
        return None
    peak = max(references.schedules[n].peak for n in references)
    return Kernel.of({**found.law.held, **found.values}, peak)


def fallen(prefix: Prefix) -> float:
    """How far the rate has fallen in the prefix, as a share of its peak."""
    rates = prefix.plan.rates[prefix.plan.index(prefix.step)]
    return float(1 - rates.min() / prefix.plan.peak)


def own(prefix: Prefix) -> Curve:
    """multi_power_5 once the rate has fallen by half; before, what annealing saves cannot be told from the prefix, and the
    published kernel is assumed."""
    return law_curve("multi_power_5", prefix) if fallen(prefix) >= FALLEN else transferred(prefix, published_kernel())


def transferred(prefix: Prefix, found: Kernel) -> Curve:
    """A multi-power law with B / A and the shape of a known kernel; L0, A and alpha from the prefix."""
    base, peak = find("multi_power"), prefix.plan.peak
    C = found.C / LONG / peak ** (1 - found.gamma)

    def fn(S1, drops, *, L0, A, alpha):
        B = found.ratio * A * (LONG * peak) ** -alpha / peak
        return base(S1, drops, L0=L0, A=A, alpha=alpha, B=B, C=C, beta=found.beta, gamma=found.gamma)

    def scale(S1, drops, *, alpha):
        return {"A": np.exp(-alpha * np.log(S1).mean())}

    hooks = {"features": base.hooks["features"], "natural": scale}
    params = {k: base.params[k] for k in ("L0", "A", "alpha")}
    return law_curve(replace(base, fn=fn, params=params, hooks=hooks, published={}), prefix)


def affine(prefix: Prefix, reference: Prefix) -> Curve:
    """a + b times the reference on the same schedule; by least squares on the last half of the prefix once half the run is
    done, before that on all but its first steps, twice the warm-up."""
    done, end = prefix.step[-1], prefix.plan.last
    keep = prefix.step >= (done / 2 if done >= 0.499 * end else 2 * prefix.plan.warmup)
    if keep.sum() < 5:
        keep = prefix.step >= done / 2
    x = np.interp(prefix.step[keep], reference.step, reference.loss)
    b, a = np.polyfit(x, prefix.loss[keep], 1)
    return lambda step: a + b * np.interp(step, reference.step, reference.loss)


def same_schedule(one: Schedule, other: Schedule) -> bool:
    """Are the rates the same up to their peak?"""
    if abs(one.steps - other.steps) > 0.002 * one.steps:
        return False
    n = min(one.steps, other.steps)
    apart = np.abs(one.rates[:n] / one.peak - other.rates[:n] / other.peak)
    return bool(np.mean(apart) < SAME)


def twins(references: Runs) -> bool:
    """Are there two references on one schedule?"""
    plans = [references.schedules[name] for name in references if name in references.schedules]
    return any(same_schedule(one, other) for k, one in enumerate(plans) for other in plans[:k])


def candidates(prefix: Prefix, references: Runs | None, known: Kernel | None) -> dict[str, Callable[[Prefix], Any]]:
    """The methods that can be used here, by name, the most trusted first."""
    found: dict[str, Callable[[Prefix], Any]] = {}
    if references is not None:
        for name in references:
            other = Prefix.of(references, name)
            if len(other.step) and same_schedule(prefix.plan, other.plan) and other.step[-1] > 0.98 * other.plan.last:
                found[f"affine map of {name}"] = partial(affine, reference=other)
    if known is not None:
        found["kernel of the references"] = partial(transferred, found=known)
    found["own prefix"] = own
    return found
