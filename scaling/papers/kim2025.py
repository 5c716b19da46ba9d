"""Kim et al. 2025, Pre-training under Infinite Compute, arXiv:2509.14786: what ensembles gain at fixed data."""

from scaling.formula import Positive, drawn, law


@law("arXiv:2509.14786", predicts="loss of ensembles")
def ensemble(K, *, E: Positive = 3.3, A: Positive = 0.2):
    """L(K) = E + A / K

    Loss of an ensemble of K models trained alike, on the same tokens, from different seeds. The size of one model at fixed
    data follows `power_law_offset`, where the paper's constants stand; its limits for many members are reported as about .1
    lower than for a large single model (3.34 against 3.43 at 200M tokens), not verified.

    Parameters
    ----------
    K : array_like, shape (n,), members of the ensemble. E : loss of infinitely many. A : what they gain on a single model.

    Notes
    -----
    Fails for members of different sizes or data, and says nothing of the size that is best for a member. Few members leave E to
    the form 1 / K.
    """
    return E + A / K


ensemble.sample(drawn(K=[1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 16.0]))
