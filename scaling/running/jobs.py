"""Forecast of a run that is still going: where its planned schedule will take it, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from scaling.errors import DataError
from scaling.logs import Runs
from scaling.registered.record import Registration, of_job
from scaling.rendering import Result, plain
from scaling.running.beliefs import FAMILY, Family
from scaling.running.checked import MISSED, WIDEST, Check, Checks, believed
from scaling.running.hierarchy import ROW, Hierarchy
from scaling.running.path import NAMES, Path
from scaling.running.prefix import FEWEST, Prefix
from scaling.running.references import MISFIT, References, as_runs, hierarchy
from scaling.words import check_level, many

LOST = 0.2  # of the loss, to which no rest of a run takes it
FALLEN = 0.25  # of the peak rate: a fall that begins to show what annealing saves
SHOWN = 120
FOUND = ("L0", "A", "alpha", "N", "X", "q", "k", "eta_0")


@dataclass(frozen=True, repr=False)
class Forecast(Result):
    """Where a running job will end.

    Attributes
    ----------
    run, step, last : its name, its last evaluated step, its last planned step.
    frame : step, lr, prediction, lower and upper (of one logged loss), mean_lower and mean_upper (of the mean of many) from the
        last evaluated step to the end.
    method : what it was made from.
    constants : DataFrame of the law's constants: value, and the factor or (q, k, L0) difference that is one sd, now and before
        the log spoke. A and N are nats at the end of the plan, X counts the kernel per horizon.
    level, noise : nominal level; sd of one logged loss.
    check : the loss at the last step, as measured (mean of the last three rows), and as forecast from a first part of the log;
        empty where that is too short.
    log : step, loss that it was made from (means of long logs), fitted: law and drift there.
    warnings : what to keep in mind. ok : does the loss so far follow its schedule?
    """

    run: str
    step: int
    last: int
    frame: pd.DataFrame
    method: str
    constants: pd.DataFrame
    level: float
    noise: float
    warnings: tuple[str, ...]
    check: dict[str, float]
    log: pd.DataFrame
    ok: bool = True
    fields = ("run", "step", "last", "level", "noise", "end", "method", "check", "ok", "warnings")

    @property
    def end(self) -> dict[str, float]:
        """prediction, lower, upper, mean_lower, mean_upper at the last planned step."""
        row = self.frame.iloc[-1]
        return {k: float(row[k]) for k in ("prediction", "lower", "upper", "mean_lower", "mean_upper")}

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), **plain({"constants": self.constants, "frame": self.frame.to_dict("list")})}

    def register(self, path: str | File | None = None) -> Registration:
        """Write this forecast down, to be scored when the job has ended; see `scaling.Fit.register`."""
        made = of_job(self.run, self.frame, self.log, self.level, self.method, self.warnings, self.ok)
        if path is not None:
            made.save(path)
        return made

    def head(self) -> list[tuple[str, str]]:
        e, c, sure = self.end, self.check, "" if self.ok else "NOT TRUSTWORTHY: "
        mean = ""
        if e["upper"] - e["lower"] > 1.1 * (e["mean_upper"] - e["mean_lower"]):
            mean = f"; {e['mean_lower']:.4f} to {e['mean_upper']:.4f} for the mean of many"
        interval = f"{e['lower']:.4f} to {e['upper']:.4f}, {self.level:.0%}"
        checked = "too short a log to check on"
        if c:
            checked = (
                f"from step {c['from']:.0f} the loss at step {self.step} was forecast as {c['prediction']:.4f} "
                f"({c['lower']:.4f} to {c['upper']:.4f}), and is {c['measured']:.4f}"
            )
        return [
            ("verdict", f"{sure}final loss {e['prediction']:.4f} ({interval}{mean})"),
            *(("warning", said) for said in self.warnings),
            ("run", f"{self.run}, at step {self.step} of {self.last} ({self.step / self.last:.0%})"),
            ("method", f"{self.method}; asked for {self.last / self.step:.3g}x of what is known"),
            ("check", checked),
        ]

    def table(self) -> pd.DataFrame:
        return self.constants


def forecast(
    run: Runs | pd.DataFrame, references: References | Runs | pd.DataFrame | None = None, level: float = 0.9
) -> Forecast:
    """Forecast the end of a partly logged run.

    One law (`running.path.Path`) is fitted to the log and all references at once, every group of references (a size at a peak
    rate) with constants of its own that may differ from the run's as relatives do; what the data leave open, the constants of
    published and own families decide. What the law misses drifts on, and is shared by runs on like schedules.

    Parameters
    ----------
    run : one run with its planned schedule: later rows with step and rate but no loss, or a schedule (text or fact).
        `scaling.running.then` gives it another schedule from now on.
    references : finished runs of any size (fact n_params) and peak rate, on any schedule. For many forecasts with the same
        references make `scaling.running.References` of them once.
    level : probability that the interval is meant to cover.

    Raises
    ------
    DataError : no runs, several, an unknown schedule or one that the logged rates contradict, a run that is over, or too few
        evaluated rows. ArgumentError : level.
    """
    check_level(level)
    if references is not None and not isinstance(references, References):
        references = References(references)
    return made(running(run), references, level)


def running(run: Any) -> Prefix:
    """What is known of the one run; or why it cannot be forecast."""
    runs = as_runs(run, "the run to forecast")
    if len(runs) != 1:
        some = ", ".join(runs.names[:5])
        raise DataError(
            f"forecast takes one run at a time, these are {len(runs)}: {some}. "
            f"Pick runs['{runs.names[0]}'] (command line: --where \"run == '{runs.names[0]}'\")."
        )
    name = runs.names[0]
    if name not in runs.schedules:
        raise DataError(
            f"run '{name}': its planned schedule is unknown. Log a column lr with the rows to come, or give schedule=."
        )
    prefix = Prefix.of(runs, name)
    if len(prefix.step) < FEWEST:
        raise DataError(
            f"run '{name}': {many(len(prefix.step), 'evaluated row')} after the warm-up; a forecast needs {FEWEST}."
        )
    if prefix.done >= prefix.plan.last:
        if runs.facts.loc[name].get("steps") == prefix.done:
            raise DataError(f"run '{name}' is over: it made all of its {prefix.done} updates, and nothing is left to forecast.")
        raise DataError(
            f"run '{name}' is over at step {prefix.done}, or its plan is missing: add rows to come, or give schedule=."
        )
    return prefix


def made(prefix: Prefix, references: References | None, level: float, family: Family = FAMILY) -> Forecast:
    """The forecast of a prefix; `family`: what is known before any log."""
    family, seen = believed(prefix, references, family)
    model, said = hierarchy(prefix, references, family)
    done, last = prefix.done, prefix.plan.last
    frame = curve(model, prefix, level, done)
    first = model.curves[0]
    log = pd.DataFrame({"step": first.path.steps, "loss": first.loss, "fitted": np.exp(model.ahead([first.path])[0])})
    mistrust = [*_mistrust(model, prefix, frame), *_failed(seen)]
    return Forecast(
        prefix.name, done, last, frame, _method(model, references), _constants(model), level,
        float(np.hypot(prefix.noise, prefix.wander)), (*mistrust, *prefix.plan.notes, *said, *_doubts(prefix, model)),
        _check(seen.first, level), log, not mistrust,
    )  # fmt: skip


def curve(model: Hierarchy, prefix: Prefix, level: float, begin: int) -> pd.DataFrame:
    """step, lr, prediction and its intervals from a step to the end of the plan."""
    plan = prefix.plan
    steps = np.unique(np.r_[np.linspace(begin, plan.last, SHOWN).round().astype(int), plan.last])
    middle, covariance = model.ahead([Path(plan, steps)])
    mean = np.minimum(np.sqrt(np.maximum(np.diag(covariance), 0.0)), WIDEST)
    loss = np.exp(middle)
    row = np.sqrt(mean**2 + ROW**2 + (prefix.noise**2 + prefix.wander**2) / loss**2)
    z = ndtri(0.5 + level / 2)
    bounds = {
        "lower": loss * np.exp(-z * row), "upper": loss * np.exp(z * row),
        "mean_lower": loss * np.exp(-z * mean), "mean_upper": loss * np.exp(z * mean),
    }  # fmt: skip
    return pd.DataFrame({"step": steps, "lr": plan.rates[plan.index(steps)], "prediction": loss, **bounds})


def _check(seen: Check | None, level: float) -> dict[str, float]:
    """The present, as it would have been forecast from the first part of the log."""
    if seen is None:
        return {}
    z = ndtri(0.5 + level / 2) * seen.sd
    logs = {"prediction": seen.middle, "lower": seen.middle - z, "upper": seen.middle + z, "measured": seen.measured}
    return {"from": float(seen.begin), **{name: float(np.exp(value)) for name, value in logs.items()}}


def _failed(seen: Checks) -> list[str]:
    """Would earlier forecasts of this log have gone so wrong that this one is not to be believed?"""
    if seen.away <= MISSED:
        return []
    steps = ", ".join(f"{one.begin}" for one in seen.seen)
    return [
        f"do not trust this: forecasts of the present loss from step {steps} of this log missed it by {seen.away:.2g} standard "
        "deviations, so this run is unlike those that forecasts are made from"
    ]


def _method(model: Hierarchy, references: References | None) -> str:
    """What it was made from."""
    used = len(model.curves) - 1
    if not used:
        return "own log, with what families of models have in common"
    groups = len(model.links)
    among = f" in {groups} groups of a size and peak rate" if groups > 1 else ""
    return f"own log and {used} reference{'s' * (used > 1)}{among}, with what families of models have in common"


def _constants(model: Hierarchy) -> pd.DataFrame:
    """Values and sd of the target's constants, and the sd that was left to the family."""
    n = len(NAMES)
    x, sd = model.x[:n].copy(), np.sqrt(np.diag(model.covariance))[:n]
    precision = np.diag(model.prior.precision)
    before = np.where(precision > 0, 1 / np.sqrt(np.where(precision > 0, precision, 1.0)), np.inf)
    mean = model.prior.mean.copy()
    logs = np.array([name.startswith("ln ") for name in NAMES])
    for part in (x, mean):
        part[logs] = np.exp(part[logs])
    for part in (sd, before):
        part[logs] = np.exp(part[logs])
    mean[~np.isfinite(before)] = np.nan
    columns = {"value": x, "within": sd, "of families": mean, "within there": before}
    return pd.DataFrame(columns, index=pd.Index(FOUND, name="constant"))


