"""`scaling train`: make a loss curve."""

from __future__ import annotations

from dataclasses import asdict, field, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from scaling import training
from scaling.cli import output
from scaling.cli.options import Count, Device, Many, check_folder, pairs
from scaling.cli.output import Printing

if TYPE_CHECKING:
    Settings = training.RunSpec
else:  # the same fields, but a whole number is one on the command line, too: cyclopts would round it
    Settings = make_dataclass(
        "Settings",
        [(f.name, Count if f.type is int else f.type, field(default=f.default)) for f in fields(training.RunSpec)],
        kw_only=True,
        namespace={"__doc__": training.RunSpec.__doc__, "__module__": __name__},
    )


def run(
    out_dir: str,
    /,
    *,
    spec: Annotated[Settings, Parameter(name="*")],
    name: str | None = None,
    device: Device = None,
    label: Many = (),
    printing: Printing = Printing(),
) -> int:
    """Train one small model and write its loss curve; go on where an interrupted run stopped.

    For example:

        scaling train out/ --schedule cosine:peak=1e-2,steps=2000,warmup=100
        scaling train out/ --schedule wsd:peak=1e-2,steps=6000,warmup=100 --d-model 64 --name long

    Parameters
    ----------
    out_dir
        Folder for curves/NAME.csv, curves/NAME.json and runs.csv.
    name
        Name of the run and its files; made of size, schedule and length if not given.
    label
        A further column of runs.csv: `--label role=short`; may be repeated.
    """
    check_folder(out_dir)
    settings = training.RunSpec(**asdict(spec))
    try:
        record = training.train(settings, out_dir, name=name, device=device, labels=pairs(label, "--label"))
    except KeyboardInterrupt:
        output.notes(["nothing is lost: the same command goes on where this one stopped"], quiet=printing.quiet)
        raise
    said = ("run_id", "status", "final_loss", "n_params", "tokens", "steps", "elapsed_s")
    lines = [(f"{key:<14}", str(record[key])) for key in said if record.get(key) is not None]
    return output.show(output.Told(lines, None, record), printing)
