"""The report of a fit as one HTML page: verdict first, then what the law says, how it was checked, and how to make it again."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from scaling import plots
from scaling.document import MARK
from scaling.errors import ScalingError
from scaling.fits import Fit
from scaling.judging import backtest
from scaling.planning import plan
from scaling.registered.record import code
from scaling.registered.target import digest_of_rows
from scaling.rendering import Result, html
from scaling.report.javascript import function

BUDGETS = (1, 10, 100)  # times the largest compute of the data, that the page plans for
FURTHER = 100.0  # times the range of the data, that a slider reaches
HEAVY = 100_000  # bytes of a drawing: a heavier one is stored as an image of points
NAMES = {"C": "compute (FLOP)", "N": "parameters N", "D": "tokens D", "M": "tokens per parameter"}


@dataclass(frozen=True, repr=False)
class Part(Result):
    """Lines and a table of the page."""

    lines: list[tuple[str, str]]
    frame: pd.DataFrame | None = None

    def head(self) -> list[tuple[str, str]]:
        return self.lines

    def table(self) -> pd.DataFrame | None:
        return self.frame


def page(fit: Fit) -> str:
    """Everything about a fit as one HTML page without a request: it opens anywhere, prints, and goes dark with its reader.

    A law of plain arithmetic gets sliders over its inputs, and a budget's optimum where it is one over N and D; they are
    evaluated in the page by the law's own formula, translated from its source.
    """
    title = escape(f"{fit.law.name}: a fit by scaling")
    parts = [
        ("Verdict", _shown(Part(fit.head()))),
        ("Parameters", _shown(Part([], published(fit)))),
        ("What the law says", _figures(fit)),
        ("Ask the law", slider(fit)),
        ("Plan", _or_why(lambda: _plan(fit)) if _over_sizes(fit) else ""),
        ("Backtest", _or_why(lambda: _backtest(fit))),
        ("Data", _shown(Part(_account(fit), _ranges(fit)))),
        ("Make it again", _again(fit)),
    ]
    body = "\n".join(f"<section><h2>{name}</h2>\n{inside}\n</section>" for name, inside in parts if inside)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="{MARK}"><title>{title}</title>\n<style>{_file("page.css")}</style></head>\n'
        f"<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
    )


def published(fit: Fit) -> pd.DataFrame:
    """The parameters with their intervals, and what papers found for them."""
    out = fit.table()
    for name, constants in fit.law.published.items():
        mark = "" if constants.verified else " (not verified)"
        out[name + mark] = [f"{constants[k]:.6g}" if k in constants else "" for k in out.index]
    return out


def slider(fit: Fit) -> str:
    """Controls over the inputs of the law and the script that evaluates it; nothing where the formula is no plain arithmetic.

    The inputs of laws of schedules are areas and drops of rates, which nobody moves by hand: they get none.
    """
    inputs = {} if fit.law.over_schedules else fit.design.inputs
    if not inputs or not all(isinstance(v, np.ndarray) and v.dtype.kind in "fiu" for v in inputs.values()):
        return ""
    if (formula := function(fit.law, fit.values)) is None:
        return ""
    sizes = _over_sizes(fit)
    known = {k: np.asarray(v, float) for k, v in inputs.items()}
    if sizes:
        N = known["N"]
        D = known["D"] if "D" in known else N * known["M"]
        known = {"C": 6 * N * D, "N": N, "D": D}
    ranges = [_range(name, values) for name, values in known.items()]
    controls = "".join(
        f'<label for="slide-{r["name"]}"><span>{escape(NAMES.get(r["name"], r["name"]))}</span><input type="range" '
        f'id="slide-{r["name"]}" min="{r["low"]!r}" max="{r["high"]!r}" step="any" value="{r["start"]!r}">'
        f'<output id="value-{r["name"]}" for="slide-{r["name"]}"></output></label>\n'
        for r in ranges
    )
    moved = "Moving the compute sets size and tokens to the best for it. " if sizes else ""
    script = f"const inputs = {json.dumps(list(inputs))};\nconst ranges = {json.dumps(ranges)};\nconst law = {formula};\n"
    return (
        f'<div class="slide">{controls}<p>{escape(fit.law.predicts)}: <output id="loss" aria-live="polite"></output>. {moved}'
        f"Evaluated here by the formula with the values above, without an interval.</p></div>\n"
        f"<script>\n{script}{_file('page.js')}</script>"
    )


def _range(name: str, values: np.ndarray) -> dict[str, Any]:
    """Ends of a slider: from a tenth of the smallest value to FURTHER times the largest, or the values' own ends."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    log = low > 0
    ends = (np.log(low / 10), np.log(high * FURTHER)) if log else (low, high)
    start = np.log(high) if log else high
    return {"name": name, "log": bool(log), "low": float(ends[0]), "high": float(ends[1]), "start": float(start)}


