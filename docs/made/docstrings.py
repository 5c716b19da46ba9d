"""Docstrings for numpydoc: several `name : text` in a line become one entry each, and no sign is markup by accident."""

import re

from made.words import sections

ITEM = re.compile(r"(?:^|(?<=[.;)\]] ))((?:\*{0,2}\w+, )*\*{0,2}\w+) : ")
LISTED = ("Parameters", "Returns", "Attributes", "Raises", "Yields")


def plain(app, what, name, obj, options, lines):
    """Rewrite a docstring's lines in place, before numpydoc lays them out."""
    parts = sections("\n".join(lines))
    made = prose(parts.pop("", ""))
    for heading, text in parts.items():
        listed = heading in LISTED and ITEM.search(text)
        known = heading in (*LISTED, "Notes", "Examples")
        if heading in LISTED and not listed:
            text, listed = f"{text}", False
            made += [heading, "-" * len(heading), "", *[quiet(" ".join(text.split()))], ""]
            continue
        made += [heading, "-" * len(heading)] if known else [f".. rubric:: {heading}", ""]
        made += text.splitlines() if heading == "Examples" else definitions(text) if listed else prose(text)
        made += [""]
    lines[:] = made


def prose(text: str) -> list[str]:
    """Paragraphs; an indented block stays as it is."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if lines and all(line.startswith("  ") for line in lines):
            out += ["::", "", *("    " + line for line in lines), ""]
        elif lines:
            out += [quiet(" ".join(line.strip() for line in lines)), ""]
    return out


def definitions(text: str) -> list[str]:
    """`name : text` items as entries of their own."""
    return [line for name, said in items(text) for line in (name.replace("*", "\\*"), f"    {quiet(said)}")]


def items(text: str) -> list[tuple[str, str]]:
    """The `name : text` items of a section, wherever in a line they begin."""
    found: list[tuple[str, str]] = []
    for line in re.sub(r"\n\s+", " ", text).splitlines():
        marks = [*ITEM.finditer(line)]
        if not marks and found:  # goes on with the entry before
            found[-1] = found[-1][0], f"{found[-1][1]} {line.strip()}"
        for mark, after in zip(marks, [*marks[1:], None], strict=True) if marks else ():
            found.append((mark[1], line[mark.end() : after.start() if after else len(line)].strip()))
    return found


def quiet(text: str) -> str:
    """Text with code kept as code and everything else escaped."""
    parts = re.split(r"(``.+?``|`[^`]+`)", text)
    return "".join(
        f"``{p.strip('`')}``" if p.startswith("`") and len(p) > 2 else re.sub(r"([\\*_|`])", r"\\\1", p) for p in parts
    )
