"""What procedures ask of tables and laws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.formula import Law


def needs(name: str, frame: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a table, called so, without these columns."""
    if missing := [c for c in columns if c not in frame]:
        raise DataError(f"needs {name} with columns {', '.join(columns)}; missing {', '.join(missing)}.")


def needs_positive(name: str, frame: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse it also without rows, or with anything but positive numbers in these columns, `run` apart."""
    needs(name, frame, columns)
    if not (n := len(frame)):
        raise DataError(f"{name}: the table has no rows.")
    for c in columns:
        values = pd.to_numeric(frame[c], errors="coerce").to_numpy(float) if c != "run" else np.ones(n)
        if bad := int((~np.isfinite(values) | (values <= 0)).sum()):
            raise DataError(f"{name}: column '{c}' must hold positive numbers; {bad} of {n} rows do not. Drop them.")


def at(law: Law, values: Mapping[str, float], *inputs: Any) -> np.ndarray:
    """The law at these inputs, with those of the values that it takes."""
    found: np.ndarray = law(*(np.asarray(x, float) for x in inputs), **{k: values[k] for k in law.params})
    return found
