"""`scaling sweep`: make the loss curves of a sweep file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.options import Flag, Printing


def sweep(
    file: Path,
    out_dir: Path | None = None,
    /,
    *,
    dry_run: Flag = False,
    jobs: Annotated[int | None, Parameter(name=["--jobs", "-j"])] = None,
    lanes: int = 1,
    executor: str | None = None,
    device: Literal["cpu", "cuda"] | None = None,
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
        Print every run with its parameters, tokens, FLOPs and time, and train nothing.
    jobs
        Processes; one for each core, if not given.
    lanes
        Models that learn side by side in one process; more than 1 pays for small models and on a GPU.
    executor
        dask:ADDRESS of a scheduler, for many machines; processes here, if not given.
    device
        cuda if there is one, if not given.
    """
    from scaling.training.grid import read_sweep
    from scaling.training.sweep import costs, open_executor
    from scaling.training.sweep import sweep as run

    runs = read_sweep(file)
    out_dir = out_dir or file.with_suffix("")
    if dry_run:
        return _dry_run(costs(runs, out_dir, seconds=True), printing)

    def say(record: dict[str, Any]) -> None:
        loss = record["final_val_loss"]
        line = f"{record['run_id']}: {record['status']}" + ("" if loss is None else f", loss {loss:.4f}")
        output.notes([line], quiet=printing.quiet or printing.json)

    with open_executor(executor, jobs) as pool:
        records = run(runs, out_dir, executor=pool, lanes=lanes, device=device, notify=say)
    if printing.json:
        output.document({"runs": records})
    else:
        diverged = sum(record["status"] == "diverged" for record in records)
        print(f"{len(records)} runs in {out_dir / 'runs.csv'}" + (f", {diverged} diverged" if diverged else ""))
    return 0


def _dry_run(table: Any, printing: Printing) -> int:
    requested, own = int(table["steps"][table["status"] == "to do"].sum()), int(table["own_steps"].sum())
    total = {
        "runs": len(table),
        "requested_steps": requested,
        "executed_steps": own,
        "share": own / requested if requested else 0.0,
        "core_hours": float(table["seconds"].sum() / 3600),
    }
    if printing.json:
        output.document({"runs": table, "total": total})
        return 0
    print(output.table(table))
    print(
        f"\n{total['runs']} runs; {own:,} updates for {requested:,} requested ({total['share']:.3f}); "
        f"about {total['core_hours']:.2f} hours of one core as fast as this one"
    )
    sys.stdout.flush()
    return 0
