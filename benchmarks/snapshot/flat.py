"""Results as flat keys and plain values: numbers, texts, and lists of them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

MOST = 40  # numbers of a long column that are kept, evenly over it; beside them its length, sum and extremes
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
SCRATCH = re.compile(r"\b(?:TMP/)?tmp[a-z0-9_]{8}\b")


class _Said:
    """Texts with the folders of this run under fixed names."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def text(self, given: str) -> str:
        for path, name in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            given = given.replace(path, name)
        return ADDRESS.sub("0x", SCRATCH.sub("TMP", given))

    def __call__(self, problem: BaseException) -> str:
        return self.text(f"{type(problem).__name__}: {problem}")


said = _Said()


def flat(key: str, x: Any) -> Iterator[tuple[str, Any]]:
    """(key, value) pairs below `key`."""
    if isinstance(x, pd.DataFrame):
        frame = x if isinstance(x.index, pd.RangeIndex) else x.reset_index()
        yield f"{key}.rows", len(frame)
        for name in frame:
            yield from flat(f"{key}.{name}", frame[name].tolist())
        for name, value in x.attrs.items():
            yield from flat(f"{key}.attrs.{name}", value)
    elif isinstance(x, pd.Series):
        yield from flat(key, {str(k): v for k, v in x.items()})
    elif isinstance(x, Mapping):
        for name, value in x.items():
            yield from flat(f"{key}.{name}", value)
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        yield from flat(key, {f.name: getattr(x, f.name) for f in dataclasses.fields(x) if not f.name.startswith("_")})
    elif isinstance(x, np.ndarray):
        if x.ndim > 1:
            yield f"{key}.shape", list(x.shape)
        yield from flat(key, x.ravel().tolist())
    elif isinstance(x, (str, bytes)) or not isinstance(x, Iterable):
        yield key, plain(x)
    else:
        found = list(x)
        if any(isinstance(v, (Mapping, pd.DataFrame, np.ndarray, list, tuple)) or dataclasses.is_dataclass(v) for v in found):
            for place, value in enumerate(found):
                yield from flat(f"{key}.{place}", value)
            return
        values = [plain(v) for v in found]
        if len(values) > MOST and all(isinstance(v, (int, float)) for v in values):
            yield f"{key}.count", len(values)
            yield f"{key}.sum", math.fsum(values)
            yield f"{key}.ends", [min(values), max(values)]
            values = [values[i] for i in np.linspace(0, len(values) - 1, MOST).round().astype(int)]
        elif len(values) > MOST:
            yield f"{key}.count", len(values)
            values = [values[i] for i in np.linspace(0, len(values) - 1, MOST).round().astype(int)]
        yield key, values


def plain(x: Any) -> Any:
    """A number, a text, True, False or None."""
    if x is None or isinstance(x, (bool, np.bool_)):
        return None if x is None else bool(x)
    if isinstance(x, (int, np.integer)):
        return int(x)
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else str(float(x))
    if isinstance(x, bytes):
        x = x.decode("utf-8", "replace")
    if x is pd.NA or x is pd.NaT:
        return str(x)
    return said.text(str(x))
