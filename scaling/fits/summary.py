"""One summary of a fit, rendered as text and HTML: verdict first, numbers after."""

from __future__ import annotations

import math
from html import escape

import numpy as np
import pandas as pd

from scaling.engine.fitted import Fitted
from scaling.words import digits


def summary(fit: Fitted) -> pd.DataFrame:
    """One row per parameter: value, lower, upper (95 %), se, note."""
    se = fit.errors()
    logs = dict(zip(fit.coordinates.names, fit.coordinates.logs, strict=True))
    rows = {}
    for name, value in fit.values.items():
        error = se[name]
        if name in fit.fixed or name in fit.law.ties:
            note = f"= {fit.law.ties[name]}" if name in fit.law.ties else "fixed"
            rows[name] = (value, np.nan, np.nan, np.nan, note)
            continue
        if logs[name] and math.isfinite(error) and value > 0:
            factor = math.exp(min(1.96 * error / value, 700.0))
            lower, upper = value / factor, value * factor
        else:
            lower, upper = value - 1.96 * error, value + 1.96 * error
        rows[name] = (value, lower, upper, error, _note(fit, name))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["value", "lower", "upper", "se", "note"])


def _note(fit: Fitted, name: str) -> str:
    if name in fit.verdict.at_bound:
        return "at the edge of its range: no interval"
    slopes = fit.coordinates.slopes(fit.t)
    C = slopes @ fit.cov.matrix @ slopes.T
    sd = np.sqrt(np.maximum(np.diag(C), 0))
    i = fit.coordinates.names.index(name)
    if sd[i] == 0:
        return "not determined"
    with np.errstate(invalid="ignore", divide="ignore"):
        tie = np.where(sd > 0, C[i] / sd[i] / sd, 0.0)
    tie[i] = 0.0
    j = int(np.abs(tie).argmax())
    return f"tied to {fit.coordinates.names[j]} ({tie[j]:+.3f})" if abs(tie[j]) > 0.95 else ""


def lines(fit: Fitted) -> list[tuple[str, str]]:
    """(heading, text) pairs of the report's head."""
    v, d = fit.verdict, fit.design
    runs = d.frame["run"].nunique() if "run" in d.frame else len(d)
    head = [(fit.law.name, f"{fit.law.formula}   {fit.law.cite}")]
    conventions = ", ".join(f"{k}={x}" for k, x in fit.law.conventions.items())
    state = "OK" if fit.ok else "NOT TRUSTWORTHY"
    starts = f"{v.agree} of {v.tried} starts agree"
    head.append(
        (
            "verdict",
            f"{state}: {starts}, condition {v.condition:.3g}, "
            + ("no parameter at a bound" if not v.at_bound else f"{', '.join(v.at_bound)} at a bound"),
        )
    )
    head += [("  failed", text) for text in v.failures] + [("  note", text) for text in v.warnings]
    unit = "%" if fit.loss.log else ""
    noise = fit.cov.noise * (100 if fit.loss.log else 1)
    head.append(("data", f"{len(d)} rows, {runs} runs, loss {np.nanmin(d.loss):.4g} to {np.nanmax(d.loss):.4g}"))
    head.append(
        (
            "fit",
            f"{fit.loss.name}{' of log loss' if fit.loss.log else ''}, delta {fit.loss.delta:g}, objective "
            f"{fit.objective:.6g}, residual {noise:.3g}{unit}" + (f"; {conventions}" if conventions else ""),
        )
    )
    head += [("  note", text) for text in d.notes if text not in v.warnings]
    return head


def text(fit: Fitted) -> str:
    """The report as plain text."""
    out = [f"{name:<12} {body}" for name, body in lines(fit)]
    table = summary(fit)
    out.append(f"{'':<12} {'value':>14} {'95 % interval':>26}")
    for name, row in table.iterrows():
        interval = "" if not math.isfinite(row.se) else f"{digits(row.lower, row.se)} to {digits(row.upper, row.se)}"
        out.append(f"{name:<12} {digits(row.value, row.se):>14} {interval:>26}  {row.note}".rstrip())
    return "\n".join(out)


_COLOURS = {True: "#92CCA6", False: "#c15ef7"}


def html(fit: Fitted) -> str:
    """The report as an HTML fragment, for notebooks."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left'
        + (f";background:{_COLOURS[fit.ok]};color:black" if name == "verdict" else "")
        + f'">{escape(body)}</td></tr>'
        for name, body in lines(fit)
    )
    table = summary(fit)
    body = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{digits(r.value, r.se)}</td><td>"
        + ("" if not math.isfinite(r.se) else f"{digits(r.lower, r.se)} to {digits(r.upper, r.se)}")
        + f"</td><td>{escape(r.note)}</td></tr>"
        for name, r in table.iterrows()
    )
    return f"<table>{rows}</table><table><tr><th></th><th>value</th><th>95 % interval</th><th></th></tr>{body}</table>"
