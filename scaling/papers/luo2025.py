"""Luo et al. 2025, A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules, arXiv:2503.12811."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, Published, law
from scaling.papers.tissue2024 import NO_DROP, area_under
from scaling.schedules.drops import RateDrops

# below 0.02 the kernel has become a logarithm and only B * beta is left to fit
Kernel = Annotated[float, Domain(0.02, 10.0, grid=(0.3, 2.0))]
RatePower = Annotated[float, Domain(0.0, 4.0, grid=(0.2, 0.9))]

# of the peak: a fall that is none, and one that differs; share of rows that must lie before any; ln area that is the same
FLAT, APART, ENOUGH, ALIKE = 0.05, 0.2, 0.2, 0.05
ALWAYS_FALLING = (
    "the rate falls all along in these runs, so what progress brings and what annealing saves cannot be told apart: add a run "
    "that holds its rate, or one that holds it and lowers it at its end"
)
_CODE = "authors' code, src/config.py; early-stopped fits; warm-up rises counted in the loss drop"


@law(
    "arXiv:2503.12811",
    conventions={"block": 64, "warmup": "real", "warmup_in_ld": False, "lr_floor": 1e-3},
    published={
        "luo2025_25M": Published(
            L0=3.04045406, A=0.52468604, alpha=0.50786857, B=363.78751622, C=2.06560812, beta=0.58279013,
            gamma=0.64142257, conventions={"warmup_in_ld": True}, source=_CODE, counts="25M model, peak rate 3e-4",
        ),
        "luo2025_100M": Published(
            L0=2.6514477, A=0.60115152, alpha=0.45295811, B=437.9464276, C=2.13245612, beta=0.59785199,
            gamma=0.65523644, conventions={"warmup_in_ld": True}, source=_CODE, counts="100M model, peak rate 3e-4",
        ),
    },
)  # fmt: skip
def multi_power(
    S1, drops, *, L0: Positive = 3.0, A: Positive = 0.5, alpha: Exponent = 0.5, B: Positive = 400.0,
    C: Positive = 2.0, beta: Kernel = 0.5, gamma: RatePower = 0.5,
):  # fmt: skip
    """L(t) = L0 + A / S1^alpha - B sum_k d_k [1 - (1 + C S_k / eta_k^gamma)^-beta]

    Parameters
    ----------
    S1 : array_like, shape (n,), area under the learning rate up to and including the step.
    drops : RateDrops of length n: drops d_k of the rate, the rate eta_k after each, and the area S_k since.
    L0, A, alpha : power law in the area. B : loss saved per unit of rate given up, once the drop has taken effect.
    C, beta, gamma : how fast a drop takes effect, counted in area and in the rate after it.

    Notes
    -----
    Fails where rates fall slowly and for long, as the gain is given away too early: from curves of 24,000 steps the ends of
    cosines of 72,000 are .014 (25M) and .016 nats (100M) too low. A cosine alone determines neither B nor C, three curves leave
    beta, gamma and C open (`multi_power_5` holds two of them). Another peak rate is another fit.
    """
    return L0 + A / S1**alpha - B * drops.sum(lambda d, eta, S: d * kernel(S, eta, C, beta, gamma))


def kernel(S, eta, C, beta, gamma):
    """G(S, eta) = 1 - (1 + C S / eta^gamma)^-beta: which part of a drop has taken effect; arguments as in `kernel_parts`."""
    return 1 - power(1 + C * S / power(eta, gamma), -beta)


def power(x, a):
    """x ** a for many a at once: numpy's own takes several times as long where x is far longer than a."""
    return np.exp(a * np.log(x))


@multi_power.features
def multi_power_features(steps, schedule, *, block, warmup, warmup_in_ld, lr_floor):
    drops = RateDrops.before(steps, schedule, block=block, warmup_in_ld=warmup_in_ld, lr_floor=lr_floor)
    return {"S1": area_under(schedule, warmup)[schedule.index(steps)], "drops": drops}


@multi_power.needs
def multi_power_needs(S1, drops):
    return untold(S1, drops)


def untold(area, drops):
    """Why these rows cannot tell what annealing saves, if so: no drop, or rates that only fall along with `area` (n,).

    Told apart are rows before the rate has fallen, and rows of one area whose rates have fallen differently.
    """
    if not np.any(drops.d):
        return [NO_DROP]
    fallen = drops.sums(lambda part: [part.d / np.repeat(part.peak, part.count)])[0]
    place = np.unique(np.round(np.log(area) / ALIKE), return_inverse=True)[1]
    high, low = np.full(place.max() + 1, -np.inf), np.full(place.max() + 1, np.inf)
    np.maximum.at(high, place, fallen)
    np.minimum.at(low, place, fallen)
    told = (fallen < FLAT).mean() >= ENOUGH or (high - low).max() >= APART
    return [] if told else [ALWAYS_FALLING]


