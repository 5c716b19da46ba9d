"""Forecast of a run that is still going: where its planned schedule will take it, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling.errors import DataError, ScalingError
from scaling.forecasting.methods import FALLEN, Curve, Kernel, Prefix, candidates, fallen, kernel, own, transferred
from scaling.logs import Runs

CUTS = (0.5, 0.65, 0.8)  # of the prefix, at which the method is tried on what is already known
SEED = 0.0013  # nats by which two runs differ that share everything but their seed (two pairs of arXiv:2503.12811)
FEWEST = 8  # evaluated rows without which nothing is forecast
SHOWN = 300


@dataclass(frozen=True, repr=False)
class Forecast:
    """Where a running job will end.

    Attributes
    ----------
    run, step, last : its name, its last evaluated step, its last planned step.
    frame : step, lr, prediction, lower, upper from the last evaluated step to the end.
    method : how it was made. errors : DataFrame of every method: its forecast of the end and its backtest error.
    level, noise : nominal level; sd of one logged loss.
    warnings : what to keep in mind.
    """

    run: str
    step: int
    last: int
    frame: pd.DataFrame
    method: str
    errors: pd.DataFrame
    level: float
    noise: float
    warnings: tuple[str, ...]

    @property
    def end(self) -> dict[str, float]:
        """prediction, lower, upper at the last planned step."""
        row = self.frame.iloc[-1]
        return {k: float(row[k]) for k in ("prediction", "lower", "upper")}

    def to_dict(self) -> dict[str, Any]:
        """Plain types for JSON."""
        return {
            "run": self.run, "step": self.step, "last": self.last, "level": self.level, "noise": self.noise, "end": self.end,
            "method": self.method, "warnings": list(self.warnings), "methods": self.errors.reset_index().to_dict("records"),
            "frame": self.frame.to_dict("list"),
        }  # fmt: skip

    def __str__(self) -> str:
        e = self.end
        lines = [
            f"{self.run}: at step {self.step} of {self.last} ({self.step / self.last:.0%}); final loss "
            f"{e['prediction']:.4f} ({e['lower']:.4f} to {e['upper']:.4f}, {self.level:.0%})",
            f"method: {self.method}; checked on {', '.join(f'{c:.0%}' for c in CUTS)} of what is known, asked for "
            f"{self.last / self.step:.3g}x",
            self.errors.to_string(float_format=lambda x: f"{x:.4f}"),
        ]
        return "\n".join([*lines, *(f"warning: {w}" for w in self.warnings)])

    __repr__ = __str__


def forecast(run: Runs | pd.DataFrame, references: Runs | None = None, level: float = 0.9) -> Forecast:
    """Forecast the end of a partly logged run.

    Parameters
    ----------
    run : one run with its planned schedule: later rows with step and rate but no loss, or a schedule (text or fact).
    references : finished runs, smaller ones for example. One on the same schedule gives an affine map; runs that lowered
        their rate give the annealing kernel.
    level : probability that the interval is meant to cover.

    Raises
    ------
    DataError : several runs, an unknown schedule, a run that is over, or too few evaluated rows.
    """
    runs = run if isinstance(run, Runs) else Runs.from_frame(run)
    if len(runs) != 1:
        raise DataError(
            f"forecast takes one run at a time, these are {len(runs)}: {', '.join(runs.names[:5])}. Pick runs['name']."
        )
    name = runs.names[0]
    if name not in runs.schedules:
        raise DataError(
            f"run '{name}': its planned schedule is unknown. Log a column lr with the rows to come, or give schedule=."
        )
    prefix = Prefix.of(runs, name)
    if len(prefix.step) < FEWEST:
        raise DataError(
            f"run '{name}': {len(prefix.step)} evaluated rows after the warm-up; a forecast needs {FEWEST}."
        )
    last, done = prefix.plan.last, int(prefix.step[-1])
    if done >= last:
        raise DataError(
            f"run '{name}' is over at step {done}, or its plan is missing: add rows to come, or give schedule=."
        )
    warnings = []
    known = kernel(references) if references is not None else None
    methods = candidates(prefix, references, known)
    ends, fits, tried = {}, {}, {}
    for label, method in methods.items():
        try:
            fits[label] = method(prefix)
            ends[label] = float(fits[label](np.array([last]))[0])
            tried[label] = _backtest(prefix, method)
        except ScalingError as problem:
            warnings.append(f"{label} left out: {str(problem).splitlines()[0]}")
    if not fits:
        raise DataError(f"run '{name}': no method could be fitted: {'; '.join(warnings)}")
    chosen = _choose(list(fits), references, done / last, known)
    noise = float(np.median(np.abs(np.diff(prefix.loss[-40:], 2)))) / 0.6745 / np.sqrt(6)
    drift = np.sqrt(np.mean(np.square(tried[chosen]))) if len(tried[chosen]) else np.nan
    others = [ends[k] for k in ends if k != chosen and not (k == "own prefix" and references is not None)]
    apart = max((abs(x - ends[chosen]) for x in others), default=0.0) / 2
    steps = np.unique(np.r_[np.linspace(done, last, SHOWN).round().astype(int), last])
    frame = _band(fits[chosen], prefix, steps, noise, drift, apart, level)
    if fallen(prefix) < FALLEN and chosen == "own prefix":
        warnings.append(
            "the rate has not fallen by half yet and there are no references, so what annealing will save is assumed "
            "(kernel of luo2025_25M)"
        )
    if not np.isfinite(drift):
        warnings.append("the prefix is too short to try the method on it; the interval holds only noise and seed")
    table = pd.DataFrame(
        {"end": ends, "backtest error per unit of ln step": {k: _rms(v) for k, v in tried.items()}}
    ).loc[list(fits)].rename_axis("method")  # fmt: skip
    return Forecast(name, done, last, frame, chosen, table, level, noise, tuple(warnings))


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else np.nan


def _backtest(prefix: Prefix, method: Any) -> np.ndarray:
    """Error of the method at the end of the prefix per unit of ln step, from earlier cuts of it."""
    found = []
    for share in CUTS:
        part = prefix.until(share * prefix.step[-1])
        if len(part.step) >= FEWEST:
            try:
                e = float(method(part)(prefix.step[-1:])[0]) - float(np.mean(prefix.loss[-3:]))
            except ScalingError:
                continue
            found.append(e / np.log(prefix.step[-1] / part.step[-1]))
    return np.array(found)


def _choose(labels: list[str], references: Runs | None, fraction: float, known: Kernel | None) -> str:
    """The map of a run on the same schedule, if there is one; else kernel or own prefix, as the references decide when each
    of them is treated as running and stopped at the same fraction."""
    if labels[0].startswith("affine") or references is None or known is None or len(labels) == 1:
        return labels[0]
    errors: dict[str, list[float]] = {"kernel of the references": [], "own prefix": []}
    for name in list(references)[:6]:
        whole = Prefix.of(references, name)
        part = whole.until(fraction * whole.plan.last)
        others = [n for n in references if n != name]
        found = kernel(references.select(f"run in {others}")) if others else None
        if found is None or len(part.step) < FEWEST:
            continue
        for label, method in (("kernel of the references", lambda p, k=found: transferred(p, k)), ("own prefix", own)):
            try:
                errors[label].append(abs(float(method(part)(whole.step[-1:])[0]) - whole.loss[-1]))
            except ScalingError:
                errors[label].append(np.inf)
    usable = [k for k in labels if errors.get(k)]
    return min(usable, key=lambda k: float(np.mean(errors[k]))) if usable else labels[0]


def _band(
    curve: Curve, prefix: Prefix, steps: np.ndarray, noise: float, drift: float, apart: float, level: float
) -> pd.DataFrame:
    """Noise of a row, seed, the error per unit of ln step in the backtests, and half of what the methods disagree."""
    middle = curve(steps)
    far = np.log(steps / prefix.step[-1])
    share = far / far[-1]
    sd = np.sqrt(noise**2 + SEED**2 * share + (np.nan_to_num(drift) * far) ** 2 + (apart * share) ** 2)
    half = student.ppf(0.5 + level / 2, len(CUTS)) * sd
    rates = prefix.plan.rates[prefix.plan.index(steps)]
    return pd.DataFrame(
        {"step": steps, "lr": rates, "prediction": middle, "lower": middle - half, "upper": middle + half}
    )
