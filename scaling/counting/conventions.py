"""One shape of a transformer, and one table of conventions by which laws, plans and the trainer count it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scaling import numerics
from scaling.errors import ArgumentError, DataError

TRAIN, SERVE = 6.0, 2.0  # FLOP per parameter and token: forward and backward, forward alone


@dataclass(frozen=True)
class Shape:
    """Of a transformer: a decoder, or an encoder and a decoder.

    Parameters
    ----------
    d_model, n_layer, vocab, context : width, blocks, vocabulary, tokens per sequence.
    d_ff : hidden width of the feed-forward part, 4 d_model if not given. `gated`: it has three matrices instead of two.
    d_attn : heads times key size, d_model if not given. n_head : needed for the FLOP of the softmax, and for `qk_norm`.
    tied : the head is the embedding itself, and counts once in the total.
    n_encoder : blocks of an encoder that every decoder block attends to, beside itself.
    qk_norm : queries and keys have gains, as wide as a head.
    experts : feed-forward parts in every block, of which a token passes `top_k`; a router with biases chooses, if more than 1.
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
    n_encoder: int = 0
    qk_norm: bool = False
    experts: int = 1
    top_k: int = 1

    def __post_init__(self) -> None:
        given = {k: v for k, v in vars(self).items() if v is not None or k not in ("d_ff", "d_attn")}
        numbers = [v for k, v in given.items() if k not in ("gated", "tied", "qk_norm")]
        if not all(isinstance(v, (int, float, np.number)) and 0 <= v < np.inf for v in numbers) or not (
            self.d_model > 0 and self.n_layer > 0 and (self.n_head or not self.qk_norm) and 1 <= self.top_k <= self.experts
        ):
            raise DataError(
                f"{self}: widths and depths are positive numbers, vocab, context and n_head 0 or more; qk_norm needs n_head; "
                "top_k is 1 to experts."
            )

    @property
    def ff(self) -> int:
        return 4 * self.d_model if self.d_ff is None else self.d_ff

    @property
    def attn(self) -> int:
        return self.d_model if self.d_attn is None else self.d_attn

    @property
    def encoder(self) -> int:
        """Parameters of the encoder's block matrices."""
        return self.n_encoder * self.d_model * (4 * self.attn + self._mlp(self.experts))

    @property
    def decoder(self) -> int:
        """Parameters of the decoder's block matrices, 12 L d^2 in the usual proportions and without an encoder."""
        return self.n_layer * self.d_model * ((8 if self.n_encoder else 4) * self.attn + self._mlp(self.experts))

    @property
    def blocks(self) -> int:
        return self.encoder + self.decoder

    @property
    def idle(self) -> int:
        """Parameters of block matrices that a token does not pass: of the experts that are not chosen."""
        return (self.n_layer + self.n_encoder) * self.d_model * (self._mlp(self.experts) - self._mlp(self.top_k))

    @property
    def active(self) -> int:
        """Parameters of block matrices that a token passes."""
        return self.blocks - self.idle

    @property
    def embedding(self) -> int:
        """Parameters of tokens and learned positions."""
        return (self.vocab + self.context) * self.d_model

    @property
    def head(self) -> int:
        return self.vocab * self.d_model

    @property
    def gains(self) -> int:
        """Parameters of norms without biases: before each part of a block, at the end of each stack, and of qk_norm."""
        L, L_e = self.n_layer, self.n_encoder
        norms, attentions = (3 * L + 2 * L_e + 2, 2 * L + L_e) if L_e else (2 * L + 1, L)
        heads = attentions * 2 * (self.attn // self.n_head) if self.qk_norm else 0
        return norms * self.d_model + heads + (L + L_e) * self._router

    @property
    def _router(self) -> int:
        return self.experts if self.experts > 1 else 0

    def _mlp(self, experts: int) -> int:
        return experts * (3 if self.gated else 2) * self.ff + self._router


Count = Callable[[Shape], float]
PARAMETERS: dict[str, Count] = {
    # Kaplan 2001.08361: block matrices alone
    "non_embedding": lambda s: s.blocks,
    # Porian 2406.19146, and tied heads generally: matrices that multiply an activation
    "active_with_head": lambda s: s.active + s.head,
    # embeddings, learned positions and the head
    "total": lambda s: s.blocks + s.embedding + (0 if s.tied else s.head),
    # all that scaling.training learns
    "total_with_gains": lambda s: PARAMETERS["total"](s) + s.gains,
}


def _hoffmann(s: Shape) -> float:
    """Appendix F of 2203.15556 per token, blocks alone: 3 x forward."""
    d, a = s.d_model, s.attn
    layer = 2 * 3 * d * a + 2 * s.context * a + 3 * s.n_head * s.context + 2 * s.context * a + 2 * a * d
    return 3 * (s.n_layer * layer + 2 * (s.active - s.n_layer * 4 * d * a))


def _attention(s: Shape) -> float:
    """Scores and mixing of all attentions; a causal one sees (T + 1) / 2 tokens on average, the others all T."""
    full = s.n_encoder + (s.n_layer if s.n_encoder else 0)
    return 6 * s.attn * (s.n_layer * (s.context + 1) + full * 2 * s.context)


FLOPS: dict[str, Count] = {  # training FLOP per token; the matrices that it passes, and what is said
    "6ND": lambda s: 6 * (PARAMETERS["total"](s) - s.idle),
    "6ND_non_embedding": lambda s: 6 * s.active,
    "6ND_with_head": lambda s: 6 * PARAMETERS["active_with_head"](s),
    "6ND_with_gains": lambda s: 6 * (PARAMETERS["total_with_gains"](s) - s.idle),
    "6ND+attn": lambda s: 6 * PARAMETERS["active_with_head"](s) + 6 * s.context * s.attn * s.n_layer,
    "kaplan": lambda s: 6 * s.active + 6 * s.n_layer * s.context * s.attn,  # the causal half of attention
    "deepseek": lambda s: 6 * s.active + 12 * s.n_layer * s.d_model * s.context,  # its full square, also PaLM's
    "lingua": lambda s: 6 * s.active + 7 * s.n_layer * s.d_model * s.context,  # causal, scores computed twice
    "hoffmann": lambda s: _hoffmann(s) + 12 * s.head,  # embeddings and logits at 2 V d each, as published
    "hoffmann_blocks": _hoffmann,  # as in table A4
    "exact": lambda s: 6 * (s.active + s.head) + _attention(s),  # matrix products with the head, causal attention
}
WITHOUT_VOCABULARY = {"non_embedding", "6ND_non_embedding", "kaplan", "deepseek", "lingua", "hoffmann_blocks"}
DECODERS = {"6ND+attn", "kaplan", "deepseek", "lingua", "hoffmann", "hoffmann_blocks"}  # nobody counted encoders so


def parameters(shape: Shape, convention: str = "total") -> float:
    """Parameters of a transformer by a row of PARAMETERS, "total" or "non_embedding" for example."""
    return known(PARAMETERS, convention, "parameters", shape)(shape)


def flops_per_token(shape: Shape, convention: str = "6ND") -> float:
    """Training FLOP per token by a row of FLOPS, "6ND" or "kaplan" for example; at small sizes they differ by a third."""
    return known(FLOPS, convention, "FLOP", shape)(shape)


def compute(N: Any, D: Any) -> np.ndarray:
    """C = 6 N D in floating point: as 64-bit integers it overflows silently at 9.2e18."""
    return np.asarray(TRAIN * np.asarray(N, float) * np.asarray(D, float))


def tokens(C: Any, N: Any) -> np.ndarray:
    """D of 6 N D = C."""
    return np.asarray(C, float) / (TRAIN * np.asarray(N, float))


def convert_parameters(N: float, shape: Shape | None, *, given: str, wanted: str, tolerance: float = 0.02) -> float:
    """N counted as `given`, recounted as `wanted`.

    Raises
    ------
    DataError : the shape is unknown, or N is not what the shape has under the convention it claims (by `tolerance`).
    """
    if given == wanted:
        known(PARAMETERS, given, "parameters", None)
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


def known(table: Mapping[str, Count], convention: str, what: str, shape: Shape | None) -> Count:
    """The row of a table of conventions, if it is there and a shape says all that it counts."""
    if convention not in table:
        raise ArgumentError(f"unknown convention '{convention}' for {what}; there are {', '.join(table)}.")
    if shape is not None and not shape.vocab and convention not in WITHOUT_VOCABULARY:
        raise DataError(f"convention '{convention}' counts the vocabulary, and the shape gives none; set vocab=.")
    if shape is not None and shape.n_encoder and convention in DECODERS:
        others = ", ".join(k for k in table if k not in DECODERS)
        raise ArgumentError(f"convention '{convention}' is for decoders alone; with an encoder: {others}.")
    return table[convention]


def named_in(counts: str) -> str | None:
    """The convention that the `counts` text of published constants names, of parameters or else of FLOP; None if none."""
    ways = {"non-embedding FLOP per token": "deepseek", "non-embedding": "non_embedding", "total parameters": "total"}
    return next((convention for words, convention in ways.items() if words in counts), None)


def grown(shape: Shape, N: float, convention: str) -> Shape:
    """The shape with width and depth multiplied alike, by whatever makes it have N parameters; both become fractions."""

    def scaled(by: float) -> Shape:
        wider: dict[str, Any] = {"d_model": shape.d_model * by, "n_layer": shape.n_layer * by}
        return replace(shape, **wider, **{k: v * by for k in ("d_ff", "d_attn") if (v := getattr(shape, k)) is not None})

    missing = np.vectorize(lambda by, _: np.log(parameters(scaled(float(np.exp(by))), convention) / N))
    return scaled(float(np.exp(numerics.root(missing, np.log(1e-6), np.log(1e6)))))
