"""JSON: one record a line (JSONL), a list of records, or columns, as DataFrame.to_json writes them in its orients."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaling.document import kind_saved
from scaling.logs.columns import x_of
from scaling.logs.findings import Findings, some
from scaling.logs.gathered import Gathered
from scaling.logs.opened import decoded, text_of
from scaling.logs.sheet import Sheet, parts_of

NAME = "JSON and JSONL records"
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")
_BAD = (json.JSONDecodeError, RecursionError, ValueError)  # the last: an integer of thousands of digits


def claims(path: Path, head: bytes) -> bool:
    """A JSON object or a list of them; also many, one a line; none that this program saved."""
    start = decoded(head).lstrip()
    return not path.is_dir() and re.match(r'\{\s*("|\})|\[\s*(\{|\]|\[)', start) is not None and not kind_saved(head)


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The sheet of all records; none after a problem was recorded."""
    text = text_of(path, findings)
    if text is None:
        return []
    name = str(path)
    gathered = Gathered()
    first = text.lstrip()[0]
    known = findings.count
    for record, line in _listed(text, name, findings) if first == "[" else _lines_or_whole(text, name, findings):
        gathered.add(record, line)
    if findings.count > known:
        return []
    columns, lines = gathered.finished()
    if first == "{" and not x_of(columns)[0] and re.match(r'\s*\{\s*"[^"]*"\s*:\s*\[', text):
        gathered.count("epoch")  # the history of Keras: lists by name, one value an epoch
        columns, lines = gathered.finished()
    if not columns:
        findings.problem(name, 'no record with names and values; a log has lines like {"step": 1, "loss": 5.2}')
        return []
    return [Sheet(name, parts_of(path), columns, lines, "line" if first == "{" else "record")]


def _listed(text: str, name: str, findings: Findings) -> Iterator[tuple[dict[str, Any], int]]:
    """The records of a list, one after another, so that no more than one is held."""
    at, count = text.index("[") + 1, 0
    while (at := _BETWEEN.match(text, at).end()) < len(text) and text[at] != "]":  # type: ignore[union-attr]
        count += 1
        try:
            record, at = _DECODER.raw_decode(text, at)
        except _BAD as error:
            if text.rstrip()[-1] == "]" or count == 1:
                findings.problem(f"{name}, record {count}", f"no JSON ({_short(error)}); correct it, or export the log again")
            else:
                findings.note(f"record {count} is cut off at the end of the file and was dropped", name)
            return
        if not isinstance(record, dict):
            said = f"a list of {type(record).__name__}s has no names; write records: DataFrame.to_json(orient='records')"
            findings.problem(f"{name}, record {count}", said)
            return
        yield record, count
    if at >= len(text):
        findings.note(f"the list is not closed: the file is cut after record {count}", name)


def _lines_or_whole(text: str, name: str, findings: Findings) -> Iterator[tuple[dict[str, Any], int]]:
    """One record a line; or one object, over several lines, that holds columns."""
    start = text.lstrip()
    try:
        whole, end = _DECODER.raw_decode(start)
    except _BAD:
        whole, end = None, 0
    if whole is not None and not start[end:].strip():
        yield from _columns(whole, name, findings)
        return
    torn, lines = not text.endswith(("\n", "\r")), text.splitlines()
    last = next((i for i in reversed(range(len(lines))) if lines[i].strip(" \t\0")), 0)
    for i, line in enumerate(lines):
        stripped = line.strip(" \t\0")
        if not stripped:
            continue
        try:
            record = json.loads(stripped)
        except _BAD as error:
            if i == last and i and (torn or "\0" in line or not stripped.endswith("}")):
                findings.note(f"line {i + 1} is cut off at the end of the file and was dropped", name)
            else:
                findings.problem(f"{name}, line {i + 1}", f"no JSON ({_short(error)}); correct or remove the line")
            continue
        if isinstance(record, dict):
            yield record, i + 1
        else:
            findings.problem(f"{name}, line {i + 1}", 'found no record; a log has lines like {"step": 1, "loss": 5.2}')


def _columns(whole: dict[str, Any], name: str, findings: Findings) -> Iterator[tuple[dict[str, Any], int]]:
    """The records of one object: lists or rows by column, rows by index, pandas' split and table, or a single record."""
    values = list(whole.values())
    if {"columns", "data"} <= whole.keys() and isinstance(whole["data"], list) and isinstance(whole["columns"], list):
        rows: list[Any] = [dict(zip(map(str, whole["columns"]), row, strict=False)) for row in whole["data"]]
    elif lists := [v for v in values if isinstance(v, list) and v and all(isinstance(x, dict) for x in v)]:
        if len(lists) > 1:
            keys = [key for key, value in whole.items() if any(value is v for v in lists)]
            findings.problem(
                name, f"several lists of records ({some(keys, 5)}); write the one that is the log to a file of its own"
            )
        rows = lists[0]
    elif values and all(isinstance(v, list) for v in values):
        longest = max(map(len, values))
        rows = [{key: v[i] for key, v in whole.items() if i < len(v)} for i in range(longest)]
    elif values and all(isinstance(v, dict) for v in values) and _by_row(whole):
        rows = values
    elif values and all(isinstance(v, dict) for v in values):
        rows = [{key: v.get(row) for key, v in whole.items()} for row in dict.fromkeys(row for v in values for row in v)]
    else:
        rows = [whole]
    for i, row in enumerate(rows):
        if isinstance(row, dict):
            yield row, i + 1


def _by_row(whole: dict[str, Any]) -> bool:
    """Are the outer names rows (orient='index')? Rows have numbers, columns words."""
    return all(key.lstrip("-").isdigit() for key in whole)


def _short(error: BaseException) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
