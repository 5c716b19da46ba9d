"""What N and C mean: ways to count parameters and FLOP, and conversions between them where the shape is known.

Counting only the embeddings differently moves the exponent of N in C from 0.83 to 0.70 (arXiv:2406.19146), so numbers
counted in two ways are converted here, or refused; they are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError


@dataclass(frozen=True)
class Shape:
    """Of a decoder-only transformer.

    Parameters
    ----------
    d_model, n_layer, vocab, context : width, blocks, vocabulary, tokens per sequence.
    d_ff : hidden width of the feed-forward part, 4 d_model if not given. `gated`: it has three matrices instead of two.
    d_attn : heads times key size, d_model if not given. n_head : needed for the FLOP of the softmax only.
    tied : the head is the embedding itself, and counts once in the total.
    """

    d_model: int
    n_layer: int
    vocab: int = 0
    context: int = 0
    d_ff: int | None = None
    d_attn: int | None = None
    n_head: int = 0
    gated: bool = False
    tied: bool = False

    def __post_init__(self) -> None:
        given = {k: v for k, v in vars(self).items() if v is not None or k not in ("d_ff", "d_attn")}
        numbers = [v for k, v in given.items() if k not in ("gated", "tied")]
        if not all(isinstance(v, (int, float, np.number)) and 0 <= v < np.inf for v in numbers) or not (
            self.d_model > 0 and self.n_layer > 0
        ):
            raise DataError(f"{self}: widths and depths are positive numbers, vocab, context and n_head 0 or more.")

    @property
    def ff(self) -> int:
        return 4 * self.d_model if self.d_ff is None else self.d_ff

    @property
    def attn(self) -> int:
        return self.d_model if self.d_attn is None else self.d_attn

    @property
    def blocks(self) -> int:
        """Parameters of the block matrices, 12 L d^2 in the usual proportions."""
        return self.n_layer * self.d_model * (4 * self.attn + (3 if self.gated else 2) * self.ff)


PARAMETERS: dict[str, Callable[[Shape], int]] = {
    # Kaplan 2001.08361: block matrices alone
    "non_embedding": lambda s: s.blocks,
    # Porian 2406.19146, and tied heads generally: matrices that multiply an activation
    "active_with_head": lambda s: s.blocks + s.vocab * s.d_model,
    # embeddings, learned positions and the head
    "total": lambda s: s.blocks + ((1 if s.tied else 2) * s.vocab + s.context) * s.d_model,
}


def _hoffmann(s: Shape) -> float:
    """Appendix F of 2203.15556 per token: 3 x forward; the embedding term 2 V d as published."""
    d, a = s.d_model, s.attn
    layer = 2 * 3 * d * a + 2 * s.context * a + 3 * s.n_head * s.context + 2 * s.context * a + 2 * a * d
    layer += 2 * (3 if s.gated else 2) * d * s.ff
    return 3.0 * (s.n_layer * layer + 2 * 2 * s.vocab * d)


FLOPS: dict[str, Callable[[Shape], float]] = {  # training FLOP per token
    "6ND": lambda s: 6.0 * PARAMETERS["total"](s),
    "6ND_non_embedding": lambda s: 6.0 * s.blocks,
    "6ND_with_head": lambda s: 6.0 * PARAMETERS["active_with_head"](s),
    "6ND+attn": lambda s: 6.0 * PARAMETERS["active_with_head"](s) + 6.0 * s.context * s.attn * s.n_layer,
    "kaplan": lambda s: 3.0 * (2 * s.blocks + 2 * s.n_layer * s.context * s.attn),
    "hoffmann": _hoffmann,
    "deepseek": lambda s: 6.0 * s.blocks + 12.0 * s.n_layer * s.d_model * s.context,
}


def parameters(shape: Shape, convention: str = "total") -> int:
    """Parameters of a transformer: "non_embedding", "active_with_head" or "total"."""
    return _known(PARAMETERS, convention, "parameters", shape)(shape)


def flops_per_token(shape: Shape, convention: str = "6ND") -> float:
    """Training FLOP per token: "6ND", "6ND_non_embedding", "6ND_with_head", "6ND+attn", "kaplan", "hoffmann", "deepseek"."""
    return _known(FLOPS, convention, "FLOP", shape)(shape)


def compute(N, D):
    """C = 6 N D in floating point: as 64-bit integers it overflows silently at 9.2e18."""
    return 6.0 * np.asarray(N, float) * np.asarray(D, float)


def convert_parameters(N: float, shape: Shape | None, *, given: str, wanted: str, tolerance: float = 0.02) -> float:
    """N counted as `given`, recounted as `wanted`.

    Raises
    ------
    DataError : the shape is unknown, or N is not what the shape has under the convention it claims (by `tolerance`).
    """
    if given == wanted:
        _known(PARAMETERS, given, "parameters", None)
        return float(N)
    if shape is None:
        raise DataError(
            f"N = {N:g} counts {given} parameters and {wanted} are needed; these differ by up to several times "
            "for small models. Give the shape (d_model, n_layer, vocab, context), or count anew."
        )
    counted = parameters(shape, given)
    if abs(N / counted - 1) > tolerance:
        raise DataError(
            f"N = {N:g} does not count {given} parameters: this shape has {counted:g}. Name the convention "
            f"that was used: {', '.join(f'{k} {parameters(shape, k):g}' for k in PARAMETERS)}."
        )
    return float(parameters(shape, wanted))


def _known(table, convention: str, what: str, shape: Shape | None):
    if convention not in table:
        raise DataError(f"unknown convention '{convention}' for {what}; there are {', '.join(table)}.")
    if (
        shape is not None
        and not shape.vocab
        and convention not in ("non_embedding", "6ND_non_embedding", "kaplan", "deepseek")
    ):
        raise DataError(f"convention '{convention}' counts the vocabulary, and the shape gives none; set vocab=.")
    return table[convention]


def named_in(counts: str) -> str | None:
    """The convention that the `counts` text of published constants names, of parameters or else of FLOP; None if none."""
    for words, convention in (
        ("non-embedding FLOP per token", "deepseek"),
        ("non-embedding", "non_embedding"),
        ("total parameters", "total"),
    ):
        if words in counts:
            return convention
    return None


def grown(shape: Shape, N: float, convention: str) -> Shape:
    """The shape with width and depth multiplied alike, by whatever makes it have N parameters; both become fractions."""
    few, many = 1e-6, 1e6
    for _ in range(100):
        by = (few * many) ** 0.5
        wider: dict[str, Any] = {"d_model": shape.d_model * by, "n_layer": shape.n_layer * by}
        wider |= {k: v * by for k in ("d_ff", "d_attn") if (v := getattr(shape, k)) is not None}
        made = replace(shape, **wider)
        few, many = (by, many) if _known(PARAMETERS, convention, "parameters", made)(made) < N else (few, by)
    return made


# what a table counts: its columns, the column that says how, and the ways there are
KINDS: dict[str, tuple[tuple[str, ...], str, Mapping[str, Callable]]] = {
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
    columns, said, known = KINDS[what]
    if said in table and table[said].notna().any():
        names = sorted(set(table[said].fillna("unsaid")))
        for name in set(names) - {"unsaid"}:
            _known(known, name, what, None)
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


def recounted(table: pd.DataFrame, wanted: str, what: str = "parameters") -> pd.DataFrame:
    """The table with its parameters, or FLOP, counted as `wanted`.

    From n_params and n_params_nonemb, or the shape in columns d_model, n_layer, vocab, context (d_ff, n_head, tied).

    Raises
    ------
    DataError : the table does not say what it counts, or neither has other counts nor the shape.
    """
    columns, said, known = KINDS[what]
    _known(known, wanted, what, None)
    column = next((c for c in columns if c in table), None)
    if column is None:
        raise DataError(f"no column {' or '.join(columns)} to count anew; the table has {', '.join(map(str, table))}.")
    given = table[said].fillna("") if said in table else [counted(table, what) or ""] * len(table)
    values = table[column].to_numpy(float).copy()
    exact = {"non_embedding": "n_params_nonemb", "total": "n_params"}.get(wanted, "")
    rows: list[dict[str, Any]] = table.to_dict("records")  # type: ignore[assignment]
    for i, name in enumerate(given):
        if name == wanted:
            continue
        if name == "":
            raise DataError(
                f"row {i} does not say how it counts {what}; add a column {said}, one of {', '.join(known)}."
            )
        if "n_params_nonemb" in table and exact in table:
            values[i] = rows[i][exact]
        elif what == "parameters":
            values[i] = convert_parameters(values[i], _shape(rows[i]), given=name, wanted=wanted)
        else:
            values[i] *= _ratio(_shape(rows[i]), name, wanted)
    return table.assign(**{column: values}).assign(**{said: wanted})


def _shape(row: Mapping[str, Any]) -> Shape | None:
    if not {"d_model", "n_layer"} <= set(row):
        return None
    return Shape(**{k: row[k] for k in Shape.__dataclass_fields__ if k in row})


def _ratio(shape: Shape | None, given: str, wanted: str) -> float:
    if shape is None:
        raise DataError(
            f"FLOP are counted as {given} and needed as {wanted}; give the shape: columns d_model, n_layer, vocab, context."
        )
    return flops_per_token(shape, wanted) / flops_per_token(shape, given)


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
    if (
        isinstance(data, Mapping)
        and not isinstance(data, pd.DataFrame)
        and any(said in data for _, said, _ in KINDS.values())
    ):
        data = pd.DataFrame({**data})
    for what, (columns, _, _) in KINDS.items():
        table = getattr(data, "facts", data)
        if not set(columns) & set(inputs) or not hasattr(table, "columns"):
            continue
        ours, theirs = counted(fitted, what), counted(table, what)
        if ours is not None and theirs not in (None, ours):
            table = recounted(table, ours, what)
            data = data.with_facts(table) if hasattr(data, "facts") else table
    return data
