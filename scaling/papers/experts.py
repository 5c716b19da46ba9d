"""Mixtures of experts by size and number of experts, forms fitted to the runs of Clark et al., arXiv:2604.22753."""

from scaling.formula import Exponent, Positive, drawn, law
from scaling.papers.clark2022 import Most, Start, effective


@law("arXiv:2604.22753")
def experts(N, E, *, c: Positive = 1.0, A: Positive = 30.0, a: Exponent = 0.2, b: Exponent = 0.1):
    """L(N, E) = c + A / (N^a E^b)

    Loss of a routed model: more experts act as more parameters, with a power of their own. `routed` is the paper's form with
    saturation in E.

    Parameters
    ----------
    N : array_like, shape (n,), parameters of the dense model that a token passes through. E : number of experts.
    c : limit of large N and E. A, a, b : reducible loss.

    Notes
    -----
    Fails where experts saturate, as each doubling of them takes the same share of what is left here, and where runs differ in
    their tokens: it has no term of data. On the largest size of the public runs, held out (benchmarks/sldbench), its R2 is .51;
    the scatter of equal runs allows .74.
    """
    return c + A / (N**a * E**b)


@law("arXiv:2604.22753")
def experts_effective(
    N, E, *, c: Positive = 1.0, A: Positive = 30.0, a: Exponent = 0.2, b: Exponent = 0.1, E_start: Start = 2.0,
    E_max: Most = 400.0,
):  # fmt: skip
    """L(N, E) = c + A / (N^a Ê^b),  1 / Ê = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max

    As `experts`, in the effective number of experts of `routed`, which saturates at both ends.

    Parameters
    ----------
    N, E, c, A, a, b : as in `experts`. E_start, E_max : Ê of one expert, and of many.

    Notes
    -----
    Fails where runs differ in their tokens, as it has no term of data. E_start and E_max need runs of few and of very many
    experts, and trade off with A and b without them. On the largest size of the public runs, held out (benchmarks/sldbench),
    its R2 is .52; the scatter of equal runs allows .74.
    """
    return c + A / (N**a * effective(E, E_start, E_max) ** b)


@law("this project")
def experts_data(
    N, D, E, *, c: Positive = 1.5, A: Positive = 400.0, a: Exponent = 0.34, b: Exponent = 0.1, B: Positive = 400.0,
    d: Exponent = 0.28,
):  # fmt: skip
    """L(N, D, E) = c + A / (N^a E^b) + B / D^d

    As `experts`, for runs that differ in their tokens: the term of data of `chinchilla`, which experts leave as it is.

    Parameters
    ----------
    N, E, c, A, a, b : as in `experts`. D : array_like, shape (n,), training tokens. B, d : what more tokens still take away.

    Notes
    -----
    Fails where experts saturate, as `experts` does, and where more experts ask for more tokens: the two terms are added.
    Checked on simulated runs alone, as no public table has all three. Fine-grained experts: `granular_moe`; a share of
    parameters that is active: `sparse_moe`.
    """
    return c + A / (N**a * E**b) + B / D**d


_some = lambda rng, n: 2.0 ** rng.integers(0, 10, n)
experts_data.sample(drawn(N=(1.6e7, 4e8), D=(1e9, 1e11), E=_some))
for one in (experts, experts_effective):
    one.sample(drawn(N=(1.6e7, 4e8), E=_some))
