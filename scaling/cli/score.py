"""`scaling score`: how registered forecasts went."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import scaling
from scaling.cli import output
from scaling.cli.options import Flag, Output, Reading, check_files, registration
from scaling.cli.output import Printing
from scaling.errors import ArgumentError, DataError


def run(
    forecast: str,
    /,
    *paths: str,
    output_: Output = None,
    plot: Path | None = None,
    force: Flag = False,
    reading: Reading = Reading(),
    printing: Printing = Printing(),
) -> int:
    """Score a registered forecast against its run, or see how all forecasts of a folder did over time.

    For example:

        scaling score forecast.json run.csv -o score.json
        scaling score forecasts/ --plot calibration.png

    Parameters
    ----------
    forecast
        A record written by `scaling register`; or alone a folder of records and scores.
    paths
        Logs of the run, or a table of what the law takes and the loss.
    output_
        Save the score of one forecast, for the folder.
    plot
        Save a figure of a folder (.png, .svg or .pdf): errors in their intervals, and coverage, over time.
    force
        Replace files that this program did not write.
    """
    folder = Path(forecast).is_dir()
    if not Path(forecast).exists():
        raise DataError(f"{forecast}: no such file; `scaling register FIT ... -o {forecast}` writes a forecast")
    if folder and (paths or output_ is not None or reading != Reading()):
        raise ArgumentError(f"{forecast} is a folder, whose scores are read as they are; --plot and --json go with it")
    if not folder and plot is not None:
        raise ArgumentError("--plot goes with a folder of scores")
    record = None if folder else registration(forecast)
    if not folder and not paths:
        raise ArgumentError(f"{forecast}: score needs the logs of the run, or a folder of scores in place of a forecast")
    check_files(output_, "score", plot, inputs=[forecast, *paths], force=force)
    if record is None:
        many = scaling.registered.history(forecast)
        return output.show(many, printing, plot=plot, draw=lambda: scaling.plots.history(many), force=force)
    read = reading.read if record.curves else partial(reading.measurements, laws=[record.formula])
    found = scaling.score(record, read(paths, quiet=printing.quiet))
    return output.show(found, printing, saved=output_, save=found.save, force=force)
