"""Loss by size, tokens, learning rate and batch: bowls around the best settings, in a form of our own for grids of runs."""

from math import factorial
from typing import Annotated

import numpy as np

from scaling.formula import Domain, Exponent, Positive, drawn, law

Power = Annotated[float, Domain(-3.0, 3.0, grid=(-0.8, 0.8))]
Outer = Annotated[float, Domain(0.02, 3.0, log=True, grid=(0.1, 1.0))]
Depth = Annotated[float, Domain(0.0, np.inf, log=True, grid=(3e-3, 0.3))]
Lean = Annotated[float, Domain(-4.0, 4.0, grid=(-0.7, 0.7))]


def bowl(x, k):
    """(e^(k x) - 1 - k x) / k^2: x^2 / 2 near 0, steeper on the right where k > 0."""
    return x * x * _lean(k * x)


def _lean(z, order=0):
    """(e^z - 1 - z) / z^2, or its slope; near 0, where the difference loses digits, by its series."""
    small = np.abs(z) < 0.3
    near, far = np.where(small, z, 0.0), np.where(small, 1.0, z)
    series = np.zeros_like(near)
    for term in range(11, order - 1, -1):
        series = series * near + (term if order else 1) / factorial(term + 2)
    if order:
        return np.where(small, series, (np.exp(far) * (far - 2) + far + 2) / far**3)
    return np.where(small, series, (np.expm1(far) - far) / far**2)


def best_settings(N, D, values):
    """ln of the best learning rate and of the best batch by the parameters of `configuration`."""
    n, d = np.log(N), np.log(D)
    rate = np.log(values["K"]) - values["alpha"] * n + values["beta"] * d
    return rate, np.log(values["K_B"]) + values["nu"] * n + values["gamma"] * d


@law("this project")
def configuration(
    N, D, lr, batch, *, A: Positive = 1e13, a: Exponent = 1.4, B: Positive = 1e19, b: Exponent = 1.8, g: Outer = 0.25,
    K: Positive = 3.0, alpha: Power = 0.5, beta: Power = 0.15, r: Power = 0.25, K_B: Positive = 0.5, nu: Power = 0.0,
    gamma: Power = 0.55, c: Depth = 0.02, k: Lean = 0.5, c_B: Depth = 0.015, k_B: Lean = 0.1, s: Power = 0.0,
):  # fmt: skip
    """L(N, D, lr, B) = (A / N^a + B / D^b)^g (1 + [c h(x; k) + c_B h(y; k_B)] / D^s), x = ln lr / lr* - r y, y = ln batch / B*

    lr* = K D^beta / N^alpha and B* = K_B D^gamma N^nu are the best rate and batch. There the loss is a law of size and tokens
    without a limit (`chinchilla_outer` with E = 0); beside it it rises by a share of itself in an uneven bowl
    h(x; k) = (e^(k x) - 1 - k x) / k^2, x^2 / 2 at its bottom.

    Parameters
    ----------
    N, D : array_like, shape (n,), parameters and training tokens. lr : peak learning rate. batch : in tokens or sequences.
    A, a, B, b, g : loss at the best settings. K, alpha, beta : best learning rate. K_B, nu, gamma : best batch.
    r : how the best rate follows the batch: lr* (batch / B*)^r. c, c_B : how much it costs to miss rate and batch.
    k, k_B : above 0 too much costs more than too little. s : how the bowls flatten with more tokens.

    Notes
    -----
    Fails where the grid of settings leaves the optimum at its edge, or rows that diverged are fitted with the others: near the
    optimum the bowls are even, far off they are not. `scaling.procedures.settings` keeps the rows near their group's best.
    """
    rate, best = best_settings(N, D, {"K": K, "alpha": alpha, "beta": beta, "K_B": K_B, "nu": nu, "gamma": gamma})
    y = np.log(batch) - best
    x = np.log(lr) - rate - r * y
    return (A / N**a + B / D**b) ** g * (1 + (c * bowl(x, k) + c_B * bowl(y, k_B)) / D**s)


@configuration.natural
def configuration_natural(N, D, lr, batch, *, a, b, alpha, beta, nu, gamma, s):
    n, d = np.log(N).mean(), np.log(D).mean()
    return {
        "A": np.exp(-a * n), "B": np.exp(-b * d), "K": np.exp(beta * d - alpha * n - np.log(lr).mean()),
        "K_B": np.exp(nu * n + gamma * d - np.log(batch).mean()), "c": np.exp(-s * d), "c_B": np.exp(-s * d),
    }  # fmt: skip


@configuration.jacobian
def configuration_jacobian(N, D, lr, batch, *, A, a, B, b, g, K, alpha, beta, r, K_B, nu, gamma, c, k, c_B, k_B, s):
    n, d = np.log(N), np.log(D)
    rate, best = best_settings(N, D, {"K": K, "alpha": alpha, "beta": beta, "K_B": K_B, "nu": nu, "gamma": gamma})
    y = np.log(batch) - best
    x = np.log(lr) - rate - r * y
    size, data, fall = N**-a, D**-b, D**-s
    S = A * size + B * data
    low = S**g
    pull = low * fall
    h, h_B = bowl(x, k), bowl(y, k_B)
    raised = 1 + (c * h + c_B * h_B) * fall
    of_S, of_x = g * low / S * raised, pull * c * x * (1 + k * x * _lean(k * x))  # h' = (e^(k x) - 1) / k
    of_y = pull * c_B * y * (1 + k_B * y * _lean(k_B * y)) - r * of_x
    return {
        "A": of_S * size, "a": -of_S * A * size * n, "B": of_S * data, "b": -of_S * B * data * d,
        "g": low * np.log(S) * raised, "K": -of_x / K, "alpha": of_x * n, "beta": -of_x * d, "r": -of_x * y,
        "K_B": -of_y / K_B, "nu": -of_y * n, "gamma": -of_y * d, "c": pull * h, "c_B": pull * h_B, "s": -low * (raised - 1) * d,
        "k": pull * c * x**3 * _lean(k * x, 1), "k_B": pull * c_B * y**3 * _lean(k_B * y, 1),
    }  # fmt: skip


@configuration.sample
def configuration_sample(rng, n):
    """Settings up to factors of about eight around the best."""
    inputs = drawn(N=(6e7, 1e9), D=(2e9, 1e11))(rng, n)
    rate, best = best_settings(
        inputs["N"], inputs["D"], {"K": 3.0, "alpha": 0.5, "beta": 0.15, "K_B": 0.5, "nu": 0.0, "gamma": 0.55}
    )
    return {**inputs, "lr": np.exp(rate + rng.uniform(-2, 2, n)), "batch": np.exp(best + rng.uniform(-2, 2, n))}


@configuration.derived
def configuration_derived(*, a, b, g, **others):
    return {"exponent in N": a * g, "exponent in D": b * g}
