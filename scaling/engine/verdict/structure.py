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

    @property
    def little(self) -> str:
        return (
            f"the residuals follow {self.name} ({self.share:.0%} of their scatter, {self.size:.0%} of the spread of the "
            "losses): the law is a little off, by more than chance"
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
    if not (e @ e > 0) or not (names := list(near.coordinates)):
        return None
    root, x = np.sqrt(near.design.weights[kept]), np.stack([near.coordinates[name][kept] for name in names])
    size = np.sqrt(e @ e / len(e)) / near.spread
    tests = 2 * len(names)
    found = [
        Misfit(name, min(1.0, chance * tests), share, float(np.sqrt(max(share, 0.0)) * size))
        for test in (_smooth(x, Q, e, root), _neighbours(x, e))
        for name, chance, share in zip(names, *test, strict=True)
    ]
    return min(found, key=lambda one: (not one.told, one.chance))


def _smooth(x: np.ndarray, Q: np.ndarray, e: np.ndarray, root: np.ndarray) -> tuple[list[float], list[float]]:
    """Chance and share of the scatter of every input, by the F test of smooth curves in it.

    Parameters
    ----------
    x (d, m) : the inputs. Q (m, k), e (m,) : what the parameters move, and what they leave over. root (m,) : of the weights.
    """
    dof, total = len(e) - Q.shape[1], float(e @ e)
    curves = _curves(x, min(DEGREE, dof - 3)) * root[:, None]
    curves = curves - Q @ (Q.T @ curves)
    size, V = np.linalg.eigh(curves.transpose(0, 2, 1) @ curves)  # of directions that the parameters move too, nothing is left
    along = (V.transpose(0, 2, 1) @ (curves.transpose(0, 2, 1) @ e)[:, :, None])[:, :, 0]
    found = np.where(size > 1e-6, along**2 / np.maximum(size, 1e-6), 0.0).sum(1)
    q = (size > 1e-6).sum(1)
    left = np.maximum(total - found, 1e-12 * total)
    spare = np.maximum(dof - q, 1)
    chance = np.where((q > 0) & (dof - q >= 2), fdtrc(np.maximum(q, 1), spare, found / np.maximum(q, 1) / (left / spare)), 1.0)
    return chance.tolist(), np.where(q > 0, 1 - left / total * dof / spare, 0.0).tolist()


def _neighbours(x: np.ndarray, e: np.ndarray) -> tuple[list[float], list[float]]:
    """Chance and share of the scatter of every input (d, m), by the likeness of neighbours along it."""
    along = e[np.argsort(x, axis=1, kind="stable")]
    alike = (along[:, 1:] * along[:, :-1]).sum(1) / (e @ e)
    return ndtr(-alike * np.sqrt(len(e))).tolist(), alike.tolist()


def _curves(x: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials (d, m, degree) in each of the inputs x (d, m), up to the number of its values."""
    low = x.min(1, keepdims=True)
    u = 2 * (x - low) / np.maximum(np.ptp(x, axis=1, keepdims=True), 1e-300) - 1
    powers = [np.ones_like(u), u]
    for k in range(1, degree):  # Legendre's
        powers.append(((2 * k + 1) * u * powers[-1] - k * powers[-2]) / (k + 1))
    Q, R = np.linalg.qr(np.stack(powers[: degree + 1], 2))
    size = np.abs(np.diagonal(R, axis1=1, axis2=2))
    full: np.ndarray = np.where((size > 1e-8 * size[:, :1])[:, None], Q, 0.0)
    return full[:, :, 1:]
