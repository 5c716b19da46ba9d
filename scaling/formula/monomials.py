"""Read the structure of a law off its own formula: which laws are sums of monomials, and of which.

The function is called once with symbols instead of numbers. If it only adds, multiplies, divides and raises to powers,
what comes back is a sum of terms  coef * prod(base ** (const + sum coef_j * param_j)); anything else gives None.
Such laws get exact second derivatives, centred inputs and named components without declaring anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NoReturn

from scaling.formula.definition import Law


@dataclass(frozen=True)
class Monomial:
    """coef * prod over bases of base ** (const + sum_j slope_j * param_j); `powers` maps base -> (const, {param: slope})."""

    coef: float
    powers: Mapping[str, tuple[float, Mapping[str, float]]]

    def label(self) -> str:
        """The term as a reader would write it, for plots and tables."""
        above: list[str] = []
        below: list[str] = []
        for base, (const, slopes) in self.powers.items():
            parts = [f"{abs(c):g}{p}" if abs(c) != 1 else p for p, c in slopes.items()]
            negative = (bool(slopes) and all(c < 0 for c in slopes.values()) and const <= 0) or (not slopes and const < 0)
            size = "+".join(parts + ([f"{abs(const):g}"] if const and (slopes or abs(const) != 1) else []))
            (below if negative else above).append(base + (f"^{size}" if size else ""))
        number = "" if abs(self.coef) == 1 and above else f"{abs(self.coef):g} "
        text = number + (" ".join(above) or "1") * (bool(above) or not number) + "".join(f" / {b}" for b in below)
        return ("-" if self.coef < 0 else "") + text.strip()


class _Untraceable(Exception):
    pass


class _Sum:
    """A symbolic sum of monomials with just the arithmetic that keeps it one."""

    __array_ufunc__ = None  # numpy functions must fail here, not build object arrays

    def __init__(self, terms: list[Monomial]) -> None:
        self.terms = terms

    @staticmethod
    def of(value: object) -> _Sum:
        if isinstance(value, _Sum):
            return value
        if isinstance(value, Real):
            return _Sum([Monomial(float(value), {})] if value else [])
        raise _Untraceable

    def __add__(self, other: object) -> _Sum:
        return _Sum(self.terms + _Sum.of(other).terms)

    __radd__ = __add__

    def __neg__(self) -> _Sum:
        return _Sum([Monomial(-t.coef, t.powers) for t in self.terms])

    def __pos__(self) -> _Sum:
        return self

    def __sub__(self, other: object) -> _Sum:
        return self + -_Sum.of(other)

    def __rsub__(self, other: object) -> _Sum:
        return _Sum.of(other) + -self

    def __mul__(self, other: object) -> _Sum:
        return _Sum([_product(a, b) for a in self.terms for b in _Sum.of(other).terms])

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> _Sum:
        return self * _Sum.of(other) ** -1

    def __rtruediv__(self, other: object) -> _Sum:
        return _Sum.of(other) * self**-1

    def __pow__(self, exponent: object) -> _Sum:
        if len(self.terms) != 1:
            if isinstance(exponent, Real) and exponent == 1:
                return self
            raise _Untraceable
        const, slopes = _affine(_Sum.of(exponent))
        (term,) = self.terms
        if (slopes and term.coef != 1) or term.coef < 0:
            raise _Untraceable
        powers = {}
        for base, (c, s) in term.powers.items():
            if s and slopes:
                raise _Untraceable
            powers[base] = (c * const, {k: v * const for k, v in s.items()} or {k: v * c for k, v in slopes.items()})
        return _Sum([Monomial(term.coef**const, powers)])

    def _no(self, *_: object) -> NoReturn:
        raise _Untraceable

    __rpow__ = __abs__ = __lt__ = __gt__ = __le__ = __ge__ = __bool__ = __float__ = __getitem__ = __iter__ = __len__ = _no


def _product(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a.powers)
    for base, (const, slopes) in b.powers.items():
        c, s = powers.get(base, (0.0, {}))
        powers[base] = (c + const, {k: s.get(k, 0.0) + slopes.get(k, 0.0) for k in {**s, **slopes}})
    return Monomial(a.coef * b.coef, powers)


def _affine(exponent: _Sum) -> tuple[float, dict[str, float]]:
    """Read an exponent as const + sum slope * param."""
    const = 0.0
    slopes: dict[str, float] = {}
    for t in exponent.terms:
        if not t.powers:
            const += t.coef
        elif len(t.powers) == 1 and (base := next(iter(t.powers))) and t.powers[base] == (1.0, {}):
            slopes[base] = slopes.get(base, 0.0) + t.coef
        else:
            raise _Untraceable
    return const, slopes


def trace(law: Law, fixed: Mapping[str, float] | None = None) -> list[Monomial] | None:
    """The law as a list of monomials in its inputs and free parameters, or None if it is not a sum of monomials.

    Scales (parameters fitted as logarithms) may enter only as factors, other parameters only in exponents, so that
    every term is an exponential of an affine function of the internal variables.
    """
    fixed = {**law.held, **(fixed or {})}
    symbols = {name: _Sum([Monomial(1.0, {name: (1.0, {})})]) for name in (*law.params, *law.held, *law.inputs)}
    params: dict[str, Any] = {name: fixed.get(name, symbols[name]) for name in (*law.params, *law.held)}
    try:
        terms = _Sum.of(law.fn(*(symbols[name] for name in law.inputs), **params)).terms
    except (_Untraceable, TypeError, AttributeError):
        return None
    for term in terms:
        for base, (_, slopes) in term.powers.items():
            factor_ok = base in law.inputs or (law.params[base].domain.log and not slopes)
            if not factor_ok or any(p in law.inputs or law.params[p].domain.log for p in slopes):
                return None
    return terms or None
