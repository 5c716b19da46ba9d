"""Shukor et al. 2025, Scaling Laws for Optimal Data Mixtures, arXiv:2507.09404."""

from typing import Annotated, Any

import numpy as np

from scaling.formula import Domain, Each, EachPositive, Exponent, Positive, Shares, drawn, law

# how fast a domain's help saturates in its own share; fitted values lie between 0.001 and 3
Bend = Annotated[Any, Each(Domain(0.0, 10.0, grid=(0.1, 1.5)))]
# how the domains' sizes average: 1 as the sum, large as the geometric mean
Power = Annotated[float, Domain(1e-3, 1e3, log=True, grid=(0.3, 3.0))]


def _bias(h, C, gamma):
    return 1 / sum(c * x**g for c, x, g in zip(C, h, gamma, strict=True))


def _log(x):
    """ln x, and 0 at x = 0, where it only ever multiplies a power of x that is 0."""
    return np.log(np.where(x > 0, x, 1.0))


def _bias_slopes(h, C, gamma):
    powers = [x**g for x, g in zip(h, gamma, strict=True)]
    fall = -1 / sum(c * p for c, p in zip(C, powers, strict=True)) ** 2
    pulls = [fall * p for p in powers]
    return {"C": tuple(pulls), "gamma": tuple(c * _log(x) * p for c, p, x in zip(C, pulls, h, strict=True))}


def _typical(h, gamma):
    """Sizes in which each domain's help C h^gamma is of order one."""
    return tuple(np.exp(g * _log(x).mean()) for x, g in zip(h, gamma, strict=True))


def _sample(rng, n, domains):
    h = tuple(rng.dirichlet(np.ones(len(domains)), n).T)
    return {**drawn(N=[1e8, 3e8, 1e9, 3e9], D=(1e9, 5e10))(rng, n), "h": h}


@law("arXiv:2507.09404")
def mixture_additive(
    N: Positive, D: Positive, h: Shares, *, E: Positive = 1.0, A: Positive = 400.0, B: Positive = 4000.0,
    alpha: Exponent = 0.35, beta: Exponent = 0.4, C: EachPositive = 1.0, gamma: Bend = 0.4,
):  # fmt: skip
    """L(N, D, h) = E + 1 / (sum_i C_i h_i^gamma_i) + A / N^alpha + B / D^beta

    The best mixture does not depend on N and D.

    Parameters
    ----------
    N : array_like, shape (n,), parameters (without embeddings in the paper). D : training tokens.
    h : shares of the domains, one column h_<domain> each, summing to 1; a share may be 0.
    E, A, alpha, B, beta : as in `chinchilla`. C, gamma : how much each domain helps, and how that bends.

    Notes
    -----
    Fails where the best mixture moves with size or tokens: `mixture_joint`. Small models and early checkpoints spoil it: on all
    rows of the paper's runs its error on arxiv is .79 %, on those the authors keep .47 %.
    """
    return E + _bias(h, C, gamma) + A / N**alpha + B / D**beta


@mixture_additive.natural
def mixture_additive_natural(N, D, h, *, alpha, beta, gamma):
    return {"A": np.exp(-alpha * np.log(N).mean()), "B": np.exp(-beta * np.log(D).mean()), "C": _typical(h, gamma)}


@mixture_additive.jacobian
def mixture_additive_jacobian(N, D, h, *, E, A, B, alpha, beta, C, gamma):
    size, data = N**-alpha, D**-beta
    return {
        "E": np.ones_like(size * data),
        "A": size,
        "B": data,
        "alpha": -A * size * np.log(N),
        "beta": -B * data * np.log(D),
        **_bias_slopes(h, C, gamma),
    }


@mixture_additive.components
def mixture_additive_components(N, D, h, *, E, A, B, alpha, beta, C, gamma):
    return {"E": E, "mixture": _bias(h, C, gamma), "A / N^alpha": A / N**alpha, "B / D^beta": B / D**beta}


mixture_additive.sample(_sample)


@mixture_additive.convex
def mixture_additive_convex(*, gamma, **others):
    return all(g <= 1 for g in gamma)


