"""A plan as people read it: the numbers are in the frame that `plan` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scaling.words import amount

LISTS = ("beside", "costs")  # of the attributes of a plan: one line each row


def said(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Lines above the table, (label, text): what the plan counts and rests on, what others say, what its limits cost."""
    lines = [(str(name), str(text)) for name, text in rows.attrs.items() if name not in LISTS]
    lines += [("beside", _said_beside(row)) for row in rows.attrs.get("beside", [])]
    lines += [("cost", _said_cost(row, len(rows) > 1)) for row in rows.attrs.get("costs", [])]
    return lines + [("epochs", _said_epochs(row)) for _, row in rows.iterrows() if "epochs" in rows]


def tall(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per quantity, one column per budget, intervals beside their values."""
    names = [name for name in map(str, rows) if not name.endswith(("_lower", "_upper"))]
    shown = rows[names].assign(**{name: [_cell(row, name) for _, row in rows.iterrows()] for name in names})
    if "flat_N_lower" in rows:
        ends = zip(rows["flat_N_lower"], rows["flat_N_upper"], strict=True)
        shown["N within 0.1 % of the best loss"] = [f"{amount(low)} to {amount(high)}" for low, high in ends]
    return shown.set_index("flops").T.rename_axis("flops")


def _cell(row: Any, name: str) -> str:
    if isinstance(value := row[name], str):
        return value
    if f"{name}_lower" not in row:
        return amount(value)
    return f"{amount(row[name])} ({amount(row[f'{name}_lower'])} to {amount(row[f'{name}_upper'])})"


def _said_beside(row: Mapping[str, Any]) -> str:
    """What another way to the optimum says."""
    known = f"D* off by {row['known_error']:.0%} on average, eight to ten times beyond eight iso-FLOP sets"
    return f"{row['approach']} at {amount(row['flops'])}: N {amount(row['N'])}, D {amount(row['D'])} ({known})"


def _said_cost(row: Mapping[str, Any], several: bool) -> str:
    """What a limit adds to the loss."""
    where = f"at {amount(row['flops'])}, " if several else ""
    run = f"{where}{row['what']}: N {amount(row['N'])}, D {amount(row['D'])}, loss {row['loss']:.4f}"
    if not row["total"]:
        return run
    return f"{run}, {row['added']:.4f} more; as good as {row['compute']:.0%} of the compute without limits"


def _said_epochs(row: pd.Series) -> str:
    """Where another epoch stops paying."""
    pays = f"another pays up to {row['epochs_pay_to']:.3g}, beyond it as much compute in parameters gains more"
    ends = f"after {row['epochs_end']:.3g} all further ones gain less than 0.1 %"
    return f"{row['epochs']:.3g} at {amount(row['flops'])}; {pays}; {ends}"
