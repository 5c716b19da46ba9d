"""Clark et al. 2022, Unified Scaling Laws for Routed Language Models, arXiv:2202.01169."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Published, drawn, law

Slope = Annotated[float, Domain(-2.0, 2.0, grid=(-0.3, 0.1))]
Level = Annotated[float, Domain(-20.0, 20.0, grid=(0.0, 2.0))]
Start = Annotated[float, Domain(0.0, np.inf, log=True, grid=(1.0, 10.0))]
Most = Annotated[float, Domain(0.0, np.inf, log=True, grid=(100.0, 1000.0))]


def _preset(a, b, c, d, E_start, E_max):
    return Published(
        a=a, b=b, c=c, d=d, E_start=E_start, E_max=E_max, verified=False,
        source="arXiv:2202.01169, as quoted by a summary of the paper",
        counts="N = parameters of the dense model that a token passes through, E = experts; nats/token",
        note="logarithms taken to base 10: with natural ones the losses would lie below 1",
    )  # fmt: skip


def effective(E, E_start, E_max):
    """The number of experts that a layer with E seems to have."""
    return 1 / (1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max)


@law(
    "arXiv:2202.01169",
    published={
        "clark2022_sbase": _preset(-0.082, -0.108, 0.009, 1.104, 1.847, 314.478),
        "clark2022_rl": _preset(-0.083, -0.126, 0.012, 1.111, 1.880, 469.982),
        "clark2022_hash": _preset(-0.087, -0.136, 0.012, 1.157, 4.175, 477.741),
    },
)
def routed(
    N, E, *, a: Slope = -0.08, b: Slope = -0.1, c: Slope = 0.01, d: Level = 1.1, E_start: Start = 2.0,
    E_max: Most = 400.0,
):  # fmt: skip
    """log L = a log N + b log Ê + c log N log Ê + d,  1 / Ê = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max

    Loss of a routed model with E experts; logarithms to base 10. Ê runs from E_start at one expert to E_max at many.

    Parameters
    ----------
    N : array_like, shape (n,), parameters of the dense model. E : number of experts.

    Notes
    -----
    Fails where runs differ in their tokens, as it has no term of data, and far beyond the sizes fitted, as it has no limit in
    N. E_start and E_max need runs of few and of very many experts. On the largest size of the public runs, held out
    (benchmarks/sldbench), its R2 is .19, that of `experts_effective` .52.
    """
    n, e = np.log10(N), np.log10(effective(E, E_start, E_max))
    return 10 ** (a * n + b * e + c * n * e + d)


routed.sample(drawn(N=(1e7, 1e9), E=lambda rng, n: 2.0 ** rng.integers(0, 10, n)))
