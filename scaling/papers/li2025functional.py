"""Li et al. 2025, Functional Scaling Laws in Kernel Regression: Loss Dynamics and Learning Rate Schedules, arXiv:2509.19189."""

from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, law
from scaling.papers.luo2025 import power, untold
from scaling.schedules.drops import RateDrops

Tail = Annotated[float, Domain(0.02, 10.0, grid=(0.3, 2.0))]


@law("arXiv:2509.19189", conventions={"block": 64, "lr_floor": 1e-3})
def functional(
    T, drops, *, L0: Positive = 3.0, c1: Positive = 0.5, s: Exponent = 0.5, c2: Positive = 400.0, c3: Positive = 1.0,
    c4: Positive = 2.0, gamma: Tail = 0.5,
):  # fmt: skip
    """L = L0 + c1 / T^s - c2 sum_k d_k (c3 + T_k^-s) [1 - (1 + c4 (T - T_k))^-gamma]

    Parameters
    ----------
    T : array_like, shape (n,), intrinsic time: area under the learning rate up to and including the step.
    drops : RateDrops of length n: drops d_k of the rate, the time T_k before each, and the time since.
    L0, c1, s : power law of a constant rate. c2, c3 : what a drop saves, and how much of that does not fade with T_k.
    c4, gamma : kernel in intrinsic time, by which noise is forgotten.

    Notes
    -----
    Fails where curves have one length: c3 then grows without limit, as the fit says. On 124M models gamma ends at its edge
    (benchmarks/forecasts/schedules.py).

    The ansatz fitted to language models: the paper's integral of noise over the run, by parts. `progress` is held by
    its priors.
    """
    return L0 + c1 * T**-s - c2 * drops.sums(lambda p: [p.d * (c3 + power(p.done, -s)) * (1 - power(1 + c4 * p.S, -gamma))])[0]


@functional.features
def functional_features(steps, schedule, *, block, lr_floor):
    drops = RateDrops.before(steps, schedule, block=block, warmup_in_ld=False, lr_floor=lr_floor)
    return {"T": schedule.area[schedule.index(steps)], "drops": drops}


@functional.needs
def functional_needs(T, drops):
    return untold(T, drops)


@functional.natural
def functional_natural(T, drops, *, s):
    span, mean = drops.span[drops.span > 0], np.exp(np.log(T).mean())
    length = np.exp(np.log(span).mean()) if len(span) else mean
    return {"c1": mean**-s, "c2": np.exp(np.log(drops.peak).mean()) * mean**-s, "c3": mean**s, "c4": length}


@functional.jacobian
def functional_jacobian(T, drops, *, L0, c1, s, c2, c3, c4, gamma):
    def terms(p):
        early, log = power(p.done, -s), np.log(1 + c4 * p.S)
        left = np.exp(-gamma * log)
        whole, taken = p.d * (c3 + early), 1 - left
        late = [p.d * taken, p.d * early * np.log(p.done) * taken]
        return [whole * taken, *late, whole * gamma * left * p.S / (1 + c4 * p.S), whole * left * log]

    saved, plain, by_s, by_c4, by_gamma = drops.sums(terms)
    shape = T**-s
    return {
        "L0": np.ones_like(shape), "c1": shape, "s": c2 * by_s - c1 * shape * np.log(T), "c2": -saved, "c3": -c2 * plain,
        "c4": -c2 * by_c4, "gamma": -c2 * by_gamma,
    }  # fmt: skip


@functional.components
def functional_components(T, drops, *, L0, c1, s, **rest):
    power_law = c1 * T**-s
    return {"L0": L0, "c1 / T^s": power_law, "annealing": functional(T, drops, L0=L0, c1=c1, s=s, **rest) - L0 - power_law}
