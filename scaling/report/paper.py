"""A fit for a paper: a sentence with intervals and citation, and a table, as Markdown or LaTeX."""

from __future__ import annotations

import math
import re

from scaling.fits import Fit
from scaling.words import digits, listed, many

GREEK = {
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "eta",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "rho",
    "sigma",
    "tau",
    "phi",
}
SPECIAL = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"} | {c: f"\\{c}" for c in "&%$#_{}"}
HEAD = ("parameter", "value", "95 % interval", "note")


def markdown(fit: Fit) -> str:
    """Return the sentence and the table as Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *_rows(fit)]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return f"{_sentence(fit, f'`{fit.law.formula}`')}\n\n{table}\n"


def latex(fit: Fit) -> str:
    """Return the sentence and a tabular that needs no package, as LaTeX."""
    words = _escaped(_sentence(fit, "FORMULA")).replace("FORMULA", rf"\texttt{{{_escaped(fit.law.formula)}}}")
    rows = [
        [_symbol(name), _escaped(value), _escaped(ends).replace(" to ", " to~"), _escaped(note)]
        for name, value, ends, note in _rows(fit)
    ]
    lines = " \\\\\n".join(" & ".join(row) for row in [[_escaped(name) for name in HEAD], *rows])
    first, rest = lines.split("\n", 1)
    return f"{words}\n\n\\begin{{tabular}}{{lrrl}}\n\\hline\n{first}\n\\hline\n{rest} \\\\\n\\hline\n\\end{{tabular}}\n"


def _rows(fit: Fit) -> list[tuple[str, str, str, str]]:
    return [(str(name), *map(str, row)) for name, *row in fit.table().itertuples()]  # type: ignore[misc]


def _sentence(fit: Fit, formula: str) -> str:
    """What was fitted to what and how, what came out with its intervals, and what is wrong with it, if anything is."""
    loss, law, found = fit.loss, fit.law, fit.summary()
    source = law.reference.rstrip(".")
    cited = source if law.cite in source else f"{source}, {law.cite}"
    rows = many(len(fit.design), "row") + (
        f" of {many(fit.runs.frame['run'].nunique(), 'run')}" if fit.runs is not None else ""
    )
    values = []
    for name, row in found.iterrows():
        value, lower, upper = (digits(row[k], row["se"]) for k in ("value", "lower", "upper"))
        known = f" ({lower} to {upper})" if math.isfinite(row["se"]) else f" ({row['note'] or 'not determined'})"
        values.append(f"{name} = {value}{known}")
    scatter = f"{100 * fit.cov.noise:.2g} %" if loss.log else f"{fit.cov.noise:.2g}"
    said = (
        f"We fitted {law.name}, {formula} ({cited}), to {rows} by minimising the {loss.name.replace('_', ' ')} loss of "
        f"{'the logarithm of ' if loss.log else ''}the loss (delta = {loss.delta:g}), and found {listed(values)}, "
        f"95 % intervals in brackets; single rows scatter around it by {scatter}."
    )
    doubts = "; ".join(fit.verdict.failures)
    return f"{said} The fit is not trustworthy: {doubts}." if doubts else said


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(c, c) for c in text)


def _symbol(name: str) -> str:
    """A parameter as mathematics: alpha_N as alpha with index N."""
    stem, _, index = name.partition("_")
    known = f"\\{stem}" if stem in GREEK else stem if len(stem) == 1 else rf"\mathrm{{{_escaped(stem)}}}"
    if not index and (parts := re.fullmatch(r"([A-Za-z])(\d+)", stem)):
        known, index = parts[1], parts[2]
    return f"${known}_{{{_escaped(index)}}}$" if index else f"${known}$"
