"""Fernandes et al. 2023, Scaling Laws for Multilingual Neural Machine Translation, arXiv:2302.09650."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, drawn, law
from scaling.papers.he2024 import Share

Bend = Annotated[float, Domain(0.0, 10.0, grid=(0.2, 2.0))]


@law("arXiv:2302.09650")
def multitask(
    N, p: Share, *, L_inf: Positive = 1.0, beta: Positive = 100.0, alpha: Exponent = 0.3, c1: Positive = 0.5,
    c2: Bend = 0.5, c3: Bend = 0.5,
):  # fmt: skip
    """L(N, p) = L_inf + beta / (f(p) N)^alpha, f(p) = p + c1 p^c2 (1 - p)^c3

    A task with weight p behaves like a model of f(p) N parameters trained on it alone; f does not depend on N. f(p) = p
    (c1 = 0) means that the other task neither helps nor harms. The coefficients stand in figures alone: no constants.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. p : weight of the task in training, in (0, 1].
    L_inf, beta, alpha : the task's law when it is trained alone. c1, c2, c3 : what it gains from the other task.

    Notes
    -----
    Fails for more than two tasks, which the paper did not try, for a task of weight 0, and where the weights fitted do not
    reach around the one asked: f is a shape, not a theory.
    """
    return L_inf + beta / (effective_share(p, c1=c1, c2=c2, c3=c3) * N) ** alpha


def effective_share(p, *, c1, c2, c3):
    """f(p): the share of the model that seems to work for a task of weight p."""
    return p + c1 * p**c2 * (1 - p) ** c3


@multitask.natural
def multitask_natural(N, p, *, alpha):
    return {"beta": np.exp(-alpha * np.log(N).mean())}


multitask.sample(drawn(N=(2e7, 1e9), p=[0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95]))
