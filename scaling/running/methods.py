"""Ways to carry a running loss curve to its end. Each takes the prefix and its schedule, and returns a function of steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from scaling.fits import Fit, fit
from scaling.formula import Hooks, Law
from scaling.logs import Runs
from scaling.papers.luo2025 import multi_power, multi_power_features, multi_power_jacobian, with_known_kernel
from scaling.schedules import Schedule

Curve = Callable[[np.ndarray], np.ndarray]
LONG = 1000.0  # updates at the peak rate: the unit in which areas are compared between models
FALLEN = 0.25  # of the peak rate: a fall that shows what annealing does
SAME = 1e-3  # schedules that differ by less than this share of their peak are one schedule
STRETCHES = 12  # of the later half of a log, whose means show what wanders
ROWS = 500  # of a prefix that methods see; longer ones are given to them as means over as many stretches of steps
TINY = 1e-6  # a loss below which a law is out of its mind
NOISE = 1e-3  # of ln loss, at least: threshold of the Huber loss, and weight of what is known of a kernel
ANY = 6.0  # factor within which nine in ten kernels have their strength: luo2025_25M and those of runs/ differ by six
KNOWN = 1.5  # sd of ln strength and ln length of a kernel; 1 to 2.5 do alike on the short runs of runs/, 1.5 best


@dataclass(frozen=True)
class Prefix:
    """The evaluated rows of one run after its warm-up, and its whole schedule. noise: sd of one logged loss."""

    name: str
    step: np.ndarray
    loss: np.ndarray
    plan: Schedule
    noise: float = np.nan

    @classmethod
    def of(cls, runs: Runs, name: str) -> Prefix:
        rows = runs.frame
        rows = rows[(rows["run"] == name) & rows["loss"].notna()]
        plan = runs.schedules[name]
        rows = rows[rows["step"] >= plan.first + plan.warmup - 1]
        step, loss = rows["step"].to_numpy(int), rows["loss"].to_numpy(float)
        noise = scatter(loss[-max(4, int((step >= step[-1] / 2).sum())) :]) if len(step) else np.nan
        return cls(name, *means(step, loss, plan), plan, noise)

    def until(self, step: float) -> Prefix:
        keep = self.step <= step
        return replace(self, step=self.step[keep], loss=self.loss[keep])

    def runs(self) -> Runs:
        frame = pd.DataFrame({"run": self.name, "step": self.step, "loss": self.loss})
        return Runs.from_frame(frame, schedule=self.plan)


def means(step: np.ndarray, loss: np.ndarray, plan: Schedule) -> tuple[np.ndarray, np.ndarray]:
    """Means of the loss over stretches of steps, none across a jump of the rate; short logs stay as they are."""
    if len(step) < 2 * ROWS:
        return step, loss
    rates = plan.rates[plan.index(step)]
    jumps = np.cumsum(np.abs(np.diff(rates, prepend=rates[0])) > 0.01 * plan.peak)
    stretch = (step - step[0]) * ROWS // (step[-1] - step[0] + 1) + ROWS * jumps
    count = np.unique(stretch, return_inverse=True)[1]
    size = np.bincount(count)
    return np.rint(np.bincount(count, step) / size).astype(int), np.bincount(count, loss) / size


def scatter(loss: np.ndarray) -> float:
    """sd of a logged loss about its trend: what changes from row to row, and what wanders over longer stretches."""

    def sd(x: np.ndarray) -> float:
        return float(np.median(np.abs(np.diff(x, 3)))) / 0.6745 / np.sqrt(20) if len(x) > 3 else np.nan

    row, size = sd(loss), len(loss) // STRETCHES
    if size < 4:
        return row
    slow = sd(loss[-size * STRETCHES :].reshape(STRETCHES, size).mean(1))
    return float(np.hypot(row, np.sqrt(max(slow**2 - row**2 / size, 0.0))))


@dataclass(frozen=True)
class Kernel:
    """What annealing does elsewhere: B / A and C of a multi-power law in units of its peak rate and 1000 peak updates."""

    ratio: float
    C: float
    beta: float
    gamma: float
    peak: float

    @classmethod
    def of(cls, v: Mapping[str, float], peak: float) -> Kernel:
        size = v["A"] * (LONG * peak) ** -v["alpha"]
        return cls(v["B"] * peak / size, v["C"] * LONG * peak ** (1 - v["gamma"]), v["beta"], v["gamma"], peak)

    def at(self, size: Any, peak: float) -> dict[str, Any]:
        """B, C, beta, gamma of a law whose area term is `size` after 1000 updates at the peak."""
        C = self.C / LONG / peak ** (1 - self.gamma)
        return {"B": self.ratio * size / peak, "C": C, "beta": self.beta, "gamma": self.gamma}


def published_kernel() -> Kernel:
    """The kernel to assume where nothing else is known: luo2025_25M of multi_power, at its peak rate of 3e-4."""
    return Kernel.of(multi_power.published["luo2025_25M"], 3e-4)


def fallen(prefix: Prefix) -> float:
    """How far the rate has fallen in the prefix, as a share of what it was before."""
    rates = prefix.plan.rates[prefix.plan.index(prefix.step)]
    return float(np.max(1 - rates / np.maximum.accumulate(rates)))


def own(prefix: Prefix, known: Kernel) -> Curve:
    """A multi-power law from the prefix alone, its kernel drawn to a known one; before the rate has fallen enough to tell
    what annealing saves, with that kernel."""
    return (drawn if fallen(prefix) >= FALLEN else transferred)(prefix, known)


def transferred(prefix: Prefix, known: Kernel) -> Curve:
    """A multi-power law with a known kernel; L0, A and alpha from the prefix."""
    found = _fitted(prefix, known)
    return lambda step: found.law(*_inputs(found.law, prefix, step), **found.values)


def _inputs(law: Law, prefix: Prefix, step: np.ndarray) -> tuple[Any, ...]:
    assert law.hooks.features is not None
    return tuple(law.hooks.features(step, prefix.plan, **law.conventions).values())


def _fitted(prefix: Prefix, known: Kernel) -> Fit:
    """With the kernel known, annealing saves a known multiple of A, the area term after 1000 updates at the peak."""
    peak = prefix.plan.peak

    def features(steps: np.ndarray, schedule: Schedule, **conventions: Any) -> dict[str, Any]:
        S1, drops = multi_power_features(steps, schedule, **conventions).values()
        saved = -multi_power(S1, drops, L0=0, A=0, alpha=1, **known.at(1.0, peak))
        return {"S1": S1 / (LONG * peak), "saved": saved}

    params, hooks = {k: multi_power.params[k] for k in ("L0", "A", "alpha")}, Hooks(features=features)
    law = replace(multi_power, fn=with_known_kernel, inputs=("S1", "saved"), params=params, hooks=hooks, published={})
    return fit(prefix.runs(), law)


def drawn(prefix: Prefix, known: Kernel) -> Curve:
    """A multi-power law whose kernel is known to within a factor: L0, A, alpha, B and C minimise the Huber loss of ln loss
    plus a row for ln(B / A) and one for ln C. The search begins at the best fit with the known kernel."""
    law, peak = multi_power, prefix.plan.peak
    unit = LONG * peak

    def values(x: np.ndarray) -> dict[str, Any]:
        L0, size, alpha = x[0], np.exp(x[1]), x[2]
        near = replace(known, ratio=known.ratio * np.exp(KNOWN * x[3]), C=known.C * np.exp(KNOWN * x[4]))
        return {"L0": L0, "A": size * unit**alpha, "alpha": alpha, **near.at(size, peak)}

    rows = _inputs(law, prefix, prefix.step)
    noise = np.fmax(NOISE, prefix.noise / np.median(prefix.loss))

    def residuals(x: np.ndarray) -> np.ndarray:
        fitted = np.maximum(law(*rows, **values(x)), TINY)
        return np.concatenate([np.log(prefix.loss / fitted), noise * x[3:]])

    def slopes(x: np.ndarray) -> np.ndarray:
        v = values(x)
        by = multi_power_jacobian(*rows, **v)
        A, B, C = (by[k] * v[k] for k in "ABC")
        J = np.stack([by["L0"], A + B, by["alpha"] + A * np.log(unit), KNOWN * B, KNOWN * C], axis=1)
        value = v["L0"] + A + B  # the law is linear in these
        return np.concatenate([-J / np.maximum(value, TINY)[:, None], noise * np.eye(5)[3:]])

    at = _fitted(prefix, known).values
    start = np.array([at["L0"], np.log(at["A"]), at["alpha"], 0, 0])
    low, high = np.array([0, -20, 0, -4, -4]), np.array([2 * prefix.loss.min(), 20, 10, 4, 4])
    start = np.clip(start, low + 1e-6, high - 1e-6)
    best = least_squares(residuals, start, slopes, (low, high), loss="huber", f_scale=noise, x_scale="jac").x
    return lambda step: law(*_inputs(law, prefix, step), **values(best))


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
    """Are the rates the same up to their peak, from the warm-up, which logs often leave out, to the end?"""
    if abs(one.last - other.last) > 0.02 * one.last:
        return False
    begin, end = max(p.first + p.warmup for p in (one, other)), min(one.last, other.last)
    steps = np.arange(begin, end + 1)
    if not len(steps):
        return False
    apart = one.rates[one.index(steps)] / one.peak - other.rates[other.index(steps)] / other.peak
    return bool(np.mean(np.abs(apart)) < SAME)


class Kind(StrEnum):
    """Kinds of methods, the most trusted first."""

    MAP = "affine map"  # of a reference on the same schedule
    KERNEL = "kernel"  # of references that lowered their rates
    OWN = "own prefix"
    ASSUMED = "own prefix with the published kernel"  # its rate has not fallen enough yet to tell


@dataclass(frozen=True)
class Method:
    """A way to carry a prefix on. label: what to show. known, within: the kernel it begins with, if any, and how sure its
    strength is; peak: the rate that what it has learned elsewhere belongs to."""

    kind: Kind
    label: str
    way: Callable[..., Curve]
    known: Kernel | None = None
    within: float = 1.0
    peak: float = np.nan

    def carry(self, prefix: Prefix, stronger: float = 1.0) -> Curve:
        """The curve, with a kernel that many times as strong."""
        if self.known is None:
            return self.way(prefix)
        return self.way(prefix, replace(self.known, ratio=self.known.ratio * stronger))


def alone(prefix: Prefix) -> Method:
    """What can be done without references."""
    kind = Kind.OWN if fallen(prefix) >= FALLEN else Kind.ASSUMED
    return Method(kind, str(kind), own, published_kernel(), ANY)
