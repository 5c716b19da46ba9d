"""Forecast of a run that is still going: where its planned schedule will take it, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from scaling.errors import DataError, ScalingError
from scaling.logs import Runs
from scaling.registered.record import Registration, of_job
from scaling.rendering import Result, plain
from scaling.running.methods import Curve, Kind, Method, Prefix
from scaling.running.references import FEWEST, MISFIT, TENTHS, References, as_runs, candidates
from scaling.words import check_level

CUTS = (0.5, 0.65, 0.8)  # of the prefix, at which the method is tried on what is already known
SEED = 0.0013  # nats by which two runs differ that share everything but their seed (two pairs of arXiv:2503.12811)
SHOWN = 300


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
    fields = ("run", "step", "last", "level", "noise", "end", "method", "cuts", "ok", "warnings")

    @property
    def end(self) -> dict[str, float]:
        """prediction, lower, upper at the last planned step."""
        row = self.frame.iloc[-1]
        return {k: float(row[k]) for k in ("prediction", "lower", "upper")}

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), **plain({"methods": self.errors, "frame": self.frame.to_dict("list")})}

    def register(self, path: str | Path | None = None) -> Registration:
        """Write this forecast down, to be scored when the job has ended; see `scaling.Fit.register`."""
        made = of_job(self.run, self.frame, self.log, self.level, self.method, self.warnings, self.ok)
        if path is not None:
            made.save(path)
        return made

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


def forecast(
    run: Runs | pd.DataFrame, references: References | Runs | pd.DataFrame | None = None, level: float = 0.9
) -> Forecast:
    """Forecast the end of a partly logged run.

    Parameters
    ----------
    run : one run with its planned schedule: later rows with step and rate but no loss, or a schedule (text or fact).
    references : finished runs, smaller ones for example. One on the same schedule gives an affine map; runs that lowered
        their rate give the annealing kernel, one for each size. Which is used is decided on the references, each stopped
        where the run is; a single reference on the same schedule cannot be tried so, and is used untried. For many
        forecasts with the same references make `scaling.running.References` of them once.
    level : probability that the interval is meant to cover.

    Raises
    ------
    DataError : no runs, several, an unknown schedule, a run that is over, or too few evaluated rows. ArgumentError : level.
    """
    if references is not None and not isinstance(references, References):
        references = References(references)
    check_level(level)
    prefix, done = _running(as_runs(run, "the run to forecast"))
    last = prefix.plan.last
    said = [*prefix.plan.notes, *(references.kernels[1] if references is not None else ())]
    tried: list[Tried] = []
    for method in candidates(prefix, references):
        try:
            tried.append(Tried.on(prefix, method))
        except ScalingError as problem:
            said.append(f"{method.label} left out: {str(problem).splitlines()[0]}")
    if not tried:
        raise DataError(f"run '{prefix.name}': no method could be fitted: {'; '.join(said)}")
    chosen = _choose(tried, references, done / last)
    noise = prefix.noise
    if chosen.method.kind is Kind.MAP:  # paired with a run on the same schedule, slow wander shows too
        half = prefix.step >= done / 2
        noise = max(noise, float(np.std(prefix.loss[half] - chosen.curve(prefix.step[half]))))
    rivals = [t for t in tried if references is None or t.method.kind not in (Kind.OWN, Kind.ASSUMED)]
    apart = max(abs(t.end - chosen.end) for t in (chosen, *rivals)) / 2
    columns = {"end": [t.end for t in tried], "backtest error per unit of ln step": [t.size for t in tried]}
    table = pd.DataFrame(columns, index=pd.Index([t.method.label for t in tried], name="method"))
    log = pd.DataFrame({"step": prefix.step, "loss": prefix.loss, "fitted": chosen.curve(prefix.step)})
    mistrust = _mistrust(chosen, prefix, done, noise)
    said = [*mistrust, *said, *_doubts(chosen, prefix)]
    return Forecast(
        prefix.name, done, last, _band(chosen, prefix, done, noise, apart, level), chosen.method.label, table, level, noise,
        tuple(dict.fromkeys(said)), tuple(chosen.errors.index), log, not mistrust,
    )  # fmt: skip


class Tried(NamedTuple):
    """A method carried from what is known: its curve, its loss at the last step, and its errors at the end of the prefix per
    unit of ln step, by the share of it that was known."""

    method: Method
    curve: Curve
    end: float
    errors: pd.Series

    @classmethod
    def on(cls, prefix: Prefix, method: Method) -> Tried:
        curve = method.carry(prefix)
        found = {}
        for share in CUTS:
            part = prefix.until(share * prefix.step[-1])
            if len(part.step) < FEWEST:
                continue
            try:
                error = float(method.carry(part)(prefix.step[-1:])[0]) - float(np.mean(prefix.loss[-3:]))
            except ScalingError:
                continue
            found[share] = error / np.log(prefix.step[-1] / part.step[-1])
        return cls(method, curve, float(curve(np.array([prefix.plan.last]))[0]), pd.Series(found, dtype=float))

    @property
    def size(self) -> float:
        """Root mean square of the errors; NaN without any."""
        return float(np.sqrt(np.mean(np.square(self.errors)))) if len(self.errors) else np.nan


def _running(runs: Runs) -> tuple[Prefix, int]:
    """What is known of the one run, and its last evaluated step; or why it cannot be forecast."""
    if len(runs) != 1:
        some = ", ".join(runs.names[:5])
        raise DataError(f"forecast takes one run at a time, these are {len(runs)}: {some}. Pick runs['name'].")
    name = runs.names[0]
    if name not in runs.schedules:
        raise DataError(
            f"run '{name}': its planned schedule is unknown. Log a column lr with the rows to come, or give schedule=."
        )
    prefix = Prefix.of(runs, name)
    if len(prefix.step) < FEWEST:
        raise DataError(f"run '{name}': {len(prefix.step)} evaluated rows after the warm-up; a forecast needs {FEWEST}.")
    done = int(runs.frame.dropna(subset="loss")["step"].max())
    if done >= prefix.plan.last:
        raise DataError(f"run '{name}' is over at step {done}, or its plan is missing: add rows to come, or give schedule=.")
    return prefix, done


def _choose(tried: list[Tried], references: References | None, fraction: float) -> Tried:
    """The method that did best on the references; the most trusted one where it cannot be tried on them (an affine map
    needs two on one schedule)."""
    first = tried[0]
    if references is None or len(tried) == 1 or (first.method.kind is Kind.MAP and not references.twins):
        return first
    kinds = {t.method.kind: t for t in reversed(tried)}
    errors = references.errors(int(np.clip(round(TENTHS * fraction), 1, TENTHS - 1)))
    errors = errors[[kind for kind in kinds if kind in errors]].dropna()
    return kinds[Kind(str(errors.mean().idxmin()))] if first.method.kind in errors and len(errors) else first


def _mistrust(chosen: Tried, prefix: Prefix, done: int, noise: float) -> list[str]:
    """Does the loss so far leave the method's curve?"""
    late = np.abs(chosen.curve(prefix.step) / prefix.loss - 1)
    missed = max(float(np.median(late[prefix.step >= done / 2])), float(np.median(late[-3:])))
    if not (missed > max(MISFIT, 3 * noise / chosen.end) or chosen.end <= 0):
        return []
    return [
        f"do not trust this: the curve of the method misses the loss so far by {missed:.1%}, so the loss does not follow "
        "its schedule as others do (a spike, a restart, other data, or not this schedule?)"
    ]


