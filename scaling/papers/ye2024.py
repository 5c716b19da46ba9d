"""Ye et al. 2024, Data Mixing Laws: Optimizing Data Mixtures by Predicting Language Modeling Performance, arXiv:2403.16952."""

import numpy as np

from scaling.formula import EachReal, Positive, Shares, law


@law("arXiv:2403.16952")
def mixture_exponential(r: Shares, *, c: Positive = 1.0, t: EachReal = 0.5):
    """L(r) = c + exp(sum_j t_j r_j)

    The paper writes c + k exp(sum_j t_j r_j). On shares that sum to 1 a common shift of all t only changes k, so k = 1 here.

    Parameters
    ----------
    r : shares of the domains, one column r_<domain> each, summing to 1; a share may be 0.
    c : loss that no mixture takes away. t : how the loss answers to each domain's share (negative: it helps).

    Notes
    -----
    Fails across sizes and numbers of tokens, which it does not know, and far from the mixtures fitted: more of one domain helps
    ever as much, so that the best mixture may be one domain alone.
    """
    return c + np.exp(sum(a * x for a, x in zip(t, r, strict=True)))


@mixture_exponential.jacobian
def mixture_exponential_jacobian(r, *, c, t):
    grown = np.exp(sum(a * x for a, x in zip(t, r, strict=True)))
    return {"c": np.ones_like(grown), "t": tuple(grown * x for x in r)}


@mixture_exponential.components
def mixture_exponential_components(r, *, c, t):
    return {"c": c, "exp(sum t r)": np.exp(sum(a * x for a, x in zip(t, r, strict=True)))}


@mixture_exponential.convex
def mixture_exponential_convex(*, c, t):
    return True


@mixture_exponential.sample
def mixture_exponential_sample(rng, n, domains):
    return {"r": tuple(rng.dirichlet(np.ones(len(domains)), n).T)}
