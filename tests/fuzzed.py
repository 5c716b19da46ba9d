"""Small logs of every format, damaged at random: what was read must be right, or refused in our own words.

`python -m tests.fuzzed 100000 1` reads so many damaged files from a seed and prints what went wrong. A value is wrong if it
stands at a step that no damaged line tells of (before or after the damage) and is not what the whole file says there.
"""

import io
import json
import random
import re
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.errors import ScalingError
from scaling.logs import read
from tests import printed

COLUMNS = ("train_loss", "val_loss", "loss", "lr", "tokens")
HEADER = -1  # stands for a fact of the whole file among the numbers that are touched
SPARE = "0123456789.,;:eE+-x \t\"'{}[]=/|\0\r\n"
KINDS = ("letter", "cut", "insert", "drop", "double", "swap", "truncate", "join", "split", "nul", "block", "word")
WORDS = ("nan", "NaN", "inf", "None", "null", "1e999", "-1", "0", "1,5", "12K", "\ufffd", "0x10", "1_000", "", "true", '"')


@dataclass(frozen=True)
class File:
    """A file of some format.

    Attributes
    ----------
    name, content : as it is written. lines : are lines of text damaged, or bytes? head : lines at its beginning that say what
        the columns are. near : may a damage move a value to the step beside it, as some lines have no step of their own?
    """

    name: str
    content: bytes
    lines: bool = True
    head: int = 0
    near: bool = False
    loss: str | None = None


def _rows() -> list[dict[str, float]]:
    return [
        {"step": s, "train_loss": round(printed.loss_at(s), 6), "lr": round(printed.rate_at(s), 9), "tokens": 524288 * s}
        for s in range(20, 601, 20)
    ]


def _csv(separator: str = ",", decimal: str = ".", encoding: str = "utf-8", quote: bool = False) -> bytes:
    frame = pd.DataFrame(_rows())
    frame["val_loss"] = np.where(frame["step"] % 200 == 0, frame["train_loss"] + 0.03, np.nan)
    return frame.to_csv(index=False, sep=separator, decimal=decimal, quoting=2 if quote else 0).encode(encoding)


def _trainer_state() -> bytes:
    history: list[dict[str, float]] = []
    for row in _rows():
        history.append(
            {
                "epoch": row["step"] / 1e3,
                "grad_norm": 0.5,
                "learning_rate": row["lr"],
                "loss": row["train_loss"],
                "step": row["step"],
            }
        )
        if row["step"] % 200 == 0:
            history.append(
                {"epoch": row["step"] / 1e3, "eval_loss": row["train_loss"] + 0.03, "eval_runtime": 1.2, "step": row["step"]}
            )
    return json.dumps({"global_step": 600, "max_steps": 1000, "log_history": history}, indent=2).encode()


def _records(rename: dict[str, str]) -> list[str]:
    return [json.dumps({rename.get(name, name): x for name, x in row.items()}) for row in _rows()]


def _parquet() -> bytes:
    out = io.BytesIO()
    pd.DataFrame(_rows()).to_parquet(out)
    return out.getvalue()


def _events() -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    out = io.BytesIO()
    writer = RecordWriter(out)
    writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
    for row in _rows():
        for tag in ("train_loss", "lr"):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=row[tag])])
            writer.write(Event(wall_time=row["step"], step=int(row["step"]), summary=summary).SerializeToString())
    return out.getvalue()


def files() -> list[File]:
    """One or more of every format that is a single file."""
    chart = pd.DataFrame(_rows())
    chart = pd.DataFrame(
        {"Step": chart["step"], **{f"brisk-1 - loss{end}": chart["train_loss"] for end in ("", "__MIN", "__MAX")}}
    )
    short = [
        File(f"{name}.log", _short(make().text), near="\n" in name or name in LOOSE) for name, make in printed.PROGRAMS.items()
    ]
    lingua = {"step": "global_step", "train_loss": "loss/out", "lr": "optim/lr", "tokens": "optim/total_tokens"}
    factory = {"step": "current_steps", "train_loss": "loss", "tokens": "num_input_tokens_seen"}
    wandb = {"step": "trainer/global_step", "train_loss": "train/loss"}
    return [
        *short,
        File("a.csv", _csv(), head=1), File("semicolon.csv", _csv(";", ","), head=1), File("a.tsv", _csv("\t"), head=1),
        File("quoted.csv", _csv(quote=True), head=1), File("utf16.csv", _csv(encoding="utf-16"), lines=False),
        File("trainer_state.json", _trainer_state(), near=True),
        File("metrics.jsonl", "\n".join(_records(lingua)).encode() + b"\n"),
        File("trainer_log.jsonl", "\n".join(_records(factory)).encode() + b"\n"),
        File("history.json", ("[" + ",\n".join(_records(wandb)) + "]").encode()),
        File("chart.csv", chart.to_csv(index=False).encode(), head=1),
        File("a.parquet", _parquet(), lines=False),
        File("events.out.tfevents.1.host.1.0", _events(), lines=False),
    ]  # fmt: skip


