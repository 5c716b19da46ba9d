"""He et al. 2024, Scaling Laws for Multilingual Language Models, arXiv:2410.12883."""

from typing import Annotated

from scaling.formula import Domain, Exponent, Positive, drawn, law

Share = Annotated[float, Domain(0.0, 1.0, part=True)]  # a share of 0 has no finite loss under these laws
Gamma = Annotated[float, Domain(0.0, 10.0, grid=(0.02, 0.6))]
_SAMPLE = drawn(N=[8.5e7, 3.97e8, 8.1e8, 1.2e9], D=[5e9, 1.5e10, 5e10], p=[0.1, 0.2, 0.4, 0.6, 1.0])


@law("arXiv:2410.12883")
def multilingual(
    N, D, p: Share, *, E: Positive = 0.9, A: Positive = 300.0, B: Positive = 400.0, alpha: Exponent = 0.34,
    beta: Exponent = 0.28, gamma: Gamma = 0.1,
):  # fmt: skip
    """L(N, D, p) = (E + A / N^alpha + B / D^beta) p^-gamma

    The loss of one language family is set by its own share, whatever the split of the rest: an assumption, which
    `scaling.procedures.independence` tests. The paper prints no constants, so there are none here.

    Parameters
    ----------
    N : array_like, shape (n,), parameters without embeddings. D : training tokens of all families together.
    p : the family's share of the tokens, in (0, 1].
    E, A, alpha, B, beta : the family's law when it is trained alone. gamma : how its loss grows as the share falls.

    Notes
    -----
    Fails where families share text, so that the loss follows the others' shares too: on the runs of arXiv:2507.09404 its error
    is 3.5 to 5 times that of `mixture_additive` for c4, books, code and common crawl. It grows without limit for small shares,
    is refused at 0, and even infinite size and tokens leave a loss that depends on the share.
    """
    return (E + A / N**alpha + B / D**beta) * p**-gamma


multilingual.sample(_SAMPLE)


@law("arXiv:2410.12883", predicts="reducible loss")
def multilingual_reducible(
    N, D, p: Share, *, E: Positive = 0.9, A: Positive = 300.0, B: Positive = 400.0, alpha: Exponent = 0.34,
    beta: Exponent = 0.28, gamma: Gamma = 0.3,
):  # fmt: skip
    """L(N, D, p) = E + (A / N^alpha + B / D^beta) p^-gamma

    A variant of `multilingual` in which the share moves the reducible loss alone: at infinite N and D the loss no longer
    depends on the share. Not the paper's form; `scaling.procedures.families` compares the two.

    Parameters
    ----------
    N, D, p, E, A, alpha, B, beta, gamma : as in `multilingual`.

    Notes
    -----
    Fails where families share text, so that the loss follows the others' shares too, and for shares far below those fitted,
    where it grows without limit; a share of 0 is refused.
    """
    return E + (A / N**alpha + B / D**beta) * p**-gamma


multilingual_reducible.sample(_SAMPLE)
