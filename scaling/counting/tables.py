"""Tables that say how they count, and what to do with those that count otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.counting.conventions import FLOPS, PARAMETERS, Count, Shape, convert_parameters, flops_per_token, known
from scaling.errors import DataError

if TYPE_CHECKING:  # slow, and `scaling train --help` has no table
    import pandas as pd

# what a table counts: its columns, the column that says how, and the ways there are
KINDS: dict[str, tuple[tuple[str, ...], str, Mapping[str, Count]]] = {
    "parameters": (("N", "n_params"), "params_counted", PARAMETERS),
    "FLOP": (("C", "flops"), "flops_counted", FLOPS),
}


def counted(table: pd.DataFrame, what: str = "parameters") -> str | None:
    """The convention by which a table counts "parameters" (column N or n_params) or "FLOP" (C or flops); None if unsaid.

    The column, or fact of the runs, `params_counted` (`flops_counted`) says it. Beside the counts that scaling.training
    writes, n_params and n_params_nonemb, it can be seen.

    Raises
    ------
    DataError : rows counted in several ways, or a convention that is unknown.
    """
    columns, said, _ = KINDS[what]
    if said in table and table[said].notna().any():
        names: list[str] = sorted(set(table[said].fillna("unsaid")))
        _check({*names} - {"unsaid"}, what)
        if len(names) > 1:
            raise DataError(
                f"column '{said}': the rows count {what} in {len(names)} ways ({', '.join(names)}), which differ by up to "
                f"several times for small models.\nSelect rows of one kind, or convert them where the shape is known: "
                f"scaling.counting.recounted(table, '{names[0]}', '{what}')."
            )
        return names[0]
    if what == "parameters" and "n_params_nonemb" in table and (here := [c for c in columns if c in table]):
        x, blocks = (table[c].to_numpy(float) for c in (here[0], "n_params_nonemb"))
        total = table["n_params"].to_numpy(float) if "n_params" in table else np.full(len(table), np.nan)
        return "non_embedding" if (x == blocks).all() else "total" if (x == total).all() else None
    return None


def _check(names: set[str], what: str) -> None:
    ways = KINDS[what][2]
    if unknown := sorted(names - {*ways}):
        raise DataError(f"unknown convention '{unknown[0]}' for {what}; there are {', '.join(ways)}.")


def recounted(table: pd.DataFrame, wanted: str, what: str = "parameters") -> pd.DataFrame:
    """The table with its parameters, or FLOP, counted as `wanted`.

    From n_params and n_params_nonemb, or the shape in columns d_model, n_layer, vocab, context (d_ff, n_head, tied).

    Raises
    ------
    DataError : the table does not say what it counts, or neither has other counts nor the shape.
    """
    columns, said, ways = KINDS[what]
    known(ways, wanted, what, None)
    column = next((c for c in columns if c in table), None)
    if column is None:
        there = ", ".join(str(name) for name in table if name not in ("file", "line"))  # which say where a row was read
        raise DataError(f"no column {' or '.join(columns)} to count anew; the table has {there}.")
    given = table[said].fillna("") if said in table else [counted(table, what) or ""] * len(table)
    _check({*given} - {""}, what)
    values = table[column].to_numpy(float).copy()
    exact = {"non_embedding": "n_params_nonemb", "total": "n_params"}.get(wanted, "")
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    for i, name in enumerate(given):
        if name == wanted:
            continue
        if name == "":
            raise DataError(f"row {i} does not say how it counts {what}; add a column {said}, one of {', '.join(ways)}.")
        if "n_params_nonemb" in table and exact in table:
            values[i] = rows[i][exact]
        elif what == "parameters":
            values[i] = convert_parameters(values[i], _shape(rows[i]), given=name, wanted=wanted)
        elif (shape := _shape(rows[i])) is not None:
            values[i] *= flops_per_token(shape, wanted) / flops_per_token(shape, name)
        else:
            raise DataError(
                f"FLOP are counted as {name} and needed as {wanted}; give the shape: columns d_model, n_layer, vocab, context."
            )
    return table.assign(**{column: values}).assign(**{said: wanted})


def _shape(row: Mapping[str, Any]) -> Shape | None:
    given = {k: v for k in Shape.__dataclass_fields__ if (v := row.get(k)) is not None and v == v}  # gaps are NaN
    return Shape(**given) if {"d_model", "n_layer"} <= set(given) else None


def alike(**tables: pd.DataFrame) -> None:
    """Refuse tables that say they count parameters in different ways."""
    found = {name: how for name, t in tables.items() if (how := counted(t)) is not None}
    if len(set(found.values())) > 1:
        first = next(iter(found.values()))
        raise DataError(
            f"parameters are counted in different ways: {', '.join(f'{k} {v}' for k, v in found.items())}; these differ by "
            f"up to several times for small models.\nConvert one where its shape is known: "
            f"scaling.counting.recounted(table, '{first}')."
        )


def matched(data: Any, fitted: pd.DataFrame, inputs: Any) -> Any:
    """Data (Runs or a table) for a law with these inputs, counted as the rows it was fitted to, where both say how."""
    if isinstance(data, Mapping) and any(said in data for _, said, _ in KINDS.values()):
        data = type(fitted)({**data})
    for what, (columns, _, _) in KINDS.items():
        table = getattr(data, "facts", data)
        if not set(columns) & set(inputs) or not hasattr(table, "columns"):
            continue
        ours, theirs = counted(fitted, what), counted(table, what)
        if ours is not None and theirs not in (None, ours):
            table = recounted(table, ours, what)
            data = data.with_facts(table) if hasattr(data, "facts") else table
    return data
