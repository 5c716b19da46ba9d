"""`scaling train`: make a loss curve."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from scaling import training
from scaling.cli import output
from scaling.cli.options import Device, Many, pairs
from scaling.cli.output import Printing


def run(
    out_dir: str,
    /,
    *,
    spec: Annotated[training.RunSpec, Parameter(name="*")],
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
    record = training.train(spec, out_dir, name=name, device=device, labels=pairs(label, "--label"))
    said = ("run_id", "status", "final_val_loss", "n_params", "tokens", "steps", "elapsed_s")
    lines = [(f"{key:<14}", str(record[key])) for key in said if record.get(key) is not None]
    return output.show(output.Told(lines, None, record), printing)
