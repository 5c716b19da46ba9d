"""The report of a fit as one HTML page: verdict first, then what the law says, how it was checked, and how to make it again."""

from __future__ import annotations

import base64
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from shlex import quote
from typing import Any

import pandas as pd

from scaling import plots
from scaling.design.candidates import candidates
from scaling.document import MARK
from scaling.errors import ScalingError
from scaling.fits import Fit, origin
from scaling.judging import backtest, compare
from scaling.judging.contest import labelled
from scaling.logs.sheet import PLACE
from scaling.planning import plan, said, tall
from scaling.registered.record import code
from scaling.registered.target import digest_of_rows
from scaling.rendering import Result, html
from scaling.report.sliders import over_sizes, slider
from scaling.words import amount

BUDGETS = (1, 10, 100)  # times the largest compute of the data, that the page plans for
BESIDE = 3  # published sets of constants that still fit beside the fitted ones
FILES = 4  # that a command names one by one
COLOURS = 128  # of such an image
HEAVY = 140_000  # bytes of a drawing, of which a page has four at most: a heavier one is stored as an image of points


@dataclass(frozen=True, repr=False)
class Part(Result):
    """Lines and a table of the page."""

    lines: list[tuple[str, str]]
    frame: pd.DataFrame | None = None
    trusted: bool | None = None

    @property
    def ok(self) -> bool | None:
        return self.trusted

    def head(self) -> list[tuple[str, str]]:
        return self.lines

    def table(self) -> pd.DataFrame | None:
        return self.frame


def page(fit: Fit, command: str = "") -> str:
    """Everything about a fit as one HTML page without a request: it opens anywhere, prints, and goes dark with its reader.

    Sliders over the inputs are answered by the law's own formula, written down as JavaScript, or, where it is more than
    arithmetic, by what it said at many places; a law over N and D also finds the best of a budget.

    Parameters
    ----------
    command : the command line that writes this page, where one does.
    """
    parts = [
        ("Verdict", shown(Part(fit.head(), trusted=fit.ok))),
        ("Parameters", _parameters(fit)),
        ("What the law says", _figures(fit)),
        ("Ask the law", or_why(lambda: slider(fit))),
        ("Plan", or_why(lambda: _plan(fit)) if over_sizes(fit.law) else ""),
        ("Backtest", or_why(lambda: _backtest(fit))),
        ("Beside other laws", or_why(lambda: _compared(fit)) if fit.runs is None else ""),
        ("Data", shown(Part(_account(fit), _ranges(fit)))),
        ("Make it again", _again(fit, command)),
    ]
    return framed(f"{fit.law.name}: a fit by scaling", parts)


def framed(title: str, parts: Iterable[tuple[str, str]]) -> str:
    """Parts, (heading, HTML), as a page; empty ones are left out."""
    body = "\n".join(f"<section><h2>{name}</h2>\n{inside}\n</section>" for name, inside in parts if inside)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="{MARK}"><title>{escape(title)}</title>\n<style>{_file("page.css")}</style></head>\n'
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def published(fit: Fit) -> pd.DataFrame:
    """The parameters with their intervals, and what papers found for them."""
    out = fit.table()
    for name, constants in fit.law.published.items():
        mark = "" if constants.verified else " (not verified)"
        out[name + mark] = [f"{constants[k]:.6g}" if k in constants else "" for k in out.index]
    return out


def _parameters(fit: Fit) -> str:
    """Beside what papers found, or above it where they found much."""
    if len(fit.law.published) <= BESIDE:
        return shown(Part([], published(fit)))
    found = published(fit).drop(columns=[*fit.table()]).T.rename_axis("published")
    return shown(Part([], fit.table())) + shown(Part([], found))


def _figures(fit: Fit) -> str:
    drawn: list[tuple[str, Callable[[], Any]]] = []
    fails = escape(fit.law.fails.replace("`", ""))
    if over_sizes(fit.law):
        drawn += [
            (
                "Least loss over compute, with the size and tokens that reach it; dashed beyond the data.",
                lambda: plots.frontier(fit),
            ),
            ("Loss over tokens by size; dashed where a size was not run.", lambda: plots.family(fit)),
        ]
    if fit.runs is not None:
        curves = plots.ladder if "N" in fit.law.hooks.facts else plots.curve
        drawn.append(("Measured and fitted loss of every run.", lambda: curves(fit)))
    drawn.append(("What the fit leaves over, by every input.", lambda: plots.residuals(fit)))
    made = "".join(or_why(lambda said=said, draw=draw: figure(draw(), said)) for said, draw in drawn)  # type: ignore[misc]
    return f"<p>{fails}</p>\n{made}" if fails else made


