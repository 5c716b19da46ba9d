"""Parameters tied to others by an expression, as in lmfit's `expr`: plain arithmetic, exp, log and sqrt."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from typing import Any

import numpy as np

from scaling.errors import LawError
from scaling.expressions import ARITHMETIC, parsed

FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt}
ALLOWED = "arithmetic (+ - * / **) of parameters and numbers, exp, log and sqrt"
LONGEST = 300  # characters, so that no tree is deep
_KINDS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)


def names_in(name: str, text: str) -> set[str]:
    """The parameters an expression uses; LawError if it is more than arithmetic, or a number beyond all bounds."""
    try:
        if not isinstance(text, str) or len(text) > LONGEST:
            raise ValueError(f"an expression is a text of at most {LONGEST} characters")
        return {node.id for node in _checked(_tree(text)) if isinstance(node, ast.Name)}
    except RecursionError:
        raise LawError(f"{name}: an expression with too many parts, one inside the other.") from None
    except ValueError as problem:
        raise LawError(f"{name} = '{str(text)[:80]}': {problem}; write for example '2 * alpha'.") from None


@lru_cache(256)
def _tree(text: str) -> ast.expr:
    return parsed(text, ALLOWED)


def _checked(node: ast.expr) -> Iterator[ast.expr]:
    """The node and all below it. What has no parameter in it must be a finite number."""
    yield node
    operands = _operands(node)
    below = [one for operand in operands for one in _checked(operand)]
    if not isinstance(node, ast.Name) and not any(isinstance(one, ast.Name) for one in below):
        try:
            with np.errstate(all="ignore"):
                number = _value(node, {})
        except (ArithmeticError, TypeError):
            number = math.nan
        if isinstance(number, complex) or not math.isfinite(number):
            raise ValueError("its numbers are no finite number")
    yield from below


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, _KINDS):
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, _KINDS):
        return [node.operand]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
            return list(node.args)
        raise ValueError(f"{node.func.id} takes one argument")
    if isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        return []
    raise ValueError(f"only {ALLOWED} can be used")


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of a tree that was checked. Numbers are floats, so that no power goes on for ever."""
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]
    of = [_value(one, values) for one in _operands(node)]
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](*of)  # type: ignore[attr-defined]
    return ARITHMETIC[type(node.op)](*of)  # type: ignore[attr-defined]


def sort_ties(ties: Mapping[str, str], known: Set[str]) -> dict[str, str]:
    """The ties in an order in which each uses only what is known before it.

    Raises
    ------
    LawError : an unknown name, or parameters tied in a circle.
    """
    needs = {name: names_in(name, text) for name, text in ties.items()}
    for name, used in needs.items():
        if unknown := used - set(ties) - known:
            raise LawError(f"{name} = '{ties[name]}': no parameter {', '.join(sorted(unknown))}; there are {sorted(known)}.")
    done: dict[str, str] = {}
    while len(done) < len(ties):
        ready = [n for n in ties if n not in done and needs[n] <= known | set(done)]
        if not ready:
            raise LawError(f"parameters {', '.join(sorted(set(ties) - set(done)))} are tied to each other in a circle.")
        done |= {n: ties[n] for n in ready}
    return done


def resolve(ties: Mapping[str, str], params: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters, the tied ones computed; values may be numbers, arrays or symbols. Texts were checked by `sort_ties`."""
    values = dict(params)
    for name, text in ties.items():
        values[name] = _value(_tree(text), values)
    return values
