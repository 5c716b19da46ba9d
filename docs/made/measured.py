"""How good the forecasts are: the printed output of benchmarks, as kept in docs/measured, as tables with the failures."""

import re
from pathlib import Path

from made.words import code, escaped, table

HERE = Path(__file__).resolve().parents[1] / "measured"


def page() -> str:
    """The page, from every kept output."""
    text = (HERE / "README.md").read_text().replace("# Measured\n", "# How good the forecasts are\n", 1) + "\n"
    for path in sorted(HERE.glob("*.txt")):
        text += part(path.read_text())
    return text


def part(output: str) -> str:
    """What one part of a benchmark printed."""
    name, said = re.match(r"== (\S+): (.*)", output).groups()
    met = re.search(r"^\d+ of \d+ bars met$", output, re.M)[0]
    rows = [
        [escaped(what), escaped(bar), escaped(found), "yes" if good == "yes" else "**no**"]
        for what, bar, found, good in bars(output)
    ]
    text = f"## {said.rstrip('.')}\n\n`python -m benchmarks.forecasts {name}`: {met}.\n\n"
    text += table(("measured", "bar", "found", "met"), rows) + "\n"
    failed = output.partition("\nfailures\n")[2].strip().splitlines()
    if failed and failed != ["none"]:
        text += "What failed, or is worst:\n\n" + "".join(f"- {escaped(line)}\n" for line in failed) + "\n"
    head = output.partition("\n")[2]
    before = head[: head.find(" what ")].rpartition("\n")[0].rstrip()
    return text + (f":::{{dropdown}} Everything it printed before\n{code(before)}:::\n\n" if before else "")


def bars(output: str) -> list[tuple[str, str, str, str]]:
    """The rows of the table of bars: columns end where their heads end, as pandas prints them."""
    lines = output.splitlines()
    at = next(i for i, line in enumerate(lines) if re.fullmatch(r"\s*what\s+bar\s+measured\s+met", line))
    ends = [lines[at].index(head) + len(head) for head in ("what", "bar", "measured", "met")]
    rows = []
    for line in lines[at + 1 :]:
        if not line.strip():
            break
        cells = [line[a:b].strip() for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        rows.append(tuple(cells))
    return rows
