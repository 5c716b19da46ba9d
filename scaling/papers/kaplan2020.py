"""Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv:2001.08361."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Published, drawn, law
from scaling.papers.hoffmann2022 import chinchilla_optimum

_LOSS = "loss in nats/token, WebText2"
# natural units: the size (data) at which either term alone would give a loss of one
Critical = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.1, 3e7))]
# in the solver's coordinates these are losses, and batches in units of the critical one
Share = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.02, 8.0))]
Small = Annotated[float, Domain(0.005, 3.0, grid=(0.03, 1.2))]


def _alone(x_c: float, alpha: float, equation: str, x: str) -> Published:
    source = f"arXiv:2001.08361, eq. {equation}"
    return Published(A=x_c**alpha, alpha=alpha, source=source, counts=f"x = {x}", verified=False)


@law(
    "arXiv:2001.08361",
    conventions={"x": "tokens"},
    published={
        "kaplan2020_N": _alone(8.8e13, 0.076, "1.1 (N_c=8.8e13)", f"non-embedding parameters; {_LOSS}"),
        "kaplan2020_D": _alone(5.4e13, 0.095, "1.2 (D_c=5.4e13)", f"tokens; {_LOSS}"),
        "kaplan2020_C": _alone(
            1.6e7, 0.057, "1.3, naive (C_c=1.6e7)", "training compute in PF-days (8.64e19 FLOP); batch not adjusted"
        ),
        "kaplan2020_Cmin": _alone(
            3.1e8, 0.050, "1.3 (C_c^min=3.1e8)", "compute in PF-days at batches far below the critical one"
        ),
    },
)
def power_law(x, *, A: Positive = 10.0, alpha: Exponent = 0.1):
    """L(x) = A / x^alpha

    The pure power law in one resource x: parameters, tokens, compute or steps. Kaplan et al. write (x_c / x)^alpha;
    here A = x_c^alpha, which is the better determined of the two.

    Parameters
    ----------
    x : array_like, shape (n,), > 0. A : loss at x = 1. alpha : exponent.

    Notes
    -----
    Fails far outside the data, where there is no irreducible loss to keep it up: on the six data sets of arXiv:2411.12925 it
    predicts the largest budget too low, every time.
    """
    return A / x**alpha


@power_law.jacobian
def power_law_jacobian(x, *, A, alpha):
    term = x**-alpha
    return {"A": term, "alpha": -A * term * np.log(x)}


@law(
    "arXiv:2001.08361",
    published={
        "kaplan2020": Published(
            N_c=6.4e13, D_c=1.8e13, alpha_N=0.076, alpha_D=0.103,
            counts=f"N = non-embedding parameters; C = 6 N D; {_LOSS}",
            source="arXiv:2001.08361, table 2, as coded in hadasah/scaling_laws",
        ),
    },
)  # fmt: skip
def kaplan(N, D, *, N_c: Critical = 6.4e13, D_c: Critical = 1.8e13, alpha_N: Exponent = 0.076, alpha_D: Exponent = 0.103):
    """L(N, D) = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D

    Eq. 1.5 of the paper. There is no irreducible loss: 'chinchilla_outer' with E = 0, beta = 1, gamma = alpha_D.

    Parameters
    ----------
    N : array_like, shape (n,), non-embedding parameters. D : array_like, shape (n,), training tokens.
    N_c, D_c : where a pure power law in N or in D would reach a loss of one. alpha_N, alpha_D : their exponents.

    Notes
    -----
    Fails far outside the data, where there is no irreducible loss to keep it up. Its constants are of sizes without embeddings
    and of runs with long warm-ups and rates that were not tuned, which favour large models on few tokens (arXiv:2406.19146).
    """
    return ((N_c / N) ** (alpha_N / alpha_D) + D_c / D) ** alpha_D


@kaplan.natural
def kaplan_natural(N, D):
    return {"N_c": np.exp(-np.log(N).mean()), "D_c": np.exp(-np.log(D).mean())}


@kaplan.jacobian
def kaplan_jacobian(N, D, *, N_c, D_c, alpha_N, alpha_D):
    ratio, log_n = alpha_N / alpha_D, np.log(N_c / N)
    model, data = np.exp(ratio * log_n), D_c / D
    inner = model + data
    outer = inner**alpha_D
    pull = alpha_D * outer / inner
    return {
        "N_c": pull * model * ratio / N_c,
        "D_c": pull * data / D_c,
        "alpha_N": pull * model * log_n / alpha_D,
        "alpha_D": outer * np.log(inner) - pull * model * log_n * ratio / alpha_D,
    }


@kaplan.optimum
def kaplan_optimum(C, *, N_c, D_c, alpha_N, alpha_D):
    """The inner sum is Hoffmann's law with exponents alpha_N / alpha_D and 1."""
    ratio = alpha_N / alpha_D
    best = chinchilla_optimum(C, E=0.0, A=N_c**ratio, B=D_c, alpha=ratio, beta=1.0)
    return {**best, "loss": best["loss"] ** alpha_D}