def _doubts(chosen: Tried, prefix: Prefix) -> list[str]:
    """What the method assumes that this run has not shown."""
    method, out = chosen.method, []
    if method.kind is Kind.ASSUMED:
        out.append(
            "the rate has not fallen by a quarter yet and no reference tells what that will save, so it is assumed "
            f"(kernel of luo2025_25M, whose strength may be {method.within:g} times more or less)"
        )
    if abs(method.peak / prefix.plan.peak - 1) > 0.05:
        out.append(
            f"{method.label}: learned at a peak rate of {method.peak:.3g}, and this run has {prefix.plan.peak:.3g}; what "
            "another peak changes is not known and not in the interval"
        )
    if not len(chosen.errors):
        out.append("the prefix is too short to try the method on it, so there is no interval yet")
    return out


def _band(chosen: Tried, prefix: Prefix, done: int, noise: float, apart: float, level: float) -> pd.DataFrame:
    """Noise of a row, seed, the error per unit of ln step in the backtests, half of what the methods disagree, and what comes
    out with a kernel that is known to be stronger or weaker. NaN without a backtest."""
    steps = np.unique(np.r_[np.linspace(done, prefix.plan.last, SHOWN).round().astype(int), prefix.plan.last])
    middle, method = chosen.curve(steps), chosen.method
    far = np.log(steps / done)
    share = far / far[-1]
    sd = np.sqrt(noise**2 + SEED**2 * share + (chosen.size * far) ** 2 + (apart * share) ** 2)
    half = student.ppf(0.5 + level / 2, max(len(chosen.errors), 1)) * sd
    below = above = np.zeros(len(steps))
    if method.known is not None:
        factor = method.within ** (norm.ppf(0.5 + level / 2) / norm.ppf(0.95))
        ends = [method.carry(prefix, stronger)(steps) for stronger in (factor, 1 / factor)]
        below, above = middle - np.minimum(middle, np.minimum(*ends)), np.maximum(middle, np.maximum(*ends)) - middle
    rates = prefix.plan.rates[prefix.plan.index(steps)]
    bounds = {"lower": np.maximum(middle - np.hypot(half, below), 0.0), "upper": middle + np.hypot(half, above)}
    return pd.DataFrame({"step": steps, "lr": rates, "prediction": middle, **bounds})
