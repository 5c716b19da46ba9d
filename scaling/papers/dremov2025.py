"""Compute-Optimal Quantization-Aware Training, 2025, arXiv:2509.22935."""

from typing import Annotated

import numpy as np

from scaling.errors import LawError
from scaling.formula import Domain, Exponent, Positive, Published, law

Either = Annotated[float, Domain(-3.0, 3.0, grid=(-0.8, 0.8))]
Delay = Annotated[float, Domain(0.0, 1e3, log=True)]


def tokens_per_byte(N, D, bits):
    """S = D / (N bits / 8): training tokens per byte of quantised weights."""
    return D * 8 / (N * bits)


@law(
    "arXiv:2509.22935",
    published={
        "dremov2025": Published(
            a=6.7297, source="arXiv:2509.22935 as quoted by summaries of the paper (mean error 0.091)",
            counts="N = parameters, D = tokens of both phases; weight-only, 1 to 6 bits", verified=False,
        ),
    },
    predicts="share of the steps",
)  # fmt: skip
def qat_fraction(N, D, bits, *, a: Delay = 6.7):
    """f(N, D, bits) = exp(-a / ln S),  S = 8 D / (N bits)

    Best share of the tokens to spend on quantisation-aware training; S counts tokens per byte of the quantised weights.
    When fitting, the column `loss` holds the shares.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. D : tokens of both phases together. bits : of a quantised weight.

    Notes
    -----
    Fails where there are few tokens: at one or less per byte it is refused, below 10 it means little. Known for weights of 1 to
    6 bits alone, activations in full precision.
    """
    S = tokens_per_byte(N, D, bits)
    if np.any(S <= 1):
        raise LawError(
            f"qat_fraction: only {np.min(S):.3g} tokens per byte of quantised weights; the law needs more than 1 "
            "(and means little below 10). Train on more tokens, or with fewer bits."
        )
    return np.exp(-a / np.log(S))


@qat_fraction.sample
def qat_fraction_sample(rng, n):
    N = np.exp(rng.uniform(np.log(1e8), np.log(2e9), n))
    D = N * np.exp(rng.uniform(np.log(20), np.log(1e4), n))
    return {"N": N, "D": D, "bits": rng.integers(1, 7, n).astype(float)}


@law("arXiv:2509.22935", predicts="added loss")
def qat_penalty(
    N, levels, S_fp, S_qat, *, theta: Positive = 1.0, kappa: Exponent = 1.0, phi: Positive = 1.0, chi: Exponent = 1.0,
    psi: Exponent = 0.3, omega: Exponent = 0.3, lam: Positive = 1.0, mu: Exponent = 1.0, nu: Exponent = 0.3,
    xi: Either = -0.1, rho: Exponent = 0.3,
):  # fmt: skip
    """dL = theta / levels^kappa + phi / (levels^chi N^psi S_qat^omega) + lam / (levels^mu N^nu S_fp^xi S_qat^rho)

    Loss added by quantisation-aware training after a phase in full precision, levels = 2^bits. Nobody published constants,
    nor the sign of xi. When fitting, the column `loss` holds the difference to full precision.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. levels : 2^bits. S_fp, S_qat : tokens of either phase per byte of quantised
        weights, `tokens_per_byte`.

    Notes
    -----
    Fails on small tables: eleven parameters, constants that nobody published, and an exponent xi of unknown sign. Known for
    weights of 1 to 6 bits alone, and only for an added loss above 0.
    """
    return (
        theta / levels**kappa + phi / (levels**chi * N**psi * S_qat**omega) + lam / (levels**mu * N**nu * S_fp**xi * S_qat**rho)
    )


@qat_penalty.sample
def qat_penalty_sample(rng, n):
    few = {k: np.exp(rng.uniform(np.log(lo), np.log(hi), n)) for k, lo, hi in (("N", 8e7, 2e9), ("S_fp", 5, 2e3))}
    return {"N": few["N"], "levels": 2.0 ** rng.integers(1, 7, n), "S_fp": few["S_fp"], "S_qat": few["S_fp"][::-1] / 2}
