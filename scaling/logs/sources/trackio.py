"""Hugging Face trackio: a project is an SQLite file with one row a log call, its metrics as JSON."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from scaling.logs.beside import numbers_in
from scaling.logs.findings import Findings
from scaling.logs.gathered import Gathered
from scaling.logs.sheet import Sheet, parts_of

NAME = "trackio projects"


def claims(path: Path, head: bytes) -> bool:
    """An SQLite file; that it holds something else is answered by `sheets`."""
    return head.startswith(b"SQLite format 3\0")


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """A sheet a run; none after a problem was recorded."""
    name = str(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
            columns = {row[1] for row in base.execute("PRAGMA table_info(metrics)")}
            if not {"run_name", "step", "metrics"} <= columns:
                said = "a database, but none of trackio (no table of metrics by run_name and step); export its runs as CSV"
                findings.problem(name, said)
                return []
            key = "run_id" if "run_id" in columns else "run_name"
            runs, names = _metrics(base, key)
            configs = _configs(base, key)
    except (sqlite3.Error, ValueError, RecursionError, TypeError) as error:
        findings.problem(name, f"the database is damaged ({error}); export the project as CSV from trackio")
        return []
    if not runs:
        findings.nothing(name, "no run has logged anything yet")
    made = []
    for run, gathered in runs.items():
        cells, lines = gathered.finished()
        made.append(Sheet(name, (*parts_of(path), names[run]), cells, lines, "row", facts=configs.get(run, {})))
    return made


def _metrics(base: sqlite3.Connection, key: str) -> tuple[dict[str, Gathered], dict[str, str]]:
    """The metrics of every run and its name; `_step` counts calls of trackio.log, as in W&B."""
    runs: dict[str, Gathered] = {}
    names: dict[str, str] = {}
    query = f"SELECT {key}, run_name, step, metrics FROM metrics ORDER BY rowid"
    for i, (run, name, step, text) in enumerate(base.execute(query), start=1):
        record = json.loads(text)
        if isinstance(record, dict):
            runs.setdefault(run, Gathered()).add({**record, "_step": step}, i)
            names[run] = str(name)
    return runs, names


def _configs(base: sqlite3.Connection, key: str) -> dict[str, dict[str, float]]:
    """Numbers of the configuration of every run."""
    if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'configs'").fetchone():
        return {}
    found = {run: json.loads(text) for run, text in base.execute(f"SELECT {key}, config FROM configs")}
    return {run: numbers_in(config) for run, config in found.items() if isinstance(config, dict)}
