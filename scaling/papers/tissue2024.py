"""Tissue, Wang and Wang 2024, Scaling Law with Learning Rate Annealing, arXiv:2408.11029."""

import numpy as np

from scaling.errors import LawError
from scaling.formula import Exponent, Positive, Published, law


@law(
    "arXiv:2408.11029",
    conventions={"lam": 0.999, "warmup": "real"},
    published={
        "example_refit": Published(
            L0=2.62780, A=0.42967, C=0.41077, alpha=0.54985, conventions={"lam": 0.999, "warmup": "max"},
            source="refit of the 40 points in the example script accompanying arXiv:2408.11029",
            note="not constants of the paper: the optimum of the authors' objective on their example",
        ),
    },
)  # fmt: skip
def annealing(S1, S2, *, L0: Positive = 2.5, A: Positive = 0.5, alpha: Exponent = 0.5, C: Positive = 0.4):
    """L(s) = L0 + A / S1^alpha - C S2

    Parameters
    ----------
    S1 : array_like, shape (n,), area under the learning rate up to and including the step.
    S2 : array_like, shape (n,), annealing area: cumulative momentum of the rate drops, with decay `lam` per step.
    L0, A, alpha : power law in the area. C : loss saved per annealing area.

    Notes
    -----
    Fails at rates of zero: S2 grows while S1 stands still, so that such steps lower the prediction; never search a schedule
    with this law without a floor on the rate. `lam` is fixed, per step, and depends on the batch. Another peak rate is another
    fit.
    """
    return L0 + A / S1**alpha - C * S2


@annealing.features
def annealing_features(steps, schedule, *, lam, warmup):
    if not 0 < lam < 1:
        raise LawError(f"annealing: lam={lam} must lie between 0 and 1 (0.99 to 0.999 in the paper).")
    at = schedule.index(steps)
    momentum = _momentum(schedule.drops(), lam)
    return {"S1": area_under(schedule, warmup)[at], "S2": np.cumsum(momentum)[at]}


def _momentum(drops, lam):
    """momentum_i = lam momentum_{i-1} + drop_i from 0, in blocks over which lam^i stays well above rounding.

    `scipy.signal.lfilter` does it too, and takes half a second to import.
    """
    size = min(max(int(np.log(LEAST) / np.log(lam)), 1), max(len(drops), 1))
    blocks = np.pad(drops, (0, -len(drops) % size)).reshape(-1, size)
    falls = lam ** np.arange(1, size + 1)
    out, before = np.cumsum(blocks / falls, axis=1) * falls, 0.0
    starts = np.empty(len(blocks))
    for k, own in enumerate(out[:, -1].tolist()):
        starts[k], before = before, own + falls[-1] * before
    return (out + starts[:, None] * falls).ravel()[: len(drops)]


LEAST = 1e-3  # of lam^i over a block of steps
NO_DROP = (
    "no drop of the learning rate in these runs, so what annealing saves cannot be learned from them: add a run that "
    "lowers its rate, or fit 'power_law_offset:x=step'"
)


@annealing.needs
def annealing_needs(S1, S2):
    return [] if np.any(S2) else [NO_DROP]


def area_under(schedule, warmup):
    """Area under the rates; ``warmup="max"`` counts warm-up steps at the peak rate, as the authors' script does."""
    if warmup == "real":
        return schedule.area
    if warmup == "max":
        warm = np.arange(schedule.steps) < schedule.warmup
        return np.cumsum(np.where(warm, schedule.peak, schedule.rates))
    raise LawError(f"warmup='{warmup}' is unknown; use 'real' (rates as they were) or 'max' (warm-up counted at peak).")
