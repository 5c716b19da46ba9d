"""Pages of results: the report of a fit with its figure, in one file."""

from __future__ import annotations

from html import escape

from scaling import plots
from scaling.document import MARK
from scaling.fits import Fit
from scaling.rendering import html


def page(fit: Fit) -> str:
    """The report and, for a fit of curves, its figure as one HTML page that needs no other file."""
    figure = plots.svg(plots.curve(fit)) if fit.runs is not None else ""
    title = escape(f"{fit.law.name}: a fit by scaling")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="generator" content="{MARK}"><title>{title}</title></head>\n'
        f'<body style="font-family:sans-serif">\n{html(fit)}\n{figure}\n</body></html>\n'
    )
