"""`scaling relate`: how the loss on one data set follows from that on another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import scaling
from scaling.cli import output
from scaling.cli.options import Flag, Many, Output, Reading, check_files, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError


def run(
    *,
    source: Many,
    target: Many,
    reading: Reading = Reading(),
    output_: Output = None,
    plot: Path | None = None,
    force: Flag = False,
    strict: Flag = False,
    printing: Printing = Printing(),
) -> int:
    """Fit how the loss on one data set follows from that on another, over runs of equal size and tokens.

    For example:

        scaling relate --source web.json --target code.csv -o relation.json
        scaling relate --source 'runs/web-*.csv' --target 'runs/code-*.csv' --plot relation.png

    Parameters
    ----------
    source
        Runs on the first data set: a saved joint fit, which brings its irreducible loss, or logs or a CSV with N, D and loss,
        for which it is estimated. May be repeated; patterns need quotes.
    target
        Runs on the second data set, likewise.
    output_
        Save the relation as JSON, for `scaling predict`.
    plot
        Save a figure of the pairs and the relation (.png, .svg or .pdf).
    force
        Replace files that this program did not write.
    strict
        Exit with code 4 if the fit is not trustworthy.
    """
    check_files(output_, "saved fit", plot, inputs=[*source, *target], force=force)
    if reading != Reading() and all(_is_fit(paths) for paths in (source, target)):
        raise ArgumentError("--where, --loss, --map and --warmup go with logs and tables, not with saved fits")
    found = scaling.transfer.relate(_side(source, reading), _side(target, reading))
    assert found.fit is not None
    return output.show(
        found, printing, saved=output_, save=found.save, plot=plot,
        draw=lambda: scaling.plots.relation(found), doubts=found.fit.verdict.failures, strict=strict, force=force,
    )  # fmt: skip


def _is_fit(paths: Sequence[str]) -> bool:
    return len(paths) == 1 and Path(paths[0]).suffix == ".json"


def _side(paths: Sequence[str], reading: Reading) -> Any:
    """A saved fit, a table of N, D and loss, or logs."""
    return saved_fit(paths[0]) if _is_fit(paths) else reading.measurements(paths)
