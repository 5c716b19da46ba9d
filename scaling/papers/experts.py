"""Mixtures of experts by size and number of experts, forms fitted to the runs of Clark et al., arXiv:2604.22753."""

from scaling.formula import Exponent, Positive, drawn, law


@law("arXiv:2604.22753")
def experts(N, E, *, c: Positive = 1.0, A: Positive = 30.0, a: Exponent = 0.2, b: Exponent = 0.1):
    """L(N, E) = c + A / (N^a E^b)

    Loss of a routed model: more experts act as more parameters, with a power of their own. `routed` is the paper's form with
    saturation in E.

    Parameters
    ----------
    N : array_like, shape (n,), parameters of the dense model that a token passes through. E : number of experts.
    c : limit of large N and E. A, a, b : reducible loss.
    """
    return c + A / (N**a * E**b)


@law("this project")
def experts_sum(
    N, E, *, c: Positive = 1.0, A: Positive = 30.0, a: Exponent = 0.2, B: Positive = 30.0, g: Exponent = 0.2, b: Exponent = 0.5,
):  # fmt: skip
    """L(N, E) = c + A / N^a + B / (N^g E^b)

    As `experts`, but only a part of the reducible loss answers to experts.

    Parameters
    ----------
    N, E, c : as in `experts`. A, a : what experts leave. B, g, b : what they take away.
    """
    return c + A / N**a + B / (N**g * E**b)


for one in (experts, experts_sum):
    one.sample(drawn(N=(1.6e7, 4e8), E=lambda rng, n: 2.0 ** rng.integers(0, 10, n)))


@experts_sum.contains("experts")
def experts_sum_contains(N, E, *, c, A, a, b):
    """Nearly all of the reducible loss answers to experts, or a part of it does not."""
    return [{"c": c, "A": part * A, "a": a, "B": (1 - part) * A, "g": a, "b": b} for part in (0.01, 0.3, 0.6)]
