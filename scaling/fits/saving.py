"""A fit as plain data and back: law by name, numbers in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import KINDS, counted
from scaling.design.inputs import design
from scaling.document import plain
from scaling.engine.coordinates import Coordinates, straight
from scaling.engine.diagnostics import Verdict
from scaling.engine.fitted import Fitted
from scaling.engine.losses import Loss
from scaling.engine.uncertainty import Covariance
from scaling.errors import LawError
from scaling.formula import Domain, Parameter, find
from scaling.logs import Runs


def to_dict(fit: Fitted) -> dict[str, Any]:
    """Everything needed to predict and to refit, as JSON types (infinities as strings)."""
    if fit.runs is not None:
        data = {"runs": fit.runs.to_saved()}
    else:
        columns = [c for c in dict.fromkeys(["run", "step", "lr", *fit.law.inputs, "loss", "weight"]) if c in fit.data]
        data = {"columns": {c: fit.data[c].tolist() for c in columns}}
        for what, (_, said, _) in KINDS.items():
            if (how := counted(fit.data, what)) is not None:
                data["columns"][said] = [how] * len(fit.data)
    return plain(
        {
            "law": fit.law.name,
            "conventions": dict(fit.law.conventions),
            "ties": dict(fit.law.ties),
            "cite": fit.law.cite,
            "values": fit.values,
            "fixed": fit.fixed,
            "objective": fit.objective,
            "loss": vars(fit.loss),
            "seed": fit.seed,
            "ok": fit.ok,
            "verdict": vars(fit.verdict),
            "standard_errors": fit.errors().to_dict(),
            "internal": {
                "t": fit.t,
                "M": fit.coordinates.M,
                "c": fit.coordinates.c,
                "lower": fit.coordinates.lower,
                "upper": fit.coordinates.upper,
                "params": [{"name": p.name, "start": p.start, **vars(p.domain)} for p in fit.coordinates.params],
            },
            "covariance": vars(fit.cov),
            "data": data,
        }
    )


def from_dict(saved: dict[str, Any], path: str | Path) -> Fitted:
    """What `to_dict` gave; `path` is named in errors."""

    try:
        law = find(saved["law"]).using(**saved["conventions"])
        law = law.tie(**saved["ties"]) if saved["ties"] else law
    except LawError as error:
        raise LawError(f"{path}: {error} Import the module that defines '{saved['law']}' first.") from error
    inner = saved["internal"]
    params = tuple(
        Parameter(p["name"], Domain(_number(p["lo"]), _number(p["hi"]), p["log"], tuple(p["grid"])), p["start"])
        for p in inner["params"]
    )
    M, c, lower, upper = (
        np.array([_number(x) for x in np.ravel(inner[k])]).reshape(np.shape(inner[k]))
        for k in ("M", "c", "lower", "upper")
    )
    runs = Runs.from_saved(saved["data"]["runs"]) if "runs" in saved["data"] else None
    data = runs if runs is not None else pd.DataFrame(saved["data"]["columns"])
    loss = Loss(**saved["loss"])
    made = design(data, law, fitting=True, positive=loss.log)
    coordinates = Coordinates(params, M, c, lower, upper, straight(law, made.inputs, saved["fixed"]))
    cov = saved["covariance"]
    cov = Covariance(
        **{
            **cov,
            "root": np.array(cov["root"]),
            "condition": _number(cov["condition"]),
            "weakest": tuple(cov["weakest"]),
        }
    )
    v = saved["verdict"]
    verdict = Verdict(
        **{
            **v,
            **{k: tuple(v[k]) for k in ("at_bound", "failures", "warnings")},
            "rival": _number(v["rival"]),
            "condition": _number(v["condition"]),
        }
    )
    return Fitted(
        law=law,
        values=saved["values"],
        objective=saved["objective"],
        loss=loss,
        fixed=saved["fixed"],
        coordinates=coordinates,
        t=np.array(inner["t"]),
        cov=cov,
        verdict=verdict,
        design=made,
        runs=runs,
        seed=saved["seed"],
    )


def _number(x: Any) -> float:
    return float(x)
