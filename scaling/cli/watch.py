"""`scaling watch`: the end of a running job, forecast again whenever its log has grown."""

from __future__ import annotations

import json
from typing import Annotated

from cyclopts import Parameter

import scaling
from scaling.cli import output
from scaling.cli.options import Flag, Level, Many, Positive, Reading
from scaling.cli.output import Printing

NOT_WORTH_IT = 6


def run(
    *paths: str,
    schedule: str | None = None,
    reference: Many = (),
    worse_than: Positive | None = None,
    every: Annotated[Positive, Parameter(help="Seconds between looks at the log.")] = 60.0,
    once: Flag = False,
    level: Level = 0.9,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """Watch the log of a running job, of any format, and forecast its end whenever it has grown.

    For example:

        scaling watch slurm-17.out --schedule cosine:peak=3e-4,steps=72k,warmup=2k
        scaling watch metrics.jsonl --reference small-runs/ --worse-than 2.9 || scancel 17

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
    """
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
    for update in looks:
        print(json.dumps(update.to_dict(), allow_nan=False) if printing.json else update.line(), flush=True)
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
