"""`scaling report`: a saved fit told again, as text, JSON, or a page to pass on."""

from __future__ import annotations

from pathlib import Path

import scaling
from scaling import document
from scaling.cli import output
from scaling.cli.options import Flag, Output, check_files, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError
from scaling.words import many


def run(
    file: Path, /, *, md: Flag = False, tex: Flag = False, output_: Output = None, force: Flag = False,
    printing: Printing = Printing(),
) -> int:  # fmt: skip
    """Print the report of a saved fit or a folder of logs; -o writes a page with figures, plan, backtest and sliders.

    For example:

        scaling report fit.json
        scaling report fit.json -o fit.html
        scaling report fit.json --tex > fit.tex
        scaling report logs/ -o logs.html

    Parameters
    ----------
    file
        A fit saved by `scaling fit -o`, or a folder of logs, to which the law that forecasts them best is fitted.
    md
        Print a sentence with intervals and citation and a table, for a paper, as Markdown.
    tex
        The same as LaTeX.
    output_
        Write a page (.html) that needs no other file.
    force
        Replace files that this program did not write.
    """
    if md + tex + printing.json > 1:
        raise ArgumentError("--md, --tex and --json are three forms of one report; choose one")
    if output_ is not None and output_.suffix.lower() != ".html":
        raise ArgumentError(
            f"-o {output_}: a report is saved as .html; --md and --tex print it: scaling report {file} --md > FILE"
        )
    check_files(output_, "page", inputs=[file], force=force)
    fit = scaling.fit(scaling.read(file)) if file.is_dir() else saved_fit(file)
    if file.is_dir():
        scaling.fits.origin.remember(fit, output.command())
    if output_ is not None:
        output.notes([f"read the fit of {fit.law.name} to {many(len(fit.design), 'row')} of {file}"], quiet=printing.quiet)

    def save(path: Path, *, force: bool) -> None:
        document.put(path, scaling.report.page(fit, output.command()).encode(), "page", force=force)

    form = scaling.report.markdown if md else scaling.report.latex if tex else None
    if form is not None:
        if output_ is not None:
            save(output_, force=force)
        return output.write(form(fit), doubts=fit.verdict.failures)
    return output.show(fit, printing, saved=output_, save=save, force=force, doubts=fit.verdict.failures)
