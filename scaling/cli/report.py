"""`scaling report`: a saved fit told again, as text, JSON, or a page to pass on."""

from __future__ import annotations

from pathlib import Path

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Flag, Output, check_files, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError


def run(file: Path, /, *, output_: Output = None, force: Flag = False, printing: Printing = Printing()) -> int:
    """Print the report of a saved fit again; -o writes a page with figures, plan, backtest and sliders.

    For example:

        scaling report fit.json
        scaling report fit.json -o fit.html

    Parameters
    ----------
    file
        A fit saved by `scaling fit -o` or `Fit.save`.
    output_
        Write a page (.html) that needs no other file.
    force
        Replace files that this program did not write.
    """
    if output_ is not None and output_.suffix.lower() != ".html":
        raise ArgumentError(f"-o {output_}: a report is saved as .html; `scaling report {file}` prints it as text")
    check_files(output_, "page", inputs=[file], force=force)
    fit = saved_fit(file)
    save = lambda path, *, force: document.put(path, scaling.report.page(fit).encode(), "page", force=force)
    return output.show(fit, printing, saved=output_, save=save, force=force, doubts=fit.verdict.failures)
