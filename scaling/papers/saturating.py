"""Curves of one resource that level off: fine-tuning, arXiv:2402.02314; Hill's; rewards, arXiv:2510.13786; u-shapes."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Real, drawn, law

Bend = Annotated[float, Domain(0.05, 10.0, grid=(0.2, 3.0))]
Slope = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.1, 3.0))]
Width = Annotated[float, Domain(0.0, np.inf, log=True, grid=(0.2, 5.0))]


@law("arXiv:2402.02314")
def rectified(D, *, E: Positive = 1.0, B: Positive = 30.0, D_l: Positive = 20.0, beta: Exponent = 0.5):
    """L(D) = E + B / (D_l + D^beta)

    Loss after fine-tuning on D examples: flat while D^beta is below D_l, what pre-training is worth, then a power law.

    Parameters
    ----------
    D : array_like, shape (n,), size of the fine-tuning data, any unit. E : limit. B, beta : power law. D_l : pre-learned size.

    Notes
    -----
    Fails where no row lies in the flat part, which leaves D_l open, or none in the tail, which leaves E so. Another pre-trained
    model, task or set of tuned weights is another fit.
    """
    return E + B / (D_l + D**beta)


@rectified.natural
def rectified_natural(D, *, beta):
    scale = np.exp(-beta * np.log(D).mean())
    return {"B": scale, "D_l": scale}


rectified.sample(drawn(D=(200.0, 2e6)))


@law("arXiv:2507.21184", conventions={"x": "tokens"})
def hill(x, *, c: Positive = 1.0, A: Positive = 2.0, n0: Positive = 3e4, b: Bend = 0.7):
    """L(x) = c + A / (1 + (x / n0)^b)

    From c + A with no data down to c, half the way at n0. It is `rectified` with other names: n0 = D_l^(1/beta).

    Parameters
    ----------
    x : array_like, shape (n,), > 0, size of the data. c : limit. A : what data can gain. n0 : where half of it is gained.
    b : slope.

    Notes
    -----
    Fails where no row lies below n0, which leaves A open, or none far above, which leaves c so.
    """
    return c + A / (1 + (x / n0) ** b)


@hill.natural
def hill_natural(x):
    return {"n0": np.exp(-np.log(x).mean())}


hill.sample(drawn(x=(200.0, 2e6)))


@law("arXiv:2510.13786", predicts="reward")
def reward_sigmoid(C, *, R0: Real = 0.3, gain: Positive = 0.3, C_mid: Positive = 2e3, B: Bend = 1.0):
    """R(C) = R0 + gain / (1 + (C_mid / C)^B)

    Reward, or pass rate, of reinforcement learning after compute C. Fit with objective="squares"; the column `loss` holds the
    reward. The paper leaves out the first steps.

    Parameters
    ----------
    C : array_like, shape (n,), compute, any unit. R0 : reward at the start. gain : R_inf - R0, what compute can gain.
    C_mid : compute at which half of it is gained. B : how steeply.

    Notes
    -----
    Fails where no row lies beyond C_mid: what compute can still gain is then undetermined. Rewards that fall again are not
    described.
    """
    return R0 + gain / (1 + (C_mid / C) ** B)


@reward_sigmoid.natural
def reward_sigmoid_natural(C):
    return {"C_mid": np.exp(-np.log(C).mean())}


reward_sigmoid.sample(drawn(C=(50.0, 1e5)))


@law("arXiv:2507.21184", predicts="score")
def u_shape(
    x, *, d0: Real = 1.0, d1: Real = 0.5, p: Slope = 0.3, A: Real = 0.2, m: Real = 2.0, w: Width = 1.0,
):  # fmt: skip
    """y(x) = d0 - d1 10^(-p x) + A / (1 + ((x - m) / w)^2)

    A score over log10 of compute that saturates, with one bump or dent on the way: tasks that get worse before they get
    better. The column `loss` holds the score; fit with objective="squares".

    Parameters
    ----------
    x : array_like, shape (n,), > 0, log10 of compute in a unit of its own. d0 : limit. d1, p : rise towards it.
    A, m, w : height, place and half width of the bump; A < 0 is a dent.

    Notes
    -----
    Fails to foresee a bump that no row shows, and has one alone. Seven parameters need rows on both sides of it.
    """
    return d0 - d1 * 10 ** (-p * x) + A / (1 + ((x - m) / w) ** 2)


u_shape.sample(drawn(x=lambda rng, n: rng.uniform(0.5, 5.0, n)))
