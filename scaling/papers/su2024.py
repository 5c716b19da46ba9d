"""Su et al. 2024, Unraveling the Mystery of Scaling Laws: Part I, arXiv:2403.06563."""

import numpy as np

from scaling.formula import Published, law
from scaling.papers.kaplan2020 import Share, Small, kaplan_steps_sample, kaplan_steps_straight

MIDDLE = 3.0  # a loss inside the data


@law(
    "arXiv:2403.06563",
    published={
        "su2024": Published(
            N_c=1.5e14, alpha_N=0.076, S_c=2.6e3, alpha_S=0.67, B_star=1.7e8, alpha_B=0.205, verified=False,
            source="arXiv:2403.06563, C4 (remembered, not read)", counts="N = non-embedding parameters; B in tokens",
        ),
    },
)  # fmt: skip
def kaplan_trajectory(
    N, B, S, *, N_c: Share = 1.5e14, alpha_N: Small = 0.076, S_c: Share = 2.6e3, alpha_S: Small = 0.67,
    B_star: Share = 1.7e8, alpha_B: Small = 0.205,
):  # fmt: skip
    """L = (N_c / N)^alpha_N + (S_c / S)^alpha_S (1 + B_star / (B L^(1/alpha_B)))^alpha_S

    The whole trajectory at any batch size. Implicit in L, because the critical batch B_star / L^(1/alpha_B) grows as the
    loss falls; the root is unique.

    Parameters
    ----------
    N : array_like, shape (n,), parameters without embeddings. B : batch in tokens. S : steps done.
    N_c, alpha_N : loss of a converged model. S_c, alpha_S : loss still to lose, at infinite batch.
    B_star, alpha_B : critical batch at a loss of one, and how it grows.

    Notes
    -----
    Fails for rates that decay, as steps know nothing of them, and far outside the data, as it has no irreducible loss.
    """
    with np.errstate(over="ignore"):
        model = np.exp(alpha_N * (np.log(N_c) - np.log(N)))
        steps = alpha_S * (np.log(S_c) - np.log(S))
        noise = np.log(B_star) - np.log(B)
    return _root(model, steps, noise, alpha_S, alpha_B)


def _root(model, steps, noise, alpha_S, alpha_B):
    """L with L - model - exp(steps) (1 + exp(noise) L^(-1/alpha_B))^alpha_S = 0, by Newton in y = ln L.

    ln of the right side falls in y, that of the left rises: one root, at or above that of infinite batch. Bracketed, so
    that a Newton step that leaves the bracket becomes a bisection. A complex step is carried by one last Newton step.
    """
    m, s, z, a, b = np.broadcast_arrays(*(np.real(v) for v in (model, steps, noise, alpha_S, alpha_B)))

    def gap(y, m=m, s=s, z=z, a=a, b=b):
        u = z - y / b
        log1p = np.logaddexp(0, u) if not np.iscomplexobj(u) else np.log1p(np.exp(u))
        late = np.exp(s + a * log1p)
        right = m + late
        return y - np.log(right), 1 + late / right * a * (1 - np.exp(-log1p)) / b

    y = low = np.log(m + np.exp(s))
    high = np.maximum(np.log(2 * m), s * b / (a + b) + a * z / (a + b)) + 3 + np.maximum(s, 0)
    for _ in range(40):  # the upper end must have a positive gap
        short = gap(high)[0] < 0
        if not short.any():
            break
        high = np.where(short, high + np.abs(high - low) + 1, high)
    for _ in range(80):
        g, slope = gap(y)
        low, high = np.where(g < 0, y, low), np.where(g >= 0, y, high)
        new = y - g / slope
        new = np.where((new > low) & (new < high), new, np.where(np.abs(g) < 1e-15, y, 0.5 * (low + high)))
        done = np.abs(new - y).max(initial=0.0) < 1e-15
        y = new
        if done:
            break
    g, slope = gap(y, model, steps, noise, alpha_S, alpha_B)
    return np.exp(y - g / slope)


@kaplan_trajectory.jacobian
def kaplan_trajectory_jacobian(N, B, S, *, N_c, alpha_N, S_c, alpha_S, B_star, alpha_B):
    """Implicit differentiation: dL/dp = -(dg/dp) / (dg/dL), g = L - right side."""
    L = kaplan_trajectory(N, B, S, N_c=N_c, alpha_N=alpha_N, S_c=S_c, alpha_S=alpha_S, B_star=B_star, alpha_B=alpha_B)
    n, s = np.log(N_c / N), np.log(S_c / S)
    x = np.exp(np.log(B_star / B) - np.log(L) / alpha_B)
    model, late = np.exp(alpha_N * n), np.exp(alpha_S * (s + np.log1p(x)))
    share = late * alpha_S * x / (1 + x)
    scale = 1 / (1 + share / (alpha_B * L))
    return {
        "N_c": scale * model * alpha_N / N_c,
        "alpha_N": scale * model * n,
        "S_c": scale * late * alpha_S / S_c,
        "alpha_S": scale * late * (s + np.log1p(x)),
        "B_star": scale * share / B_star,
        "alpha_B": scale * share * np.log(L) / alpha_B**2,
    }


@kaplan_trajectory.straight
def kaplan_trajectory_straight(N, B, S):
    """Those of `kaplan_steps`, and the critical batch at a loss of MIDDLE in units of B."""
    steps_to, steps_back = kaplan_steps_straight(N, S)
    b = np.log(B).mean()

    def to(p):
        return {**steps_to(p), "B_star": p["B_star"] * np.exp(b + np.log(MIDDLE) / p["alpha_B"])}

    def back(p):
        return {**steps_back(p), "B_star": p["B_star"] * np.exp(-b - np.log(MIDDLE) / p["alpha_B"])}

    return to, back


@kaplan_trajectory.sample
def kaplan_trajectory_sample(rng, n):
    few = kaplan_steps_sample(rng, n)
    return {"N": few["N"], "B": np.exp(rng.uniform(np.log(3e4), np.log(4e6), n)), "S": few["S"]}
