"""Gadre et al. 2024, Language Models Scale Reliably with Over-training and on Downstream Tasks, arXiv:2403.08540: error law."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Positive, Unit, law

Rate = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.1, 10.0))]


@law("arXiv:2403.08540")
def downstream_error(L, *, eps: Unit = 0.8, k: Positive = 2.0, gamma: Rate = 0.8):
    """Err(L) = eps - k exp(-gamma L)

    Parameters
    ----------
    L : array_like, shape (n,), validation loss. `loss` of a fit is the average top-1 error over tasks, in (0, 1).
    eps : error of a model that knows nothing. k, gamma : how the error falls with the loss (in perplexity: k PP^-gamma).
    """
    return eps - k * np.exp(-gamma * L)


@downstream_error.natural
def downstream_error_natural(L, *, gamma):
    return {"k": np.exp(gamma * L.mean())}


@downstream_error.jacobian
def downstream_error_jacobian(L, *, eps, k, gamma):
    fall = np.exp(-gamma * L)
    return {"eps": np.ones_like(fall), "k": -fall, "gamma": k * L * fall}


@downstream_error.sample
def downstream_error_sample(rng, n):
    return {"L": rng.uniform(2.0, 4.5, n)}