LOOSE = (
    "hugging_face_bar", "nanogpt", "build_nanogpt", "llmc_terminal", "olmo", "olmo_core", "composer", "nemo", "litgpt",
    "deepspeed",
)  # fmt: skip


def _short(text: str) -> bytes:
    """The first 150 lines after whatever stands before the first step, of which 30 lines stay."""
    lines = text.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if re.search(r"\b20\b.*loss|loss.*\b20\b|^20 |[:=]20[/ ]", line)), 0)
    return "".join(lines[max(0, first - 30) : first + 150]).encode()


Op = tuple[int, float, float, int]  # kind, where among the lines, where in the line, a number to choose by


def damaged(file: File, ops: list[Op]) -> tuple[bytes, set[int] | None]:
    """The content after some damage, and the whole numbers in the lines that it touched; None where all may be touched."""
    if not file.lines:
        return _bytes(file.content, ops), None
    lines: list[tuple[str, bool]] = [(line, False) for line in file.content.decode().splitlines(keepends=True)]
    told: list[str] = []
    for kind, where, inside, number in ops:
        if not lines:
            break
        i = min(len(lines) - 1, int(where * len(lines)))
        line = lines[i][0]
        at = min(len(line), int(inside * (len(line) + 1)))
        beside = 14 if file.near else 0  # lines that may belong to the same step
        told += [text for text, _ in lines[max(0, i - beside) : i + beside + 1]]
        _apply(KINDS[kind % len(KINDS)], lines, i, at, number, told)
    merged, any_touched = "", False  # what has lost its newline goes on in the next
    for line, touched in [*lines, ("\n", False)]:
        merged, any_touched = merged + line, any_touched or touched or not (merged + line).endswith("\n")
        if merged.endswith("\n"):
            told += [merged] * any_touched
            merged, any_touched = "", False
    head = [line for line, _ in lines[: file.head]] != file.content.decode().splitlines(keepends=True)[: file.head]
    numbers = {int(n.replace(",", "")) for line in told for n in re.findall(r"\d[\d,]*|\d+", line)}
    numbers |= {int(n) for line in told for n in re.findall(r"\d+", line)}
    units = {"k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12}
    numbers |= {int(float(n) * units[u.lower()]) for line in told for n, u in re.findall(r"(\d+\.?\d*)([kKMBGTmbgt])", line)}
    numbers |= {int(float(n)) for line in told for n in re.findall(r"\d+\.?\d*[eE][+]?\d{1,2}", line)}
    numbers |= {HEADER} if any("seq_length" in line for line in told) else set()  # by which all tokens are counted
    content = "".join(line for line, _ in lines).encode("utf-8", errors="surrogateescape")
    return content, None if head else numbers


def _apply(kind: str, lines: list[tuple[str, bool]], i: int, at: int, number: int, told: list[str]) -> None:
    line = lines[i][0]
    other = (i + 1 + number) % len(lines)
    if kind == "letter":
        line = line[:at] + SPARE[number % len(SPARE)] + line[at + 1 :]
    elif kind == "cut":
        line = line[:at] + line[at + 1 + number % 20 :]
    elif kind == "insert":
        line = line[:at] + SPARE[number % len(SPARE)] * (1 + number % 3) + line[at:]
    elif kind == "nul":
        line = line[:at] + "\0" * (1 + number % 40) + line[at:]
    elif kind == "word":
        fields = list(re.finditer(r"[\d.]+", line))
        if fields:
            field = fields[number % len(fields)]
            line = line[: field.start()] + WORDS[number % len(WORDS)] + line[field.end() :]
    elif kind == "drop":
        del lines[i]
        return
    elif kind == "double":
        lines.insert(i, lines[i])
        return
    elif kind == "swap":
        told += [text for text, _ in lines[max(0, other - 14) : other + 15]]
        lines[i], lines[other] = (lines[other][0], True), (line, True)
        return
    elif kind == "truncate":
        told += [rest for rest, _ in lines[i:]]
        lines[i:] = [(line[:at], True)]
        return
    elif kind == "join" and i + 1 < len(lines):
        told.append(lines[i + 1][0])
        lines[i : i + 2] = [(line.rstrip("\n") + lines[i + 1][0], True)]
        return
    elif kind == "split":
        lines[i : i + 1] = [(line[:at] + "\n", True), (line[at:], True)]
        return
    elif kind == "block":
        lines[i + 1 : i + 1] = lines[max(0, i - number % 8) : i + 1]
        return
    lines[i] = (line, True)


def _bytes(content: bytes, ops: list[Op]) -> bytes:
    made = bytearray(content)
    for kind, where, inside, number in ops:
        at = min(len(made), int(where * len(made)) + int(inside * 16))
        if kind % 4 == 0 and at < len(made):
            made[at] ^= 1 << number % 8
        elif kind % 4 == 1:
            del made[at : at + 1 + number % 64]
        elif kind % 4 == 2:
            made[at:at] = bytes((number * k) % 256 for k in range(1 + number % 9))
        else:
            del made[at:]
    return bytes(made)


def values(path: Path, file: File) -> dict[tuple[int, str], float]:
    """(step, column) -> value, as far as known; losses under the name of their kind, whichever was chosen."""
    runs = read(path, loss=file.loss, resumed=None)
    frame, facts = runs.frame, runs.facts
    if len(runs) > 1:
        raise ScalingError("several runs")  # a damaged column of runs: nothing to compare
    if "train_loss" not in frame or "val_loss" not in frame:
        kind = "val_loss" if re.search("val|eval|tel", str(facts["loss_from"].iloc[0]).lower()) else "train_loss"
        frame = frame.rename(columns={"loss": kind})
    found = {}
    for column in COLUMNS:
        if column in frame and column != "loss":
            rows = frame[frame[column].notna()]
            found.update({(int(s), column): float(x) for s, x in zip(rows["step"], rows[column], strict=True)})
    return found


class Fuzz:
    """Reads damaged files and counts what becomes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.files, self.whole = folder, files(), {}
        self.counts = {"read": 0, "refused": 0, "foreign": 0, "wrong": 0}
        for file in self.files:
            path = folder / f"of-{file.name}" / file.name  # alone, as folders of several files may be one run
            path.parent.mkdir()
            path.write_bytes(file.content)
            self.whole[file.name] = values(path, file)

    def one(self, which: int, ops: list[Op]) -> str:
        """What is wrong with how a damaged file is read; "" if nothing."""
        file = self.files[which % len(self.files)]
        content, touched = damaged(file, ops)
        path = self.folder / f"of-{file.name}" / file.name
        path.write_bytes(content)
        try:
            found = values(path, file)
        except ScalingError as refusal:
            self.counts["refused"] += 1
            return "" if str(refusal).strip() else f"{file.name}: refused without a word"
        except Exception:
            self.counts["foreign"] += 1
            return f"{file.name}, {ops}: {traceback.format_exc()[-1500:]}"
        self.counts["read"] += 1
        if touched is None and not file.name.startswith("events"):
            return ""
        exempt = _around(touched or set(), sorted({s for s, _ in self.whole[file.name]})) if file.near else touched or set()
        wrong = {
            key: (x, self.whole[file.name].get(key))
            for key, x in found.items()
            if key[0] not in exempt
            and not (HEADER in exempt and key[1] == "tokens")
            and not _same(x, self.whole[file.name].get(key))
        }
        if wrong:
            self.counts["wrong"] += 1
            return f"{file.name}, {ops}: {dict(list(wrong.items())[:4])}\n{content[:300]!r}"
        return ""


def _same(x: float, wanted: float | None) -> bool:
    return wanted is not None and abs(x - wanted) <= 1e-9 * abs(wanted)


def _around(numbers: set[int], steps: list[int]) -> set[int]:
    """The steps beside those that are touched, which lines without a step may have fallen to."""
    beside = {steps[j] for i, s in enumerate(steps) if s in numbers for j in (i - 1, i, i + 1) if 0 <= j < len(steps)}
    return numbers | beside


def draw(rng: random.Random) -> tuple[int, list[Op]]:
    ops = [
        (rng.randrange(len(KINDS)), rng.random(), rng.random(), rng.randrange(1000)) for _ in range(rng.choice((1, 1, 1, 2, 3)))
    ]
    return rng.randrange(10_000), ops


def main(count: int, seed: int) -> int:
    rng, start, shown = random.Random(seed), time.process_time(), 0
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder))
        for i in range(count):
            if (said := fuzz.one(*draw(rng))) and shown < 30:
                shown += 1
                print(f"-- file {i}: {said}", flush=True)
            if i % 5000 == 4999:
                print(i + 1, fuzz.counts, f"{time.process_time() - start:.0f} s", flush=True)
    print(count, fuzz.counts)
    return int(fuzz.counts["foreign"] + fuzz.counts["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
