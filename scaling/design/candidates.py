"""Which laws a table or Runs allow: those of the loss whose inputs are there and vary, and for the others what they lack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting.columns import ALIASES, reachable
from scaling.design.checks import sizes, table_of
from scaling.design.diverged import DIVERGED
from scaling.design.inputs import BESIDE, COLUMNS, Design, design, of_columns
from scaling.errors import OF_A_FORMULA, ScalingError
from scaling.formula import ANY_POSITIVE, Law, laws
from scaling.logs import Runs
from scaling.words import first_line, listed, many, plain_name, verb

SETTINGS = ("lr", "peak_lr", "batch", "B", "batch_tokens", "U", "unique_tokens", "p", "experts", "E", "bits", "P", "V")
OTHER_KIND = 1e3  # columns: laws of curves, for a table, come after all that lack columns
CURVE = 10  # rows of a run from which on it is a curve and not an end


@dataclass(frozen=True, eq=False)
class Candidates:
    """laws : that can be fitted, as the columns name their inputs. absent : name -> why another cannot, or need not, in the
    order of how many columns they lack.
    unused : columns that vary and that none of the laws takes; nameless : those of them that no law knows.
    designs : the rows of the laws, by name.
    over_curves : laws that would take all rows of these curves, of which those compared take the ends alone."""

    laws: list[Law]
    absent: dict[str, str]
    unused: list[str]
    nameless: list[str]
    designs: dict[str, Design]
    over_curves: list[str]

    def unheeded(self) -> str:
        """What is said of columns that no law takes, and what to do where one of them may be the size."""
        said = f"no law compared takes {listed(self.unused)}, which {verb(len(self.unused), 'varies', 'vary')}"
        size = self.nameless[:1]
        return said + "".join(f"; if {name} is the size, say so: --map {quote(f'N={name}')}" for name in size)


def candidates(data: Any, *, positive: bool = True) -> Candidates:
    """The laws to compare on these data when none is named.

    Curves of one model size with their learning rates are for laws of schedules; of several sizes, where no law of a table can
    be fitted, for laws over whole curves. Of a table the laws that take most of its
    columns are left: one of tokens alone says nothing where sizes vary.

    Parameters
    ----------
    data : as in `scaling.fit`. positive : must losses be, as the logarithm of the objective asks?
    """
    if isinstance(data, Mapping) and not isinstance(data, pd.DataFrame):
        data = table_of(data)
    if isinstance(data, pd.DataFrame):
        sizes(data)
    curves, absent = _curves(data), {}
    found: dict[str, tuple[Law, Design]] = {}
    for name, law in laws.items():
        if law.predicts != "loss":
            absent[name] = f"predicts {law.predicts}, not the loss"
        elif law.hooks.facts:
            absent[name] = f"is for whole curves of several sizes, or their finals with schedules: ask for it, law='{name}'"
        elif law.over_schedules != curves:
            absent[name] = (
                "goes by size and tokens, and these are loss curves of one size"
                if curves
                else "reads whole loss curves of one size with their learning rates"
            )
        else:
            tried = _tried(law, data, positive)
            if isinstance(tried, str):
                absent[name] = tried
            else:
                found[name] = tried
    if not found:  # of curves of several sizes without tokens the laws over whole curves are what is left
        for law in filter(_over_sizes, laws.values()):
            if not isinstance(tried := _tried(law, data, positive), str):
                found[law.name] = tried
                del absent[law.name]
    kept = _richest(found)
    for name in {*found} - {*kept}:
        law = found[name][0]
        absent[name] = f"leaves out columns that vary: it takes {', '.join(law.conventions.get(i, i) for i in law.inputs)}"
    known, nameless = _unused(data, [found[name] for name in kept])
    ends = isinstance(data, Runs) and bool(data.schedules) and _whole(data, several=True)
    over_curves = [law.name for law in laws.values() if ends and law.name in absent and _over_sizes(law)]
    designs = {name: found[name][1] for name in kept}
    columns = [str(c) for c in (data.joined() if isinstance(data, Runs) else data)]
    lacking = {name: 0.0 if name in found else _lacking(laws[name], columns, curves) for name in absent}
    absent = {name: absent[name] for name in sorted(absent, key=lacking.__getitem__)}
    return Candidates([found[name][0] for name in kept], absent, known + nameless, nameless, designs, over_curves)


def _lacking(law: Law, columns: list[str], curves: bool) -> float:
    """How many inputs of a law no column gives; more than any law has where it is for data of another kind."""
    if law.predicts != "loss":
        return math.inf
    if law.hooks.facts or law.over_schedules != curves:
        return OTHER_KIND
    named = [{i, law.conventions.get(i, i), COLUMNS.get(i, i)} for i in law.over_columns(columns).inputs]
    return sum(not any(reachable(columns, [str(name)]) for name in names) for names in named)


def _over_sizes(law: Law) -> bool:
    """Does the law read whole curves of several sizes?"""
    return "N" in law.hooks.facts and law.predicts == "loss"


def _tried(law: Law, data: Any, positive: bool) -> tuple[Law, Design] | str:
    """A law in the units of its columns with the rows it reads, or why it cannot be fitted."""
    try:
        law, _ = of_columns(law, data)
        made = design(data, law, fitting=True, positive=positive)
    except (ScalingError, *OF_A_FORMULA) as problem:
        return failure(problem)
    return unfit(law, made, len(law.params)) or (law, made)


def built_once(data: Any) -> Any:
    """Curves as Runs, whose schedules are then built once for all laws; other data as they are."""
    if not isinstance(data, pd.DataFrame) or not _curves(data):
        return data
    try:
        return Runs.from_frame(data)
    except ScalingError:  # what is wrong with them is said where they are used
        return data


def failure(problem: Exception) -> str:
    """What an exception says, in one line; one of no class of ours with its class."""
    text = first_line(problem, None)
    return text if isinstance(problem, ScalingError) else f"{type(problem).__name__}: {text}"


def unfit(law: Law, made: Design, free: int) -> str:
    """Why `free` parameters of a law cannot be fitted to these rows; empty where they can."""
    if len(made) <= free:
        left = "".join(f" ({note})" for note in made.notes if DIVERGED in note)
        return (
            f"need at least {free + 1} rows to fit {many(free, 'parameter')} of '{law.name}'; got {len(made)}{left}. "
            "Add runs, or fix parameters."
        )
    for name, x in made.inputs.items():
        if law.ranges.get(name, ANY_POSITIVE).bends:
            continue
        if isinstance(x, np.ndarray) and len(x) and np.ptp(x) <= 1e-12 * np.abs(x).max() and np.any(x):
            return (
                f"all rows have {name} = {x[0]:.6g}, so '{law.name}' cannot tell its terms apart. "
                f"Add rows with other {name}, or fit a law without it."
            )
    return ""


def _curves(data: Any) -> bool:
    """Are these loss curves of one model size with their learning rates?"""
    if isinstance(data, Runs):
        return bool(data.schedules) and _whole(data, several=False)
    return isinstance(data, pd.DataFrame) and "lr" in data and _whole(data, several=False)


def _whole(data: Runs | pd.DataFrame, *, several: bool) -> bool:
    """Are these whole curves, of several sizes or of one?"""
    frame = data.joined() if isinstance(data, Runs) else data
    if "step" not in frame or "loss" not in frame:
        return False
    rows = frame[frame["loss"].notna()]
    runs = rows["run"].nunique() if "run" in rows else 1
    sizes = max((rows[c].nunique() for c in ("n_params", "N", "params") if c in rows), default=1)
    return runs > 0 and len(rows) >= CURVE * runs and (sizes > 1) == several


def _richest(found: Mapping[str, tuple[Law, Design]]) -> list[str]:
    """The laws that take as much of what grows (size, tokens, steps) as any: tokens alone say nothing where sizes vary."""
    grown = {name: _grown(law) for name, (law, _) in found.items()}
    most = max(grown.values(), default=0)
    return [name for name in found if grown[name] == most]


def _grown(law: Law) -> int:
    """Of how many things that grow from run to run a law knows."""
    named = {str(law.conventions.get(i, i)) for i in law.inputs}
    return len(named & {"N", "D", "S", "step", "B"}) + ("M" in named)


def _unused(data: Any, found: list[tuple[Law, Design]]) -> tuple[list[str], list[str]]:
    """Columns of settings that vary and that no law takes, and where no law takes a size the columns that may be it."""
    frame = data.joined() if isinstance(data, Runs) else data
    if not found or found[0][0].over_schedules:
        return [], []
    inputs = {i for law, _ in found for i in law.inputs}
    taken = inputs.union(*(ALIASES.get(i, ()) for i in inputs))
    if isinstance(data, Runs):  # along a run its rate varies by plan; from run to run the peak does
        peaks = {run: plan.peak for run, plan in data.schedules.items()}
        frame = frame.assign(lr=frame["run"].map(peaks))
    # what any law of the loss asks for by a name of its own, and does not follow from what is taken
    asked = {i for law in laws.values() if law.predicts == "loss" and not law.over_schedules for i in law.inputs}
    asked = {i for i in asked - inputs - {"x"} if not reachable(inputs, [i])}
    settings = {*SETTINGS, *asked, *(name for i in asked for name in ALIASES.get(i, ()))} - taken
    known = [str(c) for c in frame if {str(c), plain_name(str(c))} & settings and frame[c].nunique() > 1]
    if isinstance(data, Runs) or {"N", "C"} & inputs:
        return known, []
    # laws that know no size: a column of numbers that varies may be it, by a name nobody told
    named = {*taken, *known, *BESIDE, *(name for names in ALIASES.values() for name in names)}
    rest = [c for c in map(str, frame) if c not in named and plain_name(c) not in named]
    return known, [c for c in rest if frame[c].dtype.kind in "iuf" and frame[c].nunique() > 1]
