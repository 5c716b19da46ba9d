"""Kumar et al. 2024, Scaling Laws for Precision, arXiv:2411.04330."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Published, drawn, law

Bits = Annotated[float, Domain(0.05, 50.0, log=True)]
Parts = Annotated[float, Domain(0.3, 10.0, log=True)]

_READ = "table 2 for A, alpha = beta, gamma_w"
_COUNTS = "N = non-embedding parameters, D = tokens, P in bits; loss in nats/token"


@law(
    "arXiv:2411.04330",
    published={
        "kumar2024": Published(
            E=2.7648, A=4299.0, B=1.806e4, alpha=0.4965, beta=0.4965, gamma_w=2.6745, gamma_a=2.2102, gamma_kv=0.9578,
            counts=_COUNTS, verified=False, source=f"arXiv:2411.04330, {_READ}; the rest remembered",
            note="B, E, gamma_a and the digits of gamma_kv were not read in the paper",
        ),
    },
)  # fmt: skip
def precision(
    N, D, P_w, P_a, P_kv, *, E: Positive = 2.8, A: Positive = 4000.0, B: Positive = 2e4, alpha: Exponent = 0.5,
    beta: Exponent = 0.5, gamma_w: Bits = 2.7, gamma_a: Bits = 2.2, gamma_kv: Bits = 1.0,
):  # fmt: skip
    """L = E + A / N_eff^alpha + B / D^beta,  N_eff = N prod_x (1 - exp(-P_x / gamma_x)),  x in w, a, kv

    Training in low precision counts as training a smaller model.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens.
    P_w, P_a, P_kv : bits of weights, activations and key-value cache in training (16 for none saved).
    gamma_w, gamma_a, gamma_kv : bits at which 63 % of the parameters still count.

    Notes
    -----
    Fails for weights quantised after training: `ptq_damage`. The published constants do not give the paper's 7 to 8 bits back
    (3.5 or 5.1), and in models of under a million parameters the effect is below the noise.
    """
    left = alpha * (np.log1p(-np.exp(-P_w / gamma_w)) + np.log1p(-np.exp(-P_a / gamma_a)) + np.log1p(-np.exp(-P_kv / gamma_kv)))
    return E + A * np.exp(-left) / N**alpha + B / D**beta


@precision.natural
def precision_natural(N, D, P_w, P_a, P_kv, *, alpha, beta):
    return {"A": np.exp(-alpha * np.log(N).mean()), "B": np.exp(-beta * np.log(D).mean())}


_bits = lambda rng, n: rng.integers(2, 17, n).astype(float)
precision_sample = precision.sample(drawn(N=(3e7, 2e9), D=(1e9, 3e10), P_w=_bits, P_a=_bits, P_kv=_bits))


@law("this project")
def precision_bits(
    N, D, bits, *, E: Positive = 2.8, A: Positive = 4000.0, B: Positive = 2e4, alpha: Exponent = 0.5, beta: Exponent = 0.5,
    gamma: Bits = 2.7, k: Parts = 1.5,
):  # fmt: skip
    """L(N, D, bits) = E + A / N_eff^alpha + B / D^beta,  N_eff = N (1 - exp(-bits / gamma))^k

    `precision` where one number of bits is known of a run. The paper has k = 1 where weights alone are in few bits, and k = 3
    where weights, activations and cache are in as many; tables seldom say which, so k is fitted.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens. bits : of the numbers in training.
    gamma, k : bits at which 63 % of the parameters still count, and how many parts of the model lose them.

    Notes
    -----
    Fails for weights quantised after training: `ptq_damage`. gamma and k trade off where no run is below 4 bits.
    """
    return E + A * np.exp(-alpha * k * np.log1p(-np.exp(-bits / gamma))) / N**alpha + B / D**beta


@precision_bits.natural
def precision_bits_natural(N, D, bits, *, alpha, beta):
    return {"A": np.exp(-alpha * np.log(N).mean()), "B": np.exp(-beta * np.log(D).mean())}


precision_bits.sample(drawn(N=(3e7, 2e9), D=(1e9, 3e10), bits=_bits))


@law(
    "arXiv:2411.04330",
    published={
        "kumar2024": Published(
            C_T=0.0598, gamma_N=0.3439, gamma_D=0.5068, gamma_post=0.5907, counts=_COUNTS, verified=False,
            source="arXiv:2411.04330, table 2 for gamma_D, gamma_N; the rest remembered",
        ),
    },
    predicts="added loss",
)  # fmt: skip
def ptq_damage(N, D, P, *, C_T: Positive = 0.06, gamma_N: Exponent = 0.34, gamma_D: Exponent = 0.5, gamma_post: Bits = 0.6):
    """dL(N, D, P) = C_T D^gamma_D / N^gamma_N exp(-P / gamma_post)

    Loss added by quantising the weights after training; it grows with the tokens trained on. When fitting, the column
    `loss` holds the difference.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens. P : bits of the quantised weights.

    Notes
    -----
    Fails for training in low precision: `precision`; and far beyond the tokens fitted, as it has no limit in D. Weights alone
    are quantised.
    """
    return C_T * D**gamma_D / N**gamma_N * np.exp(-P / gamma_post)


@ptq_damage.natural
def ptq_damage_natural(N, D, P, *, gamma_N, gamma_D):
    return {"C_T": np.exp(gamma_D * np.log(D).mean() - gamma_N * np.log(N).mean() - 6.0)}


@ptq_damage.sample
def ptq_damage_sample(rng, n):
    few = precision_sample(rng, n)
    return {"N": few["N"], "D": few["D"], "P": rng.integers(3, 7, n).astype(float)}
