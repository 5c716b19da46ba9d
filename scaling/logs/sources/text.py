"""Text logs: what training programs print while they train, read by the table of dialects."""

import math
import re
from itertools import islice
from pathlib import Path

from scaling.logs.findings import Findings, some
from scaling.logs.opened import decoded, encoding_of, raw_of
from scaling.logs.sheet import Sheet, parts_of
from scaling.logs.sources.bars import BAR, by_bar
from scaling.logs.sources.collected import Collected, is_loss
from scaling.logs.sources.dialects import DIALECTS, FACT, Dialect
from scaling.logs.sources.printed import Field, fields, lines, value
from scaling.logs.sources.settled import settled
from scaling.words import many

NAME = "text logs (nanoGPT, Megatron, torchtitan, ...)"
SAMPLE = 5000  # lines with a field, by which the dialect is told
TIME = re.compile(r"\d:\d\d:\d\d[,.;]\d+")
ENDINGS = (".log", ".txt", ".out", ".err")


def claims(path: Path, head: bytes) -> bool:
    """Does a line hold a step and a loss? Source code may stand before the first, so the whole file is looked at."""
    if not head or path.is_dir() or not _is_text(head) or _is_table(decoded(head)):
        return False
    if dialect_of(head, least=2) is not None:
        return True
    raw = by_bar(raw_of(path, Findings()) or b"")
    return dialect_of(raw, least=2) is not None or path.suffix.lower() in ENDINGS


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The run that a log tells of."""
    raw = raw_of(path, findings)
    if raw is None:
        return []
    raw, name = by_bar(raw), str(path)
    dialect = dialect_of(raw)
    if dialect is None:
        _refuse(raw, name, findings)
        return []
    collected = Collected(dialect, torn=not raw.rstrip(b"\0").endswith((b"\n", b"\r")))
    previous: tuple[int, str] | None = None
    for number_and_line in lines(raw):
        if previous is not None:
            collected.add(*previous)
        previous = number_and_line
    if previous is not None:
        collected.add(*previous, last=True)
    found = settled(collected, name, parts_of(path), _facts(raw), findings)
    return [] if found is None else [found]


def dialect_of(raw: bytes, least: int = 1) -> Dialect | None:
    """The dialect in which most losses are found together with their step; None where fewer than `least` lines hold both."""
    seen = (found for _, line in lines(raw) if (found := fields(line)))
    sample = list(islice(seen, SAMPLE))
    text = None
    best, score = None, 10.0 * least - 1
    for dialect in DIALECTS:
        points = _points(dialect, sample)
        if points <= score:
            continue
        if dialect.sign:
            text = text if text is not None else "\n".join(line for _, line in lines(raw))
            if not re.search(dialect.sign, text, re.MULTILINE):
                continue
        best, score = dialect, points
    return best


def _points(dialect: Dialect, sample: list[list[Field]]) -> float:
    """Losses with a step weigh most, then whatever else the dialect knows; none without such a loss."""
    losses = others = 0
    stepped = False
    for line in sample:
        columns = [known[0] for field in line if field.number and (known := dialect.known(field.key))]
        stepped = "step" in columns or (stepped and bool(dialect.below))
        if stepped:
            losses += any(is_loss(column) for column in columns)
            others += len(columns)
    return 10 * losses + (others if dialect.name else 0) if losses else 0  # anybody's keys only where no program's do


def _facts(raw: bytes) -> dict[str, float]:
    """What headers say once, each where it is said first."""
    text = "\n".join(line for _, line in lines(raw))
    found = {}
    for pattern, name in FACT.items():
        if name not in found and (match := pattern.search(text)):
            number = value(match[1].lower()) * (1e9 if "billion" in match[0] else 1)
            if 0 < number < math.inf:
                found[name] = int(number) if number == int(number) else number
    return found


def _is_text(head: bytes) -> bool:
    if encoding_of(head) == "utf-16":
        return True
    strange = sum(byte < 32 and byte not in b"\t\n\r\f\v\x1b\b\0" for byte in head)
    return not head.startswith((b"PK", b'{"', b"[{")) and strange <= len(head) // 100


def _is_table(head: str) -> bool:
    """Do the first lines have the same number of the same separator, apart from those of the time?"""
    head = TIME.sub("", head)
    rows = [line for line in head.splitlines() if line.strip() and not line.startswith("#") and not BAR.search(line)][:6]
    return len(rows) > 1 and any(
        rows[0].count(mark) and len({row.count(mark) for row in (rows[:-1] if len(rows) > 2 else rows)}) == 1
        and not any(field.key != "^" for field in fields(rows[-2]))
        for mark in ",;\t"
    )  # fmt: skip


def _refuse(raw: bytes, name: str, findings: Findings) -> None:
    """Say what was looked for, and what there is of it."""
    counts = {"step": 0, "loss": 0}
    for _, line in lines(raw):
        columns = [known[0] for field in fields(line) if (known := DIALECTS[-1].known(field.key))]
        counts["step"] += "step" in columns
        counts["loss"] += any(map(is_loss, columns))
    programs = some([dialect.name for dialect in DIALECTS if dialect.name], len(DIALECTS))
    seen = f"{many(counts['step'], 'line')} with a step and {counts['loss']} with a loss, but none with both"
    findings.problem(
        name,
        f"no line holds a step and a loss under the keys of {programs}; {seen}. Print lines such as "
        "'step 100 loss 3.25 lr 3e-4', or log a CSV file with the columns step,loss,lr",
    )
