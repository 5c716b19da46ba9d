"""Laws with one input or parameter per domain of a mixture: `h: Shares`, `C: EachPositive`, written as tuples in the formula.

A law is fitted as a function of plain numbers. This file writes such a law out for given domains: an input h becomes the
columns h_web, h_code, ..., a parameter C the parameters C_web, C_code, ... The formula itself sees tuples in that order.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any, TypeVar

from scaling.errors import LawError
from scaling.formula.domains import Parameter
from scaling.words import listed

Names = tuple[tuple[str, bool], ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """Which inputs and parameters of a formula are tuples, and over which domains.

    inputs, params : (name, is it one per domain?) in the order of the signature.
    """

    inputs: Names
    params: Names
    domains: tuple[str, ...]

    def flat(self, names: Names) -> list[str]:
        """The names written out: h as h_web, h_code, ..."""
        return [n for name, each in names for n in ([f"{name}_{d}" for d in self.domains] if each else [name])]

    def spread(self, values: Mapping[str, T], names: Names) -> dict[str, T]:
        """What is said of the names, said of the names written out."""
        return {n: values[name] for name, each in names if name in values for n in self.flat(((name, each),))}

    def gathered(self, values: Mapping[str, T], names: Names) -> dict[str, T]:
        """The inverse of `spread`, from what is said of the first domain."""
        first = {name: self.flat(((name, each),))[0] for name, each in names}
        return {name: values[n] for name, n in first.items() if n in values}

    def parameters(self, specs: Mapping[str, Parameter]) -> dict[str, Parameter]:
        """The parameters of the formula, one per domain where it has a tuple."""
        return {name: replace(spec, name=name) for name, spec in self.spread(specs, self.params).items()}

    def wrap(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """`fn`, which takes tuples, as a function of plain columns and numbers; dicts it returns are written out too.

        A hook whose first arguments are not the law's inputs gets them as they are; one with an argument `domains` gets those.
        """
        signature = inspect.signature(fn)
        positional = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        takes_inputs = positional == [name for name, _ in self.inputs]
        extra = {"domains": self.domains} if "domains" in signature.parameters else {}

        @functools.wraps(fn)
        def written_out(*args: Any, **named: Any) -> Any:
            if takes_inputs:
                left = iter(args)
                args = tuple(tuple(next(left) for _ in self.domains) if e else next(left) for _, e in self.inputs)
            values = {name: named.pop(name) for name, each in self.params if not each and name in named}
            for name, each in self.params:
                if each and f"{name}_{self.domains[0]}" in named:
                    values[name] = tuple(named.pop(f"{name}_{d}") for d in self.domains)
            return self._written(fn(*args, **values, **named, **extra))

        written_out.__signature__ = self._signature(fn)  # type: ignore[attr-defined]
        return written_out

    def _written(self, result: Any) -> Any:
        if isinstance(result, list):
            return [self._written(r) for r in result]
        if not isinstance(result, dict):
            return result
        out = {}
        for name, value in result.items():
            if isinstance(value, tuple):
                out.update({f"{name}_{d}": v for d, v in zip(self.domains, value, strict=True)})
            else:
                out[name] = value
        return out

    def _signature(self, fn: Callable[..., Any]) -> inspect.Signature:
        each = {name for name, e in (*self.inputs, *self.params) if e}
        made = []
        for p in inspect.signature(fn).parameters.values():
            names = [f"{p.name}_{d}" for d in self.domains] if p.name in each else [p.name]
            made += [p.replace(name=n, annotation=p.empty) for n in names]
        return inspect.Signature(made)

    def over(self, domains: Any) -> Layout:
        if isinstance(domains, str):
            domains = domains.split("/")
        domains = tuple(str(d) for d in domains)
        if not domains or len(set(domains)) < len(domains):
            raise LawError(f"domains must be different names, such as domains=web/code/books; got {'/'.join(domains)}.")
        if bad := [d for d in domains if not f"_{d}".isidentifier()]:
            plain = re.sub(r"\W", "_", bad[0])
            columns = [f"{name}_{bad[0]}" for name, each in self.inputs if each] or bad
            renamed = " ".join(f"--map {quote(f'{c.removesuffix(bad[0])}{plain}={c}')}" for c in columns)
            raise LawError(
                f"domain {bad[0]!r}: parameters are named after it, so it can hold letters, digits and _ alone. Rename "
                f"{listed(map(repr, columns))}, for example to end in {plain!r} (command line: {renamed})."
            )
        return Layout(self.inputs, self.params, domains)

    def found_in(self, columns: list[str]) -> tuple[str, ...]:
        """The domains for which the columns hold every input of the formula that has one value per domain."""
        stems = [name for name, each in self.inputs if each]
        taken = {name for name, each in self.inputs if not each}
        domains = [c.removeprefix(f"{stems[0]}_") for c in columns if c.startswith(f"{stems[0]}_") and c not in taken]
        return tuple(d for d in domains if all(f"{s}_{d}" in columns for s in stems))
