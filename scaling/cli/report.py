"""`scaling report`: a saved fit told again, as text, JSON, or a page to pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from scaling.cli import output
from scaling.cli.fit import describe
from scaling.cli.options import Printing, UsageError, check_saved, saved_fit


def report(
    file: Path,
    /,
    *,
    output_: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    printing: Printing = Printing(),
) -> int:
    """Print the report of a saved fit again, or write it as a page with its figure.

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
    import scaling
    from scaling.report import page

    if output_ is not None and output_.suffix.lower() != ".html":
        raise UsageError(f"-o {output_}: a report is saved as .html; `scaling report {file}` prints it as text")
    check_saved(output_)
    fit = saved_fit(file)
    if not isinstance(fit, scaling.Fit):
        raise UsageError(f"{file} holds no fit of a law but a {type(fit).__name__}; print it in Python")
    if output_ is not None:
        output_.write_text(page(fit), "utf-8")
        output.notes([f"wrote {output_}"], quiet=printing.quiet)
    if printing.json:
        output.document(describe(fit) | {"saved": output_})
    elif output_ is None:
        print(fit)
    return 0
