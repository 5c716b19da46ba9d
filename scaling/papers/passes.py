"""Repeated samples: coverage, arXiv:2407.21787, its exponents, arXiv:2502.17578, and difficulties drawn from a Beta."""

from typing import Annotated

import numpy as np
from scipy.special import loggamma

from scaling.formula import Domain, Exponent, Positive, drawn, law

Shape = Annotated[float, Domain(1e-3, 1e4, log=True, grid=(0.1, 10.0))]
_tries = drawn(k=lambda rng, n: np.floor(np.exp(rng.uniform(0, 9, n))))


@law("arXiv:2502.17578", predicts="pass rate")
def pass_at_k(k, *, a: Positive = 1.5, b: Exponent = 0.4):
    """pass@k = exp(-a k^-b)

    Share of tasks that one of k tries solves; its negative logarithm is a power law of k. The column `loss` holds the share.

    Parameters
    ----------
    k : array_like, shape (n,), number of tries. a : -ln pass@1. b : how fast further tries help.

    Notes
    -----
    Fails where some tasks are never solved, as it ends at 1. The power comes of the hardest tasks, so that few tasks leave it
    open.
    """
    return np.exp(-a / k**b)


pass_at_k.sample(_tries)


@law("arXiv:2502.17578", predicts="pass rate")
def pass_at_k_beta(k, *, al: Shape = 0.4, be: Shape = 2.0):
    """pass@k = 1 - B(al, be + k) / B(al, be)

    The chance to solve a task in one try is drawn from a Beta(al, be); for many tries 1 - pass@k falls as k^-al.

    Parameters
    ----------
    k : array_like, shape (n,), number of tries. al, be : of the Beta; its mean al / (al + be) is pass@1.

    Notes
    -----
    Fails where some tasks are never solved, as it ends at 1, and where difficulties have two peaks or more that no Beta has.
    """
    left = loggamma(be + k) - loggamma(al + be + k) - loggamma(be + 0j) + loggamma(al + be + 0j)
    return 1 - (np.exp(left) if np.iscomplexobj(al) or np.iscomplexobj(be) else np.exp(np.real(left)))


pass_at_k_beta.sample(_tries)
