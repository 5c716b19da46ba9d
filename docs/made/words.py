"""Plain text and tables as MyST Markdown."""

import re
from collections.abc import Iterable


def escaped(text: str) -> str:
    """Text in which nothing is markup, but `code` stays code; a line that begins with a plus is no item of a list."""
    parts = re.split(r"(``?[^`]+``?)", text)
    made = "".join(p if p.startswith("`") else re.sub(r"([\\*_\[\]<>$|#{}])", r"\\\1", p) for p in parts)
    return re.sub(r"^([ ]*)([+-]|\d+[.)])(?=\s)", lambda m: f"{m[1]}{m[2][:-1]}\\{m[2][-1]}", made, flags=re.M)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; cells are Markdown already."""
    lines = [[*heads], ["---"] * len([*heads]), *([*row] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |" for line in lines) + "\n"


def code(text: str, kind: str = "text") -> str:
    """A block of code."""
    return f"```{kind}\n{text}\n```\n"


def sections(doc: str) -> dict[str, str]:
    """The parts of a numpydoc docstring by their headings; what stands before the first is ''."""
    found, name, lines = {}, "", []
    rows = doc.splitlines()
    for line, after in zip(rows, [*rows[1:], ""], strict=True):
        if line and re.fullmatch(r"-{3,}", after):
            found[name], name, lines = "\n".join(lines).strip(), line.strip(), []
        elif not re.fullmatch(r"-{3,}", line):
            lines.append(line)
    found[name] = "\n".join(lines).strip()
    return found
