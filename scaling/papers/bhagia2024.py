"""Bhagia et al. 2024, Establishing Task Scaling Laws via Compute-Efficient Model Ladders, arXiv:2412.04403: step two."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Positive, Unit, drawn, law

Slope = Annotated[float, Domain(0.0, np.inf, log=True, grid=(1.0, 100.0))]
Drop = Annotated[float, Domain(-1.0, 0.0)]


@law("arXiv:2412.04403", predicts="accuracy")
def downstream_sigmoid(L, *, a: Drop = -0.7, L0: Positive = 0.8, k: Slope = 5.0, b: Unit = 0.95):
    """Acc(L) = a / (1 + exp(-k (L - L0))) + b

    Parameters
    ----------
    L : array_like, shape (n,), task loss (bits per byte of the answer). `loss` of a fit is the accuracy, in (0, 1).
    b : accuracy of a perfect model. a + b : chance level. L0, k : where and how steeply accuracy rises.
    """
    return a / (1 + np.exp(-k * (L - L0))) + b


@downstream_sigmoid.natural
def downstream_sigmoid_natural(L):
    return {"L0": 1 / L.mean(), "k": L.mean()}


@downstream_sigmoid.jacobian
def downstream_sigmoid_jacobian(L, *, a, L0, k, b):
    s = 1 / (1 + np.exp(-k * (L - L0)))
    bell = a * s * (1 - s)
    return {"a": s, "L0": -k * bell, "k": (L - L0) * bell, "b": np.ones_like(s)}


downstream_sigmoid.sample(drawn(L=lambda rng, n: rng.uniform(0.3, 1.6, n)))
