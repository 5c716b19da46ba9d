"""A law's formula as JavaScript: the law is called once with symbols that write down what is done to them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit, xlogy

from scaling.formula import Law

FORMS: dict[Any, str] = {
    np.add: "{0} + {1}", np.subtract: "{0} - {1}", np.multiply: "{0} * {1}", np.divide: "{0} / {1}", np.negative: "-{0}",
    np.positive: "{0}", np.power: "Math.pow({0}, {1})", np.float_power: "Math.pow({0}, {1})", np.square: "{0} * {0}",
    np.reciprocal: "1 / {0}", np.sqrt: "Math.sqrt({0})", np.cbrt: "Math.cbrt({0})", np.exp: "Math.exp({0})",
    np.exp2: "Math.pow(2, {0})", np.expm1: "Math.expm1({0})", np.log: "Math.log({0})", np.log2: "Math.log2({0})",
    np.log10: "Math.log10({0})", np.log1p: "Math.log1p({0})", np.minimum: "Math.min({0}, {1})",
    np.maximum: "Math.max({0}, {1})", np.fmin: "Math.min({0}, {1})", np.fmax: "Math.max({0}, {1})", np.abs: "Math.abs({0})",
    np.sign: "Math.sign({0})", np.tanh: "Math.tanh({0})", np.sin: "Math.sin({0})", np.cos: "Math.cos({0})",
    np.arctan: "Math.atan({0})", np.hypot: "Math.hypot({0}, {1})", np.less: "{0} < {1}", np.less_equal: "{0} <= {1}",
    np.greater: "{0} > {1}", np.greater_equal: "{0} >= {1}", np.equal: "{0} === {1}", np.not_equal: "{0} !== {1}",
    np.logical_and: "{0} && {1}", np.logical_or: "{0} || {1}", np.logical_not: "!{0}", np.bitwise_and: "{0} && {1}",
    np.bitwise_or: "{0} || {1}", np.isfinite: "isFinite({0})", np.conjugate: "{0}",
    np.logaddexp: "Math.max({0}, {1}) + Math.log1p(Math.exp(-Math.abs({0} - {1})))",
    expit: "1 / (1 + Math.exp(-{0}))", xlogy: "({0} === 0 ? 0 : {0} * Math.log({1}))",
    np.where: "{0} ? {1} : {2}", np.clip: "Math.min(Math.max({0}, {1}), {2})", np.real: "{0}", np.zeros_like: "0",
    np.ones_like: "1",
}  # fmt: skip


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """A number that is not known yet; arithmetic with it is written to the `lines` it shares with the others."""

    dtype, shape, ndim = np.dtype(float), (), 0

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Symbol:
        if method != "__call__" or {*options} - {"where", "dtype"} or len(inputs) > ufunc.nin:
            raise TypeError(f"{ufunc.__name__} with {method} is no arithmetic")
        return self._written(ufunc, *inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Symbol:
        if kwargs:
            raise TypeError(f"{func.__name__} with {', '.join(kwargs)} is no arithmetic")
        return self._written(func, *args)

    def _written(self, what: Any, *arguments: Any) -> Symbol:
        if (form := FORMS.get(what)) is None:
            raise TypeError(f"{what.__name__} is no arithmetic of numbers")
        name = f"t{len(self.lines)}"
        self.lines.append(f"const {name} = {form.format(*map(_value, arguments))};")
        return Symbol(name, self.lines)

    def __bool__(self) -> bool:
        raise TypeError("which way the formula goes depends on the inputs")

    @property
    def real(self) -> Symbol:
        return self


def function(law: Law, values: Mapping[str, float]) -> str | None:
    """`(x0, x1) => {...}` of the law's inputs, with the parameters' values written in; None where it is no arithmetic.

    Parameters
    ----------
    values : of all parameters, and maybe more.
    """
    lines: list[str] = []
    symbols = [Symbol(f"x{k}", lines) for k in range(len(law.inputs))]
    try:
        with np.errstate(all="ignore"):
            made = law(*symbols, **{name: np.float64(values[name]) for name in law.params})
        result = _value(made)
    except Exception:  # a law is anything a user writes: what cannot be called with symbols is not translated
        return None
    return f"({', '.join(s.name for s in symbols)}) => {{{''.join(lines)}return {result};}}"


def _value(x: Any) -> str:
    if isinstance(x, Symbol):
        return x.name
    number = np.asarray(x)
    if number.size != 1 or number.dtype.kind not in "biuf":
        raise TypeError(f"{x!r} is no number")
    if number.dtype.kind == "b":
        return str(bool(number)).lower()
    value = float(number.reshape(()))
    if math.isnan(value):
        return "NaN"
    return f"({json.dumps(value)})"  # JSON of Python knows Infinity, and the brackets keep a sign apart
