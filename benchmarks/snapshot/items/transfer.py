"""Predictions carried to another data set, to a downstream error, to another share of a language."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import scaling

from .. import house, tables
from ..record import attempt, item, items, shared

EDU, CODE, WEB = "fineweb-edu-100b", "starcoder", "slimpajama-chunk1"


def told(found):
    out = {
        "values": found.values,
        "how": found.how,
        "r2": found.r2,
        "ok": attempt(lambda: found.ok),
        "warnings": found.warnings,
        "carried": found.carried,
        "text": str(found).splitlines(),
        "slope": found.slope([2.5, 3.0]),
    }
    if found.pairs is not None:
        out["pairs"] = [len(found.pairs), found.pairs.attrs["account"]]
        out["predict"] = attempt(lambda: found.predict([2.4, 3.0, 4.0]))
    return out


@shared
def fits_of(text):
    rows = tables.corpora(text)
    return scaling.fit(rows[rows["d_model"] < 64][["N", "D", "loss"]], "kaplan_offset")


@items(
    "relate",
    {
        "fits": (lambda: house.relate(tables.fit_sweep(EDU), tables.fit_sweep(CODE)),),
        "back": (lambda: house.relate(tables.fit_sweep(CODE), tables.fit_sweep(EDU)),),
        "rows": (lambda: house.relate(tables.sweep(EDU), tables.sweep(WEB)),),
        "few": (lambda: house.relate(tables.fit_sweep(EDU), tables.sweep(CODE).iloc[::9]),),
        "given": (lambda: house.relate(tables.fit_sweep(EDU), tables.fit_sweep(CODE), E0=1.9, E1=0.6),),
        "own": (lambda: house.relate(fits_of("python"), fits_of("headers")),),
        "own_rows": (lambda: house.relate(fits_of("python"), tables.corpora("python", "val_loss_headers")),),
    },
)
def _relate(make):
    return told(make())


@item("relation")
def _relation():
    found = house.relate(tables.fit_sweep(EDU), tables.fit_sweep(CODE))
    path = Path(tempfile.mkdtemp()) / "relation.json"
    found.save(path)
    again = scaling.load(path)
    given = house.Relation(0.9, 1.1, 1.7, 0.8)
    carried = found.translate(tables.fit_sweep(EDU))
    return {
        "saved": told(again),
        "given": told(given),
        "given_back": told(given.inverse),
        "then": attempt(lambda: told(given.then(house.Relation(1.0, 0.9, 0.8, 0.5)))),
        "clash": attempt(lambda: told(given.then(house.Relation(1.0, 0.9, 0.3, 0.5)))),
        "inverse": told(found.inverse),
        "translated": carried.values,
        "translated_rows": carried.predict({"N": [1e9, 7e9], "D": [1e11, 2e11]}, level=0.8),
        "runs": found.predict(tables.sweep(EDU).rename(columns={"loss": "x"})[["N", "D", "x"]].iloc[:5]),
        "below": attempt(lambda: found.predict([0.1])),
        "no_data": attempt(lambda: given.predict([2.5])),
        "variance": list(found.variance(np.array([2.5, 3.0]))),
    }


@item("pair")
def _pair():
    both = house.pair(tables.sweep(EDU), tables.sweep(CODE))
    return {
        "sweep": both,
        "own": house.pair(tables.corpora("python"), tables.corpora("headers")),
        "none": attempt(lambda: house.pair(tables.sweep(EDU), tables.corpora("python"))),
        "columns": attempt(lambda: house.pair(tables.sweep(EDU)[["N", "loss"]], tables.sweep(CODE))),
    }


@items("family", {name: (name,) for name in tables.LANGUAGES})
def _family(name):
    found = house.family(tables.languages(name))
    keys = ("slope", "slope_error", "cells", "equal_slopes", "aic", "warnings")
    return {
        **{k: getattr(found, k) for k in keys},
        "text": str(found).splitlines(),
        "fit": found.fit.values,
        "rival": found.rival.values,
        "surface": found.surface.values,
        "better": found.better.law.name,
    }


@item("family_refused")
def _refused():
    rows = tables.languages("de")
    return [
        attempt(lambda: house.family(rows.drop(columns="p"))),
        attempt(lambda: house.family(rows.drop_duplicates(["N", "D"]))),
    ]


@items("independence", {name: (name,) for name in (*tables.LANGUAGES, "slimpajama")})
def _independence(name):
    if name == "slimpajama":
        rows = tables.slimpajama("commoncrawl").iloc[::4]
        shares = {c.removeprefix("h_"): c for c in rows if c.startswith("h_")}
        found = house.independence(rows, "commoncrawl", shares, run="run")
    else:
        found = house.independence(tables.languages(name), name, {k: f"h_{k}" for k in tables.LANGUAGES})
    fits = {k: f.values for k, f in (("own", found.own), ("additive", found.additive)) if f is not None}
    return {"verdict": found.verdict, "p_value": found.p_value, "ratio": found.ratio, "text": str(found), "fits": fits}


@items("chain", {"c4_original": ("c4_original",), "rpj": ("rpj",)})
def _chain(data):
    rows = tables.gadre(data)
    near = rows[(rows["N"] < 5e8) & rows["err_17"].notna()]
    first = scaling.fit(near, "over_training", objective="squares")
    second = scaling.fit(near.assign(L=near["loss"], loss=near["err_17"]), "downstream_error", objective="squares")
    chain = house.Chain(first, second)
    far = rows[rows["N"] > 1e9][["N", "M", "loss"]].reset_index(drop=True)
    return {
        "far": chain.predict(far),
        "level": chain.predict({"N": [7e9], "M": [20.0]}, level=0.5),
        "call": chain(7e9, 20.0),
        "wrong": attempt(lambda: house.Chain(first, first)),
    }


@item("predictable")
def _predictable():
    rows = tables.gadre("rpj")
    rows = rows[rows["N"] < 5e8].assign(L=lambda r: r["loss"])
    tasks = ["err_17", "err_all", "err_arc_easy", "err_copa", "err_boolq"]
    sure = rows.assign(**{t: 1 - rows[t] for t in tasks})
    return {
        "errors": house.predictable(rows, tasks),
        "accuracies": house.predictable(sure, tasks[:3], "downstream_sigmoid"),
        "missing": attempt(lambda: house.predictable(rows, ["err_x"])),
        "percent": attempt(lambda: house.predictable(rows.assign(err_17=57.0), ["err_17"])),
    }
