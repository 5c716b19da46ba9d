"""Controls of the page: sliders over a law's inputs, answered by its own formula, or by what it said at many places."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from scaling.design import ladders
from scaling.fits import Fit
from scaling.formula import Law
from scaling.logs import Runs
from scaling.report.javascript import function
from scaling.schedules import Schedule

FURTHER = 100.0  # times the range of the data, that a slider reaches
PLACES = {1: 41, 2: 13, 3: 7}  # of a slider by how many there are, where the answers are computed beforehand
SHAPES, LENGTHS, SIZES = 3, 16, 7  # of schedules: kinds at most, lengths each, sizes
LONGEST = 1_000_000  # updates
NAMES = {"C": "compute (FLOP)", "N": "parameters N", "D": "tokens D", "M": "tokens per parameter", "steps": "updates"}
SHORTER, LONGER = 0.25, 30.0  # times the range of the data, of lengths and sizes under a schedule


def slider(fit: Fit) -> str:
    """Controls and the script that answers them; nothing where the law has more inputs than anybody would move."""
    inputs = fit.design.inputs
    if fit.law.over_schedules:
        return _answered(*over_schedules(fit))
    if not inputs or not all(isinstance(v, np.ndarray) and v.dtype.kind in "fiu" for v in inputs.values()):
        return ""
    if (formula := function(fit.law, fit.values)) is not None:
        return _evaluated(fit, formula)
    return _answered(*over_inputs(fit)) if len(inputs) in PLACES else ""


def over_sizes(law: Law) -> bool:
    """Is it a law of size and tokens alone, so that a budget has an optimum?"""
    return set(law.inputs) in ({"N", "D"}, {"N", "M"})


def _evaluated(fit: Fit, formula: str) -> str:
    known = {k: np.asarray(v, float) for k, v in fit.design.inputs.items()}
    sizes = over_sizes(fit.law)
    if sizes:
        N = known["N"]
        D = known["D"] if "D" in known else N * known["M"]
        known = {"C": 6 * N * D, "N": N, "D": D}
    ranges = [_range(name, values, fit.law) for name, values in known.items()]
    shares = [[name for name in group if name in known] for group in fit.law.shares]
    controls = "".join(
        _control(r["name"], f'min="{r["low"]!r}" max="{r["high"]!r}" step="any" value="{r["start"]!r}"') for r in ranges
    )
    moved = "Moving the compute sets size and tokens to the best for it. " if sizes else ""
    moved += "Shares sum to 1: moving one moves the others. " if any(shares) else ""
    said = f"{moved}Evaluated here by the formula with the values above, without an interval."
    given = {"inputs": list(fit.law.inputs), "ranges": ranges, "groups": shares}
    return _block(controls, fit.law, said, given, "page.js", f"const law = {formula};\n")


def _range(name: str, values: np.ndarray, law: Law) -> dict[str, Any]:
    """Ends of a slider: from a tenth of the smallest value to FURTHER times the largest, or the values' own ends, and never
    beyond what the law takes."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    domain = law.ranges.get(name)
    if domain is not None and domain.part:
        return {"name": name, "log": False, "low": 0.0, "high": 1.0, "start": float(np.nanmean(values))}
    log = low > 0
    ends = (low / 10, high * FURTHER) if log else (low, high)
    if domain is not None:
        ends = max(ends[0], domain.lo), min(ends[1], domain.hi)
    to = np.log if log else float
    return {"name": name, "log": log, "low": float(to(ends[0])), "high": float(to(ends[1])), "start": float(to(high))}


def over_inputs(fit: Fit) -> tuple[Law, dict[str, list[float]], list[str], pd.DataFrame, str]:
    """The answers at every place of a grid over the law's inputs."""
    inputs, places = fit.design.inputs, PLACES[len(fit.design.inputs)]
    axes: dict[str, list[float]] = {}
    for name, values in inputs.items():
        r = _range(name, np.asarray(values, float), fit.law)
        grid = np.linspace(r["low"], r["high"], places)
        axes[name] = sorted({float(f"{x:.3g}") for x in (np.exp(grid) if r["log"] else grid)})
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    asked = pd.DataFrame({name: x.ravel() for name, x in zip(axes, mesh, strict=True)})
    return fit.law, axes, [], fit.predict(asked), "Computed beforehand at these places"


