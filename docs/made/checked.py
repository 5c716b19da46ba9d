"""Where a law is held against numbers: the tests and benchmarks whose code names it, each with its own first line."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = {
    "public data": "tests/public/test_*.py",
    "runs of this project": "tests/test_own_runs.py",
    "forecasts": "benchmarks/forecasts/*.py",
    "held-out rows": "benchmarks/sldbench/*.py",
    "numbers of its paper": "benchmarks/papers/[df]*.py",
    "tests": "tests/test_*.py",
}


@cache
def files() -> list[tuple[str, str, str, frozenset[str]]]:
    """Kind, path, first line, and the words of every place."""
    found, seen = [], set()
    for kind, pattern in PLACES.items():
        for path in sorted(ROOT.glob(pattern)):
            if path in seen:
                continue
            seen.add(path)
            tree = ast.parse(path.read_text())
            words = frozenset(w.split(":")[0].split("/")[0] for w in named(tree))
            first = (ast.get_docstring(tree) or "").splitlines()[:1]
            found.append((kind, str(path.relative_to(ROOT)), first[0] if first else "", words))
    return found


def named(tree: ast.AST) -> Iterator[str]:
    """Strings that may name a law: not keys, nor columns of a table."""
    keys = [k for n in ast.walk(tree) if isinstance(n, ast.Dict) for k in n.keys]
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and not ast.unparse(node.value).endswith("laws"):
            keys += ast.walk(node.slice)
    aside = {id(key) for key in keys}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in aside:
            yield node.value


def places(law: str) -> list[tuple[str, str, str]]:
    """Kind, path and first line of what checks a law; tests on made-up numbers only where there is nothing else."""
    found = [(kind, path, first) for kind, path, first, words in files() if law in words]
    return [one for one in found if one[0] != "tests"] or found
