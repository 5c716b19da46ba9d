"""Henighan et al. 2020, Scaling Laws for Autoregressive Generative Modeling, arXiv:2010.14701."""

from scaling.formula import Exponent, Positive, Published, law


def _table1(E: float, N0: float, alpha: float, domain: str) -> Published:
    return Published(
        E=E,
        A=N0**alpha,
        alpha=alpha,
        source=f"arXiv:2010.14701, table 1, {domain} (N0={N0:g})",
        counts="x = non-embedding parameters; loss in nats/token",
    )


@law(
    "arXiv:2010.14701",
    conventions={"x": "tokens"},
    published={
        "henighan2020_image8": _table1(3.12, 8.0e1, 0.24, "image 8x8"),
        "henighan2020_image32": _table1(2.20, 6.3e1, 0.13, "image 32x32"),
        "henighan2020_video": _table1(1.01, 3.7e4, 0.24, "video VQ 16x16x16"),
        "henighan2020_math": _table1(0.28, 1.1e4, 0.16, "math, extrapolate"),
    },
)
def power_law_offset(x, *, E: Positive = 2.0, A: Positive = 10.0, alpha: Exponent = 0.3):
    """L(x) = E + A / x^alpha

    Eq. 1.1 of the paper, which writes the second, reducible term as (x0 / x)^alpha, so x0 = A^(1/alpha).

    Parameters
    ----------
    x : array_like, shape (n,), > 0: parameters, tokens, compute or steps.
    E : irreducible loss, the entropy of the data if the infinite limit models it perfectly.
    A : reducible loss at x = 1.
    alpha : exponent.
    """
    return E + A / x**alpha
