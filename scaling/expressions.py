"""Expressions that users write, conditions on rows and ties of parameters, in a small grammar that can run no code."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scaling.words import did_you_mean

LONGEST = 20_000  # characters: a list of a thousand runs
ALLOWED = "comparisons, + - * / // % **, and, or, not, in, parentheses, numbers, texts and names of columns"
NO_CONDITION = "is no condition on columns; write for example 'N > 1e8'"
# texts stay as they are; names with spaces stand in backticks, and & and | bind like `and` and `or`, both as in pandas
_PIECES = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`([^`]*)`|[&|]""")

ARITHMETIC: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}  # fmt: skip
COMPARISONS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip


def parsed(text: str, allowed: str = ALLOWED) -> ast.expr:
    """The tree of an expression; ValueError for what is none. `allowed` says what may stand in it."""
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters are too many; write it in {LONGEST}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"not an expression ({error.msg}); there can be {allowed}") from None
    except (ValueError, RecursionError, MemoryError):
        raise ValueError(f"cannot be read; there can be {allowed}") from None


def holds(condition: str, columns: Any) -> np.ndarray:
    """Where a condition on the columns of a table holds.

    Parameters
    ----------
    condition : such as ``"n_params > 1e6 and run in ['a', 'b']"``; `Model Size` in backticks is a column with a space.
    columns : DataFrame, or name -> Series, shape (rows,).

    Returns
    -------
    (rows,) array of bool.

    Raises
    ------
    ValueError : what is no condition, or names no column.
    """
    try:
        found = _truth(_found(condition, columns))
        if getattr(found, "ndim", 0) != 1:
            raise ValueError(NO_CONDITION)
        return np.asarray(found, bool)
    except RecursionError:
        said = "too many parts, one inside the other"
    except ArithmeticError:
        said = "it divides by zero, or has numbers beyond 1e308"
    except (TypeError, ValueError) as problem:
        said = str(problem)
    raise ValueError(f"{_short(condition)}{'' if said == NO_CONDITION else ':'} {said}")


def _found(condition: str, columns: Any) -> Any:
    quoted: list[str] = []

    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:
            quoted.append(match[1])
            return f" _quoted_{len(quoted) - 1}_ "
        return {"&": " and ", "|": " or "}.get(match[0], match[0])

    if not isinstance(condition, str):
        raise ValueError(f"a condition is a text, not {type(condition).__name__}")
    if re.search(r"@|(?<![<>=!])=(?!=)", _PIECES.sub(lambda match: "" if match[0] not in "&|" else match[0], condition)):
        raise ValueError(f"compare with ==, and write values out: there is no = and no @; there can be {ALLOWED}")
    tree = parsed(_PIECES.sub(plain, condition))
    with np.errstate(all="ignore"):
        return _Condition(columns, {f"_quoted_{i}_": name for i, name in enumerate(quoted)}).value(tree)


def _truth(value: Any) -> Any:
    """A column, or one value, as true and false; a missing value is false."""
    if isinstance(value, (bool, np.bool_)):
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "b":
        return value.fillna(False).astype(bool)
    if kind == "O" and all(isinstance(x, bool) or x != x or x is None for x in value):
        return value == True  # noqa: E712
    raise ValueError(NO_CONDITION)


class _Condition:
    """The value of a tree over columns: one method for each kind of node, and nothing else is known."""

    def __init__(self, columns: Any, quoted: Mapping[str, str]) -> None:
        self.columns, self.quoted = columns, quoted

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return _constant(node)
        if isinstance(node, ast.Name):
            return self._column(self.quoted.get(node.id, node.id))
        if isinstance(node, ast.Compare):
            return self._compared(node)
        if isinstance(node, ast.BoolOp):
            both = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            found = _truth(self.value(node.values[0]))
            for one in node.values[1:]:
                found = both(found, _truth(self.value(one)))
            return found
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert)):
            found = _truth(self.value(node.operand))
            return not found if isinstance(found, bool) else ~found
        if isinstance(node, ast.UnaryOp):
            return ARITHMETIC[type(node.op)](_number(self.value(node.operand)))
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            left, right = _number(self.value(node.left)), _number(self.value(node.right))
            if isinstance(node.op, ast.Pow):  # of whole numbers it could go on for ever
                left = left.astype(float) if hasattr(left, "dtype") else float(left)
            return ARITHMETIC[type(node.op)](left, right)
        raise ValueError(f"{_named(node)} cannot stand here; there can be {ALLOWED}")

    def _column(self, name: str) -> Any:
        if name not in self.columns:
            raise ValueError(f"no column {name!r}{did_you_mean(name, map(str, self.columns))}")
        column = self.columns[name]
        if getattr(column, "ndim", 1) != 1:
            raise ValueError(f"several columns are called {name!r}")
        return column

    def _compared(self, node: ast.Compare) -> Any:
        found, left = True, self.value(node.left)
        for kind, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(other, (ast.List, ast.Tuple, ast.Set)) and isinstance(kind, (ast.In, ast.NotIn, ast.Eq, ast.NotEq)):
                if not hasattr(left, "isin"):
                    raise ValueError("only a column is in a list; write for example \"run in ['a', 'b']\"")
                among = left.isin([self._plain(one) for one in other.elts])
                held, left = (among if isinstance(kind, (ast.In, ast.Eq)) else ~among), None
            elif type(kind) in COMPARISONS:
                right = self.value(other)
                held, left = COMPARISONS[type(kind)](left, right), right
            elif isinstance(kind, (ast.Is, ast.IsNot)):
                raise ValueError(f"compare with == and !=; there can be {ALLOWED}")
            else:
                raise ValueError("in needs a list; write for example \"run in ['a', 'b']\"")
            found = _truth(held) & _truth(found)
        return found

    def _plain(self, node: ast.expr) -> Any:
        if isinstance(value := self.value(node), (bool, int, float, str)):
            return value
        raise ValueError("a list holds numbers and texts")


def _constant(node: ast.Constant) -> Any:
    value = node.value
    if isinstance(value, (bool, float, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else float(value)
    if value is None:
        raise ValueError("a cell without a value is not None; rows that have x are those with `x == x`")
    raise ValueError(f"{_named(node)} cannot stand here; there can be {ALLOWED}")


def _number(value: Any) -> Any:
    """A number, or a column of numbers, which alone can be reckoned with."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if isinstance(value, float) or abs(value) < 2**63 else float(value)
    if getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u", "f"):
        return value
    raise ValueError("only numbers can be reckoned with, not texts or conditions (put comparisons in parentheses)")


def _named(node: ast.AST) -> str:
    return _short(ast.unparse(node))


def _short(text: Any) -> str:
    return repr(text if len(str(text)) < 100 else f"{text[:100]}...")
