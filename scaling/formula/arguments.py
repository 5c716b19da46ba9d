"""What the signature of a formula says: positional arguments are inputs, keyword-only ones parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from numbers import Real
from typing import Any, get_type_hints

from scaling.errors import LawError
from scaling.formula.domains import Domain, Each, Parameter
from scaling.formula.layout import Layout


def arguments(fn: Callable[..., Any]) -> tuple[dict[str, Parameter], tuple[str, ...], dict[str, Domain], Layout | None]:
    """Parameters, names of inputs, their ranges, and the layout of a formula over several domains."""
    hints = get_type_hints(fn, include_extras=True)  # evaluates string annotations too
    inputs: list[tuple[str, bool]] = []  # name, is it one per domain?
    params: list[tuple[str, bool]] = []
    ranges: dict[str, Domain] = {}
    specs: dict[str, Parameter] = {}
    for p in inspect.signature(fn).parameters.values():
        marks = getattr(hints.get(p.name), "__metadata__", ())
        each = next((m for m in marks if isinstance(m, Each)), None)
        domain = each.domain if each else next((m for m in marks if isinstance(m, Domain)), None)
        if p.kind is p.KEYWORD_ONLY:
            params.append((p.name, each is not None))
            domain = domain or Domain()  # without a domain it may be any real number
            start = _start(fn, p)
            if not domain.lo <= start <= domain.hi:
                raise LawError(f"{fn.__name__}: start {start} of '{p.name}' is outside ({domain.lo}, {domain.hi}).")
            specs[p.name] = Parameter(p.name, domain, start)
        elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            inputs.append((p.name, each is not None))
            if domain is not None:
                ranges[p.name] = domain
    if not inputs or not params:
        raise LawError(
            f"{fn.__name__}: a law needs positional inputs and keyword-only parameters, "
            "for example `def f(x, *, A: Positive, alpha: Exponent)`."
        )
    layout = Layout(tuple(inputs), tuple(params), ("1", "2", "3"))
    over_domains = any(each for _, each in inputs + params)
    return (
        layout.parameters(specs),
        tuple(layout.flat(layout.inputs)),
        layout.spread(ranges, layout.inputs),
        layout if over_domains else None,
    )


def _start(fn: Callable[..., Any], p: inspect.Parameter) -> float:
    """The default of a parameter, 1 where there is none."""
    if p.default is p.empty:
        return 1.0
    if isinstance(p.default, bool) or not isinstance(p.default, Real):
        raise LawError(f"{fn.__name__}: the default of '{p.name}' is where starts are sought, a number, not {p.default!r}.")
    return float(p.default)
