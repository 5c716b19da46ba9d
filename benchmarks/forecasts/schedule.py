"""Free schedule search against the authors': their optimised rates for 100M, and 10,000 plain gradient steps of CPU time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import scaling
from scaling.planning.descent import FinalLoss
from scaling.planning.schedules import best_schedule

STEPS, WARMUP, PEAK = 24_000, 2160, 3e-4
TIMED, WHOLE = 200, 10_000  # gradient steps that are timed, and the authors' number, to which the time is scaled


def plain_steps(constants, count: int) -> float:
    """CPU seconds of `count` steps of Adam on all decrements of the rate, gradients by automatic differentiation, which is how
    the authors of arXiv:2503.12811 search (rate of Adam 5e-9, rates from the peak down, area of the warm-up half its box)."""
    import torch

    torch.set_num_threads(1)
    L0, A, alpha, B, C, beta, gamma = (constants[k] for k in ("L0", "A", "alpha", "B", "C", "beta", "gamma"))
    falls = torch.zeros(STEPS - WARMUP, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([falls], lr=5e-9)

    def step() -> None:
        adam.zero_grad()
        rates = torch.clamp(PEAK - torch.cumsum(falls, 0), min=1e-10)
        since = torch.flip(torch.cumsum(torch.flip(rates, [0]), 0), [0])
        kernel = 1 - (1 + C * since * rates**-gamma) ** -beta
        loss = L0 + A * (0.5 * PEAK * WARMUP + since[0]) ** -alpha - B * (falls * kernel).sum()
        loss.backward()
        adam.step()
        with torch.no_grad():
            falls.clamp_(min=0)

    step()
    start = time.process_time()
    for _ in range(count):
        step()
    return time.process_time() - start


def measure(data: Path) -> dict[str, float]:
    """decay and loss of the free search, loss of the authors' rates (one convention), CPU seconds of both, ratio."""
    published = scaling.laws["multi_power"].published["luo2025_100M"]
    loss = FinalLoss(published, np.linspace(0, PEAK, WARMUP))
    theirs = loss(np.load(data / "MultiPowerLaw/optimized_schedules/100.npy"))[0]
    seconds = []
    for _ in range(3):
        start = time.process_time()
        found = best_schedule(published, STEPS, peak=PEAK, warmup=WARMUP)
        seconds.append(time.process_time() - start)
    plain = plain_steps(published, TIMED) * WHOLE / TIMED
    ours, own = float(loss(found.schedule.rates[WARMUP:])[0]), float(np.median(seconds))
    return {
        "decay": found.decay, "loss": ours, "loss of theirs": float(theirs),
        "seconds": own, "plain seconds": plain, "ratio": plain / own,
    }  # fmt: skip
