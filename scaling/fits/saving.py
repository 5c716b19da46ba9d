"""A fit as plain data and back: law by name, numbers in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, counted
from scaling.design.inputs import Design, design
from scaling.document import Fields, Schema, named
from scaling.engine.coordinates import Coordinates, straight
from scaling.engine.diagnostics import Verdict
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.engine.uncertainty import Covariance
from scaling.errors import ArgumentError, LawError, ScalingError
from scaling.formula import Domain, Law, Parameter, find
from scaling.logs import Runs

LOSS: Schema = {"name": Fields.text, "log": Fields.flag, "delta": Fields.number}
VERDICT: Schema = {
    "converged": Fields.flag, "agree": Fields.whole, "tried": Fields.whole, "rival": Fields.unbounded,
    "at_bound": Fields.texts, "condition": Fields.unbounded, "failures": Fields.texts, "warnings": Fields.texts,
    "iterations": Fields.whole,
}  # fmt: skip
COVARIANCE: Schema = {
    "root": lambda cov, name: cov.array(name, None, None), "noise": Fields.number, "dof": Fields.number,
    "condition": Fields.unbounded, "autocorrelation": Fields.number, "weakest": Fields.texts,
}  # fmt: skip
DOMAIN: Schema = {
    "lo": Fields.unbounded, "hi": Fields.unbounded, "log": Fields.flag,
    "grid": lambda domain, name: tuple(domain.array(name, 2).tolist()),
}  # fmt: skip
FOREIGN = (ArithmeticError, AttributeError, LookupError, NameError, SyntaxError, TypeError, ValueError)


def to_saved(fit: Fitted) -> dict[str, Any]:
    """Everything needed to predict and to refit."""
    inner = fit.coordinates
    return {
        "law": fit.law.name,
        "conventions": fit.law.conventions,
        "ties": fit.law.ties,
        "cite": fit.law.cite,
        "values": fit.values,
        "fixed": fit.fixed,
        "objective": fit.objective,
        "loss": named(fit.loss, LOSS),
        "seed": fit.seed,
        "ok": fit.ok,
        "verdict": named(fit.verdict, VERDICT),
        "standard_errors": fit.errors().to_dict(),
        "internal": {
            "t": fit.t,
            "M": inner.M,
            "c": inner.c,
            "lower": inner.lower,
            "upper": inner.upper,
            "params": [{"name": p.name, "start": p.start, **named(p.domain, DOMAIN)} for p in inner.params],
        },
        "covariance": named(fit.cov, COVARIANCE),
        "data": _rows(fit),
    }


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
    inner, values = saved.part("internal"), saved.numbers("values")
    params = tuple(Parameter(p.text("name"), Domain(**p.all(DOMAIN)), p.number("start")) for p in inner.parts("params"))
    p = len(params)
    if [one.name for one in params] != [k for k in law.params if k not in fixed]:
        raise inner.wrong("params", f"are not the parameters of law '{law.name}' without those in fixed")
    if set(values) != {*law.params, *law.ties}:
        raise saved.wrong("values", f"are not of the parameters of law '{law.name}'")
    cov = Covariance(**saved.part("covariance").all(COVARIANCE))
    if len(cov.root) != p:
        raise saved.wrong("covariance.root", f"must be a list of {p} x n numbers")
    runs, made = _designed(saved, law, loss)
    lower, upper = (inner.array(name, p, finite=False) for name in ("lower", "upper"))
    M, c, t = inner.array("M", p, p), inner.array("c", p), inner.array("t", p)
    return Fitted(
        law=law,
        values={name: values[name] for name in (*law.params, *law.ties)},
        objective=saved.number("objective"),
        loss=loss,
        fixed=fixed,
        coordinates=Coordinates(params, M, c, lower, upper, straight(law, made.inputs, fixed)),
        t=t,
        cov=cov,
        verdict=Verdict(**saved.part("verdict").all(VERDICT)),
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
    made = Loss(**saved.all(LOSS))
    try:
        return Loss.parse(("log_" if made.log else "") + made.name, made.delta)
    except ArgumentError as error:
        raise saved.wrong("name", f"and delta are those of no objective ({error})") from error


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
