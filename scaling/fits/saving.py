"""A fit as plain data and back: law by name, numbers in full."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, counted
from scaling.design.inputs import Design, design
from scaling.document import Fields, Schema, named
from scaling.engine.coordinates import Coordinates, straight
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.engine.prior import from_prior
from scaling.engine.uncertainty import Covariance
from scaling.engine.verdict.judgement import Verdict
from scaling.errors import ArgumentError, DataError, LawError, ScalingError
from scaling.fits import origin
from scaling.formula import Domain, Law, Parameter, Prior, find
from scaling.formula.ties import resolve
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
PRIOR: Schema = {"mean": Fields.number, "sd": Fields.number, "source": Fields.text}
SAME = 1e-6  # relative; numbers of another machine may differ by rounding
SUMMED = 1e-3  # of an objective: another version may sum the rates of a schedule in other blocks
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
            "strength": inner.strength,
            "params": [_spec(p) for p in inner.params],
        },
        "covariance": named(fit.cov, COVARIANCE),
        "data": _rows(fit),
    }


def _spec(p: Parameter) -> dict[str, Any]:
    prior = None if p.prior is None else named(p.prior, PRIOR)
    return {"name": p.name, "start": p.start, **named(p.domain, DOMAIN), "prior": prior}


def _parameter(saved: Fields) -> Parameter:
    found = Parameter(saved.text("name"), Domain(**saved.all(DOMAIN)), saved.number("start"))
    if "prior" not in saved.found or not saved.maybe("prior"):  # the version before had none
        return found
    try:
        prior = Prior(**saved.part("prior").all(PRIOR))
        return replace(found.known(prior), start=found.start)
    except LawError as error:
        raise saved.wrong("prior", f"cannot be one ({error})") from error


def _rows(fit: Fitted) -> dict[str, Any]:
    if fit.runs is not None:
        return {"runs": fit.runs.to_saved()}
    names = [c for c in dict.fromkeys(["run", "step", "lr", *fit.law.inputs, "loss"]) if c in fit.data]
    columns = {c: fit.data[c].tolist() for c in names}
    if (fit.design.weights != 1).any():  # those of errors of losses, too
        columns["weight"] = fit.design.weights.tolist()
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
    law, fixed, loss = law_of(saved), saved.numbers("fixed"), _loss(saved.part("loss"))
    inner, values = saved.part("internal"), saved.numbers("values")
    params = tuple(_parameter(p) for p in inner.parts("params"))
    strength = inner.number("strength") if "strength" in inner.found else 0.0
    if not 0 <= strength < 1e100:
        raise inner.wrong("strength", "must be 0 or more")
    p = len(params)
    if unknown := [k for k in fixed if k not in law.params]:
        raise saved.wrong(f"fixed.{unknown[0]}", f"is no parameter of law '{law.name}'")
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
    coordinates = Coordinates(params, M, c, lower, upper, straight(law, made.inputs, fixed, params), strength)
    told = Verdict(**saved.part("verdict").all(VERDICT), from_prior=from_prior(coordinates, cov.root))
    fit = Fitted(
        law=law,
        values={name: values[name] for name in (*law.params, *law.ties)},
        objective=saved.number("objective"),
        loss=loss,
        fixed=fixed,
        coordinates=coordinates,
        t=t,
        cov=cov,
        verdict=told,
        design=made,
        runs=runs,
        seed=saved.whole("seed"),
    )
    if "ok" in saved.found and saved.flag("ok") != fit.ok:
        raise saved.wrong("ok", f"is {saved.flag('ok')}, and the verdict {'has no' if fit.ok else 'has'} failures")
    _check_numbers(fit, saved)
    _check_agreement(fit, saved)
    return fit


def _check_numbers(fit: Fitted, saved: Fields) -> None:
    """Refuse numbers that no fit has, each by itself."""
    inner, cov, verdict = saved.part("internal"), fit.cov, fit.verdict
    for i, p in enumerate(fit.coordinates.params):
        d = p.domain
        if not d.lo <= p.start <= d.hi or not d.grid[0] < d.grid[1]:
            raise inner.wrong(f"params.{i}", "must have lo <= start <= hi and a rising grid")
    if not ((inside := fit.coordinates).lower <= fit.t).all() or not (fit.t <= inside.upper).all():
        raise inner.wrong("t", "is not between lower and upper")
    for name, value in {**fit.values, **fit.fixed}.items():
        if name in fit.law.params and not (d := fit.law.params[name].domain).lo <= value <= d.hi:
            raise saved.wrong(f"values.{name}", f"is outside the domain ({d.lo:g}, {d.hi:g}) of law '{fit.law.name}'")
    with np.errstate(all="ignore"):
        bounded = np.isfinite(cov.matrix).all()
    if not bounded:
        raise saved.wrong("covariance.root", "has no finite covariance")
    for name, fine in (
        ("noise", 0 <= cov.noise < (1e3 if fit.loss.log else 1e100)),
        ("dof", cov.dof >= 1),
        ("autocorrelation", abs(cov.autocorrelation) <= 1),
    ):
        if not fine:
            raise saved.wrong(f"covariance.{name}", f"cannot be {getattr(cov, name):g}")
    if verdict.agree > verdict.tried or not {*verdict.at_bound} <= {*fit.values}:
        raise saved.wrong("verdict", "counts more starts than were tried, or names parameters that the law has not")


def _check_agreement(fit: Fitted, saved: Fields) -> None:
    """Refuse values, errors and objective that do not follow from each other."""
    said, made = saved.part("standard_errors"), fit.design
    with np.errstate(all="ignore"):
        theta = dict(zip(fit.coordinates.names, fit.coordinates.to_params(fit.t), strict=True))
        known = {**fit.law.held, **fit.fixed, **theta}
        values = resolve(fit.law.ties, {name: np.float64(x) for name, x in known.items()})
        errors = fit.errors()
        residual = fit.loss.link(fit.law(*made.inputs.values(), **fit.values)) - fit.loss.link(made.loss)
        objective = float((fit.loss.value(residual) * made.weights).sum() * fit.loss.scale)
    for name, value in fit.values.items():
        if not np.isclose(value, values[name], rtol=SAME):
            raise saved.wrong(f"values.{name}", f"is {value:g}, and internal says {values[name]:g}")
        error = said.unbounded(name)
        if np.isfinite(error) and np.isfinite(errors[name]) and not np.isclose(error, errors[name], rtol=SAME):
            raise saved.wrong(f"standard_errors.{name}", f"is {error:g}, and the covariance says {errors[name]:g}")
    same = SUMMED if fit.law.over_schedules else SAME
    if not np.isclose(objective, fit.objective, rtol=same, atol=1e-14 * len(made)):
        raise DataError(
            f"{saved.path}: field '{saved.place}objective' is {fit.objective:g}, and values and data give {objective:g}: law "
            f"'{fit.law.name}' computes other numbers here than where this was saved, or the file was damaged. {saved.remedy}"
        )


def law_of(saved: Fields) -> Law:
    """The law of a document, with its conventions and ties; LawError where none is registered under its name."""
    name, conventions, ties = saved.text("law"), saved.part("conventions").found, saved.part("ties")
    try:
        law = find(name)
    except LawError as error:
        raise LawError(f"{saved.path}: {origin.foreign(saved, name)}") from error
    try:
        law = law.using(**conventions)
    except (ScalingError, *FOREIGN) as error:
        raise saved.wrong("conventions", f"cannot be those of law '{law.name}' ({error})") from error
    try:
        return law.tie(**{key: ties.text(key) for key in ties.found}) if ties.found else law
    except LawError as error:
        raise saved.wrong("ties", f"cannot be those of law '{law.name}' ({error})") from error


def _loss(saved: Fields) -> Loss:
    made = Loss(**saved.all(LOSS))
    try:
        return Loss.parse(made.objective, made.delta)
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
