"""What others do with the same problems, written plainly: scipy, lmfit, the replication's protocol, naive gradient steps."""

from __future__ import annotations

import numpy as np
from scipy.optimize import OptimizeResult, least_squares, minimize

TEX = np.array([6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083])  # ln A, ln B, ln E, alpha, beta
NEAR = np.array([6.4, 7.6, 0.599, 0.362, 0.362])  # as near as a good grid comes
DELTA = 1e-3


class Surface:
    """L = E + A / N^alpha + B / D^beta in ln A, ln B, ln E, alpha, beta; residuals of log loss, Huber loss."""

    def __init__(self, frame) -> None:
        self.x, self.z, self.y = (np.log(frame[c].to_numpy()) for c in ("N", "D", "loss"))

    def take(self, rows) -> Surface:
        other = object.__new__(Surface)
        other.x, other.z, other.y = self.x[rows], self.z[rows], self.y[rows]
        return other

    def parts(self, p):
        a, b, e, alpha, beta = p
        return np.exp(a - alpha * self.x), np.exp(b - beta * self.z), np.full(len(self.x), np.exp(e))

    def residuals(self, p):
        return np.log(sum(self.parts(p))) - self.y

    def jacobian(self, p):
        A, B, E = self.parts(p)
        total = A + B + E
        return np.stack([A / total, B / total, E / total, -self.x * A / total, -self.z * B / total], axis=1)

    def objective(self, p):
        r = np.abs(self.residuals(p))
        return np.where(r <= DELTA, 0.5 * r * r, DELTA * (r - 0.5 * DELTA)).sum()

    def gradient(self, p):
        return self.jacobian(p).T @ np.clip(self.residuals(p), -DELTA, DELTA)

    def scipy_huber(self, start=NEAR) -> OptimizeResult:
        return least_squares(self.residuals, start, self.jacobian, x_scale="jac", loss="huber", f_scale=DELTA)

    def bfgs(self) -> OptimizeResult:
        """The replication's single start and optimiser, with the gradient in closed form instead of by autograd."""
        return minimize(self.objective, TEX, jac=self.gradient, method="BFGS")


def lmfit_huber(law, frame, params):
    """lmfit's least_squares with Huber loss on log residuals, numeric derivatives, from good starting values."""
    import lmfit

    N, D, y = (frame[c].to_numpy() for c in ("N", "D", "loss"))
    residual = lambda p: np.log(law(N, D, **p.valuesdict())) - np.log(y)
    return lmfit.minimize(residual, params, method="least_squares", loss="huber", f_scale=DELTA)


def naive_multi_power(runs, steps: int) -> float:
    """Plain Adam steps on the multi-power law with its double sum written out, every step of every curve; final objective.

    Rows i of a curve, steps k: L_i = L0 + A S1_i^-alpha - B sum_k d_k (1 - (1 + C S_ik eta_k^-gamma)^-beta), k <= i.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    curves = []
    for name, rows in runs.frame.groupby("run"):
        plan = runs.schedules[name]
        keep = (rows["step"] >= plan.first + plan.warmup - 1) & rows["loss"].notna()
        at = plan.index(rows.loc[keep, "step"].to_numpy(int))
        area = plan.area
        since = np.clip(area[at][:, None] - area[None, :] + plan.rates[None, :], 0, None)  # area from step k on
        passed = np.arange(plan.steps)[None, :] <= at[:, None]
        arrays = (area[at], since * passed, plan.drops() * passed, np.maximum(plan.rates, 1e-12))
        curves.append([torch.tensor(a) for a in (*arrays, np.log(rows.loc[keep, "loss"].to_numpy()))])
    p = torch.tensor([3.0, 0.5, 0.5, 400.0, 2.0, 0.5, 0.5], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([p], lr=1e-3)
    try:
        for _ in range(steps):
            adam.zero_grad()
            total = torch.zeros((), dtype=torch.float64)
            for S1, S, d, eta, y in curves:
                L0, A, alpha, B, C, beta, gamma = p
                saved = (d * (1 - (1 + C * S * eta**-gamma) ** -beta)).sum(1)
                r = torch.log(L0 + A * S1**-alpha - B * saved) - y
                total = total + torch.nn.functional.huber_loss(r, torch.zeros_like(r), reduction="sum", delta=DELTA)
            total.backward()
            adam.step()
    finally:
        torch.set_num_threads(threads)
    return float(total.detach())
