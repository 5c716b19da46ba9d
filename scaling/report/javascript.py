"""A law's formula as JavaScript, from the source of its function: a page evaluates what Python does."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.formula import Law

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
CALLS = {
    "exp": "exp",
    "log": "log",
    "sqrt": "sqrt",
    "minimum": "min",
    "maximum": "max",
    "abs": "abs",
    "expm1": "expm1",
    "log1p": "log1p",
}


class Unwritable(Exception):
    """The formula uses what is not arithmetic of numbers."""


def function(law: Law, values: Mapping[str, float]) -> str | None:
    """`($N, $D) => {...}` with the parameters' values written in, or None where the formula is more than arithmetic.

    Parameters
    ----------
    values : of all parameters; those a variant holds are added.
    """
    try:
        fn = inspect.unwrap(law.fn)
        tree = ast.parse(textwrap.dedent(inspect.getsource(fn))).body[0]
    except (OSError, SyntaxError, TypeError):
        return None
    if not isinstance(tree, ast.FunctionDef) or law.layout is not None or not all(map(str.isidentifier, law.inputs)):
        return None
    known = {**law.held, **values}
    writer = _Writer({*law.inputs, *known}, fn.__globals__)
    try:
        lines = [writer.statement(one) for one in tree.body]
    except Unwritable:
        return None
    constants = "".join(f"const ${name} = {json.dumps(float(value))};" for name, value in known.items())
    return f"({', '.join(f'${k}' for k in law.inputs)}) => {{{constants}{''.join(lines)}}}"


class _Writer:
    def __init__(self, names: set[str], outside: Mapping[str, Any]) -> None:
        self.names, self.outside = set(names), outside

    def statement(self, node: ast.stmt) -> str:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return ""  # the docstring
        if isinstance(node, ast.Return) and node.value is not None:
            return f"return {self.of(node.value)};"
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and len(node.targets) == 1:
            name, value = node.targets[0].id, self.of(node.value)
            if name in self.names:
                raise Unwritable
            self.names.add(name)
            return f"const ${name} = {value};"
        raise Unwritable

    def of(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return json.dumps(node.value)
        if isinstance(node, ast.Name):
            if node.id in self.names:
                return f"${node.id}"  # so that no name is a word of the language
            if type(value := self.outside.get(node.id)) in (int, float):
                return json.dumps(value)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return f"(-{self.of(node.operand)})"
        if isinstance(node, ast.BinOp):
            left, right = self.of(node.left), self.of(node.right)
            if isinstance(node.op, ast.Pow):
                return f"Math.pow({left}, {right})"
            if sign := OPERATORS.get(type(node.op)):
                return f"({left} {sign} {right})"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.keywords:
            module = node.func.value
            if isinstance(module, ast.Name) and self.outside.get(module.id) is np and node.func.attr in CALLS:
                return f"Math.{CALLS[node.func.attr]}({', '.join(map(self.of, node.args))})"
        raise Unwritable
