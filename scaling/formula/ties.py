"""Parameters tied to others by an expression, as in lmfit's `expr`: plain arithmetic, exp, log and sqrt."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from scaling.errors import LawError

FUNCTIONS = {"exp": np.exp, "log": np.log, "sqrt": np.sqrt}
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Call, ast.Load, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.Pow, ast.USub, ast.UAdd,
)  # fmt: skip


def names_in(name: str, text: str) -> set[str]:
    """The parameters an expression uses; LawError if it is more than arithmetic."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise LawError(f"{name} = '{text}' is not an expression ({error.msg}); write for example '2 * alpha'.") from error
    for node in ast.walk(tree):
        if not isinstance(node, _NODES) or (isinstance(node, ast.Constant) and not isinstance(node.value, (int, float))):
            raise LawError(f"{name} = '{text}': only arithmetic of parameters, exp, log and sqrt can be used.")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - set(FUNCTIONS)


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
    """All parameters, the tied ones computed; values may be numbers, arrays or symbols."""
    values = dict(params)
    for name, text in ties.items():
        values[name] = eval(text, {"__builtins__": {}, **FUNCTIONS}, values)  # names were checked by sort_ties
    return values
