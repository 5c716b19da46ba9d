"""Rival laws: what else the data might follow. Named by the law, else derived from its formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaling.formula import Law, find
from scaling.formula.monomials import trace


@dataclass(frozen=True, eq=False)
class Rival:
    """A law with parameters held; `label` says in which way it differs from the law it rivals."""

    law: Law
    fixed: dict[str, float]
    label: str


def rivals(law: Law, fixed: Mapping[str, float] | None = None) -> list[Rival]:
    """The rivals of a law with the given parameters held.

    A law names them with its `rivals` hook: a list of laws (as text), or of changes {name: value}, where name is a
    convention or a parameter and value a setting, a number to hold it at, or another parameter to tie it to. Without the
    hook a sum of monomials gets its reduced forms: without the constant term; all exponents tied, or the only one 1/2.
    """
    fixed = dict(fixed or {})
    named = law.hooks.rivals() if law.hooks.rivals is not None else _reduced(law, fixed)
    found: list[Rival] = []
    for entry in named:
        rival = _changed(law, fixed, entry) if isinstance(entry, Mapping) else Rival(find(entry), {}, entry)
        same = rival.law.fn is law.fn and rival.law.conventions == law.conventions and rival.law.held == law.held
        if not (same and rival.fixed == fixed):
            found.append(rival)
    return found


def _reduced(law: Law, fixed: Mapping[str, float]) -> list[dict[str, Any]]:
    terms = trace(law, fixed) or []
    free = [name for name in law.params if name not in fixed]
    offsets = [next(iter(m.powers)) for m in terms if len(m.powers) == 1 and next(iter(m.powers)) in free]
    used = {name for m in terms for _, slopes in m.powers.values() for name in slopes}
    exponents = [name for name in free if name in used]
    reduced: list[dict[str, Any]] = []
    if len(terms) > 1:
        reduced += [{name: 0.0} for name in offsets]
    if len(exponents) > 1:
        reduced.append(dict.fromkeys(exponents[:-1], exponents[-1]))
    elif exponents:
        reduced.append({exponents[0]: 0.5})
    return reduced


def _changed(law: Law, fixed: Mapping[str, float], changes: Mapping[str, Any]) -> Rival:
    held, ties, settings = dict(fixed), {}, {}
    for name, value in changes.items():
        if name in law.conventions:
            settings[name] = value
        elif isinstance(value, str):
            ties[name] = value
        elif name in law.held:
            law = replace(law, held={**law.held, name: float(value)})
        else:
            law.check_names([name])
            held[name] = float(value)
    changed = law.using(**settings) if settings else law
    if ties:
        changed = _tied(changed, ties)
    return Rival(
        changed, held, ", ".join(f"{k} = {v:g}" if not isinstance(v, str) else f"{k} = {v}" for k, v in changes.items())
    )


def _tied(law: Law, ties: Mapping[str, str]) -> Law:
    """The law with parameters replaced by others; derivatives are then found from the formula itself."""
    law.check_names([*ties, *ties.values()])
    inner = law.fn

    def fn(*inputs: Any, **params: Any) -> Any:
        return inner(*inputs, **params, **{name: params[other] for name, other in ties.items()})

    hooks = replace(law.hooks, jacobian=None, natural=None, optimum=None, components=None)
    params = {k: p for k, p in law.params.items() if k not in ties}
    return replace(law, fn=fn, params=params, hooks=hooks)
