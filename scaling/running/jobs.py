"""Forecast of a run that is still going: where its planned schedule will take it, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from scaling.errors import DataError, ScalingError
from scaling.logs import Runs
from scaling.rendering import Result, plain
from scaling.running.methods import FALLEN, MISFIT, Curve, Method, Prefix, candidates, fallen, kernels, twins
from scaling.words import check_level

CUTS = (0.5, 0.65, 0.8)  # of the prefix, at which the method is tried on what is already known
SEED = 0.0013  # nats by which two runs differ that share everything but their seed (two pairs of arXiv:2503.12811)
FEWEST = 8  # evaluated rows without which nothing is forecast
SHOWN = 300
MOST, TENTHS = 6, 10  # references on which methods are tried, and how finely the fraction done is matched to do it once


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """Where a running job will end.

    Attributes
    ----------
    run, step, last : its name, its last evaluated step, its last planned step.
    frame : step, lr, prediction, lower, upper from the last evaluated step to the end.
    method : how it was made. errors : DataFrame of every method: its forecast of the end and its backtest error.
    level, noise : nominal level; sd of one logged loss.
    cuts : shares of what is known at which the method was tried; without any there is no interval.
    log : step, loss that it was made from (means of long logs), fitted: the curve of the method there.
    warnings : what to keep in mind. ok : does the loss so far follow its schedule?
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
    cuts: tuple[float, ...]
    log: pd.DataFrame
    ok: bool = True
    facts = ("run", "step", "last", "level", "noise", "end", "method", "cuts", "ok", "warnings")

    @property
    def end(self) -> dict[str, float]:
        """prediction, lower, upper at the last planned step."""
        row = self.frame.iloc[-1]
        return {k: float(row[k]) for k in ("prediction", "lower", "upper")}

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), **plain({"methods": self.errors, "frame": self.frame.to_dict("list")})}

    def head(self) -> list[tuple[str, str]]:
        e, sure = self.end, "" if self.ok else "NOT TRUSTWORTHY: "
        known = np.isfinite(e["lower"])
        interval = f"({e['lower']:.4f} to {e['upper']:.4f}, {self.level:.0%})" if known else "(no interval yet)"
        checked = ", ".join(f"{c:.0%}" for c in self.cuts) or "nothing"
        return [
            ("verdict", f"{sure}final loss {e['prediction']:.4f} {interval}"),
            *(("warning", said) for said in self.warnings),
            ("run", f"{self.run}, at step {self.step} of {self.last} ({self.step / self.last:.0%})"),
            ("method", f"{self.method}; checked on {checked} of what is known, asked for {self.last / self.step:.3g}x"),
        ]

    def table(self) -> pd.DataFrame:
        return self.errors


