"""Mixtures of experts that go on from a trained dense model: runs of arXiv:2502.03009 in a form found on them alone."""

from scaling.formula import Exponent, Positive, drawn, law


@law("this project")
def upcycled(N, D2, *, A: Positive = 2.5, alpha: Exponent = 0.06, beta: Exponent = 0.03):
    """L(N, D2) = A / (N^alpha D2^beta)

    Loss of a sparse model made from a dense one after D2 further tokens, by active parameters. Dense models trained on one
    number of tokens, in two or three lengths of the sparse phase, determine no more: by rolling origin on 56 runs the error is
    .031 nats for this, .049 with a limit and a sum of two powers, .032 to .034 with dense size or number of experts as well.

    Parameters
    ----------
    N : array_like, shape (n,), active parameters. D2 : tokens of the sparse phase; any unit of both.

    Notes
    -----
    Fails far beyond the data, as it has no limit, and where D1, the tokens of the dense model, differs between runs.
    """
    return A / (N**alpha * D2**beta)


upcycled.sample(drawn(N=(1e7, 4e8), D2=(1e9, 1e11)))
