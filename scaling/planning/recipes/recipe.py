"""A recipe for one run: size, tokens, batch, peak, warm-up, weight decay, schedule and expected loss, each with its reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import pandas as pd

from scaling.counting import PARAMETERS, Shape, compute, machine_flops
from scaling.errors import ArgumentError, FitError
from scaling.fits import Fit
from scaling.formula import Published
from scaling.planning import asked
from scaling.planning.compute import plan
from scaling.planning.recipes import rates, sizes
from scaling.planning.recipes.grids import settings_of
from scaling.planning.recipes.rules import Run, Said
from scaling.planning.recipes.sizes import SURFACES, Sizes
from scaling.rendering import Result, plain
from scaling.schedules import Schedule
from scaling.words import amount, check_level

APART = {"loss": 1.02}  # ratio from which on a rival is told to disagree; for all other lines:
FACTOR = 2.0  # in rate and batch a factor of two along the flat direction costs 0.07 to 0.25 % of the loss (ScaleBench's runs)
UNITS = {"flops": "FLOP", "N": "parameters", "D": "tokens", "batch": "tokens", "critical batch": "tokens", "warm-up": "updates",
         "updates": "updates", "loss": "nats/token"}  # fmt: skip


class Line(NamedTuple):
    """One line of a recipe: what is chosen, and what others say."""

    name: str
    said: Said
    rivals: tuple[Said, ...] = ()

    def disagreements(self) -> list[str]:
        """The rivals that are far off, in words."""
        if isinstance(self.said.value, str):
            return []
        out, apart = [], APART.get(self.name, FACTOR)
        for other in self.rivals:
            ratio = float(other.value) / self.said.value if self.said.value else 0.0
            if ratio and max(ratio, 1 / ratio) >= apart:  # a warm-up may be none
                values = amount(float(other.value), 3), f"{ratio:.3g} times {amount(self.said.value, 3)}"
                out.append(f"{self.name}: {other.rule} says {values[0]}, {values[1]}")
        return out


@dataclass(frozen=True, repr=False)
class Recipe(Result):
    """What to train, and why. ``recipe["N"]`` is the value of a line.

    Attributes
    ----------
    lines : Line flops, N, D, batch, critical batch, updates, peak, warm-up, weight decay, schedule, loss; each with the law or
        rule it rests on (`said.rule`, `said.source`), an interval where one is known, and its rivals.
    schedule : Schedule, every rate of the run. warnings : where rules leave the runs they were made on, and the like.
    disagreements : rivals that say something else by a factor of two (losses: by 2 %).
    """

    lines: tuple[Line, ...]
    schedule: Schedule
    warnings: tuple[str, ...]
    disagreements: tuple[str, ...]

    def __getitem__(self, name: str) -> float | str:
        for line in self.lines:
            if line.name == name:
                return line.said.value
        raise KeyError(f"{name!r}; the lines are {', '.join(line.name for line in self.lines)}")

    def head(self) -> list[tuple[str, str]]:
        told = [("schedule", str(self["schedule"]))]
        told += [("warning", said) for said in self.warnings]
        told += [("disagree", said) for said in self.disagreements]
        notes: dict[tuple[str, str], list[str]] = {}
        for line in self.lines:
            for label, said in (("interval", line.said.interval), *(("note", note) for note in line.said.notes)):
                notes.setdefault((label, said), []).append(line.name)
        return told + [(label, f"{', '.join(names)}: {said}") for (label, said), names in notes.items() if said]

    def table(self) -> pd.DataFrame:
        rows = []
        for line in self.lines:
            said, unit = line.said, UNITS.get(line.name, "")
            ends = "" if said.lower is None or said.upper is None else f"{amount(said.lower)} to {amount(said.upper)}"
            rows.append((line.name, f"{_shown(said.value)} {unit}".strip(), ends, _source(said)))
            rows += [("  or", _shown(other.value), "; ".join(other.notes), _source(other)) for other in line.rivals]
        return pd.DataFrame(rows, columns=["", "value", "interval", "by"]).set_index("")

    def to_dict(self) -> dict[str, Any]:
        lines = {
            line.name: {
                **asdict(line.said),
                "unit": UNITS.get(line.name, ""),
                "rivals": [asdict(other) for other in line.rivals],
            }
            for line in self.lines
        }
        told: dict[str, Any] = plain({"lines": lines, "warnings": self.warnings, "disagreements": self.disagreements})
        return told


def _shown(value: float | str) -> str:
    """A number; of a schedule nothing, which stands above the table, or goes by its rule."""
    return "" if isinstance(value, str) else amount(value)


def _source(said: Said) -> str:
    """The rule and its paper; `to_dict` has the whole."""
    paper = said.source.partition(",")[0]
    return f"{said.rule}{', ' if paper else ''}{paper}{'' if said.verified else ' (unverified)'}"


def recipe(
    *sources: Fit | Published | str, flops: float | None = None, N: float | None = None, D: float | None = None,
    gpu_hours: float | None = None, gpu: str | float | None = None, utilisation: float | None = None,
    schedule: str | None = None, counts: str | None = None, shape: Shape | None = None, level: float = 0.9,
) -> Recipe:  # fmt: skip
    """From a budget, or a size and tokens, to everything a run needs, each line with its law, interval and rivals.

    Parameters
    ----------
    sources : what lines are taken from where it is not the published rules of this project's choice: fits, constants or their
        names as law/constants. Of a law over N and D: size, tokens, loss (``chinchilla/besiroglu2024`` if none); of `ladder`:
        those, batch, peak and schedule; of `configuration`: peak and batch; of `lr_batch` or `lr_compute`: the peak rate; of
        `batch_size` or `critical_batch`: the batch in tokens; of `timescale`: the weight decay; of `progress` and other laws
        of schedules: the schedule.
    flops : training compute, C = 6 N D. N, D : with `flops` one of them may be held; together they are the run; alone they ask
        for the budget at which they are best.
    gpu_hours, gpu, utilisation : instead of flops: hours on so many accelerators together, which (`scaling.counting.MACHINES`,
        or FLOP per second), and the share of their peak that the training reaches, as measured.
    schedule : text of the one intended, ``"wsd:decay=0.1"``, to have it checked; peak and length are filled in, and the
        warm-up where it says none.
    counts, shape : which parameters N counts, and proportions of the models, to feed each rule what it counts.
    level : of intervals that come from fits.

    Returns
    -------
    Recipe
        Prints itself; ``recipe["peak"]`` is a value, ``to_dict()`` holds everything.

    Raises
    ------
    ArgumentError : no budget, or more than one. LawError : a source that says nothing of a run, or two of one line.

    Examples
    --------
    >>> import scaling
    >>> found = scaling.planning.recipe(N=4e8, D=2e10)
    >>> f"{found['peak']:.6g}, {found['batch']:.6g} tokens"
    '0.00191426, 441892 tokens'
    """
    check_level(level)
    flops = _budget(flops, N, D, gpu_hours, gpu, utilisation)
    own = rates.names(sources)
    if counts is not None and counts not in PARAMETERS:
        raise ArgumentError(f"counts={counts!r} is unknown; there are {', '.join(PARAMETERS)}.")
    if shape is not None and not isinstance(shape, Shape):
        raise ArgumentError(f"shape={shape!r} must be a scaling.counting.Shape, or None.")
    chosen, run, given = _sized(own, flops, N, D, counts, shape, level)
    if min(run.N, run.D) < 1:
        raise FitError(f"that is a run of {run.N:.3g} parameters on {run.D:.3g} tokens; less than one of either is none.")
    if "settings" in own:
        given |= settings_of(own["settings"], run, level)
    batch, others = rates.said_by("batch", run, own.get("batch"), level)
    batch, others = _usual(given, "batch", batch, others)
    peak, other_peaks = rates.said_by("peak", run, own.get("peak"), level)
    peak, other_peaks = _usual(given, "peak", peak, other_peaks)
    B, lr = float(batch.value), float(peak.value)
    steps = max(1, round(run.D / B))
    too_large, other_large = rates.critical(run)
    warm, other_warm = rates.warmup(run, B, steps)
    decay, other_decay = rates.weight_decay(run, B, lr, own.get("timescale"), level)
    text = given["schedule"].value if schedule is None and "schedule" in given else schedule
    planned, other_plans, rows = rates.planned_schedule(text, own.get("schedule"), lr, steps, int(warm.value))
    if schedule is None and "schedule" in given:
        planned = replace(given["schedule"], value=planned.value)
    if rows.warmup != warm.value and "schedule" not in own:  # the schedule intended has its own
        warm, other_warm = Said(float(rows.warmup), planned.rule, planned.source), [warm, *other_warm]
    budget = Said(float(compute(run.N, run.D)), "C = 6 N D", "arXiv:2001.08361")
    lines = (
        Line("flops", budget), *(Line(k, chosen[k], tuple(given["rivals"][k])) for k in ("N", "D")),
        Line("batch", batch, tuple(others)), Line("critical batch", too_large, tuple(other_large)),
        Line("updates", Said(float(steps), "D / batch", "")), Line("peak", peak, tuple(other_peaks)),
        Line("warm-up", warm, tuple(other_warm)), Line("weight decay", decay, tuple(other_decay)),
        Line("schedule", planned, tuple(other_plans)), Line("loss", chosen["loss"], tuple(given["losses"])),
    )  # fmt: skip
    warnings = [*_doubts(lines), *_large(B, too_large), *rates.below_linear(planned, run)]
    warnings += rates.cooled(rows, run, float(rates.said_by("timescale", run, own.get("timescale"), level)[0].value))
    apart = [said for line in lines for said in line.disagreements()]
    return Recipe(lines, rows, tuple(warnings), tuple(apart))


def _budget(flops: Any, N: Any, D: Any, hours: Any, gpu: Any, utilisation: Any) -> float | None:
    """FLOP, from machines if need be; None where N and D say it, or one of them asks for it."""
    parts = {"gpu_hours": hours, "gpu": gpu, "utilisation": utilisation}
    if any(x is not None for x in parts.values()):
        if flops is not None:
            raise ArgumentError("flops= and gpu_hours= are two budgets; give one, gpu= and utilisation= with the second.")
        if missing := [k for k, x in parts.items() if x is None]:
            raise ArgumentError(
                f"GPU hours need gpu_hours=, gpu= and utilisation= together; missing {', '.join(f'{k}=' for k in missing)}."
            )
        flops = machine_flops(hours, gpu, utilisation)
    for name, x in (("flops", flops), ("N", N), ("D", D)):
        if x is not None:
            asked.number(name, x)
    if None not in (flops, N, D):
        raise ArgumentError("a budget, N= and D= together contradict each other; leave one out.")
    if flops is None and N is None and D is None:
        raise ArgumentError("a recipe needs flops=, gpu_hours=, N= or D=, or N= and D= together.")
    return None if flops is None else float(flops)


def _sized(
    own: Mapping[str, Any], flops: float | None, N: float | None, D: float | None, counts: str | None, shape: Shape | None,
    level: float,
) -> tuple[dict[str, Said], Run, dict[str, Any]]:  # fmt: skip
    """N, D and loss, the run they make, and what a law of whole runs says beside, with the rivals of all."""
    if "run" in own:
        return _by_ladder(own["run"], flops, N, D, counts, shape, level)
    mine = Sizes(own.get("size", SURFACES[0]))
    if N is not None and D is not None:
        run = Run(float(N), float(D), math.nan, counts or mine.counts, shape)
        chosen = sizes.asked(run)
    else:
        rows = mine.planned(flops, N, D, counts, level)
        row = rows.iloc[0]
        run = Run(float(row["N"]), float(row["D"]), float(row["loss"]), counts or mine.counts, shape)
        chosen = mine.allocated(row, str(rows.attrs["interval"]), level)
        chosen |= {k: Said(float(x), sizes.ASKED, "") for k, x in (("N", N), ("D", D)) if x is not None}
    loss = mine.expected(run, level)
    run = replace(run, loss=float(loss.value))
    given = {"rivals": sizes.rivals(mine, float(compute(run.N, run.D))), "losses": sizes.rival_losses(mine, run)}
    return {**chosen, "loss": loss}, run, given


def _by_ladder(
    fit: Fit, flops: float | None, N: float | None, D: float | None, counts: str | None, shape: Shape | None, level: float
) -> tuple[dict[str, Said], Run, dict[str, Any]]:
    """All of it from a fit of a law over whole runs."""
    if flops is None:
        if N is None or D is None:
            raise FitError(f"a recipe from '{fit.law.name}' is for a budget, or for N= and D= together.")
        flops, D = float(compute(N, D)), None
    rows = plan(fit, flops, N=N, D=D, level=level)
    row, name, source = rows.iloc[0], sizes.own(fit), sizes.rows_of(fit)
    doubts = () if row["ok"] else tuple(map(str, rows.attrs["why"]))
    run = Run(float(row["N"]), float(row["D"]), float(row["loss"]), counts, shape)
    held = {k: Said(float(row[k]), sizes.ASKED if x is not None else name, source) for k, x in (("N", N), ("D", D))}
    said = f"{level:.0%}, {rows.attrs['interval']}"
    loss = Said(run.loss, name, source, True, float(row["loss_lower"]), float(row["loss_upper"]), said, doubts=doubts)
    usual = f"{name}, usual for the size"
    default = Sizes(SURFACES[0])
    given = {
        "batch": Said(float(row["batch_tokens"]), usual, source), "peak": Said(float(row["lr"]), usual, source),
        "schedule": Said(str(row["schedule"]), name, source), "rivals": sizes.rivals(default, flops, include=True),
        "losses": [default.expected(run, level), *sizes.rival_losses(default, run)],
    }  # fmt: skip
    return {**held, "loss": loss}, run, given


def _usual(given: Mapping[str, Any], name: str, said: Said, others: list[Said]) -> tuple[Said, list[Said]]:
    """A line as the runs fitted have it, if a law of whole runs says so; the rule then is a rival."""
    return (given[name], [said, *others]) if name in given else (said, others)


def _doubts(lines: tuple[Line, ...]) -> list[str]:
    """Why not to trust what was followed; the critical batch is only compared with."""
    found = [f"{line.said.rule}: {doubt}" for line in lines if line.name != "critical batch" for doubt in line.said.doubts]
    return list(dict.fromkeys(found))


def _large(B: float, most: Said) -> list[str]:
    if float(most.value) >= B:
        return []
    return [
        f"batch: {B:.3g} tokens are more than the critical batch of {most.rule}, {float(most.value):.3g}: updates, not compute"
    ]
