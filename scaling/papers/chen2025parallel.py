"""Chen et al. 2025, Parallel Scaling Law for Language Models (ParScale), arXiv:2505.10475."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Published, drawn, law

Streams = Annotated[float, Domain(0.0, np.inf)]
# what a stream is worth, in sizes of the model per e-fold of streams
Worth = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.05, 2.0))]

_SOURCE = "refit (log-Huber 1e-3) of the public runs with 1, 2 and 4 streams (PlanarG/active-sl); not printed there"


def _refit(E: float, A: float, alpha: float, k: float, corpus: str) -> Published:
    counts = f"N = parameters as the authors list them, streams included; loss in nats/token on {corpus}"
    return Published(E=E, A=A, alpha=alpha, k=k, source=_SOURCE, counts=counts)


@law(
    "arXiv:2505.10475",
    published={
        "chen2025_stack": _refit(0.728311, 1.077078e7, 0.2074403, 0.402396, "Stack"),
        "chen2025_pile": _refit(1.328266, 1.641148e8, 0.2072496, 0.342578, "the Pile"),
    },
)
def parallel(N, streams: Streams, *, E: Positive = 1.0, A: Positive = 1e8, alpha: Exponent = 0.2, k: Worth = 0.35):
    """L(N, P) = E + (A / (N (k ln P + 1)))^alpha

    P streams, forward passes with prefixes of their own whose outputs are mixed, are worth as much as k ln P + 1 times the
    parameters.

    Parameters
    ----------
    N : array_like, shape (n,), parameters. streams : P, number of streams, at least 1.
    E : loss of infinite size. A, alpha : power law of the size. k : what e times as many streams are worth.

    Notes
    -----
    Fails where runs differ in their tokens, as it has no term of data, where none has more than one stream, and far beyond the
    streams fitted: ln P has no limit. The constants are of 1, 2 and 4 streams.
    """
    return E + (A / (N * (k * np.log(streams) + 1))) ** alpha


@parallel.natural
def parallel_natural(N, streams):
    return {"A": np.exp(-np.log(N).mean())}


@parallel.straight
def parallel_straight(N, streams):
    """In place of A the reducible loss at the middle of the sizes, which the data fix whatever alpha is."""
    middle = np.exp(np.log(N).mean())
    to = lambda p: {**p, "A": middle * (p["A"] / middle) ** (1 / p["alpha"])}
    back = lambda p: {**p, "A": middle * (p["A"] / middle) ** p["alpha"]}
    return to, back


@parallel.needs
def parallel_needs(N, streams):
    return [] if np.all(streams >= 1) else ["streams below 1: count the streams, one for a plain model"]


@parallel.components
def parallel_components(N, streams, *, E, A, alpha, k):
    return {"E": E, "(A / (N (k ln P + 1)))^alpha": (A / (N * (k * np.log(streams) + 1))) ** alpha}


parallel.sample(drawn(N=(5e8, 5e9), streams=[1.0, 2.0, 4.0, 8.0]))
