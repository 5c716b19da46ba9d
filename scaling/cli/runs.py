"""`scaling runs`: what the logs hold."""

from __future__ import annotations

import scaling
from scaling.cli import output
from scaling.cli.options import Flag, Reading
from scaling.cli.output import Printing
from scaling.errors import ArgumentError
from scaling.words import many


def run(
    *paths: str, check: Flag = False, strict: Flag = False, reading: Reading = Reading(), printing: Printing = Printing()
) -> int:
    """Read logs and print one row per run.

    For example:

        scaling runs logs/
        scaling runs logs/a.csv logs/b.csv --map step=_step --loss val_loss
        scaling runs logs/ --where "n_params > 1e6" --json
        scaling runs logs/ --check
        scaling runs import logs/ -o runs/

    Parameters
    ----------
    paths
        Files, folders or globs. After the word import, they are written as CSV: scaling runs import --help.
    check
        List all that was found while reading instead, with its severity and what to do about it.
    strict
        Leave with exit code 3 if there is a warning.
    """
    if check:
        return _checked(paths, reading, printing, strict)
    found = reading.read(paths, quiet=printing.quiet)
    code = output.show(output.Told([], found.table(), found.to_dict()), printing)  # its notes are on stderr
    return 3 if strict and found.warnings else code


def _checked(paths: tuple[str, ...], reading: Reading, printing: Printing, strict: bool) -> int:
    if reading.where is not None:
        raise ArgumentError("--where picks rows of what was read; --check lists what reading finds: leave one out")
    found = scaling.logs.check(paths, **reading.arguments())
    counts = found["severity"].value_counts()
    lines = [("checked", ", ".join(many(int(counts.get(kind, 0)), kind) for kind in ("error", "warning", "note")))]
    for severity, where, what, remedy in found.astype(str).itertuples(index=False):
        lines += [(severity, f"{where}: {what}"), *([("", f"-> {remedy}")] if remedy else [])]
    output.show(output.Told(lines, None, {"found": found}), printing)
    return 3 if counts.get("error", 0) or (strict and counts.get("warning", 0)) else 0
