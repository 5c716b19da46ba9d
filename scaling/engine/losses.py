"""Loss functions of a residual r: value, slope, curvature, and the weight slope / r that reweighted least squares uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.errors import ArgumentError

NAMES = ("huber", "squares", "soft_l1", "student_t", "one_sided")
NU = 4.0  # degrees of freedom of the Student-t loss
TILT = 0.1  # weight of losses above the law in the one-sided loss


@dataclass(frozen=True)
class Loss:
    """What is summed over rows. `log` compares ln(prediction) with ln(loss), else the values themselves.

    huber: r^2/2 up to delta, delta (|r| - delta/2) beyond. squares: r^2. soft_l1: delta^2 (sqrt(1 + (r/delta)^2) - 1).
    student_t: delta^2 (nu+1)/2 ln(1 + (r/delta)^2 / nu), nu = 4. one_sided: huber, with a tenth of the weight where the
    measured loss is above the law: runs that were tuned badly can only be worse than the law, never better.
    """

    name: str
    log: bool
    delta: float

    @classmethod
    def parse(cls, objective: str, delta: float) -> Loss:
        """The loss named by an objective, ``"log_huber"`` and so on."""
        log = objective.startswith("log_")
        name = objective.removeprefix("log_")
        if name not in NAMES:
            raise ArgumentError(
                f"unknown objective '{objective}'; use one of "
                + ", ".join(f"{p}{n}" for n in NAMES for p in ("log_", ""))
                + "."
            )
        if not isinstance(delta, (int, float, np.number)) or not 0 < delta < np.inf:
            raise ArgumentError(f"delta={delta} must be a positive number; for least squares use objective='log_squares'.")
        return cls(name, log, float(delta))

    @property
    def objective(self) -> str:
        """What `parse` reads."""
        return ("log_" if self.log else "") + self.name

    @property
    def scale(self) -> float:
        """Reported objective per summed `value`: least squares is reported as the residual sum of squares."""
        return 2.0 if self.name == "squares" else 1.0

    def link(self, values: np.ndarray) -> np.ndarray:
        if not self.log:
            return values
        with np.errstate(invalid="ignore", divide="ignore"):
            logs: np.ndarray = np.log(values)
        return logs

    def back(self, values: np.ndarray) -> np.ndarray:
        """What `link` made of losses as losses again; infinite for a bound that no number holds."""
        if not self.log:
            return np.asarray(values)
        with np.errstate(over="ignore"):
            losses: np.ndarray = np.exp(values)
        return losses

    def value(self, r: np.ndarray) -> np.ndarray:
        d = self.delta
        out: np.ndarray
        if self.name == "squares":
            out = 0.5 * r * r
        elif self.name in ("huber", "one_sided"):
            a = np.abs(r)
            small = np.minimum(a, d)
            out = small * (a - 0.5 * small) * self._tilt(r)
        elif self.name == "soft_l1":
            z = (r / d) ** 2
            out = d * d * z / (np.sqrt(1 + z) + 1)
        else:
            out = d * d * (NU + 1) / 2 * np.log1p((r / d) ** 2 / NU)
        return out

    def total(self, r: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The weighted sum (B,) over rows of residuals r (B, n); infinite where undefined."""
        total = (weights * self.value(r)).sum(1)
        return np.where(np.isfinite(total), total, np.inf)

    def _tilt(self, r: np.ndarray) -> np.ndarray | float:
        return np.where(r < 0, TILT, 1.0) if self.name == "one_sided" else 1.0

    def slopes(self, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First derivative, second derivative, and first derivative divided by r."""
        d = self.delta
        if self.name == "squares":
            one = np.ones_like(r)
            return r, one, one
        if self.name in ("huber", "one_sided"):
            a, tilt = np.abs(r), self._tilt(r)
            return np.minimum(np.maximum(r, -d), d) * tilt, (a <= d) * tilt, d / np.maximum(a, d) * tilt
        z = (r / d) ** 2
        if self.name == "soft_l1":
            weight = 1 / np.sqrt(1 + z)
            return r * weight, weight**3, weight
        weight = (NU + 1) / NU / (1 + z / NU)
        return r * weight, weight * (1 - z / NU) / (1 + z / NU), weight
