"""Lack of fit: what is left over follows an input, so it is the law that is wrong and not chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, ndtr

from scaling.engine.verdict.near import Near

DEGREE = 4  # of the smooth curves that residuals may follow
CHANCE = 1e-3  # of telling a misfit where the law is right, over all inputs
# every law is a little wrong on real data: (share of the scatter that must follow the input, its size against the spread of
# the losses); what is all of the scatter may be smaller than what is half of it
SEEN = 0.02  # size from which on the data are looked at again
TOLD = ((0.4, 0.3), (0.9, 0.11))


@dataclass(frozen=True)
class Misfit:
    """How the residuals follow one input: chance of that, share of the scatter, size against the spread of the losses."""

    name: str
    chance: float
    share: float
    size: float

    @property
    def told(self) -> bool:
        return self.chance < CHANCE and any(self.share > share and self.size > size for share, size in TOLD)

    @property
    def said(self) -> str:
        return (
            f"the residuals follow {self.name} ({self.share:.0%} of their scatter, {self.size:.0%} of the spread of the "
            "losses): the law does not describe these data"
        )


def suspect(found: Misfit | None) -> bool:
    """Is there structure enough to look at the data again, if not to blame the law?"""
    return found is not None and found.chance < CHANCE and found.share > TOLD[0][0] and found.size > SEEN


def misfit(near: Near, kept: np.ndarray, rest: np.ndarray) -> Misfit | None:
    """The input that the residuals of the rows that belong follow most, beyond what the law's parameters can do.

    Two tests per input: an F test of smooth curves in it, and the likeness of neighbours along it (von Neumann), which
    sees any shape. Where inputs are repeated their scatter is the noise, and curves are tested against it.

    Parameters
    ----------
    kept (n,) : which rows belong. rest (n,) : data - law, by the root of the weights.
    """
    if near.exact or kept.sum() < near.basis.shape[1] + 5:
        return None
    Q = np.linalg.qr(near.basis[kept])[0]
    e = rest[kept] - Q @ (Q.T @ rest[kept])
    if not (e @ e > 0):
        return None
    root = np.sqrt(near.design.weights[kept])
    tests = [test for name, x in near.coordinates.items() for test in _tests(name, x[kept], Q, e, root)]
    size = np.sqrt(e @ e / len(e)) / near.spread
    found = [Misfit(n, min(1.0, c * len(tests)), s, float(np.sqrt(max(s, 0.0)) * size)) for n, c, s in tests]
    return min(found, key=lambda one: (not one.told, one.chance), default=None)


def _tests(name: str, x: np.ndarray, Q: np.ndarray, e: np.ndarray, root: np.ndarray) -> list[tuple[str, float, float]]:
    """(input, chance, share) of both tests.

    Parameters
    ----------
    x (m,) : the input. Q (m, k), e (m,) : what the parameters move, and what they leave over. root (m,) : of the weights.
    """
    dof, total, tests = len(e) - Q.shape[1], float(e @ e), []
    curves = _curves(x, min(DEGREE, dof - 3)) * root[:, None]
    U, s, _ = np.linalg.svd(curves - Q @ (Q.T @ curves), full_matrices=False)
    U = U[:, s > 1e-3]
    if (q := U.shape[1]) and dof - q >= 2:
        found = float(((U.T @ e) ** 2).sum())
        left = max(total - found, 1e-12 * total)
        chance = float(fdtrc(q, dof - q, found / q / (left / (dof - q))))
        tests.append((name, chance, 1 - left / total * dof / (dof - q)))
    order = np.argsort(x, kind="stable")
    alike = float(e[order][1:] @ e[order][:-1]) / total
    tests.append((name, float(ndtr(-alike * np.sqrt(len(e)))), alike))
    return tests


def _curves(x: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials (n, degree) in x, up to the number of its values."""
    values = len(np.unique(x))
    u = 2 * (x - x.min()) / max(np.ptp(x), 1e-300) - 1
    full: np.ndarray = np.linalg.qr(np.polynomial.legendre.legvander(u, max(min(degree, values - 1), 1)))[0]
    return full[:, 1:]