def forecast(run: Runs | pd.DataFrame, references: Runs | pd.DataFrame | None = None, level: float = 0.9) -> Forecast:
    """Forecast the end of a partly logged run.

    Parameters
    ----------
    run : one run with its planned schedule: later rows with step and rate but no loss, or a schedule (text or fact).
    references : finished runs, smaller ones for example. One on the same schedule gives an affine map; runs that lowered
        their rate give the annealing kernel, one for each size. Which is used is decided on the references, each stopped
        where the run is; a single reference on the same schedule cannot be tried so, and is used untried.
    level : probability that the interval is meant to cover.

    Raises
    ------
    DataError : no runs, several, an unknown schedule, a run that is over, or too few evaluated rows.
    """
    runs = as_runs(run, "the run to forecast")
    references = None if references is None else finished(references)
    check_level(level)
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
    frame = runs.frame
    last, done = prefix.plan.last, int(frame["step"][frame["loss"].notna()].max())
    if done >= last:
        raise DataError(
            f"run '{name}' is over at step {done}, or its plan is missing: add rows to come, or give schedule=."
        )
    methods = candidates(prefix, references)
    warnings = list(prefix.plan.notes) + list(kernels(references)[1] if references is not None else ())
    ends, fits, tried = {}, {}, {}
    for label, method in methods.items():
        try:
            fits[label] = method.carry(prefix)
            ends[label] = float(fits[label](np.array([last]))[0])
            tried[label] = _backtest(prefix, method)
        except ScalingError as problem:
            warnings.append(f"{label} left out: {str(problem).splitlines()[0]}")
    if not fits:
        raise DataError(f"run '{name}': no method could be fitted: {'; '.join(warnings)}")
    chosen = _choose(list(fits), references, done / last)
    used = methods[chosen]
    noise = prefix.noise
    if chosen.startswith("affine"):  # paired with a run on the same schedule, slow wander shows too
        half = prefix.step >= done / 2
        noise = max(noise, float(np.std(prefix.loss[half] - fits[chosen](prefix.step[half]))))
    errors = tried[chosen]
    others = [ends[k] for k in ends if k != chosen and not (k.startswith("own prefix") and references is not None)]
    apart = max((abs(x - ends[chosen]) for x in others), default=0.0) / 2
    steps = np.unique(np.r_[np.linspace(done, last, SHOWN).round().astype(int), last])
    frame = _band(fits[chosen], prefix, used, done, steps, noise, errors.to_numpy(), apart, level)
    if chosen.startswith("own prefix") and fallen(prefix) < FALLEN:
        warnings.append(
            "the rate has not fallen by a quarter yet and no reference tells what that will save, so it is assumed "
            f"(kernel of luo2025_25M, whose strength may be {used.within:g} times more or less)"
        )
    if abs(used.peak / prefix.plan.peak - 1) > 0.05:
        warnings.append(
            f"{chosen}: learned at a peak rate of {used.peak:.3g}, and this run has {prefix.plan.peak:.3g}; what another "
            "peak changes is not known and not in the interval"
        )
    late = np.abs(fits[chosen](prefix.step) / prefix.loss - 1)
    missed = max(float(np.median(late[prefix.step >= done / 2])), float(np.median(late[-3:])))
    ok = missed <= max(MISFIT, 3 * noise / ends[chosen]) and ends[chosen] > 0
    if not ok:
        warnings.insert(
            0,
            f"do not trust this: the curve of the method misses the loss so far by {missed:.1%}, so the loss does not follow "
            "its schedule as others do (a spike, a restart, other data, or not this schedule?)",
        )
    if not len(errors):
        warnings.append("the prefix is too short to try the method on it, so there is no interval yet")
    table = pd.DataFrame(
        {"end": ends, "backtest error per unit of ln step": {k: _rms(v) for k, v in tried.items()}}
    ).loc[list(fits)].rename_axis("method")  # fmt: skip
    log = pd.DataFrame({"step": prefix.step, "loss": prefix.loss, "fitted": fits[chosen](prefix.step)})
    return Forecast(
        name,
        done,
        last,
        frame,
        chosen,
        table,
        level,
        noise,
        tuple(dict.fromkeys(warnings)),
        tuple(errors.index),
        log,
        ok,
    )


def _rms(x: pd.Series) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else np.nan


def _backtest(prefix: Prefix, method: Method) -> pd.Series:
    """Error of the method at the end of the prefix per unit of ln step, by the share of it that was known."""
    found = {}
    for share in CUTS:
        part = prefix.until(share * prefix.step[-1])
        if len(part.step) >= FEWEST:
            try:
                e = float(method.carry(part)(prefix.step[-1:])[0]) - float(np.mean(prefix.loss[-3:]))
            except ScalingError:
                continue
            found[share] = e / np.log(prefix.step[-1] / part.step[-1])
    return pd.Series(found, dtype=float)


