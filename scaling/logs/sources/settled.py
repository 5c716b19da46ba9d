"""A text log as collected -> its sheet: one rank, steps that run through, losses in nats; each change is told."""

import math
from typing import Any

import numpy as np
import pandas as pd

from scaling.logs.cells import Numbers
from scaling.logs.findings import Findings, some
from scaling.logs.sheet import Sheet
from scaling.logs.sources.collected import APART, CUT, Collected, is_loss
from scaling.words import many

COARSE = 1e-3  # a loss printed to no more than this is said to be rounded
Columns = dict[str, Numbers]


def settled(collected: Collected, name: str, parts: tuple[str, ...], facts: dict[str, Any], findings: Findings) -> Sheet | None:
    """The sheet of a log; None after a problem was recorded."""
    dialect = collected.dialect
    for why, numbers in collected.dropped.items():
        tell = findings.note if why in (CUT, APART) else findings.warn
        tell(f"{many(len(numbers), 'line')} dropped, {why}: {some(numbers, 4)}", name)
    columns, lines, ranks = collected.columns(), np.array(collected.lines), np.array(collected.ranks)
    totals = np.array(collected.totals)
    keep = _one_rank(columns, ranks, name, findings)
    if dialect.stale:
        keep &= _once(columns)
    columns = {column: Numbers(cells.values[keep], cells.missing[keep]) for column, cells in columns.items()}
    lines, totals = lines[keep], totals[keep]
    if not _through_epochs(columns, totals, lines, name, findings):
        return None
    _say_rounding(collected, columns, name, findings)
    if dialect.base is not None:
        _in_nats(columns, math.log(dialect.base), dialect.name, name, findings)
    if dialect.note:
        findings.note(dialect.note, name)
    if np.isfinite(totals).any():
        facts = {"max_steps": int(totals[np.isfinite(totals)][-1]), **facts}
    facts = _sizes(columns, facts, name, findings)
    return Sheet(name, parts, columns, lines, facts=facts, step_unit=dialect.unit, advice=dialect.advice)


def _one_rank(columns: Columns, ranks: np.ndarray, name: str, findings: Findings) -> np.ndarray:
    """Rows to keep where several processes write: for each loss those of the lowest rank that has it."""
    keep = np.ones(len(ranks), bool)
    known = np.unique(ranks)
    if len(known) < 2 or 2 * len(known) > len(ranks):  # a number before every line is no rank
        return _any_cell(columns)
    for column in [column for column in columns if is_loss(column)]:
        cells = columns[column]
        filled = ~cells.missing
        writers = np.unique(ranks[filled])
        if len(writers) < 2:
            continue
        keep &= ~filled | (ranks == writers[0])
        of_rank = [
            pd.Series(cells.values[at], columns["step"].values[at])
            for w in writers
            if len(at := np.flatnonzero(filled & (ranks == w)))
        ]
        apart = max((float((of_rank[0] - other).abs().groupby(level=0).min().max()) for other in of_rank[1:]), default=0.0)
        more = f"; they differ by up to {apart:.2g}" if apart > 0 else ""
        findings.note(f"{column} is written by {len(writers)} ranks: read from rank {max(0, writers[0])}{more}", name)
    both: np.ndarray = keep & _any_cell(columns)
    return both


def _any_cell(columns: Columns) -> np.ndarray:
    rows: np.ndarray = ~np.all([cells.missing for column, cells in columns.items() if column != "step"], axis=0)
    return rows


def _once(columns: Columns) -> np.ndarray:
    """Empty the evaluations that only repeat the one before; rows that then hold nothing go."""
    for column in [column for column in columns if is_loss(column) and column != "train_loss"]:
        cells = columns[column]
        filled = np.flatnonzero(~cells.missing)
        again = filled[1:][cells.values[filled[1:]] == cells.values[filled[:-1]]]
        missing = cells.missing.copy()
        missing[again] = True
        columns[column] = Numbers(np.where(missing, np.nan, cells.values), missing)
    return _any_cell(columns)


def _through_epochs(columns: Columns, totals: np.ndarray, lines: np.ndarray, name: str, findings: Findings) -> bool:
    """Steps that begin anew in every epoch run through afterwards, if the lines say how many an epoch has; else a problem."""
    epoch = columns.pop("epoch", None)
    if epoch is None:
        return True
    step = columns["step"].values
    both = np.flatnonzero(~epoch.missing)
    anew = both[1:][(np.diff(step[both]) < 0) & (np.diff(epoch.values[both]) > 0)]
    if not len(anew):
        return True
    length = totals[np.isfinite(totals)]
    if len(length) and np.ptp(length) == 0 and not epoch.missing.any():
        columns["step"] = Numbers(step + (epoch.values - epoch.values[0]) * length[0], columns["step"].missing)
        totals[:] = np.nan  # it was that of an epoch
        findings.note(f"steps begin anew in every epoch of {length[0]:.0f}: counted through", name)
        return True
    said = (
        "steps begin anew in this epoch, so they are not updates; print a step that counts through, or the steps of an epoch as"
    )
    findings.problem(f"{name}, line {lines[anew[0]]}", f"{said} 'step 20/1000'")
    return False


def _say_rounding(collected: Collected, columns: Columns, name: str, findings: Findings) -> None:
    for column, digit in collected.finest.items():
        if column in columns and digit >= 0.999 * COARSE:
            findings.note(f"{column} is printed to {digit:g}: too coarse for smaller differences", name)
    if "step" in collected.rounded:
        findings.note("steps are printed in thousands (1.2K) and may be rounded", name)
    for column in collected.rounded & {"tokens", "samples"}:
        del columns[column]
        findings.note(f"{column} are printed to three digits (1.2K), too few to be read; batch_tokens= gives them", name)


def _in_nats(columns: Columns, factor: float, program: str, name: str, findings: Findings) -> None:
    for column in [column for column in columns if is_loss(column)]:
        columns[column] = Numbers(columns[column].values * factor, columns[column].missing)
    findings.note(f"losses are in bits, as {program} prints them: times {factor:.4f} to be in nats", name)


def _sizes(columns: Columns, facts: dict[str, Any], name: str, findings: Findings) -> dict[str, Any]:
    """Facts with those that the rows imply: sequences of an update, tokens of an update; and tokens from sequences so far."""
    batch, samples = columns.pop("batch_size", None), columns.pop("samples", None)
    if batch is not None:
        sizes = np.unique(batch.values[np.isfinite(batch.values)])
        if len(sizes) == 1:
            facts = {**facts, "batch_size": int(sizes[0])}
        else:
            facts = {key: x for key, x in facts.items() if key != "batch_size"}
        if len(sizes) > 1:
            findings.note(f"the batch grows from {sizes[0]:g} to {sizes[-1]:g} sequences", name)
    if "context" in facts:
        if samples is not None and "tokens" not in columns:
            columns["tokens"] = Numbers(samples.values * facts["context"], samples.missing)
        if "batch_size" in facts:
            facts = {"batch_tokens": facts["batch_size"] * facts["context"], **facts}
    return facts
