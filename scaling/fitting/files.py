"""Fits on disk: one versioned JSON document, law by name, numbers in full."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import scaling
from scaling.conventions import KINDS, counted
from scaling.errors import DataError, LawError
from scaling.fitting.coordinates import Coordinates, straight
from scaling.fitting.design import design
from scaling.fitting.diagnostics import Verdict
from scaling.fitting.losses import Loss
from scaling.fitting.uncertainty import Covariance
from scaling.formula import Domain, Parameter
from scaling.laws import find
from scaling.logs import Runs

if TYPE_CHECKING:
    from scaling.fitting.result import Fit

SCHEMA = 1


def to_dict(fit: Fit) -> dict[str, Any]:
    """Everything needed to predict and to refit, as JSON types (infinities as strings)."""
    if fit.runs is not None:
        data = {"runs": fit.runs.to_dict()}
    else:
        columns = [c for c in dict.fromkeys(["run", "step", "lr", *fit.law.inputs, "loss", "weight"]) if c in fit.data]
        data = {"columns": {c: fit.data[c].tolist() for c in columns}}
        for what, (_, said, _) in KINDS.items():
            if (how := counted(fit.data, what)) is not None:
                data["columns"][said] = [how] * len(fit.data)
    return _plain(
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
                "M": fit.frame.M,
                "c": fit.frame.c,
                "lower": fit.frame.lower,
                "upper": fit.frame.upper,
                "params": [{"name": p.name, "start": p.start, **vars(p.domain)} for p in fit.frame.params],
            },
            "covariance": vars(fit.cov),
            "data": data,
        }
    )


def write(saved: dict[str, Any], path: str | Path) -> None:
    """One JSON document of this version; an interrupted write leaves the old file."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    document = _plain({"schema": SCHEMA, "scaling": scaling.__version__, **saved})
    temporary.write_text(json.dumps(document, allow_nan=False))
    temporary.replace(path)


def load(path: str | Path) -> Any:
    """Read a fit written by `Fit.save`, or a relation between two data sets written by `Relation.save`.

    Raises
    ------
    DataError : no such file, or not a fit. LawError : its law is not registered here.
    """
    path = Path(path)
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. `scaling fit ... -o {path}` writes one.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not a saved fit ({error}). Write it with fit.save or `scaling fit -o`.") from error
    if not isinstance(saved, dict) or "schema" not in saved:
        raise DataError(f"{path}: JSON, but not a saved fit. Write it with fit.save or `scaling fit -o`.")
    if saved["schema"] > SCHEMA:
        raise DataError(
            f"{path}: written by a newer version ({saved.get('scaling')}); upgrade scaling-laws to read it."
        )
    try:
        if saved.get("kind") == "relation":
            from scaling.transfer import Relation

            return Relation.from_dict(saved, path)
        return from_dict(saved, path)
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: a damaged fit ({error}). Write it again with fit.save or `scaling fit -o`."
        ) from error


def from_dict(saved: dict[str, Any], path: str | Path) -> Fit:
    """What `to_dict` gave; `path` is named in errors."""
    from scaling.fitting.result import Fit

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
    runs = Runs.from_dict(saved["data"]["runs"]) if "runs" in saved["data"] else None
    data = runs if runs is not None else pd.DataFrame(saved["data"]["columns"])
    loss = Loss(**saved["loss"])
    made = design(data, law, fitting=True, positive=loss.log)
    frame = Coordinates(params, M, c, lower, upper, straight(law, made.inputs, saved["fixed"]))
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
    return Fit(
        law=law,
        values=saved["values"],
        objective=saved["objective"],
        loss=loss,
        fixed=saved["fixed"],
        frame=frame,
        t=np.array(inner["t"]),
        cov=cov,
        verdict=verdict,
        design=made,
        runs=runs,
        seed=saved["seed"],
    )


def _plain(x: Any) -> Any:
    """JSON has no infinities: written as strings."""
    if isinstance(x, dict):
        return {str(k): _plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(v) for v in x]
    if isinstance(x, np.ndarray):
        return _plain(x.tolist())
    if isinstance(x, (float, np.floating)) and not math.isfinite(x):
        return str(float(x))
    if isinstance(x, np.generic):
        return x.item()
    return x


def _number(x: Any) -> float:
    return float(x)
