"""Parameters and floating-point operations of the model, under each convention that laws are published in."""

from collections.abc import Callable
from typing import NamedTuple

from scaling.errors import TrainingError


class Shape(NamedTuple):
    """Size of a transformer: tied head, learned positions, no biases, MLP of width 4 d."""

    n_layer: int
    d_model: int
    n_head: int
    context: int
    vocab: int = 256
    n_encoder: int = 0
    qk_norm: bool = False


def param_counts(shape: Shape) -> dict[str, int]:
    """
    Parameter counts by convention.

    Returns
    -------
    dict
        `n_params` (everything once, V d + T d + L (12 d^2 + 2 d) + d), `n_params_nonemb` (the block
        matrices, 12 L d^2, Kaplan's N), `n_params_embedding` (bytes and positions) and `n_params_head` (V d;
        the head is the embedding itself, so `n_params` does not hold it twice). With an encoder, also
        `n_params_encoder` (12 L_e d^2) and `n_params_decoder` (16 L d^2: each block attends to the encoder too).
    """
    L, L_e, d = shape.n_layer, shape.n_encoder, shape.d_model
    encoder, decoder = 12 * L_e * d * d, (16 if L_e else 12) * L * d * d
    embedding = (shape.vocab + shape.context) * d
    gains = (3 * L + 2 * L_e + 2 if L_e else 2 * L + 1) * d
    if shape.qk_norm:  # a gain for queries and one for keys, as wide as a head, in each attention
        gains += 2 * (d // shape.n_head) * (2 * L + L_e if L_e else L)
    sides = {"n_params_encoder": encoder, "n_params_decoder": decoder} if L_e else {}
    return {
        "n_params": embedding + encoder + decoder + gains,
        "n_params_nonemb": encoder + decoder,
        "n_params_embedding": embedding,
        "n_params_head": shape.vocab * d,
    } | sides


def _matmul(s: Shape) -> int:
    return 6 * param_counts(s)["n_params_nonemb"]


def _attention(s: Shape) -> int:
    """Scores and mixing of all attentions; a causal one sees (T + 1) / 2 bytes on average, the others all T."""
    full = s.n_encoder + (s.n_layer if s.n_encoder else 0)
    return 6 * s.d_model * (s.n_layer * (s.context + 1) + full * 2 * s.context)


def _chinchilla(s: Shape, embedding: bool) -> int:
    d, T = s.d_model, s.context
    layer = 6 * d * d + 2 * T * d + 3 * s.n_head * T + 2 * T * d + 2 * d * d + 16 * d * d
    return 3 * (s.n_layer * layer + (4 * s.vocab * d if embedding else 0))


_FLOPS: dict[str, Callable[[Shape], int]] = {
    "6nd": lambda s: 6 * param_counts(s)["n_params"],
    "6nd_nonemb": _matmul,
    "kaplan": lambda s: _matmul(s) + 6 * s.n_layer * s.context * s.d_model,
    "palm": lambda s: _matmul(s) + 12 * s.n_layer * s.context * s.d_model,
    "lingua": lambda s: _matmul(s) + 7 * s.n_layer * s.context * s.d_model,
    "chinchilla": lambda s: _chinchilla(s, embedding=True),
    "chinchilla_blocks": lambda s: _chinchilla(s, embedding=False),
    "exact": lambda s: _matmul(s) + 6 * s.vocab * s.d_model + _attention(s),
}
FLOP_CONVENTIONS = tuple(_FLOPS)


def flops_per_token(shape: Shape, convention: str) -> int:
    """
    Training FLOPs per token (forward and backward) under a named convention.

    Parameters
    ----------
    shape : Shape
    convention : str
        `6nd` (6 x all parameters), `6nd_nonemb` (6 x block matrices); block matrices and: `kaplan` the causal
        half of attention, `palm` the full square, `lingua` causal attention with recomputed scores;
        `chinchilla` (Hoffmann 2022, appendix F, per token), `chinchilla_blocks` (the same without embedding
        and logits, as in its table A4), `exact` (matrix products with the head, causal attention).

    Raises
    ------
    TrainingError
        For an unknown convention. They differ by up to a third at ladder sizes, so none is a default.
    """
    if shape.n_encoder and convention not in ("6nd", "6nd_nonemb", "exact"):
        raise TrainingError(f"convention {convention!r} is for decoders alone; with an encoder: 6nd, 6nd_nonemb, exact")
    if convention not in _FLOPS:
        raise TrainingError(f"unknown FLOP convention {convention!r}; known: {', '.join(FLOP_CONVENTIONS)}")
    return _FLOPS[convention](shape)
