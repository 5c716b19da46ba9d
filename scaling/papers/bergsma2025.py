"""Bergsma et al. 2025, Power Lines: Scaling Laws for Weight Decay and Batch Size, arXiv:2505.13738."""

from scaling.formula import Exponent, Positive, Published, drawn, law


@law(
    "arXiv:2505.13738",
    published={
        "bergsma2025": Published(
            K=1.084, g=0.527, source="arXiv:2505.13738, best timescale over tokens per parameter (R2 .975)",
            counts="M = tokens per parameter; timescale B / (eta lambda D) in passes over the run, B and D in tokens",
        ),
    },
    predicts="timescale",
)  # fmt: skip
def timescale(M, *, K: Positive = 1.0, g: Exponent = 0.5):
    """tau(M) = K / M^g

    Best timescale of AdamW's average of updates, as a share of the run: tau = B / (eta lambda D), so the weight decay follows
    from peak rate, batch and tokens: lambda = B / (eta tau D). When fitting, the column `loss` holds the best timescales.

    Parameters
    ----------
    M : array_like, shape (n,), training tokens per parameter.

    Notes
    -----
    Fails for optimisers whose decay is not AdamW's, and says nothing of which of peak rate, batch and decay to change.
    """
    return K / M**g


timescale.sample(drawn(M=(5.0, 1000.0)))
