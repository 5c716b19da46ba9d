"""When a run is evaluated, and how: on fixed windows, in double precision, without touching the training."""

import numpy as np
import torch
from torch import nn

from scaling.training.model import token_losses

_CHUNK = 128  # windows a forward pass: small enough for the cache, and fixed so that sums never change order


def evaluation_steps(rates: np.ndarray, every: int) -> np.ndarray:
    """
    Steps (updates done) with a row: 1, 2, 4, .. below `every`, its multiples, the last step, the cooldown.

    The cooldown is what follows the last update at the peak rate, if it is at most half of the run. There the
    loss moves fastest and laws learn most, so rows are five times denser, with one just before and one just
    after the rate first falls.

    Parameters
    ----------
    rates : ndarray, shape (n_updates,)
    every : int

    Returns
    -------
    ndarray of int64, increasing
    """
    n = len(rates)
    steps = {2**k for k in range(every.bit_length()) if 2**k < every} | {*range(every, n, every), n}
    falls = n - int(np.argmax(rates[::-1]))  # updates done when the peak rate was last used
    if n / 2 <= falls < n:
        dense = max(1, every // 5)
        steps |= {falls, falls + 1, *range(-(-falls // dense) * dense, n, dense)}
    return np.array(sorted(step for step in steps if step <= n))


@torch.no_grad()
def evaluate(model: nn.Module, windows: torch.Tensor) -> tuple[float, float]:
    """
    Mean loss on fixed windows.

    Parameters
    ----------
    model : nn.Module
    windows : Tensor of int64, shape (n, context + 1)

    Returns
    -------
    loss : float
        Nats per byte, every byte with the same weight.
    standard_error : float
        Of that mean, by sequence: bytes of one window are far from independent, windows nearly are.
    """
    losses = [token_losses(model(part[:, :-1]), part[:, 1:]).double() for part in windows.split(_CHUNK)]
    means = torch.cat(losses).mean(dim=1)
    return float(means.mean()), float(means.std() / len(means) ** 0.5)
