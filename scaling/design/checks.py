"""What the columns of a table must hold before a law sees them: numbers, inside its domains, shares that are whole."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.formula import ANY_POSITIVE, Domain, Law
from scaling.formula.monomials import trace

ROUNDED = 0.005 + 1e-9  # by how much shares written with few digits may miss a sum of 1
Columns = Mapping[str, np.ndarray]


def table_of(columns: Mapping[Any, Any] | pd.DataFrame) -> pd.DataFrame:
    """A mapping of columns as a table; one number stands for a column of one row."""
    cells = {str(name): np.atleast_1d(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in cells.items()}
    if len({*lengths.values()}) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns are of unequal length: {said}; give each one value per row.")
    return pd.DataFrame(cells)


def numbers(column: pd.Series, name: str) -> np.ndarray:
    """A column as floats, or DataError where it holds anything else."""
    if not len(column):
        raise DataError(f"column '{name}' has no rows.")
    if column.dtype == object and all(isinstance(x, Real) and not isinstance(x, bool) for x in column):
        column = column.astype(float)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise DataError(
            f"column '{name}' holds {column.dtype} values such as {column.iloc[0]!r}, not numbers; "
            "convert it with pandas.to_numeric."
        )
    return column.to_numpy(float)


def weights(frame: pd.DataFrame, loss: np.ndarray | None, relative: bool) -> np.ndarray:
    """Weights of the rows (n,): column `weight`, and 1 / `loss_se`^2 scaled to a mean of one so that rows keep counting as
    rows.

    Parameters
    ----------
    loss : (n,), where standard errors count. relative : they are errors of ln loss.
    """
    weight = numbers(frame["weight"], "weight") if "weight" in frame else np.ones(len(frame))
    if loss is None or "loss_se" not in frame:
        return weight
    se = numbers(frame["loss_se"], "loss_se")
    if (bad := ~((se > 0) & np.isfinite(se)) & ~np.isnan(loss)).any():
        raise DataError(
            f"column 'loss_se', row {np.flatnonzero(bad)[0]}: standard errors must be positive and finite; "
            "leave out rows that say nothing."
        )
    precision = 1 / (se / loss if relative else se) ** 2
    return np.asarray(weight * (precision / np.nanmean(precision)))


def relative(weight: np.ndarray, distinct: int) -> np.ndarray:
    """Weights (n,) that count as many rows as are distinct, whatever their unit: a copy is no second measurement."""
    total = weight.sum()
    if total == distinct:
        return weight
    share, power = np.frexp(weight * (distinct / total))  # to 10 digits, so that the unit does not show in the last ones
    return np.asarray(np.ldexp(np.round(share, 10), power))


def inside(columns: Columns, law: Law, index: pd.Index) -> None:
    """Refuse inputs outside the law's domains; one without a domain is finite, and positive where a power is taken of it.

    Parameters
    ----------
    columns : name -> (n,). index : what the rows are called in messages.
    """
    powers = {base for term in trace(law) or [] for base, (_, slopes) in term.powers.items() if slopes}
    for name in law.inputs:
        x, range_ = columns[name], law.ranges.get(name, ANY_POSITIVE if name in powers else Domain())
        fine = (x >= range_.lo if range_.closed else x > range_.lo) & (x <= range_.hi) & np.isfinite(x)
        if fine.all():
            continue
        bad = np.flatnonzero(~fine)
        wanted = f"a {'positive' if name in powers else 'finite'} number"
        if name in law.ranges:
            wanted = f"{range_.lo:g} {'<=' if range_.closed else '<'} {name} <= {range_.hi:g}"
        raise DataError(
            f"column '{name}', row {index[bad[0]]}: {x[bad[0]]} is not {wanted} "
            f"({len(bad)} such rows), as law '{law.name}' needs; remove or mend these rows."
        )


def whole(columns: Columns, law: Law, index: pd.Index) -> None:
    """Refuse rows whose shares do not sum to 1; arguments as in `inside`."""
    for parts in law.shares:
        total = np.sum([columns[p] for p in parts], axis=0)
        off = np.abs(total - 1.0)
        if (off > ROUNDED).any():
            worst = int(np.argmax(off))
            raise DataError(
                f"row {index[worst]}: the shares {', '.join(parts)} sum to {total[worst]:.4g}, "
                f"not 1 ({(off > ROUNDED).sum()} such rows); give a column for every domain, and divide by the sum."
            )


def fittable(loss: np.ndarray, weight: np.ndarray, positive: bool, index: pd.Index) -> np.ndarray:
    """Which rows (n,) have a loss and count; DataError for losses and weights that make no sense.

    Parameters
    ----------
    loss : (n,), NaN where there is none. weight : (n,). positive : losses must be, not only finite.
    index : what the rows are called in messages.
    """
    empty = np.isnan(loss)
    bad = np.flatnonzero(~empty & (~np.isfinite(loss) | (positive & (loss <= 0))))
    if len(bad):
        remedy = "remove diverged rows."
        if positive and np.isfinite(loss[bad]).all():
            remedy = (
                "remove them if they are diverged runs; losses that are negative by construction (relative to a unigram "
                "model, rewards) have no logarithm: use objective='squares' (or 'huber'), "
                "and where the law's offset must be positive add a constant to all losses, which moves it alone."
            )
        raise DataError(
            f"column 'loss', row {index[bad[0]]}: {loss[bad[0]]} is not a "
            f"{'positive' if positive else 'finite'} number ({len(bad)} such rows); {remedy}"
        )
    bad = np.flatnonzero(~(weight >= 0) | ~np.isfinite(weight))
    if len(bad):
        raise DataError(f"column 'weight', row {index[bad[0]]}: weights must be finite and not negative.")
    return np.asarray(~empty & (weight > 0))
