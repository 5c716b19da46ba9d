"""Constants somebody published, with where they stand and what they count."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any


class Published(Mapping[str, float]):
    """Constants as a paper gives them, with their provenance. A mapping name -> value, and callable on the law's inputs.

    Parameters
    ----------
    source : where the numbers stand (arXiv id, equation or table, or the authors' code).
    counts : what N, D, C mean for these numbers (parameter and FLOP conventions), where the law has them.
    verified : read in the primary source? Unverified constants warn when used.
    conventions : settings of the law these numbers belong to (for example how warm-up is counted).
    errors : standard errors where published.
    made_on : least and most of N, D, C, M, ... among the runs behind the numbers, in the law's own counts, where known.
    """

    def __init__(
        self,
        *,
        source: str,
        counts: str = "",
        verified: bool = True,
        note: str = "",
        conventions: Mapping[str, Any] | None = None,
        errors: Mapping[str, float] | None = None,
        made_on: Mapping[str, tuple[float, float]] | None = None,
        **values: float,
    ) -> None:
        self.values_ = MappingProxyType(dict(values))
        self.source, self.counts, self.verified, self.note = source, counts, verified, note
        self.conventions = MappingProxyType(dict(conventions or {}))
        self.errors = MappingProxyType(dict(errors or {}))
        self.made_on = MappingProxyType(dict(made_on or {}))
        self.law: Any = None  # set when the law is made

    def __getitem__(self, name: str) -> float:
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Evaluate the law at these constants; inputs as the law takes them."""
        if not self.verified:
            warnings.warn(f"these constants are not verified against the primary source ({self.source})", stacklevel=2)
        assert self.law is not None
        return self.law(*inputs, **named, **self.values_)

    def __repr__(self) -> str:
        numbers = ", ".join(f"{k}={v:.8g}" for k, v in self.items())
        mark = "" if self.verified else " NOT VERIFIED"
        return f"Published({numbers}; {self.source}{'; ' + self.counts if self.counts else ''}{mark})"
