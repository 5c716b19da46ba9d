"""What N and C mean: ways to count parameters and FLOP, and conversions between them where the shape is known.

Counting only the embeddings differently moves the exponent of N in C from 0.83 to 0.70 (arXiv:2406.19146), so numbers
counted in two ways are converted here, or refused; they are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scaling.errors import DataError


@dataclass(frozen=True)
class Shape:
    """Of a decoder-only transformer.

    Parameters
    ----------
    d_model, n_layer, vocab, context : width, blocks, vocabulary, tokens per sequence.
    d_ff : hidden width of the feed-forward part, 4 d_model if not given. `gated`: it has three matrices instead of two.
    d_attn : heads times key size, d_model if not given. n_head : needed for the FLOP of the softmax only.
    """

    d_model: int
    n_layer: int
    vocab: int = 0
    context: int = 0
    d_ff: int | None = None
    d_attn: int | None = None
    n_head: int = 0
    gated: bool = False

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
    # embeddings, learned positions and an untied head
    "total": lambda s: s.blocks + (2 * s.vocab + s.context) * s.d_model,
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
    """Parameters of a transformer: "non_embedding", "active_with_head" or "total" (with an untied head)."""
    return _known(PARAMETERS, convention, "parameters", shape)(shape)


def flops_per_token(shape: Shape, convention: str = "6ND") -> float:
    """Training FLOP per token: "6ND", "6ND_non_embedding", "6ND_with_head", "6ND+attn", "kaplan", "hoffmann", "deepseek"."""
    return _known(FLOPS, convention, "FLOP", shape)(shape)


def compute(N, D):
    """C = 6 N D in floating point: as 64-bit integers it overflows silently at 9.2e18."""
    import numpy as np

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
    """The parameter convention that the `counts` text of published constants names, or None if it names none."""
    for words, convention in (("non-embedding", "non_embedding"), ("total parameters", "total")):
        if words in counts:
            return convention
    return None
