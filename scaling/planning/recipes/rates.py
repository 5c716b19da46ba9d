"""Batch, peak rate, warm-up, weight decay and schedule of a recipe: by fits where there are any, else by published rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import compute
from scaling.errors import LawError, ScheduleError
from scaling.fits import Fit
from scaling.formula import Published, constants
from scaling.papers.configuration import configuration
from scaling.papers.configuration_quadratic import configuration_quadratic
from scaling.planning.recipes.rules import RULES, SLACK, Run, Said, ask
from scaling.planning.recipes.sizes import ASKED, named, own, predicted
from scaling.planning.schedules import best_schedule
from scaling.schedules import MOST_UPDATES, Schedule, schedule

USUAL_DECAY = 0.1
MOST_WARMUP = 0.25  # of a run
FALLEN = 1 - 1e-6  # of the peak: what is below belongs to the fall
# texts without peak, length and warm-up; sources of the shapes, whose abstracts were read
SCHEDULES = {
    "linear": ("arXiv:2502.15938, linear to zero is best from 20 tokens per parameter on", True),
    "cosine:final=0.1": ("arXiv:2203.15556, cosine to a tenth, as long as the run", True),
    "wsd:decay=0.2,shape=1-sqrt": ("arXiv:2405.18392, constant, then a short 1-sqrt fall (20 % unverified)", False),
}
LINEAR_FROM = 20.0  # tokens per parameter


def said_by(line: str, run: Run, given: Fit | Published | None, level: float) -> tuple[Said, list[Said]]:
    """A line by a fit or named constants, else by the first of the published rules, and the other rules as rivals."""
    rules = [rule for rule in RULES if rule.line == line]
    if isinstance(given, Fit):
        return _by_fit(given, run, level), [ask(rule, run) for rule in rules]
    name = rules[0].constants if given is None else named(given)
    if name not in (known := [rule.constants for rule in rules]):
        raise LawError(f"'{name}' says no {line} of a run; there are {', '.join(known)}, or a fit of your own.")
    first = rules[known.index(name)]
    said, more = ask(first, run), constants(first.constants).note
    return replace(said, notes=(*said.notes, *filter(None, [more]))), [ask(rule, run) for rule in rules if rule is not first]


def _by_fit(fit: Fit, run: Run, level: float) -> Said:
    """What a fit of a law of one quantity predicts for the run."""
    N, D, C, M = run.N, run.D, float(compute(run.N, run.D)), run.D / run.N
    there = {"N": N, "n_params": N, "params": N, "D": D, "tokens": D, "C": C, "flops": C, "compute": C, "M": M, "L": run.loss}
    wanted = {i: str(fit.law.conventions.get(i, i)) for i in fit.law.inputs}
    if unknown := sorted(set(wanted.values()) - set(there)):
        raise LawError(f"the fit of '{fit.law.name}' takes {', '.join(unknown)}, which a recipe does not know of its run.")
    return predicted(fit, pd.DataFrame({wanted[i]: [there[wanted[i]]] for i in fit.law.inputs}), level)


def critical(run: Run) -> tuple[Said, list[Said]]:
    """Batches above which more of it stops saving updates."""
    first, *rest = (ask(rule, run) for rule in RULES if rule.line == "critical batch")
    return first, rest


def warmup(run: Run, batch: float, steps: int) -> tuple[Said, list[Said]]:
    """Updates of the warm-up, as many tokens as there are parameters, and what others take."""
    wanted, most = run.N / batch, MOST_WARMUP * steps
    notes = ("cut to a quarter of the run",) if wanted > most else ()
    first = Said(
        float(round(min(wanted, most))), "tokens of the warm-up = N", "arXiv:2406.19146, as remembered", False, notes=notes
    )
    others = [
        Said(float(min(2000, steps)), "2,000 updates", "arXiv:2401.02954, arXiv:2503.04715, as remembered", False),
        Said(float(round(0.01 * steps)), "1 % of the run", "a habit", False),
    ]
    return first, others


def weight_decay(run: Run, batch: float, peak: float, given: Fit | Published | None, level: float) -> tuple[Said, list[Said]]:
    """Decoupled weight decay B / (eta tau D) of the best timescale tau, and the usual one with the timescale it means."""
    tau, _ = said_by("timescale", run, given, level)
    per = batch / (peak * run.D)
    low, high = (None if x is None else per / x for x in (tau.upper, tau.lower))
    note = f"AdamW averages over {tau.value:.3g} of the run"
    first = Said(
        per / float(tau.value), tau.rule, tau.source, tau.verified, low, high, tau.interval, (*tau.notes, note), tau.doubts
    )
    usual = Said(
        USUAL_DECAY, f"{USUAL_DECAY}, whatever the run", "a habit", False,
        notes=(f"would average over {per / USUAL_DECAY:.3g} of the run",),
    )  # fmt: skip
    return first, [usual]


def planned_schedule(
    text: str | None, given: Fit | Published | None, peak: float, steps: int, warm: int
) -> tuple[Said, list[Said], Schedule]:
    """The schedule as asked, or the best by a fitted law, or linear to zero; and other shapes."""
    if steps > MOST_UPDATES:
        raise ScheduleError(
            f"{steps:,} updates are too many to plan a schedule for, at most {MOST_UPDATES:,}: ask for a smaller budget"
        )
    others = [Said(_filled(shape, peak, steps, warm), shape, *told) for shape, told in SCHEDULES.items()]
    if text is not None:
        whole = _filled(text, peak, steps, warm)
        return Said(whole, ASKED, ""), others, schedule(whole)
    if given is None:
        return others[0], others[1:], schedule(str(others[0].value))
    found = best_schedule(given, steps, peak=peak, warmup=warm, kind="wsd")
    shape = (
        f"constant, then (fraction left)^{found.power:.2f} over the last {found.decay:.1%}, of {steps} updates from {peak:.4g}"
    )
    name = own(given) if isinstance(given, Fit) else named(given)
    return Said(shape, name, "the law's own search", doubts=found.warnings), others, found.schedule


def _filled(text: str, peak: float, steps: int, warm: int) -> str:
    """The text with peak, length and warm-up, where it does not say them."""
    name, _, rest = text.partition(":")
    said = {part.partition("=")[0].strip() for part in rest.split(",") if part.strip()}
    if taken := sorted(said & {"peak", "steps"}):
        raise ScheduleError(f"schedule {text!r}: {' and '.join(taken)} follow from the recipe; leave them out.")
    more = [f"{k}={v}" for k, v in (("peak", f"{peak:.6g}"), ("steps", steps), ("warmup", warm)) if k not in said]
    return f"{name}:{','.join([*filter(None, [rest]), *more])}"


def cooled(plan: Schedule, run: Run, tau: float) -> list[str]:
    """Why the fall of a schedule is too short for this size and these tokens, if it is.

    AdamW's weights average over the timescale tau, a share of the run that is large where tokens per parameter are few, as in
    wide, short rungs. A fall shorter than that leaves updates made at the peak in the weights (this project's reading of
    arXiv:2505.13738).
    """
    high = np.flatnonzero(plan.rates >= FALLEN * plan.peak)
    left = plan.steps - 1 - int(high[-1])
    share = left / plan.steps
    if share * SLACK >= tau:
        return []
    fall = f"falls over the last {share:.1%} of the run ({left:,} updates)" if left else "never falls"
    return [
        f"schedule: the rate {fall}, and at {run.D / run.N:.3g} tokens per parameter AdamW should average over {tau:.1%} of "
        f"the run (timescale/bergsma2025): too short a cooldown for its width on so few tokens; let it fall over {tau:.0%}"
    ]


def below_linear(said: Said, run: Run) -> list[str]:
    """The rule of the linear schedule left its range."""
    if said.rule != "linear" or run.D / run.N * SLACK >= LINEAR_FROM:
        return []
    return [f"schedule: linear to zero was found best from 20 tokens per parameter on; this run has {run.D / run.N:.3g}"]


def names(sources: Sequence[Any]) -> dict[str, Any]:
    """Line that each source answers: size, run (all of it), settings (peak and batch), peak, batch, timescale or schedule."""
    found: dict[str, Any] = {}
    for source in sources:
        source = constants(source) if isinstance(source, str) else source
        law = getattr(source, "law", None)
        if law is None:
            raise LawError(f"a recipe takes fits, published constants or their names as law/constants; not {source!r}.")
        by = {"learning rate": "peak", "batch size": "batch", "timescale": "timescale"}
        line = by.get(law.predicts)
        if "N" in law.hooks.facts:
            line = "run"
        elif law.hooks.final is not None:
            line = "schedule"
        elif law.name in (configuration.name, configuration_quadratic.name):
            line = "settings"
        elif law.predicts == "loss" and "N" in law.inputs:
            line = "size"
        if line is None:
            raise LawError(
                f"'{law.name}' answers no line of a recipe; laws of N and D, of rates, batches, timescales or schedules do."
            )
        for both, said in (("run", "size"), ("settings", "peak"), ("settings", "batch"), ("run", "settings"), (line, line)):
            if line in (both, said) and ({both, said} - {line} or {line}) <= set(found):
                raise LawError(f"two sources say the {'peak' if said == 'settings' else said}; give one.")
        found[line] = source
    return found
