"""Estimate the law of one language family in steps that can each be looked at (arXiv:2410.12883; the procedure is ours).

1. The slope of ln L in ln p, pooled over all (N, D) cells, and a test that it is the same in all of them.
2. The surface over N and D, with that slope held. 3. All parameters together. And the rival link, by AIC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from scaling.errors import DataError
from scaling.fits import Fit, fit
from scaling.procedures.tables import needs
from scaling.rendering import Result

PAPER, RIVAL = "multilingual", "multilingual_reducible"


@dataclass(frozen=True, eq=False, repr=False)
class Family(Result):
    """A family's law and the steps that led to it.

    Attributes
    ----------
    fit : Fit of `multilingual`, all parameters free. rival : Fit of `multilingual_reducible`.
    slope, slope_error : gamma of step 1. cells : (N, D) cells with at least two shares; those alone inform step 1.
    equal_slopes : p-value of the test that gamma is the same in all cells (NaN: fewer than two cells, or no spare rows).
    surface : Fit of step 2, gamma held. aic : name of the law -> AIC of its fit by least squares of ln L.
    warnings : what to know before using it.
    """

    fit: Fit
    rival: Fit
    slope: float
    slope_error: float
    cells: int
    equal_slopes: float
    surface: Fit
    aic: dict[str, float]
    warnings: tuple[str, ...]
    fields = ("ok", "slope", "slope_error", "cells", "equal_slopes", "aic", "warnings", "fit", "rival", "surface")
    widths = Fit.widths

    @property
    def better(self) -> Fit:
        """The fit whose link has the lower AIC."""
        return self.fit if self.aic[PAPER] <= self.aic[RIVAL] else self.rival

    @property
    def ok(self) -> bool:
        return self.fit.ok

    def head(self) -> list[tuple[str, str]]:
        gap = self.aic[RIVAL] - self.aic[PAPER]
        pooled = f"pooled over {self.cells} cells of (N, D); equal slopes: p = {self.equal_slopes:.3g}"
        gamma = f"{self.fit.values['gamma']:.5f} +- {self.fit.errors()['gamma']:.5f}"
        link = f"the share moves {'the whole loss' if gap >= 0 else 'the reducible loss alone'}"
        return [
            *self.fit.head(),
            ("step 1", f"gamma = {self.slope:.5f} +- {self.slope_error:.5f}, {pooled}"),
            ("step 2", f"surface with gamma held: objective {self.surface.objective:.6g}"),
            ("step 3", f"all parameters free: gamma = {gamma}"),
            ("link", f"{link}: AIC better by {abs(gap):.1f}"),
            *(("note", said) for said in self.warnings),
        ]

    def table(self) -> pd.DataFrame:
        return self.fit.table()


def family(frame: pd.DataFrame, *, objective: str = "log_huber", delta: float = 1e-3) -> Family:
    """Fit one family's law.

    Parameters
    ----------
    frame : DataFrame with N, D (total tokens), p (the family's share) and loss.
    objective, delta : of steps 2 and 3, as in `scaling.fit`.

    Raises
    ------
    DataError : no cell of equal (N, D) has two different shares, so gamma cannot be told from the surface.
    """
    rows = frame[frame["loss"].notna()]
    slope, error, cells, p_value = pooled_slope(rows)
    surface = fit(rows, PAPER, fixed={"gamma": max(slope, 1e-6)}, objective=objective, delta=delta)
    polished = fit(rows, PAPER, objective=objective, delta=delta)
    rival = fit(rows, RIVAL, objective=objective, delta=delta)
    aic = {}
    for law in (PAPER, RIVAL):
        squares = fit(rows, law, objective="log_squares")
        aic[law] = len(rows) * np.log(max(squares.objective, 1e-300) / len(rows)) + 2 * len(squares.law.params)
    said = []
    if p_value < 0.01:
        said.append(f"the slope differs between cells (p = {p_value:.2g}): gamma is not one number here, as the law says it is")
    if abs(polished.values["gamma"] - slope) > 4 * np.hypot(error, polished.errors()["gamma"]):
        said.append("gamma of the whole fit disagrees with the pooled slope: the surface and the share do not separate")
    return Family(polished, rival, slope, error, cells, p_value, surface, aic, (*said, *polished.warnings))


def pooled_slope(rows: pd.DataFrame) -> tuple[float, float, int, float]:
    """gamma, its standard error, the number of informative cells, and the p-value of equal slopes."""
    rows = needs("a family's rows", rows, ("N", "D", "p", "loss"))
    logs = pd.DataFrame({"x": np.log(rows["p"]), "y": np.log(rows["loss"])})
    keys = [rows["N"], rows["D"]]
    centred = logs - logs.groupby(keys).transform("mean")
    informative = logs.groupby(keys)["x"].transform(np.ptp) > 1e-9
    centred, cell = centred[informative], rows.loc[informative].groupby(["N", "D"]).ngroup().to_numpy()
    if not len(centred):
        raise DataError(
            "no two rows share N and D but differ in p, so the effect of the share cannot be separated from that of "
            "size and tokens; train one size and length at two shares or more."
        )
    x, y = centred["x"].to_numpy(), centred["y"].to_numpy()
    cells, slope = int(cell.max()) + 1, (x * y).sum() / (x * x).sum()
    rest, spare = y - slope * x, len(x) - cells - 1
    error = float(np.sqrt((rest**2).sum() / spare / (x * x).sum())) if spare > 0 else np.nan
    own = np.bincount(cell, x * y) / np.bincount(cell, x * x)
    within = ((y - own[cell] * x) ** 2).sum()
    p_value = np.nan
    if cells > 1 and (left := len(x) - 2 * cells) > 0:
        ratio = ((rest**2).sum() - within) / (cells - 1) / (within / left)
        p_value = float(fdtrc(cells - 1, left, ratio))
    return float(-slope), error, cells, p_value