@law(
    "arXiv:2001.08361",
    published={
        "kaplan2020": Published(
            B_star=2e8, alpha_B=0.21, source="arXiv:2001.08361, eq. 1.4",
            counts=f"tokens; {_LOSS}", note="2.1e8 in the summary table of the paper", verified=False,
        ),
        "minicpm2024": Published(
            B_star=1.21e9, alpha_B=1 / 6.24, source="arXiv:2404.06395, batch size 1.21e9 / L^6.24",
            counts="tokens; optimal rather than critical batch", verified=False,
        ),
        "su2024": Published(
            B_star=1.7e8, alpha_B=0.205, source="arXiv:2403.06563, C4 (remembered, not read)", counts="tokens",
            verified=False,
        ),
    },
    predicts="batch size",
)  # fmt: skip
def critical_batch(L, *, B_star: Positive = 2e8, alpha_B: Exponent = 0.21):
    """B_crit(L) = B_star / L^(1 / alpha_B)

    The critical batch depends on the loss alone (Kaplan et al., eq. 1.4). When fitting, the column `loss` holds the
    critical batch and the column `L` the loss at which it was measured.

    Parameters
    ----------
    L : array_like, shape (n,), loss. B_star : critical batch at a loss of one. alpha_B : how it grows as the loss falls.

    Notes
    -----
    Fails across data and tokenizers, whose losses are other axes, and across definitions: where the critical batch begins moves
    the exponent over size from .47 to .62 on the runs of arXiv:2410.21676, and the noise scale lies far below what branched
    runs bear (arXiv:2505.23971).
    """
    return B_star / L ** (1 / alpha_B)


critical_batch.sample(drawn(L=lambda rng, n: rng.uniform(2.0, 6.0, n)))


@law(
    "arXiv:2001.08361",
    published={
        "kaplan2020_steps": Published(
            N_c=6.5e13, alpha_N=0.077, S_c=2.1e3, alpha_S=0.76, verified=False, source="arXiv:2001.08361, table 3",
            counts="N = non-embedding parameters; S = steps at a batch far above the critical one; nats/token, WebText2",
        ),
    },
)  # fmt: skip
def kaplan_steps(N, S, *, N_c: Share = 6.5e13, alpha_N: Small = 0.077, S_c: Share = 2.1e3, alpha_S: Small = 0.76):
    """L(N, S) = (N_c / N)^alpha_N + (S_c / S)^alpha_S

    Kaplan's learning curve at infinite batch (eq. 1.6); no irreducible loss.

    Parameters
    ----------
    N : array_like, shape (n,), non-embedding parameters. S : optimiser steps.

    Notes
    -----
    Fails for batches near the critical one or below: `kaplan_trajectory`; for rates that decay, as steps know nothing of them;
    and far outside the data, as it has no irreducible loss.
    """
    return (N_c / N) ** alpha_N + (S_c / S) ** alpha_S


def steps_to(L, N, *, N_c, alpha_N, S_c, alpha_S):
    """`kaplan_steps` solved for S; NaN where a model of N parameters never reaches the loss L.

    Parameters
    ----------
    L, N : array_like, loss and parameters. N_c, alpha_N, S_c, alpha_S : as in `kaplan_steps`.
    """
    left = L - kaplan_steps(N, np.inf, N_c=N_c, alpha_N=alpha_N, S_c=S_c, alpha_S=alpha_S)
    return S_c * np.where(left > 0, left, np.nan) ** (-1 / alpha_S)


@kaplan_steps.straight
def kaplan_steps_straight(N, S):
    """Solver's coordinates: in place of N_c and S_c the two losses at the middle of the data."""
    middles = (("N_c", "alpha_N", np.log(N).mean()), ("S_c", "alpha_S", np.log(S).mean()))

    def to(p):
        sizes = {k: np.exp(at + np.log(p[k]) / p[power]) for k, power, at in middles}
        return {**p, **sizes}

    def back(p):
        losses = {k: np.exp(p[power] * (np.log(p[k]) - at)) for k, power, at in middles}
        return {**p, **losses}

    return to, back


kaplan_steps_sample = kaplan_steps.sample(drawn(N=(1e6, 1e8), S=(2e3, 1e5)))
