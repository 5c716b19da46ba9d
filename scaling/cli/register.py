"""`scaling register`: write a forecast down before its run."""

from __future__ import annotations

from pathlib import Path

from scaling import document
from scaling.cli import output, targets
from scaling.cli.options import Count, Level, Output, Reading, registration, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError, DataError

OPTIONS = ("schedule", "steps", "level", "output", "again", "where", "loss", "map", "warmup", "json", "quiet")


def run(
    fit: str,
    /,
    *paths: str,
    schedule: str | None = None,
    steps: Count | None = None,
    level: Level = 0.9,
    output_: Output = None,
    again: Path | None = None,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
    **inputs: str,
) -> int:
    """Write a forecast down before its run: dated, with digests of data and code, and never replaced.

    For example:

        scaling register chinchilla.json --N 7B --D 2T -o forecast.json
        scaling register fit.json --schedule wsd:peak=3e-4,warmup=2k --steps 100k -o forecast.json
        scaling register refitted.json --again forecast.json

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`.
    paths
        Logs that plan the runs (rates and no losses), or tables of what the law takes (N, D).
    schedule
        Learning rates of the run: name:key=value,... or a CSV with columns step and lr.
    steps
        Length of the run, if the schedule does not say it.
    output_
        The record, a new file: keep it, publish its sha256, and give it to `scaling score` when the run is there.
    again
        A record: say whether this fit makes the same forecast to the last bit, from the same data by the same code.
    inputs
        Inputs of the law, for laws without a schedule: --N 7B --D 2T.
    """
    if (again is None) == (output_ is None):
        raise ArgumentError("register needs one of -o FILE, the new record, and --again FILE, a record to be checked")
    if again is not None:
        if paths or schedule is not None or steps is not None or inputs or reading != Reading() or level != 0.9:
            raise ArgumentError(f"--again {again}: the record says what was asked; give nothing but the fit")
        return _again(fit, again, printing)
    assert output_ is not None
    document.check_target(output_, "registration", inputs=[fit, *paths, *([] if schedule is None else [schedule])], option="-o")
    if not paths and reading != Reading():
        raise ArgumentError("--where, --loss, --map and --warmup go with logs")
    found = saved_fit(fit)
    target = targets.target(found, paths, schedule, steps, inputs, reading, quiet=printing.quiet, options=OPTIONS)
    made = found.register(target, level=level)
    save = lambda path, *, force: made.save(path)
    return output.show(made, printing, saved=output_, save=save, doubts=found.verdict.failures)


def _again(fit: str, path: Path, printing: Printing) -> int:
    record, found = registration(path, "--again"), saved_fit(fit)
    if not (asked := record.asked):
        raise ArgumentError(f"--again {path}: a forecast of a job in progress, which no fit made; ask scaling.forecast again")
    made = found.register(**asked)
    if told := record.differences(made):
        raise DataError(f"{path}: {fit} does not make this forecast again: {'; '.join(told)}")
    same = "made again, the same to the last bit"
    return output.show(output.Told([("again", same)], None, {"again": same, "sha256": record.sha256}), printing)
