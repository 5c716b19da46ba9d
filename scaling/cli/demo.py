"""`scaling demo`: from nothing to a forecast, with sample logs that come with the package."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from pathlib import Path

import scaling
from scaling.cli import app, output
from scaling.cli.options import Flag
from scaling.cli.output import Printing

# what a user would type; of a report that goes to a page the text was seen with the fit
COMMANDS = (
    "fit {0}/table.csv -o {0}/fit.json --plot {0}/fit.png",
    "predict {0}/fit.json --N 500k --D 20M",
    "report {0}/fit.json -o {0}/report.html",
    "fit {0}/ladder --law ladder -o {0}/ladder.json",
    "predict {0}/ladder.json {0}/finished --plot {0}/forecast.png",
    "forecast {0}/running --reference {0}/ladder --plot {0}/running.png",
)
SILENT = "report"


def run(folder: Path = Path("scaling-demo"), /, *, force: Flag = False, printing: Printing = Printing()) -> int:
    """Copy sample logs to a folder, and fit, forecast and report them there, each command shown.

    For example:

        scaling demo
        scaling demo elsewhere/

    Parameters
    ----------
    folder
        Where samples and results go; made where it is not there yet.
    force
        Replace files that this program did not write.
    """
    samples = scaling.samples.write(folder, force=force)
    lines = [command.format(shlex.quote(str(folder))) for command in COMMANDS]
    if not printing.json:
        output.line(f"samples: {', '.join(str(path) for path in samples)}")
    results, code = {}, 0
    for line in lines:
        said = io.StringIO()
        tokens = [*shlex.split(line), *(["--force"] if force and " -o " in line else [])]
        tokens += ["--json"] if printing.json else []
        quiet = contextlib.redirect_stdout(said) if printing.json or line.startswith(SILENT) else contextlib.nullcontext()
        if not printing.json:
            print(f"\n$ scaling {line}", flush=True)
        with quiet:
            code = app.main([*tokens, *(["-q"] if printing.quiet else [])])
        if code:
            return code
        results[f"scaling {line}"] = json.loads(said.getvalue()) if printing.json else None
    if printing.json:
        print(json.dumps({"samples": [str(path) for path in samples], "commands": results}, indent=2, ensure_ascii=False))
    else:
        output.notes([f"look at {folder}/report.html, {folder}/forecast.png and {folder}/running.png"], quiet=printing.quiet)
    return 0
