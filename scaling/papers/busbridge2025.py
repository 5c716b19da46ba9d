"""Busbridge et al. 2025, Distillation Scaling Laws, arXiv:2502.08606 (the supervised law; also used for xLSTM, 2510.02228)."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, law
from scaling.papers.hoffmann2022 import chinchilla_optimum

Outer = Annotated[float, Domain(0.02, 10.0, grid=(0.2, 1.3))]


@law("arXiv:2502.08606")
def chinchilla_outer(
    N, D, *, E: Positive = 1.7, A: Positive = 2e4, B: Positive = 2e4, alpha: Exponent = 0.5, beta: Exponent = 0.5,
    gamma: Outer = 0.7,
):  # fmt: skip
    """L(N, D) = E + (A / N^alpha + B / D^beta)^gamma

    gamma = 1 is Hoffmann's law; E = 0 is Kaplan's L(N, D). The limits of large N or D are governed by alpha gamma and
    beta gamma: read those, not alpha and beta, which trade off with gamma.

    Parameters
    ----------
    N : array_like, shape (n,), parameters (say which count). D : array_like, shape (n,), training tokens.
    E : irreducible loss. A, alpha : finite model. B, beta : finite data. gamma : how the two shortages combine.

    Notes
    -----
    Fails to determine gamma on small tables: on the 240 points of arXiv:2404.10102 it is 1.26, .93 and .70 for 60, 80 and 100 %
    of them. Runs cut short, of repeated data or at settings far from their best are not described.
    """
    return E + (A / N**alpha + B / D**beta) ** gamma


@chinchilla_outer.natural
def chinchilla_outer_natural(N, D, *, alpha, beta):
    return {"A": np.exp(-alpha * np.log(N).mean()), "B": np.exp(-beta * np.log(D).mean())}


@chinchilla_outer.jacobian
def chinchilla_outer_jacobian(N, D, *, E, A, B, alpha, beta, gamma):
    model, data = N**-alpha, D**-beta
    inner = A * model + B * data
    outer = inner**gamma
    pull = gamma * outer / inner
    return {
        "E": np.ones_like(outer),
        "A": pull * model,
        "B": pull * data,
        "alpha": -pull * A * model * np.log(N),
        "beta": -pull * B * data * np.log(D),
        "gamma": outer * np.log(inner),
    }


@chinchilla_outer.optimum
def chinchilla_outer_optimum(C, *, E, A, B, alpha, beta, gamma):
    """The minimum of L is that of the inner sum, so the allocation is Hoffmann's."""
    best = chinchilla_optimum(C, E=0.0, A=A, B=B, alpha=alpha, beta=beta)
    return {**best, "loss": E + best["loss"] ** gamma}


@chinchilla_outer.components
def chinchilla_outer_components(N, D, *, E, A, B, alpha, beta, gamma):
    """The reducible part is split in the proportion of its two causes."""
    model, data = A / N**alpha, B / D**beta
    rest = (model + data) ** gamma
    return {"E": E, "model": rest * model / (model + data), "data": rest * data / (model + data)}


@chinchilla_outer.contains("chinchilla")
def chinchilla_outer_contains(N, D, *, E, A, B, alpha, beta):
    return [{"E": E, "A": A, "B": B, "alpha": alpha, "beta": beta, "gamma": 1.0}]
