"""Parameters and floating-point operations of the model, under each convention that laws are published in."""

from collections.abc import Callable
from typing import NamedTuple

from scaling.errors import TrainingError


class Shape(NamedTuple):
    """Size of a decoder-only transformer: tied head, learned positions, no biases, MLP of width 4 d."""

    n_layer: int
    d_model: int
    n_head: int
    context: int
    vocab: int = 256


def param_counts(shape: Shape) -> dict[str, int]:
    """
    Parameter counts by convention.

    Returns
    -------
    dict
        `n_params` (everything once, V d + T d + L (12 d^2 + 2 d) + d), `n_params_nonemb` (the block
        matrices, 12 L d^2, Kaplan's N), `n_params_embedding` (bytes and positions) and `n_params_head` (V d;
        the head is the embedding itself, so `n_params` does not hold it twice).
    """
    L, d = shape.n_layer, shape.d_model
    embedding, matrices = (shape.vocab + shape.context) * d, 12 * L * d * d
    return {
        "n_params": embedding + matrices + 2 * L * d + d,
        "n_params_nonemb": matrices,
        "n_params_embedding": embedding,
        "n_params_head": shape.vocab * d,
    }


def _matmul(s: Shape) -> int:
    return 6 * 12 * s.n_layer * s.d_model**2


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
    "exact": lambda s: _matmul(s) + 6 * s.vocab * s.d_model + 6 * s.n_layer * s.d_model * (s.context + 1),
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
    if convention not in _FLOPS:
        raise TrainingError(f"unknown FLOP convention {convention!r}; known: {', '.join(FLOP_CONVENTIONS)}")
    return _FLOPS[convention](shape)
