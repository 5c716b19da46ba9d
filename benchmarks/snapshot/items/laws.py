"""Every law: what it says of itself, its published constants, its hooks, on a few inputs drawn as the law draws them."""

from __future__ import annotations

import inspect

import numpy as np

import scaling

from .. import house
from ..record import attempt, item, items

SCHEDULE = "wsd:peak=3e-3,steps=2000,warmup=100,decay=0.3,shape=linear,final=0.1"
ROWS = 8


def inputs(law):
    """Inputs of the law as the functions take them."""
    if house.schedule_law(law):
        steps = np.linspace(150, 2000, ROWS).astype(int)
        return house.design(scaling.schedule(SCHEDULE), law, fitting=False, steps=steps).inputs
    rng = np.random.default_rng(3)
    if (draw := house.hook(law, "sample")) is not None:
        return draw(rng, ROWS)
    return {name: np.exp(rng.uniform(np.log(1e6), np.log(1e9), ROWS)) for name in law.inputs}


def drawn(law):
    """Values near the law's plain starts."""
    rng, out = np.random.default_rng(4), {}
    for name, p in law.params.items():
        value = p.start * np.exp(rng.uniform(-0.2, 0.2)) if p.start else rng.uniform(-0.1, 0.1)
        out[name] = float(np.clip(value, p.domain.lo, p.domain.hi))
    return out


def wide(x):
    return np.broadcast_to(np.asarray(x, float), (ROWS,))


def named(hook, values):
    """The keyword arguments that a hook takes, of these values."""
    kinds = inspect.signature(hook).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in kinds):
        return values
    return {p.name: values[p.name] for p in kinds if p.kind is p.KEYWORD_ONLY and p.name in values}


@item("laws.names")
def _names():
    return sorted(scaling.laws), len(scaling.laws), sorted(scaling.laws)[:3], "chinchilla" in scaling.laws


@items("laws", {name: (name,) for name in sorted(scaling.laws)})
def _law(name):
    law = scaling.laws[name]
    found = {
        "formula": law.formula,
        "cite": law.cite,
        "title": getattr(law, "title", law.formula),
        "reference": law.reference,
        "repr": repr(law),
        "inputs": list(law.inputs),
        "held": dict(law.held),
        "conventions": dict(law.conventions),
        "params": {k: [p.start, p.domain.lo, p.domain.hi, p.domain.log, *p.domain.grid] for k, p in law.params.items()},
        "ranges": {k: [d.lo, d.hi, d.log, d.closed] for k, d in law.ranges.items()},
    }
    x, values = inputs(law), drawn(law)
    if not house.schedule_law(law):
        found["sampled"] = x
    found["value"] = wide(law(*x.values(), **values))
    every = {**law.held, **values}
    for name_ in ("jacobian", "components", "derived", "optimum", "natural", "straight", "needs", "contains", "rivals"):
        if (hook := house.hook(law, name_)) is not None:
            found[f"hook.{name_}"] = attempt(lambda h=hook, n=name_: asked(law, n, h, x, every))
    found["monomials"] = attempt(lambda: [m.label() for m in house.trace(law) or []])
    return found


def asked(law, name, hook, x, values):
    columns = list(x.values())
    if name in ("jacobian", "components"):
        return {k: wide(v) for k, v in hook(*columns, **named(hook, values)).items()}
    if name == "derived":
        return hook(**named(hook, values))
    if name == "optimum":
        return [hook(C, **named(hook, values)) for C in (1e18, 1e22)]
    if name == "natural":
        return {k: float(np.asarray(v).ravel()[0]) for k, v in hook(*columns, **named(hook, values)).items()}
    if name == "straight":
        there, back = hook(*columns)
        return {"to": there(dict(values)), "back": back(dict(values)), "round": back(there(dict(values)))}
    if name == "needs":
        return list(hook(*columns))
    if name == "rivals":
        return [str(r) for r in hook()]
    return house.simpler(law)


@item("presets")
def _presets():
    found = {}
    for name in sorted(scaling.laws):
        law = scaling.laws[name]
        for key, constants in law.published.items():
            using = law.using(**constants.conventions)
            x = inputs(using)
            found[f"{name}.{key}"] = {
                "values": dict(constants),
                "source": constants.source,
                "counts": constants.counts,
                "note": constants.note,
                "verified": constants.verified,
                "errors": dict(constants.errors),
                "conventions": dict(constants.conventions),
                "repr": repr(constants),
                "law": attempt(lambda u=using, x=x, c=constants: wide(u(*x.values(), **c))),
                "itself": attempt(lambda x=x, c=constants: wide(c(*x.values()))),
                "by_name": dict(house.constants(f"{name}/{key}")) == dict(constants),
            }
            if (hook := house.hook(law, "optimum")) is not None:
                every = {**law.held, **constants}
                found[f"{name}.{key}"]["optimum"] = [hook(C, **every) for C in (1e18, 1e22, 5.76e23)]
    return found


@items("synthetic", {name: (name,) for name in sorted(scaling.laws)})
def _synthetic(name):
    law = scaling.laws[name]
    kind = ("none", "normal", "student", "one_sided", "outliers")[len(name) % 5]
    what = SCHEDULE if house.schedule_law(law) else 6
    return house.synthetic.runs_of(law, drawn(law), what, noise=kind, seed=2)


@item("synthetic_test_beds")
def _beds():
    bed = house.synthetic.RandomFeatures(1.5, 1.3, 0.01)
    return {
        "loss": bed.loss([32, 128, 1024], [64, 64, 4096]),
        "kernel": bed.loss([100.0]),
        "ridge": bed.loss([50.0], 80.0, 0.1),
        "surface": house.synthetic.rf_surface(1.2, 1.5, [32, 256], [64, 512]),
        "exponent": bed.exponent,
        "optimum": bed.optimum(6e6),
        "wrong": attempt(lambda: house.synthetic.RandomFeatures(1.0, 0.5)),
    }


@item("laws_made")
def _made():
    """Variants: conventions, ties, other domains, a user's own law."""
    laws = scaling.laws
    over = laws["mixture_additive"].using(domains="web/code")
    tied = laws["chinchilla"].tie(beta="alpha")
    found = {
        "over": [list(over.inputs), list(over.params), getattr(over, "title", over.formula)],
        "annealing": dict(laws["annealing"].using(lam=0.99).conventions),
        "text": dict(house.find("annealing:lam=0.995").conventions),
        "x": list(house.find("power_law:x=N").inputs),
        "tied": [list(tied.params), dict(tied.ties), tied(1e8, 1e9, E=1.0, A=2.0, B=3.0, alpha=0.3)],
        "lmfit": {n: [p.value, p.min, p.max] for n, p in house.lmfit_model(laws["chinchilla"]).make_params().items()},
        "reduction_at": house.reduction_at(7, 9, L_inf=1.0, A=0.2, p_e=0.3, p_d=0.5),
        "effective_share": house.effective_share(0.3, c1=0.7, c2=0.4, c3=0.6),
        "same_loss": house.same_loss(4, alpha=0.453, beta=0.147),
        "same_loss_with": house.same_loss_with(4, 2.0, alpha=0.453, beta=0.147, share_N=0.4),
        "saturating": house.saturating(np.array([0.0, 5e8, 4e9, 1e14]), 1e9, 0.5),
    }
    return found
