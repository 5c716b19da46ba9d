"""arXiv:2602.07712: one law for several optimisers, exponents shared, each with amplitudes of its own."""

from typing import Annotated, Any

import numpy as np

from scaling.formula import Domain, Each, EachPositive, Exponent, Positive, drawn, law

# one of the columns is 1 in each row; closed, so that the others may be 0
Which = Annotated[Any, Each(Domain(0.0, 1.0, closed=True, part=True))]


def _of(amplitudes, o):
    return sum(a * x for a, x in zip(amplitudes, o, strict=True))


@law("arXiv:2602.07712")
def optimisers(
    N, D, o: Which, *, E: Positive = 1.8, alpha: Exponent = 0.35, beta: Exponent = 0.35, A: EachPositive = 400.0,
    B: EachPositive = 1000.0,
):  # fmt: skip
    """L(N, D, o) = E + A_o / N^alpha + B_o / D^beta

    Optimisers share irreducible loss and exponents, fits of each alone are ill-conditioned. A better optimiser makes a model
    as good as one r_N times as large, or data as good as r_D times as many: A_o = A / r_N^alpha, B_o = B / r_D^beta (where
    the paper puts its factors was not read). The derived r are ratios to the first optimiser.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens. o : columns o_<optimiser>, 1 in the rows of that optimiser
        and 0 elsewhere: ``pd.get_dummies(table, columns=["optimiser"], prefix="o", dtype=float)``.
    E, alpha, beta : shared. A, B : of each optimiser.

    Notes
    -----
    Fails where an advantage changes with size: tuned Muon is worth 1.4 times AdamW's tokens at .1B and 1.1 at 1.2B
    (arXiv:2509.02046), and r_N and r_D are one number each.
    """
    return E + _of(A, o) / N**alpha + _of(B, o) / D**beta


@optimisers.natural
def optimisers_natural(N, D, o, *, alpha, beta):
    size, data = np.exp(-alpha * np.log(N).mean()), np.exp(-beta * np.log(D).mean())
    return {"A": (size,) * len(o), "B": (data,) * len(o)}


@optimisers.derived
def optimisers_derived(*, A, B, alpha, beta, **others):
    return {"r_N": tuple((A[0] / x) ** (1 / alpha) for x in A), "r_D": tuple((B[0] / x) ** (1 / beta) for x in B)}


@optimisers.sample
def optimisers_sample(rng, n, domains):
    which = rng.integers(0, len(domains), n)
    return {**drawn(N=(1e8, 3e9), D=(2e9, 1e11))(rng, n), "o": tuple((which == k).astype(float) for k in range(len(domains)))}
