"""Repeated data that a model learns by heart: what that costs grows with the size, and with the passes until all is known."""

from typing import Annotated

import numpy as np

from scaling.formula import Bending, Domain, Exponent, Positive, drawn, law

Outer = Annotated[float, Domain(0.05, 3.0, log=True, grid=(0.3, 1.5))]
Power = Annotated[float, Domain(0.0, 3.0, grid=(0.2, 1.4))]
TAKEN = ((0.01, 1.0), (0.1, 1.0), (0.1, 0.3))  # what memorising costs at the middle of the data, after which share of D - U


def _part(D, U, R, q):
    """Share of the unique tokens that is known by heart: 0 in the first pass."""
    more = np.where(np.real(D) > np.real(U), D - U, 0.0)
    return -np.expm1(-more / (R * U**q))


@law("this project")
def memorised(
    N, D, U: Bending, *, E: Positive = 1.9, A: Positive = 3000.0, alpha: Exponent = 0.45, B: Positive = 3e4,
    beta: Exponent = 0.5, g: Outer = 0.8, C: Positive = 0.03, gamma: Power = 1.0, delta: Power = 0.9, R: Positive = 3e5,
    q: Power = 0.6,
):  # fmt: skip
    """L(N, D, U) = E + (A / N^alpha + B / D^beta)^g + C N^gamma / U^delta (1 - e^(-(D - U) / (R U^q)))

    The first two terms are the law of fresh data (`chinchilla_outer`). Beyond one pass the model learns its unique tokens by
    heart, the more the larger it is and the fewer they are, until R U^q further tokens have been seen a few times over: the
    loss falls, rises, and levels off. In `data_constrained_2` this cost knows nothing of D, in `data_constrained` it is never
    more than what fresh tokens would have gained. A form of our own, found by rolling origin on the runs of arXiv:2305.16264.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens (repetitions counted). U : unique tokens.
    E, A, alpha, B, beta, g : law of fresh data. C, gamma, delta : cost of knowing all by heart. R, q : how long that takes.

    Notes
    -----
    Fails where dropout, weight decay or early stopping keep models from memorising, and beyond the largest models it was fitted
    to: the cost has no upper limit.
    """
    return E + (A / N**alpha + B / D**beta) ** g + C * N**gamma / U**delta * _part(D, U, R, q)


@memorised.natural
def memorised_natural(N, D, U, *, alpha, beta, gamma, delta, q):
    n, d, u = (np.log(x).mean() for x in (N, D, U))
    more = np.log(D - U, where=D > U, out=np.log(D))
    return {
        "A": np.exp(-alpha * n), "B": np.exp(-beta * d), "C": np.exp(gamma * n - delta * u), "R": np.exp(q * u - more.mean()),
    }  # fmt: skip


@memorised.needs
def memorised_needs(N, D, U):
    if not np.any(D > U):
        return ["no run repeats its data (D > U nowhere), so nothing is learned by heart: fit 'chinchilla_outer'"]
    if np.ptp(U) <= 1e-9 * np.max(U):
        return ["all rows have the same unique tokens U, so what they cost cannot be told from the size: add rows with other U"]
    return []


@memorised.contains("chinchilla_outer")
def memorised_contains(N, D, U, **fresh):
    """The law of fresh data, with little or some of the loss due to memorising, soon or late."""
    n, u, more = np.log(N).mean(), np.log(U).mean(), np.log(np.maximum(D - U, 0.1 * U)).mean()
    base = {k: fresh[k] for k in ("E", "A", "B", "alpha", "beta")}
    base |= {"g": fresh["gamma"], "gamma": 1.0, "delta": 0.8, "q": 0.6}
    return [{**base, "C": cost * np.exp(0.8 * u - n), "R": late * np.exp(more - 0.6 * u)} for cost, late in TAKEN]


@memorised.components
def memorised_components(N, D, U, *, E, A, alpha, B, beta, g, C, gamma, delta, R, q):
    return {"E": E, "fresh data": (A / N**alpha + B / D**beta) ** g, "memorised": C * N**gamma / U**delta * _part(D, U, R, q)}


@memorised.sample
def memorised_sample(rng, n):
    inputs = drawn(N=(1e7, 4e9), U=(1e8, 1e11))(rng, n)
    return {"N": inputs["N"], "D": inputs["U"] * np.exp(rng.uniform(np.log(0.3), np.log(300), n)), "U": inputs["U"]}
