"""Hugging Face Trainer (also TRL, axolotl, LLaMA-Factory): trainer_state.json, alone or in a folder of checkpoints."""

import json
import re
from pathlib import Path
from typing import Any

from scaling.logs.findings import Findings
from scaling.logs.gathered import Gathered
from scaling.logs.opened import text_of
from scaling.logs.sheet import Sheet
from scaling.words import many

NAME = "Hugging Face trainer_state.json and checkpoint folders"
STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")
_NAMES = {
    "step": "step",
    "train_loss": "loss",
    "val_loss": "eval_loss",
    "lr": "learning_rate",
    "tokens": "num_input_tokens_seen",
}


def claims(path: Path, head: bytes) -> bool:
    """A file with a log_history, or a folder with such files in it or in its checkpoints."""
    if path.is_dir():
        return (path / STATE).is_file() or any(_checkpoints(path))
    return head.lstrip()[:1] == b"{" and b'"log_history"' in head


def home(path: Path, head: bytes) -> Path:
    """The folder that is the run: all checkpoints of it are one."""
    folder = path.parent
    if path.name != STATE:
        return path
    return folder.absolute().parent if _CHECKPOINT.match(folder.absolute().name) else folder


def _checkpoints(folder: Path) -> list[Path]:
    states = [file for file in folder.glob(f"checkpoint-*/{STATE}") if _CHECKPOINT.match(file.parent.name)]
    return sorted(states, key=lambda file: int(file.parent.name.rpartition("-")[2]))


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The newest state of one run; none after a problem was recorded."""
    files = [path]
    if path.is_dir():
        files = [*_checkpoints(path), *([path / STATE] if (path / STATE).is_file() else [])]
    known, states = findings.count, []
    for file in files:
        state = _state(file, findings)
        if state is not None:
            states.append((state, file))
    if findings.count > known or not states:
        return []
    state, file = max(states, key=lambda found: (_number(found[0].get("global_step")) or 0, found[1] == path / STATE))
    if len(states) > 1:
        findings.note(f"{len(states)} states of one run; the newest, {file.relative_to(path)}, is read", str(path))
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    folder = folder.parent if _CHECKPOINT.match(folder.name) else folder
    parts = folder.parts[1:] if file.name == STATE else (*folder.parts[1:], file.stem)
    return _sheet(state, str(file), parts, findings)


def _state(file: Path, findings: Findings) -> dict[str, Any] | None:
    text = text_of(file, findings)
    if text is None:
        return None
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        said = "the file is cut or damaged; take the state of another checkpoint"
        findings.problem(f"{file}, line {line}", f"no JSON ({getattr(error, 'msg', type(error).__name__)}): {said}")
        return None
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        findings.problem(str(file), "log_history is no list of records; is it the trainer_state.json of a Trainer?")
        return None
    return dict(state)


def _sheet(state: dict[str, Any], name: str, parts: tuple[str, ...], findings: Findings) -> list[Sheet]:
    gathered, again = Gathered(), 0
    evaluated: set[tuple[str, Any]] = set()
    for i, row in enumerate(state["log_history"]):
        if "train_runtime" in row:  # the summary of the whole run: its train_loss is a mean
            continue
        metrics = {key: value for key, value in row.items() if key.startswith("eval_") and key.endswith("loss")}
        seen = {(key, row.get("step")) for key in metrics}
        if seen & evaluated:  # evaluated once more, after training or with the best weights: the first is of this step
            again += 1
            continue
        evaluated |= seen
        gathered.add(row, i + 1)
    if again:
        findings.note(f"{many(again, 'evaluation')} of a step already evaluated left out", name)
    columns, lines = gathered.finished()
    if not len(lines):
        findings.problem(name, "log_history is empty: nothing was logged yet; set logging_steps")
        return []
    names = {canonical: column for canonical, column in _NAMES.items() if column in columns}
    facts = {} if not (steps := _number(state.get("max_steps"))) or steps < 0 else {"steps": int(steps)}
    return [Sheet(name, parts, columns, lines, "record", facts=facts, names=names)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e15 else None
