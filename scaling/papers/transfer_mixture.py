"""Mixtures of domains that help a target each by a weight of its own, in a power law that saturates."""

import numpy as np

from scaling.formula import EachPositive, Exponent, Positive, Shares, law


@law("this project")
def mixture_transfer(r: Shares, *, c: Positive = 1.0, a: Exponent = 0.3, w: EachPositive = 1.0):
    """L(r) = c + (sum_j w_j r_j)^-a

    A token of domain j is worth w_j tokens of the target, and the loss is a power law of their sum. Written elsewhere as
    c + A (sum_j w_j r_j + eps)^-a: on shares that sum to 1 both A and eps only change the weights.

    Parameters
    ----------
    r : shares of the domains, one column r_<domain> each, summing to 1; a share may be 0.
    c : loss that no mixture takes away. a : how the loss answers to more of what helps. w : what a domain is worth.
    """
    return c + sum(x * y for x, y in zip(w, r, strict=True)) ** -a


@mixture_transfer.jacobian
def mixture_transfer_jacobian(r, *, c, a, w):
    worth = sum(x * y for x, y in zip(w, r, strict=True))
    gone = worth**-a
    return {"c": np.ones_like(gone), "a": -gone * np.log(worth), "w": tuple(-a * gone / worth * x for x in r)}


@mixture_transfer.components
def mixture_transfer_components(r, *, c, a, w):
    return {"c": c, "(sum w r)^-a": sum(x * y for x, y in zip(w, r, strict=True)) ** -a}


@mixture_transfer.convex
def mixture_transfer_convex(**params):
    return True


@mixture_transfer.contains("mixture_exponential")
def mixture_transfer_contains(r, *, c, **t):
    """exp(sum t r) = (prod exp(-t_j r_j / a))^-a, whose sum of weights is the same to first order; the larger a, the closer."""
    return [{"c": c, "a": a, "w": tuple(np.exp(-x / a) for x in t.values())} for a in (0.3, 1.0, 3.0)]


@mixture_transfer.sample
def mixture_transfer_sample(rng, n, domains):
    return {"r": tuple(rng.dirichlet(np.ones(len(domains)), n).T)}
