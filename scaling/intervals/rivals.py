"""Rival laws: what else the rows of a curve might follow, derived from the law's formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaling.formula import Law
from scaling.formula.monomials import trace


@dataclass(frozen=True, eq=False)
class Rival:
    """A law with parameters held; `label` says in which way it differs from the law it rivals."""

    law: Law
    fixed: dict[str, float]
    label: str


def rivals(law: Law, fixed: Mapping[str, float] | None = None) -> list[Rival]:
    """The reduced forms of a sum of monomials with the given parameters held: without the constant term; all exponents tied, or
    the only one 1/2. Other formulas have none."""
    fixed = dict(fixed or {})
    terms = trace(law, fixed) or []
    free = [name for name in law.params if name not in fixed]
    offsets = [next(iter(m.powers)) for m in terms if len(m.powers) == 1 and next(iter(m.powers)) in free]
    used = {name for m in terms for _, slopes in m.powers.values() for name in slopes}
    exponents = [name for name in free if name in used]
    found = [Rival(law, {**fixed, name: 0.0}, f"{name} = 0") for name in offsets] if len(terms) > 1 else []
    if len(exponents) > 1:
        last, ties = exponents[-1], exponents[:-1]
        found.append(Rival(_tied(law, ties, last), fixed, ", ".join(f"{name} = {last}" for name in ties)))
    elif exponents:
        found.append(Rival(law, {**fixed, exponents[0]: 0.5}, f"{exponents[0]} = 0.5"))
    return found


def _tied(law: Law, names: list[str], other: str) -> Law:
    """The law with parameters replaced by another; derivatives are then found from the formula itself."""
    inner = law.fn

    def fn(*inputs: Any, **params: Any) -> Any:
        return inner(*inputs, **params, **dict.fromkeys(names, params[other]))

    hooks = replace(law.hooks, jacobian=None, natural=None, optimum=None, components=None)
    params = {k: p for k, p in law.params.items() if k not in names}
    return replace(law, fn=fn, params=params, hooks=hooks)
