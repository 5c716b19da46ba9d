"""Compute-Optimal Quantization-Aware Training, 2025, arXiv:2509.22935."""

from typing import Annotated

import numpy as np

from scaling.errors import LawError
from scaling.formula import Domain, Published, law

Delay = Annotated[float, Domain(0.0, 1e3, log=True)]


def tokens_per_byte(N, D, bits):
    """S = D / (N bits / 8): training tokens per byte of quantised weights."""
    return D * 8 / (N * bits)


@law(
    "arXiv:2509.22935",
    published={
        "dremov2025": Published(
            a=6.7297,
            source="arXiv:2509.22935 as quoted by summaries of the paper (mean error 0.091)",
            counts="N = parameters, D = tokens of both phases; weight-only, 1 to 6 bits",
            verified=False,
        ),
    },
)
def qat_fraction(N, D, bits, *, a: Delay = 6.7):
    """f(N, D, bits) = exp(-a / ln S),  S = 8 D / (N bits)

    Best share of the tokens to spend on quantisation-aware training; S counts tokens per byte of the quantised weights.
    Loses its meaning below S of about 10. When fitting, the column `loss` holds the shares.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. D : tokens of both phases together. bits : of a quantised weight.
    """
    S = tokens_per_byte(N, D, bits)
    if np.any(S <= 1):
        raise LawError(
            f"qat_fraction: only {np.min(S):.3g} tokens per byte of quantised weights; the law needs more than 1 "
            "(and means little below 10). Train on more tokens, or with fewer bits."
        )
    return np.exp(-a / np.log(S))


@qat_fraction.sample
def _(rng, n):
    N = np.exp(rng.uniform(np.log(1e8), np.log(2e9), n))
    return {
        "N": N,
        "D": N * np.exp(rng.uniform(np.log(20), np.log(1e4), n)),
        "bits": rng.integers(1, 7, n).astype(float),
    }