@mixture_additive.contains("chinchilla")
def mixture_additive_contains(N, D, h, *, E, A, B, alpha, beta):
    """Every domain helps alike: a mixture term that takes some part of E, bent little or much."""
    same, n, out = {"A": A, "B": B, "alpha": alpha, "beta": beta}, len(h), []
    for part, bend in ((0.3, 0.1), (0.3, 0.5), (0.7, 0.1), (0.7, 0.5)):
        C = 1 / (part * E * sum(np.mean(x**bend) for x in h))
        out.append({"E": (1 - part) * E, **same, "C": (C,) * n, "gamma": (bend,) * n})
    return out


@law("arXiv:2507.09404")
def mixture_joint(
    N: Positive, D: Positive, h: Shares, *, E: Positive = 1.0, alpha: Exponent = 0.35, beta: Exponent = 0.4,
    gammaA: Power = 1.0, gammaB: Power = 1.0, C: EachPositive = 1.0, gamma: Bend = 0.4, CA: EachPositive = 400.0,
    CB: EachPositive = 4000.0,
):  # fmt: skip
    """L(N, D, h) = E + 1 / (sum_i C_i h_i^gamma_i) + (sum_i CA_i h_i)^gammaA / N^alpha + (sum_i CB_i h_i)^gammaB / D^beta

    The best mixture moves with N and D.

    Parameters
    ----------
    N, D, h, E, alpha, beta, C, gamma : as in `mixture_additive`.
    CA, gammaA, CB, gammaB : how the mixture sets the sizes A and B of the two other terms.

    Notes
    -----
    Fails on few mixtures: four constants a domain beside five more, and a best mixture that need not be unique.
    """
    A = sum(c * x for c, x in zip(CA, h, strict=True)) ** gammaA
    B = sum(c * x for c, x in zip(CB, h, strict=True)) ** gammaB
    return E + _bias(h, C, gamma) + A / N**alpha + B / D**beta


@mixture_joint.natural
def mixture_joint_natural(N, D, h, *, alpha, beta, gamma):
    size, data = np.exp(-alpha * np.log(N).mean()), np.exp(-beta * np.log(D).mean())
    return {"C": _typical(h, gamma), "CA": (size,) * len(h), "CB": (data,) * len(h)}


@mixture_joint.straight
def mixture_joint_straight(N, D, h):
    """In place of CA, CB the sizes A, B of each domain alone; in place of gammaA, gammaB their inverses, regular at 0."""

    def turned(p):  # its own inverse
        power = {k: p[f"gamma{k}"] for k in "AB"}
        out = {k: v ** power[k[1]] if k.startswith(("CA_", "CB_")) else v for k, v in p.items()}
        return {**out, "gammaA": 1 / power["A"], "gammaB": 1 / power["B"]}

    return turned, turned


@mixture_joint.jacobian
def mixture_joint_jacobian(N, D, h, *, E, alpha, beta, gammaA, gammaB, C, gamma, CA, CB):
    out = _bias_slopes(h, C, gamma)
    for size, x, power, weights, name in ((N, alpha, gammaA, CA, "A"), (D, beta, gammaB, CB, "B")):
        base = sum(c * share for c, share in zip(weights, h, strict=True))
        term = base**power * size**-x
        out[f"gamma{name}"] = term * np.log(base)
        out["alpha" if name == "A" else "beta"] = -term * np.log(size)
        pull = term * power / base
        out[f"C{name}"] = tuple(pull * share for share in h)
        out["E"] = np.ones_like(term)
    return out


@mixture_joint.contains("mixture_additive")
def mixture_joint_contains(N, D, h, *, E, A, B, alpha, beta, C, gamma):
    """Sizes A and B that no mixture moves; once as they are, once with most of the mixture term moved into E."""
    same = {"alpha": alpha, "beta": beta, "gammaA": 1.0, "gammaB": 1.0, "CA": (A,) * len(h), "CB": (B,) * len(h)}
    bias = np.mean(_bias(h, C, gamma))
    return [{**same, "E": E + (1 - part) * bias, "C": tuple(c / part for c in C), "gamma": gamma} for part in (1.0, 0.4)]


mixture_joint.sample(_sample)
