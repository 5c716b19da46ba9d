"""Sheets -> runs: choose columns and loss, add facts and schedules, put all runs into one table."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs import facts as facts_
from scaling.logs import meaning, units
from scaling.logs.beside import canonical
from scaling.logs.columns import ALIASES, LOSSES, resolve
from scaling.logs.findings import Findings, near, some
from scaling.logs.parted import parted
from scaling.logs.planned import Plan, Schedules
from scaling.logs.rows import Cleaned, Curve, clean
from scaling.logs.sheet import PLACE, Sheet, as_written
from scaling.schedules import schedule
from scaling.words import many

ORDER = ("run", "step", "tokens", "lr", "loss")
Parts = tuple[pd.DataFrame, pd.DataFrame, Schedules, tuple[str, ...], tuple[str, ...]]  # of `Runs`, in its order


@dataclass(frozen=True)
class Piece:
    """The rows of one run."""

    parts: tuple[str, ...]  # folders, file stem and run column: its id is the shortest distinct tail
    place: str
    rows: Curve
    facts: dict[str, Any]
    columns: dict[str, str]  # canonical name -> column in the file
    step_unit: str = "updates"
    advice: str = ""

    def in_one_meaning(self, facts: Mapping[str, Any], findings: Findings) -> "Piece":
        """The same with steps in updates and losses in nats per token; as it stands after a problem was recorded."""
        rows = meaning.in_updates(self.rows, self.step_unit, facts, self.place, self.advice, findings)
        rows = None if rows is None else meaning.in_nats(rows, self.columns, facts, self.place, findings)
        if rows is None:
            return self
        meaning.check_first(rows, facts, self.place, findings)
        return replace(self, rows=rows)


def pieces(
    sheet: Sheet,
    columns: dict[str, str],
    loss: str | None,
    table: facts_.Facts | None,
    beside: Mapping[str, Any],
    resumed: str | None,
    findings: Findings,
) -> list[Piece]:
    """The runs of one sheet; none after a problem was recorded.

    Parameters
    ----------
    columns, loss, resumed : as in `scaling.read`.
    table : facts of the runs.csv beside the sheet, by run; None where there is none.
    beside : facts of all its runs in other files of the folder.
    """
    sheet = parted(as_written(sheet, findings), findings)
    resolved = resolve(sheet, columns, loss, findings)
    cleaned = clean(sheet, resolved, resumed is not None, findings) if resolved else None
    if resolved is None or cleaned is None:
        return []
    found = resolved.columns
    curves = _chosen(cleaned, found, loss, sheet.name, findings)
    if curves is None:
        return []
    chosen, by_run = curves
    left = [name for name in sheet.columns if name and name not in found.values()]
    constant = facts_.constant_columns(
        sheet.columns, left, {key: curve.at for key, curve in by_run.items()}, sheet.name, findings
    )
    made = []
    for name, curve in by_run.items():
        parts = (*sheet.parts, name) if name else sheet.parts
        place = f"{sheet.name}, run {name}" if name else sheet.name
        known = {} if table is None else table.get(parts[-1])
        if known is None:
            findings.note(f"not listed in {facts_.TABLE}, so without its facts", place)
        merged = facts_.joined(place, known or {}, constant[name], findings)
        said = {**beside, **canonical(sheet.facts), **merged, "loss_from": chosen}
        if name in cleaned.ends:
            step = cleaned.ends[name]
            findings.warn(f"the loss is no number from step {step:g} on: the run diverged, read up to there", place)
            said["status"] = "diverged"
        where = sheet.places(curve.at)
        made.append(Piece(parts, place, curve.having(**where), said, found, resolved.step_unit, sheet.advice))
    return made


def _chosen(
    cleaned: Cleaned, found: dict[str, str], loss: str | None, name: str, findings: Findings
) -> tuple[str, dict[str, Curve]] | None:
    """The name of the column that is the loss, and the curves with it as `loss`; None where nothing is left."""
    curves = cleaned.curves
    kind = _kind([curve.data for curve in curves.values()], found, loss, name, findings)
    rows = empty = rated = 0
    for curve in curves.values():
        none = np.isnan(curve.data[kind])
        rows, empty = rows + len(none), empty + int(none.sum())
        rated += int((none & ~np.isnan(curve.data["lr"])).sum()) if "lr" in curve.data else 0
    if empty == rows and (cleaned.ends or not rows):
        findings.nothing(name, "diverged before its first loss was logged")
        return None
    if empty == rows and not rated:
        said = f"column {found[kind]!r} is empty in all {empty} rows, and there is no rate; nothing to read"
        findings.problem(name, said)
        return None
    if rated:
        findings.note(f"{many(rated, 'row')} with a rate but no loss (not evaluated): kept as planned schedule", name)
    if empty > rated:
        findings.note(f"{many(empty - rated, 'row')} with neither loss nor rate: kept, not evaluated", name)
    return found[kind], {key: curve.having(loss=curve.data[kind]) for key, curve in curves.items()}


def _kind(curves: list[dict[str, np.ndarray]], found: dict[str, str], loss: str | None, name: str, findings: Findings) -> str:
    """Which of the losses that are logged is read."""
    if "loss" in found:
        return "loss"
    if loss is not None:
        return loss
    evaluated = [kind for kind in LOSSES if kind in found]
    if len(evaluated) < 2:
        return evaluated[0]
    logged = {kind: any(not np.isnan(data[kind]).all() for data in curves) for kind in evaluated}
    kind = "val_loss" if logged["val_loss"] else "train_loss"
    if logged["train_loss"] and units.needs(found["val_loss"]) and not units.needs(found["train_loss"]):
        kind = "train_loss"
    other = "train_loss" if kind == "val_loss" else "val_loss"
    findings.note(f"two losses are logged; loss is {kind}; loss={other!r} takes the other", name)
    return kind


def assemble(pieces: list[Piece], facts: Any, override: Any, warmup: int | None, findings: Findings) -> Parts:
    """All runs in one table, with distinct names.

    Parameters
    ----------
    facts, override, warmup : what `scaling.read` is given as facts, schedule and warmup; override wins over logged rates.

    Raises
    ------
    DataError : the problems found so far, or a schedule or facts for runs that are not there.
    """
    findings.raise_problems(read=len(pieces))
    names = _distinct([piece.parts for piece in pieces])
    by_name = dict(sorted(zip(names, pieces, strict=True), key=lambda pair: pair[0]))
    extra = facts_.given(facts, list(by_name))
    known = {name: {**piece.facts, **extra.get(name, {})} for name, piece in by_name.items()}
    by_name = {name: piece.in_one_meaning(known[name], findings) for name, piece in by_name.items()}
    findings.raise_problems()
    frame = _frame({name: piece.rows for name, piece in by_name.items()})
    table = pd.DataFrame(list(known.values()), index=pd.Index(list(known), name="run"))
    losses = sorted(set(table["loss_from"]))
    if len(losses) > 1:
        findings.note(f"losses come from columns {', '.join(losses)}: are they comparable?", "all runs")
    sizes = sorted(
        {each["vocab"] for each in known.values() if isinstance(each.get("vocab"), (int, float)) and each["vocab"] > 1}
    )
    if len(sizes) > 1:
        told = some([f"{size:,g}" for size in sizes], 5)
        findings.note(
            f"vocabularies of {told} tokens: losses a token of different ones are not comparable, those a byte are", "all runs"
        )
    plans = _plans(by_name, known, override, warmup)
    return frame, table, Schedules(plans), findings.notes, findings.warnings


def _frame(curves: Mapping[str, Curve]) -> pd.DataFrame:
    """All rows, one run below the other; a column that a run does not have is empty there."""
    there = dict.fromkeys(name for curve in curves.values() for name in curve.data)
    one_loss = not all(kind in there for kind in LOSSES)  # then it is `loss`, and fact loss_from says which
    sizes = [len(curve) for curve in curves.values()]
    columns: dict[str, Any] = {"run": pd.Index(list(curves), dtype="str").repeat(sizes)}  # many times faster than texts
    for name in dict.fromkeys((*ORDER, *ALIASES, *PLACE)):
        if name in there and not (one_loss and name in LOSSES):
            parts = [_values(curve, name) for curve in curves.values()]
            columns[name] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if "file" in columns:
        columns["file"] = pd.Series(columns["file"], dtype=object)  # texts that rows share, not one for each
    return pd.DataFrame(columns)  # a copy: what a source read stays its own


def _values(curve: Curve, name: str) -> np.ndarray:
    if name in curve.data:
        return curve.data[name]
    return np.full(len(curve), None, object) if name == "file" else np.full(len(curve), np.nan)


def _distinct(parts: list[tuple[str, ...]]) -> list[str]:
    """The last part of each, with as many parts before it as make it unique."""
    depth = [1] * len(parts)
    while True:
        names = ["/".join(part[-d:]) for part, d in zip(parts, depth, strict=True)]
        uses = Counter(names)
        clash = [i for i, name in enumerate(names) if uses[name] > 1 and depth[i] < len(parts[i])]
        if not clash:
            return names
        for i in clash:
            depth[i] += 1


def _plans(pieces: dict[str, Piece], facts: facts_.Facts, override: Any, warmup: int | None) -> dict[str, Plan]:
    if isinstance(override, Mapping):
        for name in override:
            if name not in pieces:
                raise DataError(f"schedule: no run {name!r}{near(str(name), list(pieces), 'the runs are')}")
    else:
        override = dict.fromkeys(pieces, override)
    plans = {}
    for name, piece in pieces.items():
        step = piece.rows.data["step"]
        lr = piece.rows.data.get("lr", np.full(len(step), np.nan))
        rated = ~np.isnan(lr)
        source = override.get(name)
        won = source is not None
        if won:  # a text is kept, as the rows decide its step convention, but fails here if it is wrong
            table = schedule(source)
            source = source if isinstance(source, str) and table.text else table
        if not won and ":" in str(facts[name].get("schedule", "")):
            source = facts[name]["schedule"]  # without a colon it is a label, such as `cosine`
        if source is not None or rated.any():
            plans[name] = Plan(piece.place, step[rated], lr[rated], int(step[-1]), source, won, warmup)
    return plans
