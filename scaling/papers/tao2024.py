"""Tao et al. 2024, Scaling Laws with Vocabulary: Larger Models Deserve Larger Vocabularies, arXiv:2407.13623."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Real, drawn, law

# where the best vocabulary lies, as its logarithm
Place = Annotated[float, Domain(0.0, 20.0, grid=(7.0, 13.0))]
Bowl = Annotated[float, Domain(0.0, 10.0, grid=(0.0, 0.5))]

_sample = drawn(N=(3e7, 1e9), V=(4e3, 6e4), characters=(4e8, 2e11))


@law("arXiv:2407.13623")
def vocabulary(
    N, V, characters, *, E: Real = -5.5, A: Positive = 100.0, a: Exponent = 0.4, C: Positive = 100.0, g: Exponent = 0.5,
    B: Positive = 1e4, b: Exponent = 0.4,
):  # fmt: skip
    """L_u(N, V, H) = E + A / N^a + C / V^g + B / H^b

    Loss less that of a unigram model over the same vocabulary, so that vocabularies can be compared; it is negative, and so
    is E (the paper writes -E): fit with objective="squares". The paper's vocabulary term counts V d parameters; here V
    stands alone, as where all embeddings of a table have one width.

    Parameters
    ----------
    N : array_like, shape (n,), parameters without embeddings. V : size of the vocabulary. characters : H, of training text.
    E : limit of large N, V and H. A, a : finite model. C, g : finite vocabulary. B, b : finite data.

    Notes
    -----
    Fails where embeddings of a table differ in width, where data are few (`vocabulary_bowl`), and for losses that are not less
    those of a unigram model. Larger vocabularies only help here. On the largest fifth of the public runs, held out
    (benchmarks/sldbench), its R2 is .58, and fits of them are not trusted.
    """
    return E + A / N**a + C / V**g + B / characters**b


vocabulary.sample(_sample)


@law("this project")
def vocabulary_data(
    N, V, characters, *, E: Real = -5.5, A: Positive = 100.0, a: Exponent = 0.4, C: Positive = 100.0, g: Exponent = 0.5,
    B: Positive = 1e4, b: Exponent = 0.4, m: Exponent = 0.1,
):  # fmt: skip
    """L_u(N, V, H) = E + A / N^a + C / V^g + B V^m / H^b

    As `vocabulary`, and more words are also more to learn from the same text: the data term grows with V, so that the best
    vocabulary grows with the data.

    Parameters
    ----------
    N, V, characters, E, A, a, C, g, B, b : as in `vocabulary`. m : how much more data more words need.

    Notes
    -----
    Fails where embeddings of a table differ in width, and for losses that are not less those of a unigram model. On the largest
    fifth of the public runs, held out (benchmarks/sldbench), its R2 is .67, and fits of them are not trusted.
    """
    return E + A / N**a + C / V**g + B * V**m / characters**b


vocabulary_data.sample(_sample)


@law("this project")
def vocabulary_bowl(
    N, V, characters, *, E: Real = -5.5, A: Positive = 100.0, a: Exponent = 0.4, B: Positive = 1e4, b: Exponent = 0.4,
    lam: Bowl = 0.05, v0: Place = 10.0,
):  # fmt: skip
    """L_u(N, V, H) = E + S (1 + lam (ln V - v0)^2 / (1 + S)),  S = A / N^a + B / H^b

    There is a best vocabulary e^v0, and to miss it by much costs a share of the reducible loss S, at most of one nat of it. A
    form of our own for the losses of arXiv:2407.13623, which the sum of powers misses where data are few.

    Parameters
    ----------
    N, V, characters, E, A, a, B, b : as in `vocabulary`. lam : what it costs to miss the best
        vocabulary e-fold. v0 : its logarithm.

    Notes
    -----
    Fails where the best vocabulary moves with size or data, as v0 is one number here, and where the vocabularies fitted lie on
    one side of it. On the largest fifth of the public runs, held out (benchmarks/sldbench), its R2 is .16, that of
    `vocabulary_data` .67.
    """
    S = A / N**a + B / characters**b
    return E + S * (1 + lam * (np.log(V) - v0) ** 2 / (1 + S))


@vocabulary_bowl.natural
def vocabulary_bowl_natural(N, V, characters, *, a, b):
    return {"A": np.exp(-a * np.log(N).mean()), "B": np.exp(-b * np.log(characters).mean())}


@vocabulary_bowl.derived
def vocabulary_bowl_derived(*, v0, **others):
    return {"best vocabulary": np.exp(v0)}


vocabulary_bowl.sample(_sample)
