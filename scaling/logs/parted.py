"""Columns that a log holds in rows: a loss whose rows say `train` or `eval`, metrics written one a row with their name."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scaling.logs.cells import Cells, Sparse, is_missing, numbers_of
from scaling.logs.columns import ALIASES
from scaling.logs.findings import Findings
from scaling.logs.sheet import Sheet
from scaling.words import many, plain_name

PARTS = (
    "split", "data_split", "dataset_split", "phase", "mode", "stage", "subset", "partition", "type", "log_type", "kind", "set",
)  # fmt: skip
WORDS = {  # what such a cell says -> the loss that its row has; "" for one of neither
    **dict.fromkeys(("train", "training", "trn"), "train_loss"),
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev"), "val_loss"),
    **dict.fromkeys(("test", "testing"), ""),
}
NAMES = ("metric", "metric_name", "name", "tag", "key", "variable")
VALUES = ("value", "metric_value")
EITHER = [name for name in ALIASES["train_loss"] if "train" not in name]  # losses that do not say of what
MOST = 1000  # metrics


def parted(sheet: Sheet, findings: Findings) -> Sheet:
    """The sheet with a column for each loss and metric; as it is where its columns are that already."""
    plain = {plain_name(name): name for name in reversed(list(sheet.columns))}
    return _by_part(_by_name(sheet, plain, findings), plain, findings)


def _by_name(sheet: Sheet, plain: Mapping[str, str], findings: Findings) -> Sheet:
    """Metrics one a row, as databases export them: column `metric` says whose `value` it is."""
    name, value = (next((plain[n] for n in names if n in plain), None) for names in (NAMES, VALUES))
    if name is None or value is None:
        return sheet
    metrics = _words(sheet.columns[name])
    if metrics is None or not 0 < len(metrics) <= MOST:
        return sheet
    values = numbers_of(sheet.columns[value])[0]
    rest = {n: cells for n, cells in sheet.columns.items() if n not in (name, value)}
    findings.note(f"its metrics stand one a row, named in column {name!r}: {len(metrics)} became columns", sheet.name)
    return replace(sheet, columns={**rest, **{word: _of(values, rows, sheet) for word, rows in metrics.items()}}, torn=False)


def _by_part(sheet: Sheet, plain: Mapping[str, str], findings: Findings) -> Sheet:
    """One loss for all rows, and a column that says of what: a loss of training and one of evaluation."""
    part = next((plain[name] for name in PARTS if name in plain), None)
    losses = [plain[plain_name(name)] for name in EITHER if plain_name(name) in plain]
    if part is None or not losses:
        return sheet
    words = _words(sheet.columns[part])
    if words is None or not {word.lower() for word in words} <= WORDS.keys():
        return sheet
    train, val, test = (
        np.sort([row for word, rows in words.items() if WORDS[word.lower()] == of for row in rows]).astype(int)
        for of in ("train_loss", "val_loss", "")
    )
    columns = {name: cells for name, cells in sheet.columns.items() if name != part}
    if not len(val) and not len(test):
        return replace(sheet, columns=columns)
    for loss in losses:
        values = numbers_of(columns.pop(loss))[0]
        if len(train):
            columns[loss] = _of(values, train, sheet)
        columns.setdefault("val_loss", _of(values, val, sheet))
    findings.note(f"column {part!r} tells losses of training ({many(len(train), 'row')}) from those of evaluation", sheet.name)
    if len(test):
        findings.note(f"the loss of {many(len(test), 'row')} of a test set is not read", sheet.name)
    return replace(sheet, columns=columns, torn=False)


def _words(cells: Cells) -> dict[str, np.ndarray] | None:
    """Word -> its rows, in the order of their first; None where a cell is no word."""
    if isinstance(cells, Sparse):
        cells = cells.dense()
    found: dict[str, list[int]] = {}
    for row in range(len(cells)):
        cell = cells[row]
        if is_missing(cell):
            continue
        if not isinstance(cell, str):
            return None
        found.setdefault(cell.strip(), []).append(row)
    return {word: np.array(rows) for word, rows in found.items()}


def _of(values: np.ndarray, rows: np.ndarray, sheet: Sheet) -> Sparse:
    """A column that has cells in these rows only; the last number of a torn file may be cut and is left out."""
    size = len(values)
    rows = rows[rows < size - sheet.torn]
    return Sparse(rows, values[rows], {}, size)
