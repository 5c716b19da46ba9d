"""Muennighoff et al. 2023, Scaling Data-Constrained Language Models, arXiv:2305.16264."""

from typing import Annotated

import numpy as np

from scaling.formula import Bending, Domain, Exponent, Positive, Published, law

Decay = Annotated[float, Domain(0.05, 1e4, log=True, grid=(1.0, 60.0))]


@law(
    "arXiv:2305.16264",
    published={
        "muennighoff2023": Published(
            E=np.exp(0.6254804), A=np.exp(6.255414), B=np.exp(7.3049974), alpha=0.3526596, beta=0.3526596,
            R_D=15.387756, R_N=5.309743, source="authors' repository huggingface/datablations, README (unrounded)",
            counts="N = parameters as counted by the authors; C = 6 N D; loss in nats/token on C4",
        ),
    },
)  # fmt: skip
def data_constrained(
    N, D, U: Bending, *, E: Positive = 1.9, A: Positive = 500.0, B: Positive = 1500.0, alpha: Exponent = 0.35,
    beta: Exponent = 0.35, R_D: Decay = 15.0, R_N: Decay = 5.0,
):  # fmt: skip
    """L(N, D, U) = E + A / N'^alpha + B / D'^beta,  x' = U_x + U_x R_x (1 - exp(-(x/U_x - 1) / R_x))

    Repeating tokens, and parameters in excess of what the unique tokens can use, lose their worth exponentially.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens (repetitions counted). U : unique tokens.
    E, A, B, alpha, beta : Hoffmann's law, reached where D <= U and N <= the optimum for U tokens.
    R_D, R_N : repetitions (beyond the first pass, beyond the optimal size) after which little is gained.

    Notes
    -----
    Fails where repeats make the loss rise again: here they lose their worth but never harm (`memorised`, `data_constrained_2`).
    On the largest fifth of the public runs, held out (benchmarks/sldbench), its R2 is .52, that of `memorised` .90.
    """
    log_G = (np.log(alpha * A) - np.log(beta * B)) / (alpha + beta)
    U_N = np.exp(log_G + beta / alpha * (np.log(U) + log_G))  # the size for which U tokens are compute-optimal
    return E + A * worth(N, U_N, R_N) ** -alpha + B * worth(D, U, R_D) ** -beta


def worth(x, U, R):
    """Unrepeated equivalent of x when only U is unique; saturates at U (1 + R)."""
    excess = x / U - 1
    excess = np.where(np.real(excess) > 0, excess, 0.0)
    return np.where(np.real(x / U) > 1, U - U * R * np.expm1(-excess / R), x)


@data_constrained.natural
def data_constrained_natural(N, D, U, *, alpha, beta):
    return {"A": np.exp(-alpha * np.log(N).mean()), "B": np.exp(-beta * np.log(np.minimum(D, U)).mean())}


@data_constrained.sample
def data_constrained_sample(rng, n):
    N, U = (np.exp(rng.uniform(np.log(lo), np.log(hi), n)) for lo, hi in ((1e7, 5e9), (1e8, 5e10)))
    return {"N": N, "D": U * np.exp(rng.uniform(np.log(0.3), np.log(60), n)), "U": U}


@data_constrained.needs
def data_constrained_needs(N, D, U):
    nowhere = (
        "no run repeats its data (D > U nowhere), so the worth of repetition cannot be learned: "
        "fit 'chinchilla', or add runs of several epochs"
    )
    return [] if np.any(D > U) else [nowhere]


@data_constrained.components
def data_constrained_components(N, D, U, *, E, A, B, alpha, beta, R_D, R_N):
    log_G = (np.log(alpha * A) - np.log(beta * B)) / (alpha + beta)
    U_N = np.exp(log_G + beta / alpha * (np.log(U) + log_G))
    return {"E": E, "A / N'^alpha": A * worth(N, U_N, R_N) ** -alpha, "B / D'^beta": B * worth(D, U, R_D) ** -beta}
