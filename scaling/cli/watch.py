"""`scaling watch`: the end of a running job, forecast again whenever its log has grown."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Flag, Level, Many, Output, Positive, Reading, check_files
from scaling.cli.output import Printing
from scaling.errors import ArgumentError

NOT_WORTH_IT = 6


def run(
    *paths: str,
    schedule: str | None = None,
    reference: Many = (),
    worse_than: Positive | None = None,
    every: Annotated[Positive, Parameter(help="Seconds between looks at the log.")] = 60.0,
    once: Flag = False,
    level: Level = 0.9,
    output_: Output = None,
    force: Flag = False,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """Watch the log of a running job, of any format, and forecast its end whenever it has grown.

    For example:

        scaling watch slurm-17.out --schedule cosine:peak=3e-4,steps=72k,warmup=2k
        scaling watch metrics.jsonl --reference small-runs/ --worse-than 2.9 || scancel 17
        scaling watch metrics.jsonl -o live.html

    One line an update, with --json one document a line. It leaves with 0 when the run has ended, and with 6 as soon as the end
    is not worth waiting for.

    Parameters
    ----------
    paths
        The log, or the folder that holds it.
    schedule
        Learning rates of the whole run, where its log does not plan them: name:key=value,... or a CSV with columns step and lr.
    reference
        Logs of finished runs to learn from. May be repeated.
    worse_than
        Leave with 6 when the whole interval of the end lies above this loss, or the run has diverged.
    once
        Look once, and do not wait.
    output_
        Write a page (.html) of the forecast and how it went so far, anew at every update.
    force
        Replace a file that this program did not write.
    """
    if output_ is not None and output_.suffix.lower() != ".html":
        raise ArgumentError(f"-o {output_}: a page is saved as .html")
    check_files(output_, "page", inputs=[*paths, *reference, schedule], force=force)
    others = scaling.running.References(scaling.read(list(reference), **reading.arguments())) if reference else None
    heard: set[str] = set()

    def look() -> scaling.Runs:
        runs = scaling.read(list(paths), schedule=schedule, **reading.arguments())
        _say(runs.warnings, heard, printing)
        return runs if reading.where is None else runs.select(reading.where, reading.columns())

    def waiting(why: str) -> None:
        output.notes([why], quiet=printing.quiet)

    looks = scaling.running.updates(
        look, list(paths), others, level, planned=schedule is not None, every=every, once=once, waiting=waiting
    )
    seen: list[scaling.running.Update] = []
    for update in looks:
        seen.append(update)
        if output_ is not None:
            page = scaling.report.watched(seen, output.command())
            document.put(output_, page.encode(), "page", force=force)
        if printing.json:
            print(json.dumps(update.to_dict(), allow_nan=False), flush=True)
        else:
            output.line(update.line())
        if update.forecast is not None:
            _say(update.forecast.warnings, heard, printing)
        if worse_than is not None and update.worse_than(worse_than):
            output.notes([f"not worth it: the end is worse than {worse_than:g}"], quiet=printing.quiet)
            return NOT_WORTH_IT
    return 0


def _say(warnings: tuple[str, ...], heard: set[str], printing: Printing) -> None:
    """Each warning once."""
    for said in [said for said in warnings if said not in heard]:
        heard.add(said)
        if not printing.quiet:
            output.warning(said)
