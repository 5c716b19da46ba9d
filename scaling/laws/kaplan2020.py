"""Kaplan et al. 2020, Scaling Laws for Neural Language Models, arXiv:2001.08361."""

from scaling.formula import Exponent, Positive, Published, law


@law(
    "arXiv:2001.08361",
    conventions={"x": "tokens"},
    published={
        "kaplan2020_N": Published(
            A=8.8e13**0.076,
            alpha=0.076,
            source="arXiv:2001.08361, eq. 1.1 (N_c=8.8e13)",
            counts="x = non-embedding parameters; loss in nats/token, WebText2",
            verified=False,
        ),
        "kaplan2020_D": Published(
            A=5.4e13**0.095,
            alpha=0.095,
            source="arXiv:2001.08361, eq. 1.2 (D_c=5.4e13)",
            counts="x = tokens; loss in nats/token, WebText2",
            verified=False,
        ),
    },
)
def power_law(x, *, A: Positive = 10.0, alpha: Exponent = 0.1):
    """L(x) = A / x^alpha

    The pure power law in one resource x: parameters, tokens, compute or steps. Kaplan et al. write (x_c / x)^alpha;
    here A = x_c^alpha, which is the better determined of the two.

    Parameters
    ----------
    x : array_like, shape (n,), > 0.
    A : loss at x = 1.
    alpha : exponent.
    """
    return A / x**alpha


@power_law.jacobian
def _(x, *, A, alpha):
    from numpy import log

    term = x**-alpha
    return {"A": term, "alpha": -A * term * log(x)}
