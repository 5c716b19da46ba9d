"""Optimal shares: one dual Newton solve against SLSQP with gradient, in the same process. Prints medians and their ratio."""

from __future__ import annotations

import time

import numpy as np
from scipy.optimize import minimize

from scaling.planning.shares import least_sum

PROBLEMS = 20


def slsqp(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    k = len(a)
    return minimize(
        lambda p: (a * p**-g).sum(),
        np.full(k, 1 / k),
        jac=lambda p: -a * g * p ** (-g - 1),
        method="SLSQP",
        bounds=[(1e-9, 1.0)] * k,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 500},
    ).x


def seconds(solve, problems) -> float:
    """Median over problems of the best of three runs."""
    best = []
    for a, g in problems:
        runs = []
        for _ in range(3):
            begin = time.perf_counter()
            solve(a, g)
            runs.append(time.perf_counter() - begin)
        best.append(min(runs))
    return float(np.median(best))


def main() -> None:
    rng = np.random.default_rng(0)
    print("families   dual Newton      SLSQP   ratio   residual   largest difference of shares")
    for k in (2, 5, 23):
        problems = [(np.exp(rng.normal(0, 1, k)), rng.uniform(0.02, 0.3, k)) for _ in range(PROBLEMS)]
        ours, theirs = seconds(least_sum, problems), seconds(slsqp, problems)
        residual = max(least_sum(a, g).residual for a, g in problems)
        apart = max(np.abs(least_sum(a, g).p - slsqp(a, g)).max() for a, g in problems)
        print(f"{k:8d} {ours * 1e6:9.0f} us {theirs * 1e6:9.0f} us {theirs / ours:6.1f}x {residual:10.1e} {apart:12.1e}")


if __name__ == "__main__":
    main()
