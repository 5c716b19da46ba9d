"""`scaling report`: a saved fit told again, as text, JSON, or a page to pass on."""

from __future__ import annotations

from pathlib import Path

import scaling
from scaling.cli import output
from scaling.cli.options import Output, check_saved, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError


def run(file: Path, /, *, output_: Output = None, printing: Printing = Printing()) -> int:
    """Print the report of a saved fit again; -o writes it as a page with its figure.

    For example:

        scaling report fit.json
        scaling report fit.json -o fit.html

    Parameters
    ----------
    file
        A fit saved by `scaling fit -o` or `Fit.save`.
    output_
        Write a page (.html) that needs no other file.
    """
    if output_ is not None and output_.suffix.lower() != ".html":
        raise ArgumentError(f"-o {output_}: a report is saved as .html; `scaling report {file}` prints it as text")
    check_saved(output_)
    fit = saved_fit(file)
    save = lambda path: path.write_text(scaling.report.page(fit), "utf-8")
    return output.show(fit, printing, saved=output_, save=save, doubts=fit.verdict.failures)
