"""What Python says, said as the command line has it: remedies in messages name options, not arguments."""

from __future__ import annotations

import re
import shlex

NAMES = {"columns": "map", "facts": "fact", "inputs": "input", "shares": "share", "floors": "floor", "caps": "cap"}
SAME = (
    "at", "by", "cost", "counts", "delta", "fixed", "flops", "force", "gpu", "gpu_hours", "holdout", "law", "level", "loss",
    "lowest", "N", "D", "objective", "peak", "rates", "resumed", "schedule", "served", "shape", "steps", "unique",
    "utilisation", "warmup", "where",
)  # fmt: skip
ARGUMENT = rf"(?<![\w,:-])({'|'.join([*NAMES, *SAME])})="  # not a key of a schedule's text
# with a number others are facts
NUMBERS = r"(?<![\w,:-])(delta|final|steps|warmup|loss|lowest|holdout|level|gpu_hours|gpu|utilisation)="
SAID_TWICE = re.compile(
    r"(?:^|(?<=[.;] )|(?<=[^']: ))(?:(?![.;] |(?<!'): ).)*? \(command line: ((?:[^()]|\([^()]*\))*)\)", re.M
)
PAIR = re.compile(r"\{?'([^']*)': ([^,{}]*)")
KEPT = re.compile(r"'[a-z_]+:[^']*'|Schedule\([^)]*\)|`[^`]*`")  # schedules as text, and commands


def _option(name: str) -> str:
    return f"--{NAMES.get(name, name).replace('_', '-')}"


def _pairs(match: re.Match[str]) -> str:
    """The options that a mapping stands for; of facts by run the facts."""
    said = [(key, value.strip("' ")) for key, value in PAIR.findall(match[2]) if value]
    return " ".join(f"{_option(match[1])} {key}={value}" for key, value in said)


def spoken(text: str) -> str:
    """A message with its arguments of Python as options; where it says both, with the command line's words alone."""
    kept: list[str] = []
    text = text.replace("\0", "\\0")  # of a file that is none of text: the mark for what was put away

    def away(words: str) -> str:
        kept.append(words)
        return f"\0{len(kept) - 1}\0"

    text = SAID_TWICE.sub(lambda m: away(m[1]), text)
    text = re.sub(r"\b\w+= \((--[\w-]+)\)", lambda m: away(m[1]), text)
    text = re.sub(
        r"shape=Shape\(([^)]*)\)", lambda m: "--shape " + re.sub(r"(\w+), ?|(\w+)$", r"\1\2=NUMBER,", m[1])[:-1], text
    )
    text = re.sub(rf"{ARGUMENT}('[^']*'|\"[^\"]*\")", lambda m: away(f"{_option(m[1])} {shlex.quote(m[2][1:-1])}"), text)
    text = KEPT.sub(lambda m: away(m[0]), text)
    text = re.sub(rf"{ARGUMENT}(\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}})", lambda m: away(_pairs(m)), text)
    text = re.sub(rf"{ARGUMENT}True\b", lambda m: _option(m[1]), text)
    text = re.sub(rf"{NUMBERS}(-?\d)", lambda m: f"{_option(m[1])} {m[2]}", text)
    text = re.sub(rf"{ARGUMENT}\.\.\.", lambda m: f"{_option(m[1])} ...", text)
    text = re.sub(rf"{ARGUMENT}(?=[\s,.;:)]|$)", lambda m: _option(m[1]), text)
    while "\0" in text:  # what was put away may hold what was before
        text = re.sub(r"\0(\d+)\0", lambda m: kept[int(m[1])], text)
    return text
