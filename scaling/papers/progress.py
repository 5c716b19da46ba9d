"""This project: progress that is concave in the learning rate, noise that saturates in it."""

import numpy as np

from scaling.formula import Exponent, Positive, Prior, Unit, law
from scaling.papers.luo2025 import untold
from scaling.schedules.drops import RateDrops

UNIT = 1e-3  # rate in units of which progress, drops and kernel count
_SOURCE = (
    "means over three groups of runs (25M and 100M of arXiv:2503.12811, 124M of arXiv:2501.18965, tiny ones of this project), "
    "sd from the variance between groups; choices between them by leaving groups out"
)


@law(
    "this project",
    conventions={"q": 0.8, "block": 1024, "lr_floor": 1e-3},
    priors={"e0": Prior(4.84, 0.5, _SOURCE), "k": Prior(0.15, 0.1, _SOURCE)},
)
def progress(
    Q, drops, *, L0: Positive = 3.0, A: Positive = 10.0, alpha: Exponent = 0.5, B: Positive = 0.3, C: Positive = 0.1,
    e0: Positive = 4.84, k: Unit = 0.15,
):  # fmt: skip
    """L(t) = L0 + A / Q^alpha - B / Q^(k alpha) sum_j [h(eta_j-1) - h(eta_j)] [1 - (1 + C (Q - Q_j-1) / eta_j^(q-1/2))^-1/2]

    Parameters
    ----------
    Q : array_like, shape (n,), progress up to and including the step: sum of eta^q, rates in units of 1e-3.
    drops : RateDrops of length n: every drop of the rate, and the progress since, over eta^(q-1/2).
    L0, A, alpha : power law in progress. B, C : loss saved per unit of rate given up, and how soon it is.
    e0 : rate at which noise is half saturated, h(eta) = eta / (1 + eta / eta_0), eta_0 = e0 (1e-3 peak)^1/2.
    k : how the noise shrinks with the reducible loss.

    Notes
    -----
    Fails above the best peak rate, where runs become unstable, far beyond the lengths fitted, and for optimisers other than
    AdamW until q, e0 and k are fitted to them.

    Adam's updates do not grow with the gradient, so progress is concave in the rate (q), and the noise that a rate keeps up
    saturates in it (e0). With q = 1, k = 0 and e0 infinite it is `multi_power_5` (A' = A 1e-3^alpha, B' = B / 1e-3,
    C' = C 1e-3^-1/2); the exponent q - 1/2 keeps that law's pace of the kernel, eta^1/2 an update. With q = 1, k = 0 and a
    kernel without rates it is the integral of noise of arXiv:2509.19189, by parts. Checked on 25M to
    124M language models and on tiny ones (benchmarks/forecasts/schedules.py).
    """
    return L0 + A * Q**-alpha - B * Q ** (-k * alpha) * saved(drops, C, e0)[0]


def saved(drops, C, e0, slopes=False, by_peak=None, by_span=0.0):
    """What annealing saves at each row, in units of B at Q = 1: sum of drops of h that have taken effect, (..., n).

    Parameters
    ----------
    drops : RateDrops, `paced`. C, e0 : of the law, (B, 1) or (). slopes : are its derivatives in C and e0 wanted too?
    by_peak : power of a run's `peak` that C goes with, where runs differ in it.
    by_span : power of its `span` that a peak counts with.
    """

    def terms(part):
        S = part.S
        if by_peak is not None:
            S = S * np.repeat((part.peak * part.span ** np.asarray(by_span)) ** np.asarray(by_peak), part.count, axis=-1)
        root = 1 / np.sqrt(1 + C * S)
        fall = part.saturating(e0)
        effect = fall * (1 - root)
        if not slopes:
            return [effect]
        rise = (part.high / (e0 + part.high) + part.low / (e0 + part.low)) / e0
        return [effect, 0.5 * fall * S * root**3, effect * rise]

    return drops.sums(terms)


@progress.features
def progress_features(steps, schedule, *, q, block, lr_floor):
    drops = RateDrops.before(steps, schedule, block=block, warmup_in_ld=False, lr_floor=lr_floor, power=q)
    drops = drops.paced(q - 0.5, rate=UNIT, area=UNIT**q, level=np.sqrt(UNIT * schedule.peak))
    return {"Q": schedule.progress(q)[schedule.index(steps)] / UNIT**q, "drops": drops}


@progress.needs
def progress_needs(Q, drops):
    return untold(Q, drops)


@progress.natural
def progress_natural(Q, drops, *, alpha):
    """Sizes in which A, B and C are of order one: loss at a typical progress, nats won by annealing to zero, kernel lengths."""
    span, mean = drops.span[drops.span > 0], np.exp(np.log(Q).mean())
    length = np.exp(np.log(span).mean()) if len(span) else mean
    return {"A": mean**-alpha, "B": np.exp(np.log(drops.peak).mean()) * mean ** (-0.15 * alpha), "C": length}


@progress.jacobian
def progress_jacobian(Q, drops, *, L0, A, alpha, B, C, e0, k):
    effect, by_C, by_e0 = saved(drops, C, e0, slopes=True)
    shape, log, size = Q**-alpha, np.log(Q), B * Q ** (-k * alpha)
    return {
        "L0": np.ones_like(shape), "A": shape, "alpha": (k * size * effect - A * shape) * log, "B": -size / B * effect,
        "C": -size * by_C, "e0": -size * by_e0, "k": alpha * log * size * effect,
    }  # fmt: skip


@progress.final
def progress_final(rates, warm, stride, conventions, *, L0, A, alpha, B, C, e0, k):
    """As `multi_power`'s: a rate enters its own drop and the next one, progress since all earlier drops, and its own kernel."""
    q, unit, eta_0 = conventions["q"], UNIT, e0 * np.sqrt(rates.max() / UNIT)
    eta, gamma = rates / unit, q - 0.5
    h, steep = eta / (1 + eta / eta_0), (1 + eta / eta_0) ** -2
    since = stride * np.cumsum((eta**q)[::-1])[::-1]
    Q, d = (np.asarray(warm) / unit) ** q @ np.ones(len(warm)) + since[0], np.append(0.0, -np.diff(h))
    scale = eta**-gamma
    x = scale * since
    root = 1 / np.sqrt(1 + C * x)
    G, slope = 1 - root, 0.5 * C * root**3
    progressed = stride * q * eta ** (q - 1)  # by which a rate adds to Q
    own = steep * (np.append(G[1:], 0.0) - G) + progressed * np.cumsum(d * slope * scale) - gamma * d * slope * x / eta
    size, effect = B * Q ** (-k * alpha), d @ G
    by_Q = (k * alpha * size * effect - alpha * A * Q**-alpha) / Q
    return float(L0 + A * Q**-alpha - size * effect), (by_Q * progressed - size * own) / unit


@progress.components
def progress_components(Q, drops, *, L0, A, alpha, B, C, e0, k):
    return {"L0": L0, "A / Q^alpha": A * Q**-alpha, "annealing": -B * Q ** (-k * alpha) * saved(drops, C, e0)[0]}