def _over_sizes(fit: Fit) -> bool:
    return set(fit.law.inputs) in ({"N", "D"}, {"N", "M"})


def _figures(fit: Fit) -> str:
    drawn: list[tuple[str, Callable[[], Any]]] = []
    if _over_sizes(fit):
        drawn += [
            (
                "Least loss over compute, with the size and tokens that reach it; dashed beyond the data.",
                lambda: plots.frontier(fit),
            ),
            ("Loss over tokens by size; dashed where a size was not run.", lambda: plots.family(fit)),
        ]
    if fit.runs is not None:
        drawn.append(("Measured and fitted loss of every run.", lambda: plots.curve(fit)))
    drawn.append(("What the fit leaves over, by every input.", lambda: plots.residuals(fit)))
    return "".join(_or_why(lambda said=said, draw=draw: _figure(draw(), said)) for said, draw in drawn)  # type: ignore[misc]


def _figure(axes: Any, said: str) -> str:
    drawn = plots.svg(axes)
    if len(drawn) > HEAVY:
        image = base64.b64encode(plots.image(axes, "png")).decode()
        drawn = f'<img alt="{escape(said)}" src="data:image/png;base64,{image}">'
    else:
        drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{escape(said)}"', 1)
    return f"<figure>{drawn}<figcaption>{escape(said)}</figcaption></figure>\n"


def _plan(fit: Fit) -> str:
    known = fit.design.inputs
    C = 6 * known["N"] * (known["D"] if "D" in known else known["N"] * known["M"])
    rows = plan(fit, [float(k * C.max()) for k in BUDGETS])
    lines = [(name, str(rows.attrs[name])) for name in ("cost", "counts", "interval", "extrapolation") if rows.attrs.get(name)]
    return _shown(Part(lines, rows))


def _backtest(fit: Fit) -> str:
    loss = fit.loss
    data = fit.data if fit.runs is None else fit.runs
    return _shown(backtest(data, fit.law, objective=loss.objective, delta=loss.delta, seed=fit.seed))


def _account(fit: Fit) -> list[tuple[str, str]]:
    return [("rows", str(len(fit.design))), ("sha256", digest_of_rows(fit)), *(("note", said) for said in fit.design.notes)]


def _ranges(fit: Fit) -> pd.DataFrame:
    numbers = fit.data.select_dtypes("number").assign(loss=fit.design.loss).dropna(axis=1, how="all")
    return pd.DataFrame({"from": numbers.min(), "to": numbers.max(), "values": numbers.nunique()}).rename_axis("column")


def _again(fit: Fit) -> str:
    loss = fit.loss
    held = "".join(f" --fixed {name}={value!r}" for name, value in fit.fixed.items())
    commands = (
        f"scaling fit DATA --law {fit.law.name} --objective {loss.objective} --delta {loss.delta!r} --seed {fit.seed}{held} "
        f"-o fit.json\nscaling report fit.json -o report.html"
    )
    return f"<pre>{escape(commands)}</pre>{_shown(Part([(name, str(version)) for name, version in code().items()]))}"


def _or_why(make: Callable[[], str]) -> str:
    """A part of the page, or why these data do not allow it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a fit's verdict says stands on top of the page
            return make()
    except ScalingError as problem:
        return f"<p>Left out: {escape(str(problem))}</p>"


def _shown(result: Result) -> str:
    return f'<div class="wide" tabindex="0">{html(result)}</div>'


def _file(name: str) -> str:
    return (files("scaling.report") / name).read_text("utf-8")
