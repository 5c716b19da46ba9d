"""Krajewski et al. 2024, Scaling Laws for Fine-Grained Mixture of Experts, arXiv:2402.07871."""

from scaling.formula import Exponent, Positive, Published, drawn, law

_SOURCE = "arXiv:2402.07871, as quoted by a summary of the paper"
_COUNTS = "N = active non-embedding parameters, D = tokens, G = granularity; nats/token"


@law(
    "arXiv:2402.07871",
    published={
        "krajewski2024": Published(
            c=0.47, a=18.1, alpha=0.115, b=30.8, beta=0.147, g=2.1, gamma=0.58, source=_SOURCE, counts=_COUNTS,
            verified=False,
        ),
    },
)  # fmt: skip
def granular_moe(
    N, D, G, *, c: Positive = 0.5, a: Positive = 18.0, alpha: Exponent = 0.12, b: Positive = 30.0,
    beta: Exponent = 0.15, g: Positive = 2.0, gamma: Exponent = 0.6,
):  # fmt: skip
    """L(N, D, G) = c + (g / G^gamma + a) / N^alpha + b / D^beta

    Mixture of experts of granularity G: each expert is 1 / G of the usual hidden width. The paper's dense constants are
    those of `chinchilla` (E 0.47, A 16.3, alpha 0.126, B 26.7, beta 0.127).

    Parameters
    ----------
    N : array_like, shape (n,), parameters. D : training tokens. G : granularity, 1 for usual experts.

    Notes
    -----
    Fails where runs differ in their number of experts, which it does not know, and for fine experts: the gain of G has no cost
    here. N counts active parameters in its constants.
    """
    return c + a / N**alpha + g / (G**gamma * N**alpha) + b / D**beta


granular_moe.sample(drawn(N=(1e7, 4e9), D=(1e9, 1e11), G=lambda rng, n: 2.0 ** rng.integers(0, 5, n)))
