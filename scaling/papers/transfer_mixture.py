"""Mixtures of domains that help a target each by a weight of its own, with diminishing returns."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, EachPositive, Exponent, Positive, Shares, law

Returns = Annotated[float, Domain(0.0, 3.0, grid=(0.3, 1.0))]


def _log(x):
    """ln x, and 0 at x = 0, where it only ever multiplies a power of x that is 0."""
    return np.log(np.where(x > 0, x, 1.0))


@law("this project")
def mixture_transfer(r: Shares, *, c: Positive = 1.0, a: Exponent = 0.1, g: Returns = 0.7, w: EachPositive = 1.0):
    """L(r) = c + (sum_j w_j r_j^g)^-a

    A share r_j of domain j is worth w_j r_j^g tokens of the target, and the loss is a power law of their sum. With g = 1 this
    is what others write as c + A (sum_j w_j r_j + eps)^-a: on shares that sum to 1 both A and eps only change the weights.

    Parameters
    ----------
    r : shares of the domains, one column r_<domain> each, summing to 1; a share may be 0.
    c : loss that no mixture takes away. a : how the loss answers to more of what helps. g : returns to more of one domain,
        diminishing below 1. w : what a domain is worth; alone it leaves c + w^-a.

    Notes
    -----
    Fails across sizes and numbers of tokens, which it does not know. A domain that no row leaves out, or that goes with
    another, has a weight that is not determined. On every fifth of the public runs, held out (benchmarks/sldbench), its R2 is
    .87, that of `mixture_exponential` .998; on those of arXiv:2407.01492 it is the better of the two.
    """
    return c + sum(x * y**g for x, y in zip(w, r, strict=True)) ** -a


@mixture_transfer.straight
def mixture_transfer_straight(r):
    """In place of w what each domain alone leaves, w^-a, which the data fix whatever a is."""
    to = lambda p: {k: v ** (-1 / p["a"]) if k.startswith("w_") else v for k, v in p.items()}
    back = lambda p: {k: v ** -p["a"] if k.startswith("w_") else v for k, v in p.items()}
    return to, back


@mixture_transfer.jacobian
def mixture_transfer_jacobian(r, *, c, a, g, w):
    powers = [x**g for x in r]
    worth = sum(x * y for x, y in zip(w, powers, strict=True))
    gone = worth**-a
    pull = -a * gone / worth
    bend = sum(x * y * _log(z) for x, y, z in zip(w, powers, r, strict=True))
    return {
        "c": np.ones_like(gone), "a": -gone * np.log(worth), "g": pull * bend, "w": tuple(pull * x for x in powers),
    }  # fmt: skip


@mixture_transfer.components
def mixture_transfer_components(r, *, c, a, g, w):
    return {"c": c, "(sum w r^g)^-a": sum(x * y**g for x, y in zip(w, r, strict=True)) ** -a}


@mixture_transfer.convex
def mixture_transfer_convex(*, g, **others):
    return g <= 1


@mixture_transfer.contains("mixture_exponential")
def mixture_transfer_contains(r, *, c, **t):
    """exp(sum t r) = (prod exp(-t_j r_j / a))^-a, whose weighted sum is the same to first order; the larger a, the closer."""
    alone = np.clip(list(t.values()), -2.0, 3.0)  # what a domain alone leaves, as its logarithm
    return [{"c": c, "a": a, "g": g, "w": tuple(np.exp(-alone / a))} for a, g in ((0.1, 0.7), (0.3, 0.7), (1.0, 1.0))]


@mixture_transfer.sample
def mixture_transfer_sample(rng, n, domains):
    return {"r": tuple(rng.dirichlet(np.ones(len(domains)), n).T)}