def _mistrust(model: Hierarchy, prefix: Prefix, frame: pd.DataFrame) -> list[str]:
    """Does the loss so far leave the law's curve, or the law all sense?"""
    first, end = model.curves[0], frame.iloc[-1]
    if end["prediction"] < LOST * first.loss[-1] or end["mean_upper"] > end["mean_lower"] / LOST:
        return [
            "do not trust this: the law that follows the loss so far does not say where it ends; no loss of training falls so"
        ]
    allowed = max(MISFIT, 3 * float(np.median(first.noise / first.loss)))
    if (risen := _risen(model, prefix)) > allowed:
        return [
            f"do not trust this: the loss has risen by {np.expm1(risen):.1%} while its rate has not, and no law of schedules "
            "says so (learning by heart, a rate too high, other data?): what comes after is not in the log"
        ]
    late = np.abs(model.residuals)
    missed = max(float(np.median(late[first.path.steps >= prefix.done / 2])), float(np.median(late[-3:])))
    if missed <= allowed:
        return []
    return [
        f"do not trust this: the law misses the loss so far by {missed:.1%}, so the loss does not follow "
        "its schedule as others do (a spike, a restart, other data, or not this schedule?)"
    ]


def _risen(model: Hierarchy, prefix: Prefix) -> float:
    """How far ln of the smoothed loss is above its lowest since the rate last rose."""
    path = model.curves[0].path
    rates = prefix.plan.rates[prefix.plan.index(path.steps)]
    up = np.flatnonzero(np.diff(rates) > 0)
    smooth = model.ahead([path])[0][up[-1] + 1 if len(up) else 0 :]
    return float(smooth[-1] - smooth.min())


def _doubts(prefix: Prefix, model: Hierarchy) -> list[str]:
    """What is assumed that this run has not shown."""
    known = prefix.plan.rates[prefix.plan.index(prefix.step)]
    after = prefix.plan.rates[prefix.plan.index(prefix.done) :]
    out = []
    if not model.links and (1 - known / known.max()).max() < FALLEN and after.min() < (1 - FALLEN) * known[-1]:
        out.append(
            "the rate has not fallen by a quarter yet and no reference tells what that will save, so it is assumed from other "
            "models (peak rates of 3e-4 to 8e-3); a finished run that lowered its rate narrows the interval"
        )
    peaks = [link.horizon.peak for link in model.links]
    if peaks and min(abs(np.log(peak / prefix.plan.peak)) for peak in peaks) > 0.05:
        near = min(peaks, key=lambda peak: abs(np.log(peak / prefix.plan.peak)))
        out.append(
            f"the references have a peak rate of {near:.3g} and this run has {prefix.plan.peak:.3g}; what that changes is "
            "taken from other models and widens the interval"
        )
    return out
