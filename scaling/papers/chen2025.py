"""Chen et al. 2025, Scaling Law for Quantization-Aware Training, arXiv:2505.14302."""

import numpy as np

from scaling.formula import Exponent, Positive, Published, drawn, law


@law(
    "arXiv:2505.14302",
    published={
        "chen2025_w4a4": Published(
            k=0.1582, gamma_N=0.2186, gamma_D=0.0745, gamma_G=0.7779, verified=False,
            source="arXiv:2505.14302 (remembered, not read)",
            counts="N = parameters, D = tokens; 4-bit weights and activations",
        ),
    },
    predicts="added loss",
)  # fmt: skip
def qat_error(N, D, G, *, k: Positive = 0.16, gamma_N: Exponent = 0.2, gamma_D: Exponent = 0.07, gamma_G: Exponent = 0.8):
    """dL(N, D, G) = k D^gamma_D (log2 G)^gamma_G / N^gamma_N

    Loss added by training with quantised weights and activations. It grows with D, whereas the terms of `qat_penalty`
    shrink with the tokens per byte: two papers, two claims. When fitting, the column `loss` holds the difference.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. D : training tokens. G : values that share one scale, above 1.

    Notes
    -----
    Fails for groups of one value, whose added loss it puts at 0, and wherever training with quantisation lowers the loss. Its
    constants are of 4-bit weights and activations.
    """
    return k * D**gamma_D * np.log2(G) ** gamma_G / N**gamma_N


@qat_error.natural
def qat_error_natural(N, D, G, *, gamma_N, gamma_D, gamma_G):
    return {"k": np.exp(gamma_D * np.log(D).mean() + gamma_G * np.log(np.log2(G)).mean() - gamma_N * np.log(N).mean())}


qat_error.sample(drawn(N=(7e7, 6e8), D=(1e10, 1e11), G=lambda rng, n: 2.0 ** rng.integers(5, 9, n)))
