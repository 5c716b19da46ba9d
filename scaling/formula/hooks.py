"""What a paper knows of its law beyond the formula: one record, every field optional."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Values = dict[str, Any]
Map = Callable[[Values], Values]


@dataclass(frozen=True)
class Hooks:
    """Functions that go with a formula; the decorators of `Law` of the same names say what each takes and gives.

    `simpler` names the law whose optimum `contains` turns into starts, `facts` what `features` takes of a run beside its
    schedule.
    """

    features: Callable[..., Values] | None = None
    facts: tuple[str, ...] = ()
    units: Callable[..., tuple[Values, Values]] | None = None
    usual: Callable[..., Values] | None = None
    reach: Callable[[], dict[str, tuple[str, ...]]] | None = None
    jacobian: Callable[..., Values] | None = None
    natural: Callable[..., Values] | None = None
    straight: Callable[..., tuple[Map, Map]] | None = None
    optimum: Callable[..., Values] | None = None
    sample: Callable[..., Values] | None = None
    components: Callable[..., Values] | None = None
    contains: Callable[..., list[Values]] | None = None
    simpler: str | None = None
    needs: Callable[..., list[str]] | None = None
    derived: Callable[..., Values] | None = None
    convex: Callable[..., bool] | None = None
    final: Callable[..., tuple[float, Any]] | None = None

    def changed(self, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Hooks:
        """The same hooks, each changed in one way."""
        changes: dict[str, Any] = {name: change(hook) for name, hook in vars(self).items() if callable(hook)}
        return replace(self, **changes)
