"""Alabdulmohsin, Neyshabur and Zhai 2022, Revisiting Neural Scaling Laws in Language and Vision, arXiv:2209.06640."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, drawn, law

Bend = Annotated[float, Domain(0.01, 20.0, grid=(0.1, 4.0))]


@law("arXiv:2209.06640", conventions={"x": "tokens"})
def m4(x, *, E: Positive = 1.0, rise: Positive = 9.0, beta: Positive = 300.0, c: Exponent = 0.4, alpha: Bend = 1.0):
    """(y - E) / (E0 - y)^alpha = beta / x^c,  E0 = E + rise

    Leaves the plateau E0 of an untrained model, then becomes a power law towards E. Implicit in y; the root between E and
    E0 is unique. The paper's c is ours with the opposite sign.

    Parameters
    ----------
    x : array_like, shape (n,), > 0. E : limit of large x. rise : E0 - E, where E0 is the limit of small x.
    beta, c : power law of the tail. alpha : how the curve leaves the plateau.

    Notes
    -----
    Fails where no row lies near the plateau E0, which leaves rise and alpha undetermined, or none in the tail, which leaves E
    so; and for losses that rise, or bend more than once: `broken_2`.
    """
    return E + rise * _share(np.log(beta) - c * np.log(x) + (alpha - 1) * np.log(rise), alpha)


def _share(target, alpha):
    """u in (0, 1) with ln u - alpha ln(1 - u) = target, by Newton in z = logit(u); exact derivatives for complex input.

    In z the left side is z + (1 - alpha) ln(1 - u) = -log1p(e^-z) + alpha log1p(e^z), whose slope (1 - u) + alpha u lies
    between 1 and alpha: monotone, and bounded by two straight lines.
    """
    goal, a = np.broadcast_arrays(np.real(target), np.real(alpha))
    z = np.where(goal < 0, goal, goal / a)  # exact far out on either side
    for _ in range(60):
        u = 0.5 * (1 + np.tanh(z / 2))
        step = (goal + np.logaddexp(0, -z) - a * np.logaddexp(0, z)) / (1 - u + a * u)
        z = z + step
        if np.abs(step).max(initial=0.0) < 1e-14 * (1 + np.abs(z).max(initial=0.0)):
            break
    u = 0.5 * (1 + np.tanh(z / 2))
    # one more step, with the imaginary part that a complex step may carry
    gap = target + np.logaddexp(0, -z) - alpha * np.logaddexp(0, z)
    return u + u * (1 - u) * gap / (1 - u + a * u)


@m4.natural
def m4_natural(x, *, c):
    return {"beta": np.exp(-c * np.log(x).mean())}


m4.sample(drawn(x=(10.0, 1e8)))
