"""`scaling sweep`: make the loss curves of a sweep file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.options import Count, Device, Flag, check_folder
from scaling.cli.output import Printing
from scaling.errors import ArgumentError
from scaling.training import sweep as sweeps
from scaling.training.executors import open_executor
from scaling.training.grid import read_sweep
from scaling.words import duration, many

if TYPE_CHECKING:
    import pandas as pd

    from scaling.training.progress import Progress


def run(
    file: Path,
    out_dir: Path | None = None,
    /,
    *,
    dry_run: Flag = False,
    jobs: Annotated[Count | None, Parameter(name=["--jobs", "-j"])] = None,
    lanes: Count = 1,
    executor: str | None = None,
    device: Device = None,
    printing: Printing = Printing(),
) -> int:
    """Train the runs of a sweep file; what runs share is trained once, and finished runs are left alone.

    For example:

        scaling sweep ladder.toml --dry-run
        scaling sweep ladder.toml out/ --jobs 2
        scaling sweep ladder.toml /shared/out/ --executor dask:tcp://scheduler:8786

    Parameters
    ----------
    file
        Sweep file (TOML): parts base, schedules and axes.
    out_dir
        Folder for curves/ and runs.csv, which all workers must see; beside the sweep file and named
        like it, if not given.
    dry_run
        Print every run with its parameters, tokens, FLOPs and time, check their texts, and train nothing.
    jobs
        Processes; one for each core, if not given.
    lanes
        Models that learn side by side in one process; more than 1 pays for small models and on a GPU.
    executor
        dask:ADDRESS of a scheduler, for many machines; processes here, if not given.
    """
    if dry_run and (jobs, lanes, executor, device) != (None, 1, None, None):
        raise ArgumentError("--jobs, --lanes, --executor and --device say how runs are trained; --dry-run trains none")
    if executor is not None and jobs is not None:
        raise ArgumentError("--jobs counts processes here; with --executor the workers of its scheduler do the work")
    runs = read_sweep(file)
    out_dir = out_dir or file.with_suffix("")
    check_folder(out_dir)
    if dry_run:
        sweeps.check_texts(runs, out_dir)
        return output.show(_costs(sweeps.costs(runs, out_dir, seconds=True)), printing)
    try:
        with open_executor(executor, jobs) as pool, _follow(printing.quiet) as notify:
            records = sweeps.sweep(runs, out_dir, executor=pool, lanes=lanes, device=device, notify=notify)
    except KeyboardInterrupt:
        output.notes(["nothing is lost: the same command goes on from the last checkpoints"], quiet=printing.quiet)
        raise
    diverged = sum(record["status"] == "diverged" for record in records)
    text = f"{many(len(records), 'run')} in {out_dir / 'runs.csv'}" + (f", {diverged} diverged" if diverged else "")
    return output.show(output.Told([("sweep", text)], None, {"runs": records}), printing)


@contextmanager
def _follow(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Say on stderr what runs end; on a terminal, below that, how far all of them are and the time left."""
    if quiet:
        yield lambda now: None
        return
    if not sys.stderr.isatty():
        yield lambda now: output.notes(_said(now), quiet=False)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    # speed over ten minutes, because rows come in bursts
    with Bar(*columns, console=Console(stderr=True), speed_estimate_period=600) as bar:
        task = bar.add_task("", total=1.0)

        def show(now: Progress) -> None:
            for line in _said(now):
                bar.console.print(line, markup=False, highlight=False)
            bar.update(task, description=f"{now.done} of {now.runs} runs", completed=now.share)

        yield show


def _said(now: Progress) -> list[str]:
    """A line for each run that has ended since the last look, and one for those that had before the first."""
    if now.first:
        return [f"{now.done} of {now.runs} runs were finished before"] if now.done else []
    lines = []
    for count, record in enumerate(now.new, now.done - len(now.new) + 1):
        loss = record["final_loss"]
        ended = record["status"] + ("" if loss is None else f", loss {loss:.4f}")
        lines.append(f"{count} of {now.runs}: {record['run_id']} {ended}")
    return lines


def _costs(table: pd.DataFrame) -> output.Told:
    requested, own = int(table["steps"][table["status"] == "to do"].sum()), int(table["own_steps"].sum())
    seconds, share = float(table["seconds"].sum()), own / requested if requested else 0.0
    total = {"runs": len(table), "requested_steps": requested, "executed_steps": own, "share": share}
    total["core_hours"] = seconds / 3600
    shown = table.drop(columns="seconds").assign(time=[duration(each) for each in table["seconds"]])
    summary = f"{many(len(table), 'run')}, all finished"
    if requested:
        summary = (
            f"{many(len(table), 'run')}; {many(own, 'update')} for {requested:,} requested ({share:.3f}); "
            f"about {duration(seconds)} of one core as fast as this one"
        )
    return output.Told([("sweep", summary)], shown, {"runs": table, "total": total})
