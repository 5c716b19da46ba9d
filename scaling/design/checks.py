"""What the columns of a table must hold before a law sees them: numbers, inside its domains, shares that are whole."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from scaling.counting.columns import completed
from scaling.errors import DataError
from scaling.formula import ANY_POSITIVE, Domain, Law
from scaling.formula.monomials import trace
from scaling.logs.sheet import PLACE, row_named
from scaling.words import listed, others, parse_number

COUNTS = ("N", "D")  # whatever the law, there is no run of none of them
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


def once(frame: pd.DataFrame) -> None:
    """Refuse a table with two columns of one name: which of them is meant?"""
    if frame.columns.has_duplicates:
        names = listed([f"'{name}'" for name in frame.columns[frame.columns.duplicated()].unique()])
        raise DataError(f"there is more than one column {names}; rename or drop one: data.loc[:, ~data.columns.duplicated()].")


def numbers(column: pd.Series, name: str, place: pd.DataFrame | None = None) -> np.ndarray:
    """A column as floats, or DataError where it holds anything else; `place` is the table it is of."""
    if not len(column):
        raise DataError(f"column '{name}' has no rows.")
    if column.dtype == object and all(isinstance(x, Real) and not isinstance(x, bool) for x in column):
        column = column.astype(float)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise _not_numbers(column, name, place)
    return column.to_numpy(float)


def _not_numbers(column: pd.Series, name: str, place: pd.DataFrame | None) -> DataError:
    """What stands in a column in place of numbers, where, and what makes numbers of it."""
    wrong = np.flatnonzero(pd.to_numeric(column, errors="coerce").isna() & column.notna())
    if not len(wrong):
        return DataError(
            f"column '{name}' holds {column.dtype} values such as {column.iloc[0]!r}, not numbers; "
            "convert it with pandas.to_numeric."
        )
    remedy = (
        f"mend the cells, or leave such rows out: data['{name}'] = pandas.to_numeric(data['{name}'], errors='coerce'), "
        f"then data.dropna(subset='{name}')."
    )
    if place is not None and {*PLACE} <= {*place}:
        remedy = "correct the cell or leave out its row."
    elif pd.to_numeric(column.iloc[wrong].astype(str).str.replace(",", ""), errors="coerce").notna().all():
        remedy = f"convert the column: data['{name}'].astype(str).str.replace(',', '').astype(float)."
    elif all(map(_spoken, column.iloc[wrong])):
        remedy = f"write numbers without units: {parse_number(column.iloc[wrong[0]]):g}."
    where = row_named(column.to_frame() if place is None else place, int(wrong[0]), name)
    return DataError(f"{where}: found {column.iloc[wrong[0]]!r}, not a number{others(len(wrong))}; {remedy}")


def _spoken(cell: Any) -> bool:
    """Is it a number as people write one, such as 7B?"""
    try:
        return parse_number(cell) != 0
    except ValueError:
        return False


def weights(frame: pd.DataFrame, loss: np.ndarray | None, relative: bool) -> np.ndarray:
    """Weights of the rows (n,): column `weight`, and 1 / `loss_se`^2 scaled to a mean of one so that rows keep counting as
    rows.

    Parameters
    ----------
    loss : (n,), where standard errors count. relative : they are errors of ln loss.
    """
    weight = numbers(frame["weight"], "weight", frame) if "weight" in frame else np.ones(len(frame))
    if loss is None or "loss_se" not in frame:
        return weight
    se = numbers(frame["loss_se"], "loss_se", frame)
    if (bad := ~((se > 0) & np.isfinite(se)) & ~np.isnan(loss)).any():
        raise DataError(
            f"{row_named(frame, np.flatnonzero(bad)[0], 'loss_se')}: standard errors must be positive and finite; "
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


def sizes(frame: pd.DataFrame) -> None:
    """Refuse rows with a loss whose size or tokens are no count: every law without them would say that they do not matter."""
    once(frame)
    frame, _ = completed(frame, (*COUNTS, "loss"))  # by whatever name, and what follows from compute
    loss = numbers(frame["loss"], "loss", frame) if "loss" in frame else np.ones(len(frame))
    for name in (name for name in (*COUNTS, "loss") if name in frame):
        x = numbers(frame[name], name, frame)
        if len(bad := np.flatnonzero(~((x > 0) & (x < np.inf) if name != "loss" else x < np.inf) & ~np.isnan(loss))):
            raise DataError(
                f"{row_named(frame, bad[0], name)}: {x[bad[0]]:g} is not a {'positive' if name != 'loss' else 'finite'} "
                f"number{others(len(bad))}; mend or remove it."
            )


def inside(columns: Columns, law: Law, frame: pd.DataFrame) -> None:
    """Refuse inputs outside the law's domains; one without a domain is finite, and positive where a power is taken of it.

    Parameters
    ----------
    columns : name -> (n,). frame : the table they are of, whose rows are named in messages.
    """
    powers = {base for term in trace(law) or [] for base, (_, slopes) in term.powers.items() if slopes}
    for name in law.inputs:
        x, range_ = columns[name], law.ranges.get(name, ANY_POSITIVE if name in powers or name in COUNTS else Domain())
        fine = (x >= range_.lo if range_.closed else x > range_.lo) & (x <= range_.hi) & np.isfinite(x)
        if fine.all():
            continue
        bad = np.flatnonzero(~fine)
        wanted = f"a {'positive' if name in powers or name in COUNTS else 'finite'} number"
        if name in law.ranges:
            wanted = f"{range_.lo:g} {'<=' if range_.closed else '<'} {name} <= {range_.hi:g}"
        percent = range_.part and range_.hi == 1 and (x >= 0).all() and 1 < x.max() <= 100 and len(bad) > len(x) / 2
        remedy = "are these per cent? Divide them by 100" if percent else "mend or remove it"
        raise DataError(
            f"{row_named(frame, bad[0], name)}: {x[bad[0]]:.12g} is not {wanted}{others(len(bad))}, "
            f"as law '{law.name}' needs; {remedy}."
        )


def whole(columns: Columns, law: Law, frame: pd.DataFrame) -> None:
    """Refuse rows whose shares do not sum to 1; arguments as in `inside`."""
    for parts in law.shares:
        total = np.sum([columns[p] for p in parts], axis=0)
        off = np.abs(total - 1.0)
        if (off > ROUNDED).any():
            worst = int(np.argmax(off))
            raise DataError(
                f"{row_named(frame, worst)}: the shares {', '.join(parts)} sum to {total[worst]:.4g}, "
                f"not 1{others((off > ROUNDED).sum())}; give a column for every domain, and divide by the sum."
            )


def fittable(loss: np.ndarray, weight: np.ndarray, positive: bool, frame: pd.DataFrame) -> np.ndarray:
    """Which rows (n,) have a loss and count; DataError for losses and weights that make no sense.

    Parameters
    ----------
    loss : (n,), NaN where there is none. weight : (n,). positive : losses must be, not only finite.
    frame : the table they are of, whose rows are named in messages.
    """
    empty = np.isnan(loss)
    bad = np.flatnonzero(~empty & (~np.isfinite(loss) | (positive & (loss <= 0))))
    if len(bad):
        remedy = "a run that diverged has no final loss: remove it."
        if positive and np.isfinite(loss[bad]).all():
            remedy = (
                "remove them if they are diverged runs; losses that are negative by construction (relative to a unigram "
                "model, rewards) have no logarithm: use objective='squares' (or 'huber'), "
                "and where the law's offset must be positive add a constant to all losses, which moves it alone."
            )
        raise DataError(
            f"{row_named(frame, bad[0], 'loss')}: {loss[bad[0]]:.12g} is not a "
            f"{'positive' if positive else 'finite'} number{others(len(bad))}; {remedy}"
        )
    bad = np.flatnonzero(~(weight >= 0) | ~np.isfinite(weight))
    if len(bad):
        raise DataError(f"{row_named(frame, bad[0], 'weight')}: weights must be finite and not negative.")
    return np.asarray(~empty & (weight > 0))
