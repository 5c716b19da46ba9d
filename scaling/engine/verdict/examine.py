"""The data, the design and the law under the verdict: each question is asked once, and what it costs is little of a fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath

import numpy as np
from scipy.special import stdtrit

from scaling.design.inputs import Design
from scaling.engine.uncertainty import slopes_for_errors
from scaling.engine.verdict.aside import Aside, aside
from scaling.engine.verdict.causes import cause
from scaling.engine.verdict.curves import apart
from scaling.engine.verdict.enough import shortages, uncertain
from scaling.engine.verdict.near import Near, ahead
from scaling.engine.verdict.repeats import repeats
from scaling.engine.verdict.rows import Strange, robust_scale, strange
from scaling.engine.verdict.structure import misfit, suspect
from scaling.engine.verdict.suspects import POOR, Known, looked_again, swapped, two_units
from scaling.engine.verdict.tradeoffs import Line, line
from scaling.engine.verdict.without import Without, facts_told_wrong, without
from scaling.logs.sheet import PLACE
from scaling.words import listed

NAMED = 5  # rows named at most
FURTHER = 6.0  # times the largest run: what is forecast where nobody has asked for anything yet
PUSH = 2.0  # standard errors
LEVEL = 0.9  # of the interval a forecast must stay in when rows are left out


@dataclass(frozen=True, eq=False)
class Findings:
    """What speaks against a fit, and what should be known. line : on which all rows lie, or None. strange : rows (k,) that
    do not belong. without (p,) : the optimum without them. curves : are some of them whole runs, apart from the others?"""

    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    line: Line | None = None
    strange: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    without: np.ndarray | None = None
    pushed: tuple[str, ...] | None = None
    curves: bool = False


def examine(near: Near, weakest: tuple[str, ...] = ()) -> Findings:
    """Everything that is wrong with the rows around an optimum."""
    failures, warnings = shortages(near), list[str]()
    if failures:
        return Findings(tuple(failures))
    found, seen = strange(near), near
    shape = misfit(near, found.kept, found.rest)
    crooked = shape is not None and shape.told
    if not near.exact and not near.law.over_schedules:
        known: Known = {}
        bent = suspect(shape) or found.scale > POOR * near.spread
        better = swapped(near, found, known) or (looked_again(near, found, known) if bent else None)
        if better is not None:
            seen, found = better
            shape = misfit(seen, found.kept, found.rest)
            crooked = shape is not None and shape.told
        elif bent and (units := two_units(near, found)):
            failures.append(units)
    again = repeats(seen, found.kept, found.rest)
    if again is not None and again.seen:
        (failures if again.told else warnings).append(again.said)
    if crooked and shape is not None:
        failures.append(shape.said)
    elif unknown := uncertain(seen, found):
        failures.append(unknown)
    elif shape is not None and suspect(shape) and not near.on_curves and not found.rows.size:
        warnings.append(shape.little)
    noise = max(found.scale, robust_scale(near.rest, near.basis.shape[1])) if not near.exact else 0.0
    straight = line(near.law, near.design, near.y, noise)
    if straight is not None:
        warnings.append(straight.said(weakest))
    elif (odd := aside(near, noise)) is not None:
        (failures if odd.mended else warnings).append(by_itself(near.design, odd))
    curves = apart(near)
    alone = without(near, curves.rows)
    said = [runs_named(near, curves, alone)] if len(curves.rows) or alone is not None else []
    said += [named(seen, found)] if len(found.rows) else []
    t = None
    if said:
        rows = np.flatnonzero(np.isin(near.design.runs, [] if alone is None else alone.runs))
        found = replace(found, rows=np.union1d(np.union1d(found.rows, curves.rows), rows).astype(int))
        t, moved = left_out(near, seen, found) if alone is None else (alone.t, alone.said)
        (failures if moved else warnings).append("; ".join(said) + (f"; {moved}" if moved else ""))
    seen_of_rows = tuple(failures), tuple(warnings), straight, found.rows, t, pushed(near, found)
    return Findings(*seen_of_rows, bool(len(curves.rows)) or alone is not None)


@np.errstate(all="ignore")
def pushed(near: Near, found: Strange) -> tuple[str, ...]:
    """Parameters at a bound which the rows that belong would move beyond it by more than `PUSH` standard errors."""
    inner, names = near.model.coordinates, []
    for j in np.flatnonzero((near.t <= inner.lower) | (near.t >= inner.upper)):
        Q = near.basis[found.kept]
        own = near.effect[j, found.kept] - Q @ (np.linalg.pinv(Q) @ near.effect[j, found.kept])
        size, scale = np.sqrt(own @ own), max(found.scale, 1e-300)
        push = own @ np.clip(near.rest[found.kept], -3 * scale, 3 * scale) / scale / size if size > 0 else 0.0
        if (push if near.t[j] >= inner.upper[j] else -push) > PUSH:
            names.append(inner.names[j])
    return tuple(names)


def named(near: Near, found: Strange) -> str:
    """The rows that do not belong, what would explain them, and how to leave them out."""
    rows, few = found.rows, found.rows[:NAMED]
    away = 100 * found.rest[few] / np.sqrt(near.design.weights[few])
    size = [f"{x:+.3g} %, " if near.loss.log else "" for x in away]
    names = [f"{what} ({x}{found.away[row]:+.0f} sd)" for what, x, row in zip(called(near.design, few), size, few, strict=True)]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    reason = cause(near, found)
    what = f"{len(rows)} row{'s do' if len(rows) > 1 else ' does'} not belong: {', '.join(names)}{more}"
    return f"{what}{', ' + reason if reason else ''}; {remedy(near.design, rows)}"


def by_itself(design: Design, odd: Aside) -> str:
    """The row without which all rows lie on a line, and what would put it there."""
    row = np.array([odd.row])
    what, where = called(design, row)[0], odd.line.equation
    if odd.mended:
        what = f"1 row does not belong: {what}, {odd.mended}"
        return f"{what}: all others lie on the line {where}, and then it does, too; {remedy(design, row)}"
    return f"without {what} all rows lie on the line {where}: what {listed(odd.line.names)} do apart rests on that row alone"


def runs_named(near: Near, found: Strange, alone: Without | None) -> str:
    """The runs that do not belong, how far off each is, what would explain them, and how to leave them out."""
    off = near.rest / np.sqrt(near.design.weights)
    size = {} if alone is None else dict(zip(alone.runs.tolist(), alone.miss, strict=True))
    codes = list(dict.fromkeys([*near.design.runs[found.rows].tolist(), *size]))
    said, names = [], []
    for code in codes:
        rows = np.flatnonzero(near.design.runs == code)
        middle = float(size.get(code, np.median(off[rows])))
        away = f"{100 * np.expm1(middle):+.3g} %" if near.loss.log else f"{middle:+.3g}"
        why = "" if alone is None or code not in size else facts_told_wrong(near, code, alone)
        said.append(f"{called(near.design, rows[:1])[0]} and on ({away}{why})")
        names.append(str(near.design.frame["run"].iloc[rows[0]]))
    reason, many = cause(near, found) if len(found.rows) else "", len(codes) > 1
    reason = reason if reason.startswith(("as if", "of other")) else ""  # how far off it is has been said
    where = f"run not in [{', '.join(map(repr, names))}]" if many else f"run != {names[0]!r}"
    what = f"{len(codes)} run{'s do' if many else ' does'} not follow the law of the others: {', '.join(said)}"
    return f'{what}{", " + reason if reason else ""}; leave out with where="{where}"'


def called(design: Design, rows: np.ndarray) -> list[str]:
    """What rows are called: file and line where they were read, run and step, else the number in the table."""
    frame = design.frame
    known = {name: frame[name].to_numpy()[rows] for name in (*PLACE, "run", "step") if name in frame}
    parts = []
    if {*PLACE} <= {*known}:
        short = {file: PurePath(str(file)).name for file in set(frame["file"])}
        short = short if len(set(short.values())) == len(short) else {file: file for file in short}
        parts.append([f"{short[file]}:{line}" for file, line in zip(*(known[name] for name in PLACE), strict=True)])
    if "run" in known:
        parts.append([f"run {x}" for x in known["run"]])
        if "step" in known:
            parts.append([f"step {x:.0f}" for x in known["step"]])
    return [", ".join(words) for words in zip(*parts, strict=True)] or [f"row {x}" for x in frame.index[rows]]


def remedy(design: Design, rows: np.ndarray) -> str:
    """The option that leaves rows out: by run where these are rows, by run and step, by line, or by the loss."""
    if len(rows) > 2 * NAMED:
        return "look at them before you fit"
    frame = design.frame
    runs = "run" in frame and (len(set(frame["run"])) == len(frame))
    keys = ["run"] if runs else ["run", "step"] if "run" in frame and "step" in frame else ["loss"]
    if keys == ["loss"] and {*PLACE} <= {*frame}:
        keys = [*PLACE] if len(set(frame["file"])) > 1 else ["line"]
    columns = [frame[key].to_numpy()[rows] for key in keys]
    if len(keys) == 1 and len(rows) > 1:
        return f'leave out with where="{keys[0]} not in [{", ".join(map(_quoted, columns[0]))}]"'
    ways = [" or ".join(f"{k} != {_quoted(x)}" for k, x in zip(keys, one, strict=True)) for one in zip(*columns, strict=True)]
    return 'leave out with where="' + " and ".join(f"({way})" if " or " in way and len(ways) > 1 else way for way in ways) + '"'


def _quoted(x: object) -> str:
    return repr(x) if isinstance(x, str) else str(x)


@np.errstate(all="ignore")
def left_out(near: Near, seen: Near, found: Strange) -> tuple[np.ndarray, str]:
    """The optimum (p,) without the rows that do not belong, and, if a larger run's forecast moves by more than its
    half-width, by how much. One Newton step does: what a robust fit lets few rows do is small."""
    kept, t = found.kept, seen.t
    free = seen.effect[~seen.held]
    inverse = np.linalg.pinv(free[:, kept], rcond=1e-9)  # (rows, p): of the rows that belong, what moves the parameters
    if seen is near:
        slope, curvature = slopes_for_errors(near.loss, -near.rest)
        pull, curve = free[:, kept] @ slope[kept], (free[:, kept] * curvature[kept]) @ free[:, kept].T
        _, known, bend = near.model.coordinates.pulled(t[None])  # what is known beforehand stays
        pull, curve = pull + known[0][~near.held], curve + bend[0][np.ix_(~near.held, ~near.held)]
        t = t.copy()
        t[~near.held] -= np.linalg.pinv(curve, rcond=1e-12, hermitian=True) @ pull
    at = ahead(near.law, near.design, FURTHER) or {k: x[-1:] for k, x in near.design.inputs.items()}
    slopes = seen.slopes_at(at)
    moved = float(np.abs(near.law_at(at) - seen.law_at(at))[0] if seen is not near else np.abs(slopes[:, 0] @ (t - near.t)))
    sd = found.scale * np.sqrt(((inverse @ slopes[~seen.held]) ** 2).sum(0))[0]
    half = float(-stdtrit(max(kept.sum() - len(free), 1), (1 - LEVEL) / 2) * np.hypot(sd, found.scale))
    if moved <= half:
        return t, ""
    change = f"{100 * moved:.2g} %" if near.loss.log else f"{moved:.3g}"
    return (
        t,
        f"leaving them out moves a forecast of a {FURTHER:g}x larger run by {change}, its half-width is {100 * half:.2g} %",
    )
