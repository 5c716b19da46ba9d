"""What procedures ask of tables and laws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting import completed
from scaling.errors import DataError
from scaling.formula import Law
from scaling.logs.tables import listed_columns
from scaling.words import verb


def needs(name: str, frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """The table, called so, with these columns by the names they have here; refused without them."""
    found, _ = completed(frame, columns)
    if missing := [c for c in columns if c not in found]:
        raise DataError(
            f"needs {name} with columns {', '.join(columns)}; missing {', '.join(missing)}. It has {listed_columns(frame)}."
        )
    return found


def needs_positive(name: str, frame: pd.DataFrame, columns: Iterable[str]) -> pd.DataFrame:
    """It is refused also without rows, or with anything but positive numbers in these columns, `run` apart."""
    frame = needs(name, frame, columns)
    if not (n := len(frame)):
        raise DataError(f"{name}: the table has no rows.")
    for c in columns:
        values = pd.to_numeric(frame[c], errors="coerce").to_numpy(float) if c != "run" else np.ones(n)
        if bad := int((~np.isfinite(values) | (values <= 0)).sum()):
            raise DataError(
                f"{name}: column '{c}' must hold positive numbers; {bad} of {n} rows {verb(bad, 'does', 'do')} not. Drop them."
            )
    return frame


def at(law: Law, values: Mapping[str, float], *inputs: Any) -> np.ndarray:
    """The law at these inputs, with those of the values that it takes."""
    found: np.ndarray = law(*(np.asarray(x, float) for x in inputs), **{k: values[k] for k in law.params})
    return found
