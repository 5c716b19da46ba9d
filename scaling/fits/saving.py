"""A fit as plain data and back: law by name, numbers in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, counted
from scaling.design.inputs import Design, design
from scaling.document import Fields
from scaling.engine.coordinates import Coordinates, straight
from scaling.engine.diagnostics import Verdict
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.engine.uncertainty import Covariance
from scaling.errors import ArgumentError, LawError, ScalingError
from scaling.formula import Domain, Law, Parameter, find
from scaling.logs import Runs

FOREIGN = (ArithmeticError, AttributeError, LookupError, NameError, SyntaxError, TypeError, ValueError)


def to_saved(fit: Fitted) -> dict[str, Any]:
    """Everything needed to predict and to refit."""
    loss, verdict, inner, cov = fit.loss, fit.verdict, fit.coordinates, fit.cov
    return {
        "law": fit.law.name,
        "conventions": fit.law.conventions,
        "ties": fit.law.ties,
        "cite": fit.law.cite,
        "values": fit.values,
        "fixed": fit.fixed,
        "objective": fit.objective,
        "loss": {"name": loss.name, "log": loss.log, "delta": loss.delta},
        "seed": fit.seed,
        "ok": fit.ok,
        "verdict": {
            "converged": verdict.converged,
            "agree": verdict.agree,
            "tried": verdict.tried,
            "rival": verdict.rival,
            "at_bound": verdict.at_bound,
            "condition": verdict.condition,
            "failures": verdict.failures,
            "warnings": verdict.warnings,
            "iterations": verdict.iterations,
        },
        "standard_errors": fit.errors().to_dict(),
        "internal": {
            "t": fit.t,
            "M": inner.M,
            "c": inner.c,
            "lower": inner.lower,
            "upper": inner.upper,
            "params": [_parameter(p) for p in inner.params],
        },
        "covariance": {
            "root": cov.root,
            "noise": cov.noise,
            "dof": cov.dof,
            "condition": cov.condition,
            "autocorrelation": cov.autocorrelation,
            "weakest": cov.weakest,
        },
        "data": _rows(fit),
    }


def _parameter(p: Parameter) -> dict[str, Any]:
    d = p.domain
    return {"name": p.name, "start": p.start, "lo": d.lo, "hi": d.hi, "log": d.log, "grid": d.grid}


def _rows(fit: Fitted) -> dict[str, Any]:
    if fit.runs is not None:
        return {"runs": fit.runs.to_saved()}
    names = [c for c in dict.fromkeys(["run", "step", "lr", *fit.law.inputs, "loss", "weight"]) if c in fit.data]
    columns = {c: fit.data[c].tolist() for c in names}
    for what, (_, said, _) in KINDS.items():
        if (how := counted(fit.data, what)) is not None:
            columns[said] = [how] * len(fit.data)
    return {"columns": columns}


def from_saved(saved: Fields) -> Fitted:
    """The fit of a document that has `to_saved`, by this version or the one before.

    Raises
    ------
    DataError : a field is missing or not as it was written. LawError : the law is not registered here.
    """
    law, fixed, loss = _law(saved), saved.numbers("fixed"), _loss(saved.part("loss"))
    inner, cov, v = saved.part("internal"), saved.part("covariance"), saved.part("verdict")
    params = tuple(_made(p) for p in inner.parts("params"))
    names, p = [one.name for one in params], len(params)
    if names != [k for k in law.params if k not in fixed]:
        raise inner.wrong("params", f"are not the parameters of law '{law.name}' without those in fixed")
    values = saved.numbers("values")
    if set(values) != {*law.params, *law.ties}:
        raise saved.wrong("values", f"are not of the parameters of law '{law.name}'")
    runs, made = _designed(saved, law, loss)
    return Fitted(
        law=law,
        values={name: values[name] for name in (*law.params, *law.ties)},
        objective=saved.number("objective"),
        loss=loss,
        fixed=fixed,
        coordinates=Coordinates(
            params,
            inner.array("M", p, p),
            inner.array("c", p),
            inner.array("lower", p, finite=False),
            inner.array("upper", p, finite=False),
            straight(law, made.inputs, fixed),
        ),
        t=inner.array("t", p),
        cov=Covariance(
            cov.array("root", p, None),
            cov.number("noise"),
            cov.number("dof"),
            cov.number("condition", finite=False),
            cov.number("autocorrelation"),
            cov.texts("weakest"),
        ),
        verdict=Verdict(
            v.flag("converged"),
            v.whole("agree"),
            v.whole("tried"),
            v.number("rival", finite=False),
            v.texts("at_bound"),
            v.number("condition", finite=False),
            v.texts("failures"),
            v.texts("warnings"),
            v.whole("iterations"),
        ),
        design=made,
        runs=runs,
        seed=saved.whole("seed"),
    )


def _law(saved: Fields) -> Law:
    name, conventions, ties = saved.text("law"), saved.part("conventions").found, saved.part("ties").found
    try:
        law = find(name).using(**conventions)
        return law.tie(**ties) if ties else law
    except LawError as error:
        raise LawError(f"{saved.path}: {error} Import the module that defines '{name}' first.") from error
    except FOREIGN as error:
        raise saved.wrong("law", f"cannot be made with its conventions and ties ({error})") from error


def _loss(saved: Fields) -> Loss:
    log = saved.flag("log")
    try:
        return Loss.parse(("log_" if log else "") + saved.text("name"), saved.number("delta"))
    except ArgumentError as error:
        raise saved.wrong("name", f"and delta are those of no objective ({error})") from error


def _made(saved: Fields) -> Parameter:
    lo, hi = (saved.number(k, finite=False) for k in ("lo", "hi"))
    low, high = saved.array("grid", 2)
    domain = Domain(lo, hi, saved.flag("log"), (float(low), float(high)))
    return Parameter(saved.text("name"), domain, saved.number("start"))


def _designed(saved: Fields, law: Law, loss: Loss) -> tuple[Runs | None, Design]:
    """The runs, and the rows as the law sees them."""
    data = saved.part("data")
    found = data.part("runs" if "runs" in data.found else "columns").found
    try:
        with np.errstate(invalid="raise"):
            runs = Runs.from_saved(found) if "runs" in data.found else None
            return runs, design(pd.DataFrame(found) if runs is None else runs, law, fitting=True, positive=loss.log)
    except (ScalingError, *FOREIGN) as error:
        raise saved.wrong("data", f"cannot be used ({error})") from error