@multi_power.natural
def multi_power_natural(S1, drops, *, alpha, gamma):
    """Sizes in which A, B and C are of order one: loss at a typical area, nats won by annealing to zero, kernel lengths."""
    peak = np.exp(np.log(drops.peak).mean())
    span = drops.span[drops.span > 0]
    length = np.exp(np.log(span).mean()) if len(span) else np.exp(np.log(S1).mean())
    return {"A": np.exp(-alpha * np.log(S1).mean()), "B": peak, "C": length * peak**-gamma}


@multi_power.jacobian
def multi_power_jacobian(S1, drops, *, L0, A, alpha, B, C, beta, gamma):
    def terms(part):
        log, decay, pull = kernel_parts(part.S, part.eta, C, beta, gamma)
        return [part.d * x for x in (1 - decay, pull, decay * log, pull * np.log(part.eta))]

    taken, by_C, by_beta, by_gamma = drops.sums(terms)
    shape = S1**-alpha
    return {
        "L0": np.ones_like(shape),
        "A": shape,
        "alpha": -A * shape * np.log(S1),
        "B": -taken,
        "C": -B * by_C / C,
        "beta": -B * by_beta,
        "gamma": B * by_gamma,
    }


def kernel_parts(S, eta, C, beta, gamma):
    """ln(1 + z) with z = C S / eta^gamma, decay = (1 + z)^-beta, and the derivative of the kernel 1 - decay in ln z.

    Parameters
    ----------
    S, eta : ndarray, shape (pairs,), area since each drop and the rate after it. C, beta, gamma : of the law, (B, 1) or ().
    """
    z = C * S * power(eta, -gamma)
    log = np.log(1 + z)
    decay = np.exp(-beta * log)
    return log, decay, beta * decay * z / (1 + z)


def rate_slopes(rates, warm, stride, *, L0, A, alpha, B, C, beta, gamma):
    """The law at the last update, and its derivative in every rate, in O(updates).

    Parameters
    ----------
    rates : ndarray, shape (n,), rates after the warm-up, beginning at the peak; each stands for `stride` updates.
    warm : area under the warm-up.

    Returns
    -------
    loss : float. slopes : ndarray, shape (n,); that of rates[0] as if it had no rise.
    """
    d = np.r_[0.0, -np.diff(rates)]
    S = stride * np.cumsum(rates[::-1])[::-1]
    S1 = warm + S[0]
    # `kernel_parts` rounds otherwise, and a descent over hundreds of flat directions ends elsewhere in the seventh digit
    scale = np.exp(-gamma * np.log(rates))
    x = scale * S
    inner = 1 + C * x
    decay = inner**-beta
    G, slope = 1 - decay, beta * C * decay / inner  # the kernel and its derivative in x
    # a rate enters its own drop and the next one, the areas since all earlier drops, and its own kernel
    saved = np.r_[G[1:], 0.0] - G + stride * np.cumsum(d * slope * scale) - gamma * d * slope * x / rates
    return float(L0 + A * S1**-alpha - B * (d @ G)), -alpha * A * S1 ** (-alpha - 1) * stride - B * saved


@multi_power.final
def multi_power_final(rates, warm, stride, conventions, **constants):
    return rate_slopes(rates, warm.sum(), stride, **constants)


def with_known_kernel(S1, saved, *, L0, A, alpha):
    """L(t) = L0 + A (1 / S1^alpha - saved): `multi_power` where the kernel is known.

    Parameters
    ----------
    saved : array_like, shape (n,), what annealing saves, in units of A. S1, L0, A, alpha : as in `multi_power`.
    """
    return L0 + A * (S1**-alpha - saved)


@multi_power.components
def multi_power_components(S1, drops, *, L0, A, alpha, **kernel):
    area = A / S1**alpha
    whole = multi_power(S1, drops, L0=L0, A=A, alpha=alpha, **kernel)
    return {"L0": L0, "A / S1^alpha": area, "annealing": whole - L0 - area}


multi_power_5 = multi_power.hold("multi_power_5", beta=0.5, gamma=0.5)
