"""Items under their keys: each a small function whose result is laid flat; one that fails leaves its exception."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from . import items as folder
from .flat import flat, said

ITEMS: dict[str, Callable[[], Any]] = {}
SLOW = 15


def item(key: str):
    """Decorator: what the function returns is recorded below `key`."""

    def keep(fn):
        if key in ITEMS:
            raise KeyError(f"two items named {key}")
        ITEMS[key] = fn
        return fn

    return keep


def items(key: str, cases: dict[str, tuple]):
    """Decorator: one item `key.case` for each case, the function called with what the case holds."""

    def keep(fn):
        for name, arguments in cases.items():
            item(f"{key}.{name}")(functools.partial(fn, *arguments))
        return fn

    return keep


def shared(fn):
    """Decorator: data and fits that several items use, made once; what they warn of is recorded where it is asked for."""

    @functools.cache
    def quiet(*args):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fn(*args)

    return quiet


def attempt(fn: Callable[[], Any]) -> Any:
    """What it returns, or the exception that it raises as "Class: message"."""
    try:
        return fn()
    except Exception as problem:
        return said(problem)


def run(key: str) -> Iterator[tuple[str, Any]]:
    """Flat keys and values of one item, what it warned of among them."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = ITEMS[key]()
        except Exception as problem:
            found = {"raised": said(problem)}
        yield from flat(key, found)
    if told := sorted({f"{w.category.__name__}: {w.message}" for w in heard}):
        yield from flat(f"{key}.warned", told)


def snapshot(out: Path, tree: Path, only: tuple[str, ...]) -> int:
    """Run the items and write the file."""
    for module in iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    found: dict[str, Any] = {}
    taken: dict[str, float] = {}
    failed = []
    start = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        from .tables import data_root

        said.names = {str(tree): "TREE", scratch: "TMP", str(data_root()): "DATA"}
        tempfile.tempdir = scratch
        for key in ITEMS:
            if only and not key.startswith(only):
                continue
            began = time.process_time()
            rows = dict(run(key))
            taken[key] = time.process_time() - began
            failed += [f"{k}: {v}" for k, v in rows.items() if k == f"{key}.raised"]
            found.update(rows)
    out.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n", "utf-8")
    slow = sorted(taken.items(), key=lambda pair: -pair[1])[:SLOW]
    print("\n".join(["slowest items, s of CPU:", *(f"{s:8.1f}  {key}" for key, s in slow)]), file=sys.stderr)
    print("\n".join([f"{len(failed)} items raised", *failed]), file=sys.stderr)
    print(f"{len(found)} keys of {len(taken)} items in {out}, {time.process_time() - start:.0f} s of CPU", file=sys.stderr)
    return 0
