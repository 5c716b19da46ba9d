"""Where L(C) meets L(D) of the tokens that runs of C see (arXiv:2001.08361, section 6.3; arXiv:2010.14701, section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.counting import TRAIN
from scaling.errors import ArgumentError, DataError
from scaling.fits import Fit
from scaling.formula import Published
from scaling.procedures.information import constants_of
from scaling.rendering import Result

PF_DAY = 8.64e19  # FLOP
SPREAD = 0.05  # of the exponent of N_opt, the paper's band
Constants = Published | Fit | Mapping[str, float]


@dataclass(frozen=True, repr=False)
class Crossing(Result):
    """Where L(C) falls below L(D), D the tokens that a compute-optimal run of C sees: past it one of the laws must fail.

    Attributes
    ----------
    C, N, D, loss : of the crossing; C in the unit of the constants. lower, upper : C with the exponent of N_opt changed by 5 %;
        infinite where the lines never meet.
    power, factor : of C(D) = factor D^power.
    of_C, of_D : (E, A, alpha) of either law. optimum : (factor, exponent) of N_opt(C). tokens : D at one unit of C.
    """

    C: float
    N: float
    D: float
    loss: float
    lower: float
    upper: float
    power: float
    factor: float
    of_C: tuple[float, float, float]
    of_D: tuple[float, float, float]
    optimum: tuple[float, float]
    tokens: float
    fields = ("C", "N", "D", "loss", "lower", "upper", "power", "factor")

    def head(self) -> list[tuple[str, str]]:
        if not np.isfinite(self.C):
            return [("crossing", "none: by these constants the tokens grow fast enough for L(C) at any compute")]
        where = f"C = {self.C:.3g} ({self.lower:.3g} to {self.upper:.3g} as the exponent of N_opt is 5 % off)"
        run = f"N = {self.N:.3g}, D = {self.D:.3g}, loss {self.loss:.4g}"
        return [("crossing", f"{where}: {run}"), ("C(D)", f"{self.factor:.3g} D^{self.power:.4g}")]

    def lines(self, C: np.ndarray, off: float = 0.0) -> pd.DataFrame:
        """L(C) and L(D(C)) at compute C (n,), with the exponent of N_opt off by a share."""
        (E, A, alpha), (E_D, A_D, alpha_D), beta = self.of_C, self.of_D, self.optimum[1] * (1 + off)
        D = self.tokens * C ** (1 - beta)
        return pd.DataFrame({"C": C, "by_C": E + A / C**alpha, "by_D": E_D + A_D / D**alpha_D})


def consistency_point(
    of_C: Constants, of_D: Constants, optimum: tuple[float, float], *, unit: float = PF_DAY, overhead: float = 1.0
) -> Crossing:
    """Find the compute beyond which a law of compute promises less loss than the tokens of its runs allow.

    Parameters
    ----------
    of_C, of_D : constants of `power_law_offset` or `power_law` over compute, and over tokens without repetition.
    optimum : (factor, exponent) of N_opt = factor C^exponent, C in `unit`; of `Optima`: (exp(log_N), a) with unit=1.
    unit : FLOP of one unit of C: PF-days unless said.
    overhead : compute that is spent over that counted by C: 2 for Kaplan's C_min at the critical batch.

    Raises
    ------
    DataError : the two laws end at different losses, so their reducible parts do not compare.
    """
    (E, A, alpha), (E_D, A_D, alpha_D) = constants_of(of_C), constants_of(of_D)
    factor, beta = (float(x) for x in optimum)
    for name, x in (("factor", factor), ("exponent", beta), ("unit", unit), ("overhead", overhead)):
        if not 0 < x < (1 if name == "exponent" else np.inf):
            raise ArgumentError(f"{name} = {x!r} must be a positive number{', below 1' if name == 'exponent' else ''}.")
    if abs(E - E_D) > 1e-6 * max(E, E_D):
        raise DataError(
            f"L(C) ends at {E:.4g} and L(D) at {E_D:.4g}; the point where the reducible losses meet would be that of two ends. "
            f"Fit one with the other's: scaling.fit(..., fixed={{'E': {E:.6g}}})."
        )
    tokens = overhead * unit / (TRAIN * factor)

    def crossed(b: float) -> float:
        steeper = alpha - alpha_D * (1 - b)
        if steeper <= 0:
            return np.inf
        return float(np.exp(min((np.log(A / A_D) + alpha_D * np.log(tokens)) / steeper, 700.0)))

    C = crossed(beta)
    low, high = sorted(crossed(min(beta * (1 + off), 1 - 1e-9)) for off in (-SPREAD, SPREAD))
    N, D, loss = factor * C**beta, tokens * C ** (1 - beta), E + A / C**alpha
    power = 1 / (1 - beta)
    return Crossing(
        C, float(N), float(D), float(loss), low, high, power, float(tokens**-power), (E, A, alpha), (E_D, A_D, alpha_D),
        (factor, beta), tokens,
    )  # fmt: skip
