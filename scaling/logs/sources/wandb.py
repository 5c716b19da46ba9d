"""Weights & Biases: charts downloaded as CSV, one run a column; offline files are answered. Histories are plain CSV or JSON."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from scaling.logs.findings import Findings
from scaling.logs.opened import decoded, head_of
from scaling.logs.sheet import Sheet
from scaling.logs.sources import delimited

NAME = "W&B chart CSV"
_COLUMN = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<bound>__MIN|__MAX)?$")
_OFFLINE = b":W&B"


def claims(path: Path, head: bytes) -> bool:
    """An offline file, or a header of `RUN - metric`, each with its __MIN and __MAX."""
    if path.is_dir():
        return False
    first = decoded(head).lstrip("\n\r ").split("\n", 1)[0]
    return head.startswith(_OFFLINE) or ("__MIN" in first and "__MAX" in first and " - " in first)


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """A sheet a run; none for an offline file, which only wandb can read."""
    name = str(path)
    if head_of(path).startswith(_OFFLINE):
        said = f"an offline W&B file, which only wandb reads: wandb sync {path.parent}; then save the history of the run: "
        said += "pandas.DataFrame(wandb.Api().run('ENTITY/PROJECT/RUN').scan_history()).to_csv('history.csv'), and read that"
        findings.problem(name, said)
        return []
    made: dict[str, Sheet] = {}
    x = ""
    for sheet in delimited.sheets(path, findings):
        x, *others = sheet.columns
        for column in others:
            match = _COLUMN.match(column)
            if match is None or match["bound"]:
                continue
            run = match["run"]
            if run not in made:
                parts = (*sheet.parts, run)
                made[run] = Sheet(name, parts, {x: sheet.columns[x]}, sheet.lines, torn=sheet.torn, names={}, ordered=False)
            made[run].columns = {**made[run].columns, match["metric"]: sheet.columns[column]}
    for run, sheet in made.items():
        made[run] = _logged(sheet, x)
    if made and x == "Step":
        findings.note("Step of a W&B chart counts calls of wandb.log unless another x was chosen; read as updates", name)
    return list(made.values())


def _logged(sheet: Sheet, x: str) -> Sheet:
    """Without the rows in which only other runs logged something."""
    metrics = [cells for name, cells in sheet.columns.items() if name != x]
    rows = [i for i in range(len(sheet.lines)) if any(cells[i] != "" for cells in metrics)]
    columns = {name: [cells[i] for i in rows] for name, cells in sheet.columns.items()}
    return replace(sheet, columns=columns, lines=np.asarray(sheet.lines)[rows])
