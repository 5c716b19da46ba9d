"""The README as a script: what it runs, in order, in one folder, and what that prints. `python tests/readme.py` renews it."""

import contextlib
import io
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
ELSEWHERE = ("Register a forecast",)  # test_registered runs these, and test_demo the table of the demo


@dataclass
class Step:
    """What is run, what the README says it prints, and where that stands in it (None: it says nothing)."""

    kind: str
    code: str
    shown: str | None = None
    place: tuple[int, int] | None = None


def steps(text: str) -> Iterator[Step]:
    """The blocks of the README that can be run."""
    blocks = list(BLOCK.finditer(text))
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        heading = text[: block.start()].rpartition("\n## ")[2].partition("\n")[0]
        kind, code = block[1], block[2]
        if heading in ELSEWHERE:
            continue
        if kind == "python":
            follows = after is not None and after[1] == "text" and not text[block.end() : after.start()].strip()
            yield Step(kind, code, *((after[2], after.span(2)) if follows else ()))
        elif kind == "console":
            parts = re.split(r"^\$ ", code, flags=re.M)[1:]
            for part in parts:
                line, _, printed = part.partition("\n")
                yield Step("shell", line, printed or None)
        elif kind == "toml":
            yield Step("file", code)


def run(step: Step, names: dict) -> tuple[int, str]:
    """Run a step in the working folder; its exit code and what it printed."""
    from scaling.cli import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if step.kind == "file":
            Path(step.code.splitlines()[0].removeprefix("# ")).write_text(step.code)
            code = 0
        elif step.kind == "python":
            exec(compile(step.code, "README", "exec"), names)
            code = 0
        else:
            program, *tokens = shlex.split(step.code, comments=True)
            assert program == "scaling", f"{step.code}: only `scaling` is run"
            code = main(tokens)
    return code, said.getvalue()


def renew() -> None:
    """Write what the Python blocks print now into the README."""
    import os

    import matplotlib

    import scaling

    matplotlib.use("Agg")
    text, names, changes = README.read_text(), {}, []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        scaling.samples.write("scaling-demo")
        for step in steps(text):
            _, printed = run(step, names)
            if step.place is not None:
                changes.append((step.place, printed))
    for (start, end), printed in reversed(changes):
        text = text[:start] + printed + text[end:]
    README.write_text(text)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    renew()
