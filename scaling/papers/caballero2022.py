"""Caballero et al. 2022, Broken Neural Scaling Laws, arXiv:2210.14891."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Positive, law

# below 0.03 the bend is a kink, and only its place is left to fit
Sharpness = Annotated[float, Domain(0.03, 10.0, grid=(0.1, 1.5))]
Slope = Annotated[float, Domain(-10.0, 10.0, grid=(0.02, 1.2))]
Change = Annotated[float, Domain(-10.0, 10.0, grid=(-0.8, 0.8))]
# natural units: where in the range of the data, whose geometric mean is 1
Place = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.05, 20.0))]

Gap = Annotated[float, Domain(1.0, 1e9, log=True)]


def bends(x, d, c, f):
    """(1 + (x/d)^(1/f))^(-c f), by logarithms because (x/d)^(1/f) overflows for sharp bends."""
    z = (np.log(x) - np.log(d)) / f
    big = np.real(z) > 0
    tail = np.where(big, -z, z)  # the exponent that is never positive
    return np.exp(-c * f * (np.where(big, z, 0.0) + np.log1p(np.exp(tail))))


@law("arXiv:2210.14891", conventions={"x": "tokens"})
def broken(
    x, *, a: Positive = 1.0, b: Positive = 10.0, c0: Slope = 0.3, c1: Change = 0.2, d1: Place = 3e7, f1: Sharpness = 0.5
):
    """y(x) = a + b x^-c0 (1 + (x / d1)^(1 / f1))^(-c1 f1)

    One break: the slope in logarithms goes from -c0 to -(c0 + c1) around x = d1, over a width f1 of ln x. Without a break
    this is 'power_law_offset'; with two, 'broken_2'.

    Parameters
    ----------
    x : array_like, shape (n,), > 0. a : limit. b, c0 : first power law. c1 : change of slope. d1 : place. f1 : width.

    Notes
    -----
    Fails to foresee a break: rows before it say nothing of it. A width f1 at its lower edge leaves the place alone to fit, and
    few rows on either side leave slopes undetermined.
    """
    return a + b * x**-c0 * bends(x, d1, c1, f1)


@law("arXiv:2210.14891", conventions={"x": "tokens"})
def broken_2(
    x, *, a: Positive = 1.0, b: Positive = 10.0, c0: Slope = 0.3, c1: Change = 0.2, d1: Place = 6e6,
    f1: Sharpness = 0.3, c2: Change = -0.2, gap: Gap = 30.0, f2: Sharpness = 0.3,
):  # fmt: skip
    """y(x) = a + b x^-c0 (1 + (x / d1)^(1 / f1))^(-c1 f1) (1 + (x / d2)^(1 / f2))^(-c2 f2),  d2 = gap d1

    Two breaks, the second at gap > 1 times the place of the first, so that they cannot change names; else as 'broken'.

    Notes
    -----
    Fails to foresee a break: rows before it say nothing of it. Nine parameters need rows before, between and after the breaks.
    """
    return a + b * x**-c0 * bends(x, d1, c1, f1) * bends(x, d1 * gap, c2, f2)


@broken.natural
def broken_natural(x, *, c0):
    """Data centred at the mean of ln x: there the break lies at about 1 and the first power law is of order one."""
    middle = np.log(x).mean()
    return {"b": np.exp(-c0 * middle), "d1": np.exp(-middle)}


broken_2.natural(broken_natural)


def _places(x):
    return np.exp(np.quantile(np.log(x), [0.15, 0.3, 0.5, 0.7, 0.85]))


@broken.contains("power_law_offset")
def broken_contains(x, *, E, A, alpha):
    rest = {"a": E, "b": A, "c0": alpha, "c1": 0.0, "f1": 0.3}
    return [{**rest, "d1": d} for d in _places(x)]


@broken_2.contains("broken")
def broken_2_contains(x, *, a, b, c0, c1, d1, f1):
    """One more break, with no change of slope yet, before or after the one there is."""
    old = {"a": a, "b": b, "c0": c0}
    after = [{**old, "c1": c1, "d1": d1, "f1": f1, "c2": 0.0, "gap": d / d1, "f2": 0.3} for d in _places(x) if d > d1]
    before = [{**old, "c1": 0.0, "d1": d, "f1": 0.3, "c2": c1, "gap": d1 / d, "f2": f1} for d in _places(x) if d < d1]
    return after + before