def over_schedules(fit: Fit) -> tuple[Law, dict[str, list[float]], list[str], pd.DataFrame, str]:
    """The answers at the end of runs under the schedules of the data, of other lengths and, for a ladder, sizes."""
    assert fit.runs is not None  # laws of schedules are fitted to them
    plans, asks = _shapes(fit.runs), fit.law.hooks.facts
    known, assumed = ladders.known(fit.runs, asks)  # a size and a batch may follow from what else is logged
    facts = pd.DataFrame(list(known.values()), columns=list(asks))
    sized = "N" in asks
    batch = float(facts["B"].median()) if "B" in asks else float("nan")
    sizes = _spread(facts["N"].to_numpy(float), SIZES) if sized else [float("nan")]
    steps = [plan.steps for plan in fit.runs.schedules.values()]
    lengths = _spread(np.array(steps) * (batch if sized else 1.0), LENGTHS if not sized else SIZES + 2)
    parts, runs, given = [], {}, {}
    for kind, plan in plans.items():
        for N in sizes:
            usual = fit.law.hooks.usual(N, **fit.law.conventions) if sized and fit.law.hooks.usual else {}
            B, peak = float(usual.get("B", batch)), float(usual.get("peak", plan.peak))
            for length in lengths:
                run = f"{kind} {N} {length}"
                updates = int(np.clip(round(length / B) if sized else length, 2 * plan.warmup + 2, LONGEST))
                runs[run] = stretched(plan, updates, peak)
                given[run] = {name: x for name, x in (("n_params", N), ("batch_tokens", B)) if x == x}
                parts.append({"run": run, "step": runs[run].last, "lr": runs[run].rates[-1], "loss": np.nan})
    asked = Runs.from_frame(pd.DataFrame(parts), facts=given if any(given.values()) else None, schedule=runs)
    found = fit.predict(asked).set_index("run").loc[[part["run"] for part in parts]]
    axes = {**({"N": sizes} if sized else {}), ("D" if sized and not assumed else "steps"): lengths}
    return fit.law, axes, list(plans), found, "Computed beforehand at these places, the schedules stretched to the length"


def _spread(values: np.ndarray, places: int) -> list[float]:
    """Round numbers around those of the data, the steps between them alike."""
    found = np.geomspace(SHORTER * float(values.min()), LONGER * float(values.max()), places)
    return sorted({float(f"{x:.2g}") for x in found})


def _shapes(runs: Runs) -> dict[str, Schedule]:
    """The schedules of the runs that differ in shape, longest run first, by what they are called."""
    found: dict[str, Schedule] = {}
    seen: list[np.ndarray] = []
    for name, plan in sorted(runs.schedules.items(), key=lambda item: -item[1].steps):
        shape = stretched(plan, 200 + plan.warmup, 1.0).rates[plan.warmup :]
        if not any(np.abs(shape - other).max() < 0.05 for other in seen) and len(found) < SHAPES:
            seen.append(shape)
            said = f"{plan.text.partition(':')[0]}, as of run {name}" if plan.text else f"as of run {name}"
            found[said] = plan
    return found


def stretched(plan: Schedule, steps: int, peak: float) -> Schedule:
    """The same warm-up, and after it the same shape over another length, under another peak."""
    rates, warm = plan.rates / plan.peak * peak, min(plan.warmup, len(plan.rates) - 1)
    rest = np.interp(np.linspace(0, 1, steps - warm), np.linspace(0, 1, len(rates) - warm), rates[warm:])
    return Schedule(np.concatenate([rates[:warm], rest]), first=plan.first)


def _answered(law: Law, axes: dict[str, list[float]], kinds: list[str], found: pd.DataFrame, how: str) -> str:
    """Controls over places whose answers stand in the page."""
    controls = ""
    if len(kinds) > 1:
        options = "".join(f'<option value="{k}">{escape(kind)}</option>' for k, kind in enumerate(kinds))
        controls = f'<label for="kind"><span>schedule</span><select id="kind">{options}</select></label>\n'
    controls += "".join(
        _control(name, f'min="0" max="{len(places) - 1}" step="1" value="{len(places) // 2}"') for name, places in axes.items()
    )
    answers = [[*map(float, row[:3]), bool(row[3])] for row in found[["prediction", "lower", "upper", "ok"]].to_numpy()]
    said = f"{how}, with {found.attrs['interval']}." if kinds else f"{how}. The interval: {found.attrs['interval']}."
    return _block(controls, law, said, {"axes": axes, "answers": _plain(answers)}, "grid.js")


def _plain(answers: list[list[Any]]) -> list[list[Any]]:
    """JSON has no infinity."""
    return [[x if isinstance(x, bool) or np.isfinite(x) else None for x in row] for row in answers]


def _control(name: str, settings: str) -> str:
    said = escape(NAMES.get(name, name))
    return (
        f'<label for="slide-{escape(name)}"><span>{said}</span><input type="range" id="slide-{escape(name)}" {settings}>'
        f'<output id="value-{escape(name)}" for="slide-{escape(name)}"></output></label>\n'
    )


def _block(controls: str, law: Law, said: str, given: dict[str, Any], script: str, more: str = "") -> str:
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items()).replace("</", "<\\/")
    code = "".join((files("scaling.report") / name).read_text("utf-8") for name in ("said.js", script))
    return (
        f'<div class="slide">{controls}<p>{escape(law.predicts)}: <output id="loss" aria-live="polite"></output></p>'
        f"<p>{escape(said)}</p></div>\n<script>\n{constants}{more}{code}</script>"
    )
