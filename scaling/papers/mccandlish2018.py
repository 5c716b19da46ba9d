"""McCandlish et al. 2018, An Empirical Model of Large-Batch Training, arXiv:1812.06162."""

from scaling.formula import Positive, law


@law("arXiv:1812.06162", predicts="steps")
def batch_tradeoff(B, *, S_min: Positive = 1e3, B_crit: Positive = 1e6):
    """S(B) = S_min (1 + B_crit / B)

    Steps to a given loss at batch B: the same as (S / S_min - 1)(E / E_min - 1) = 1 with E = B S examples and
    E_min = B_crit S_min. When fitting, the column `loss` holds the steps.

    Parameters
    ----------
    B : array_like, shape (n,), batch size (tokens, sequences or examples). S_min : steps at infinite batch.
    B_crit : batch at which twice the fewest steps, and twice the fewest examples, are needed; in the unit of B.

    Notes
    -----
    Fails where rows stop at different losses, or the rate is not tuned to each batch. The critical batch grows along a run, so
    one B_crit belongs to one loss.
    """
    return S_min + S_min * B_crit / B
