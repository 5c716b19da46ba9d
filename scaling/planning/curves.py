"""Runs that could be made under learning-rate schedules: the rows each would show, what it costs, which answer nothing new."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scaling.counting import compute
from scaling.design.bins import evenly
from scaling.design.ladders import known
from scaling.errors import DataError, FitError, ScheduleError
from scaling.logs import Runs
from scaling.schedules import Schedule, schedule

# Neighbouring rows of a curve err alike: residuals of curves of hundreds of rows are worth 6 to 14 independent ones
# (`Fit` measures it on its own data). So a run counts as this many rows, spread evenly, however often it logs.
LOOKS = 16
ROWS = 400  # of a schedule that is planned, among which looks are taken
UNITS = {"flops": "FLOP", "tokens": "tokens", "new": "updates", "steps": "updates"}  # what a run costs, the first known
EQUAL = 1e-3  # share of the peak by which equal rates may differ
WHOLE = 0.995  # share of a run that is as good as all of it: logs end a few steps early


def curves(given: Any, what: str) -> Runs:
    """Runs from Runs, a table (of rows, or a run a row with a column `schedule`), a schedule, several, or {name: schedule}."""
    if isinstance(given, Runs):
        return given
    if isinstance(given, pd.DataFrame) and "step" in given:
        return Runs.from_frame(given if "loss" in given else given.assign(loss=np.nan))
    names, listed, facts = _listed(given)
    if not listed:
        raise DataError(
            f"{what}: for a law of schedules give schedules such as 'wsd:peak=3e-4,steps=24k,warmup=2k', a table with a column "
            "schedule (one run a row), or runs with step and lr."
        )
    plans: dict[str, Schedule] = {}
    for name, x in zip(names, listed, strict=True):
        if name in plans:
            raise DataError(f"{what}: run '{name}' is there twice; name each run once.")
        try:
            plans[name] = schedule(x)
        except ScheduleError as error:
            raise ScheduleError(f"{what} '{name}': {error}") from None
    frames = []
    for name, plan in plans.items():
        step = np.unique(np.linspace(plan.first, plan.last, min(ROWS, plan.steps)).round().astype(int))
        frames.append(pd.DataFrame({"run": name, "step": step, "lr": plan.rates[plan.index(step)], "loss": np.nan}))
    made = Runs.from_frame(pd.concat(frames), schedule=plans, facts=facts)
    return made.part(made.frame.set_index("run").loc[names].reset_index())  # in the order given, as costs may be


def _listed(given: Any) -> tuple[list[str], list[Any], pd.DataFrame | None]:
    """Names, schedules, and facts of what is given as schedules; nothing if it is something else."""
    if isinstance(given, pd.DataFrame) and "schedule" in given:
        names = given["run" if "run" in given else "schedule"].astype(str).tolist()
        facts = given.drop(columns=["run", "schedule"], errors="ignore").set_axis(names)
        return names, given["schedule"].tolist(), facts
    if isinstance(given, Mapping):
        return [str(name) for name in given], list(given.values()), None
    if isinstance(given, (str, Schedule, list, tuple)):
        listed = [given] if isinstance(given, (str, Schedule)) else list(given)
        return [x if isinstance(x, str) else f"schedule {k}" for k, x in enumerate(listed, 1)], listed, None
    return [], [], None


def looks(runs: Runs) -> Runs:
    """The rows that count of each run: after its warm-up, LOOKS of them."""
    frame = runs.frame
    tops = {name: runs.schedules[name].first + runs.schedules[name].warmup - 1 for name in runs}
    frame = frame[frame["step"] >= frame["run"].map(tops)]
    there = set(frame["run"].unique())
    if missing := [name for name in runs if name not in there]:
        raise DataError(f"run '{missing[0]}' has no row after its warm-up that would count; plan a longer one.")
    return runs.part(frame.iloc[evenly(pd.factorize(frame["run"])[0], LOOKS)])


def way(frame: pd.DataFrame, runs: Runs | None, facts: tuple[str, ...] = ()) -> np.ndarray:
    """Where on their ways the rows (n,) of runs are, (n, 3 + facts): the area under the rates, how much of the peak is given
    up, and the mean of that over the area so far; then facts of the run. In these a law of schedules is off alike, for what it
    sums over is the history.
    """
    out = np.zeros((len(frame), 3 + len(facts)))
    out[:, 3:] = frame[list(facts)].to_numpy(float)
    for name, plan in ({} if runs is None else runs.schedules).items():
        rows = np.flatnonzero(frame["run"] == name)
        given = np.where(np.arange(plan.steps) < plan.warmup, 0.0, 1 - plan.rates / plan.peak)
        past = np.cumsum(given * plan.rates) / np.maximum(plan.area, 1e-300)
        at = plan.index(frame["step"].to_numpy()[rows])
        out[rows, :3] = np.stack([plan.area[at], given[at], past[at]], 1)
    return out


class Candidates(NamedTuple):
    """Runs that could be made next, and what the prediction shall be good at.

    Attributes
    ----------
    pool : Runs, of each the rows that it would show. target : Runs, their last rows. done : Runs made already, if any.
    table : DataFrame, one row per candidate: run, its facts, steps, and what it costs.
    useful : ndarray, shape (n,): does it answer anything new? told : why others do not, and what else to know.
    """

    pool: Runs
    target: Runs
    done: Runs | None
    table: pd.DataFrame
    useful: np.ndarray
    told: list[str]


def candidates(pool: Any, target: Any, done: Any, branch: bool, facts: tuple[str, ...] = ()) -> Candidates:
    """Pool, target and runs made in any form that `curves` knows, as candidates.

    Parameters
    ----------
    pool, target, done : runs that could be made, whose end shall be predicted, and that were made (None: none).
    branch : candidates continue from a run made as far as it had the same rates: they cost, and show, only what is new.
    facts : what a law over runs takes of each beside its schedule; without, all must be alike in size, batch and peak.
    """
    pool, target = curves(pool, "pool"), curves(target, "target")
    done = None if done is None or not len(done) else curves(done, "done")
    if done is not None and not done.frame["loss"].notna().any():
        done = None
    _alike({"pool": pool, "target": target, **({} if done is None else {"done": done})}, bool(facts))
    kinds = {id(runs): known(runs, facts)[0] for runs in (pool, target, done) if runs is not None}
    made = Made.of(done)
    wanted = {name: target.schedules[name] for name in target}

    def of_kind(name: str, runs: Runs) -> Made:
        """The runs made that differ from this one in nothing but the schedule."""
        return made if done is None else made.alike({k for k, x in kinds[id(done)].items() if x == kinds[id(runs)][name]})

    told = [f"target '{t}' has been run already, as '{n}'" for t, x in wanted.items() for n in of_kind(t, target).whole(x)]
    useful, new = np.ones(len(pool), bool), []
    for k, name in enumerate(pool):
        plan, mine = pool.schedules[name], of_kind(name, pool)
        same = {t: x for t, x in wanted.items() if kinds[id(target)][t] == kinds[id(pool)][name]}
        why = _idle(plan, mine, same)
        told += [f"candidate '{name}' is left out: it {why}"] if why else []
        useful[k] = not why
        new.append(plan.steps - (mine.shared(plan) if branch and not why else 0))
    frame = pool.frame
    ends = frame.groupby("run")["step"].max()
    start = {k: min(max(made.floor, pool.schedules[k].last - n + 1), ends[k]) for k, n in zip(pool, new, strict=True)}
    shown = pool.part(frame[frame["step"] >= frame["run"].map(start)])
    ahead = target.part(target.frame.groupby("run").tail(1))
    return Candidates(shown, ahead, done, _table(pool, done, new, branch, facts), useful, told)


class Made(NamedTuple):
    """Runs made: name -> schedule and last evaluated step. floor: the first step that was fitted; what was too early to be so
    is that in the next runs as well."""

    runs: dict[str, tuple[Schedule, int]]
    floor: int

    @classmethod
    def of(cls, runs: Runs | None) -> Made:
        if runs is None:
            return cls({}, 0)
        evaluated = runs.frame.dropna(subset="loss")
        last = evaluated.groupby("run")["step"].max()
        plans = {str(name): (runs.schedules[str(name)], int(step)) for name, step in last.items()}
        return cls(plans, int(evaluated["step"].min()))

    def alike(self, names: set[str]) -> Made:
        """Some of them."""
        return Made({name: run for name, run in self.runs.items() if name in names}, self.floor)

    def whole(self, plan: Schedule) -> list[str]:
        """The runs that have done all of a plan."""
        return [name for name, run in self.runs.items() if _shared(plan, *run) >= WHOLE * plan.steps]

    def shared(self, plan: Schedule) -> int:
        """Leading updates of a plan that some run has done."""
        return max((_shared(plan, *run) for run in self.runs.values()), default=0)


def _idle(plan: Schedule, made: Made, wanted: Mapping[str, Schedule]) -> str:
    """Why a candidate answers nothing; empty if it does."""
    if plan.last < made.floor:
        return f"ends before step {made.floor}, the first that was fitted"
    if ran := made.whole(plan):
        return f"has been run already, as '{ran[0]}'"
    asked = next((name for name, other in wanted.items() if _shared(plan, other) >= WHOLE * other.steps), None)
    return "" if asked is None else f"reaches target '{asked}' itself, which is no forecast"


def _shared(one: Schedule, other: Schedule, until: int | None = None) -> int:
    """Leading updates of `one` that have the rates of `other`, as far as that has been run."""
    n = min(one.steps, other.steps if until is None else until - other.first + 1)
    apart = np.abs(one.rates[:n] - other.rates[:n]) > EQUAL * one.peak
    return int(np.argmax(apart)) if apart.any() else n


def _alike(given: Mapping[str, Runs], over_runs: bool) -> None:
    """Refuse unknown schedules, and what the constants of a law of schedules do not hold across."""
    peaks = []
    for what, runs in given.items():
        if unknown := [name for name in runs if name not in runs.schedules]:
            raise DataError(
                f"{what}: the learning rates of run '{unknown[0]}' are unknown: there is neither a column 'lr' nor a schedule. "
                "Add one, or give the run as a schedule."
            )
        peaks += [(runs.schedules[name].peak, f"{what} '{name}'") for name in runs]
    if over_runs:
        return
    (low, one), (high, other) = min(peaks), max(peaks)
    if high > 1.001 * low:
        raise FitError(
            f"peak learning rates differ: {low:g} ({one}), {high:g} ({other}). The constants of a law of schedules hold for "
            "one peak; plan runs of one peak rate."
        )
    for fact in ("n_params", "batch_tokens"):
        values = {x for runs in given.values() if fact in runs.facts for x in runs.facts[fact].dropna()}
        if len(values) > 1:
            raise FitError(
                f"{fact} differs between the runs ({', '.join(sorted(map(str, values)))}). The constants of a law of schedules "
                "hold for one model and batch; plan with runs of one."
            )


def _table(pool: Runs, done: Runs | None, new: list[int], branch: bool, facts: tuple[str, ...]) -> pd.DataFrame:
    """run, its facts, steps (new of them), and tokens and FLOP where batch and size are known, which all runs share but for a
    law over runs, which takes facts of each."""
    table = pool.facts.drop(columns="loss_from", errors="ignore").reset_index()
    table["steps"] = [pool.schedules[name].steps for name in pool]
    if branch:
        table["new"] = new
    for fact in () if facts else ("n_params", "batch_tokens"):
        given = [runs.facts[fact].dropna() for runs in (pool, done) if runs is not None and fact in runs.facts]
        if known := [x for values in given for x in values if isinstance(x, Real)]:
            table[fact] = float(known[0])
        else:
            table = table.drop(columns=fact, errors="ignore")
    if "batch_tokens" in table:
        table["tokens"] = np.array(new, float) * table["batch_tokens"]
        if "n_params" in table:
            table["flops"] = compute(table["n_params"], table["tokens"])
    return table
