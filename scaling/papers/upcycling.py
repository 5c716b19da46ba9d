"""Mixtures of experts that go on from a trained dense model: runs of arXiv:2502.03009 in a form found on them alone."""

from scaling.formula import Exponent, Positive, drawn, law


@law("this project")
def upcycled(N, D2, *, E: Positive = 1.5, A: Positive = 1.0, alpha: Exponent = 0.3, B: Positive = 1.0, beta: Exponent = 0.3):
    """L(N, D2) = E + A / N^alpha + B / D2^beta

    Loss of a sparse model made from a dense one after D2 further tokens, by active parameters. With all dense models trained
    on one number of tokens the forms that know the dense size or the number of experts as well erred more on held-out
    compute: rolling origin on 56 runs, .041 nats this, .043 to .057 the others.

    Parameters
    ----------
    N : array_like, shape (n,), active parameters. D2 : tokens of the sparse phase; any unit of both.
    """
    return E + A / N**alpha + B / D2**beta


upcycled.sample(drawn(N=(1e7, 4e8), D2=(1e9, 1e11)))