def figure(axes: Any, said: str) -> str:
    """A drawing with its caption; it scrolls by itself where it would be too small to read."""
    drawn = plots.svg(axes)
    if len(drawn) > HEAVY:
        image = base64.b64encode(plots.image(axes, "png", COLOURS)).decode()
        drawn = f'<img alt="{escape(said)}" src="data:image/png;base64,{image}">'
    else:
        drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{escape(said)}"', 1)
    drawn = f'<div class="wide" tabindex="0" role="group" aria-label="figure: {escape(said)}">{drawn}</div>'
    return f"<figure>{drawn}<figcaption>{escape(said)}</figcaption></figure>\n"


def _plan(fit: Fit) -> str:
    known = fit.design.inputs
    C = 6 * known["N"] * (known["D"] if "D" in known else known["N"] * known["M"])
    rows = plan(fit, [float(k * C.max()) for k in BUDGETS])
    return shown(Part(said(rows), tall(rows)))


def _backtest(fit: Fit) -> str:
    loss = fit.loss
    data = fit.data if fit.runs is None else fit.runs
    found = backtest(data, fit.law, objective=loss.objective, delta=loss.delta, seed=fit.seed, interval="calibrated")
    bounds = "as those of a prediction, made anew from the rows before each cutoff"
    return shown(Part([*found.head(), ("bounds", bounds)], found.metrics()))


def _compared(fit: Fit) -> str:
    """What every law that the columns allow was off by on rows held out, the fitted law among them."""
    table = fit.choice.table() if fit.choice is not None else None
    if table is None:
        others = [law for law in candidates(fit.data, positive=fit.loss.log).laws if law.name != fit.law.name]
        table = compare(fit.data, [fit.law, *others], objective=fit.loss.objective, delta=fit.loss.delta, seed=fit.seed)
    drawn = figure(plots.compared(table), "Error on rows held out, by law; triangles are differences to the best.")
    return drawn + shown(Part([("held out", table.attrs["holdout"])], table[["error", "difference", "se", "reason"]]))


def _account(fit: Fit) -> list[tuple[str, str]]:
    return [("rows", str(len(fit.design))), ("sha256", digest_of_rows(fit))]  # notes on them stand in the verdict


def _ranges(fit: Fit) -> pd.DataFrame:
    made = fit.law.inputs if fit.law.over_schedules else ()  # from the columns that are here
    numbers = fit.data.select_dtypes("number").assign(loss=fit.design.loss).drop(columns=[*PLACE, *made], errors="ignore")
    ends = numbers.dropna(axis=1, how="all").agg(["min", "max", "nunique"]).T
    shown = {"from": ends["min"].map(amount), "to": ends["max"].map(amount), "values": ends["nunique"].astype(int)}
    return pd.DataFrame(shown).rename_axis("column")


def _again(fit: Fit, command: str) -> str:
    """The command lines that make the fit and the page, as they were typed where they were, and by which versions."""
    own = f" --laws {quote(file)}" if (file := origin.file_of(fit.law)) else ""
    made = (origin.command(fit) or _spelled(fit), command or f"scaling report fit.json{own} -o report.html")
    versions = shown(Part([(name, str(version)) for name, version in code().items()]))
    return typed("\n".join(dict.fromkeys(made))) + versions


def _spelled(fit: Fit) -> str:
    """The command line for a fit that was made in Python."""
    loss, law = fit.loss, fit.law
    held = "".join(f" --fixed {name}={value!r}" for name, value in fit.fixed.items())
    said = law.hooks.units is None and law.layout is None  # else its conventions follow from the data
    named = next(iter(labelled([law]))) if said else law.name
    named = f"{file}:{named}" if (file := origin.file_of(law)) else named
    rows = fit.data if fit.runs is None else fit.runs.placed
    there = [*dict.fromkeys(map(str, rows["file"]))] if {*PLACE} <= {*rows} else ["DATA"]
    read = there if len(there) <= FILES else [os.path.commonpath(there) or "."]
    return (
        f"scaling fit {' '.join(map(quote, read))} --law {quote(named)} --objective {loss.objective} --delta {loss.delta!r} "
        f"--seed {fit.seed}{held} -o fit.json"
    )


def typed(commands: str) -> str:
    """Commands as they are typed."""
    return f'<pre tabindex="0">{escape(commands)}</pre>'


def or_why(make: Callable[[], str]) -> str:
    """A part of the page with what was noticed on the way, or why these data do not allow it."""
    try:
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            made = make()
    except ScalingError as problem:
        return f"<p>Left out: {escape(str(problem))}</p>"
    told = dict.fromkeys(str(one.message) for one in noticed)
    return made + "".join(f"<p>Warning: {escape(one)}</p>" for one in told)


def shown(result: Result) -> str:
    """Lines and a table, which scroll by themselves where they are wide."""
    return f'<div class="wide" tabindex="0" role="group">{html(result)}</div>'


def _file(name: str) -> str:
    return (files("scaling.report") / name).read_text("utf-8")