def _choose(labels: list[str], references: Runs | None, fraction: float) -> str:
    """The method that did best on the references; the most trusted one where it cannot be tried on them (an affine map
    needs two on one schedule)."""
    if references is None or len(labels) == 1:
        return labels[0]
    if labels[0].startswith("affine") and not twins(references):
        return labels[0]
    kinds = {label.partition(" of ")[0]: label for label in reversed(labels)}
    tried = _on_references(references, int(np.clip(round(TENTHS * fraction), 1, TENTHS - 1)))
    tried = tried[[k for k in kinds if k in tried]].dropna()
    most_trusted = labels[0].partition(" of ")[0]
    return kinds[str(tried.mean().idxmin())] if most_trusted in tried and len(tried) else labels[0]


@lru_cache(maxsize=64)
def _on_references(references: Runs, tenths: int) -> pd.DataFrame:
    """|error| of the final loss by kind of method ("affine map", "kernel", ...; NaN: cannot be tried), one row per reference,
    treated as running and stopped after so many tenths while the others are its references."""
    rows = []
    for name in list(references)[:MOST]:
        whole = Prefix.of(references, name)
        part = whole.until(tenths / TENTHS * whole.plan.last)
        if len(part.step) < FEWEST:
            continue
        row: dict[str, float] = {}
        for label, method in candidates(part, _without(references, name)).items():
            try:
                error = abs(float(method.carry(part)(whole.step[-1:])[0]) - whole.loss[-1])
            except ScalingError:
                error = np.inf
            row.setdefault(label.partition(" of ")[0], error)
        rows.append(row)
    return pd.DataFrame(rows)


@lru_cache(maxsize=64)
def _without(references: Runs, name: str) -> Runs | None:
    """The others: the same object at every fraction of a run, so that their kernels are fitted once."""
    others = [n for n in references if n != name]
    return references.select(f"run in {others}") if others else None


def finished(references: Any) -> Runs:
    """The references, or why they cannot be used."""
    runs = as_runs(references, "references=")
    for name in runs:
        if name not in runs.schedules:
            raise DataError(
                f"reference '{name}': its schedule is unknown, so nothing can be learned from it. Log a column lr, give "
                "schedule=, or leave it out."
            )
    return runs


def as_runs(given: Any, what: str) -> Runs:
    if isinstance(given, Runs):
        return given
    if isinstance(given, pd.DataFrame):
        return Runs.from_frame(given)
    raise DataError(
        f"{what}: Runs or a DataFrame, not {type(given).__name__}; scaling.read('log.csv') makes Runs of a log."
    )


def _band(
    curve: Curve, prefix: Prefix, used: Method, done: int, steps: np.ndarray,
    noise: float, errors: np.ndarray, apart: float, level: float,
) -> pd.DataFrame:  # fmt: skip
    """Noise of a row, seed, the error per unit of ln step in the backtests, half of what the methods disagree, and what comes
    out with a kernel that is known to be stronger or weaker. NaN without a backtest."""
    middle = curve(steps)
    far = np.log(steps / done)
    share = far / far[-1]
    drift = np.sqrt(np.mean(np.square(errors))) if len(errors) else np.nan
    sd = np.sqrt(noise**2 + SEED**2 * share + (drift * far) ** 2 + (apart * share) ** 2)
    half = student.ppf(0.5 + level / 2, max(len(errors), 1)) * sd
    below = above = np.zeros(len(steps))
    if used.known is not None:
        factor = used.within ** (norm.ppf(0.5 + level / 2) / norm.ppf(0.95))
        ends = [used.carry(prefix, stronger)(steps) for stronger in (factor, 1 / factor)]
        below, above = middle - np.minimum(middle, np.minimum(*ends)), np.maximum(middle, np.maximum(*ends)) - middle
    rates = prefix.plan.rates[prefix.plan.index(steps)]
    bounds = {"lower": np.maximum(middle - np.hypot(half, below), 0.0), "upper": middle + np.hypot(half, above)}
    return pd.DataFrame({"step": steps, "lr": rates, "prediction": middle, **bounds})
