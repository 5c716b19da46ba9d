"""The best peak rate for a schedule, by a law fitted to runs of several peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import LawError
from scaling.fits import Fit
from scaling.rendering import Result
from scaling.words import digits

POINTS, AROUND = 33, 2.0  # peaks asked, and how far beyond those of the runs, as a factor
FLAT = 1e-3  # relative: losses that close to the best are as good


@dataclass(frozen=True, repr=False)
class BestPeak(Result):
    """The peak rate of lowest loss, and what others would cost.

    Attributes
    ----------
    peak, loss : of the best. flat : lowest and highest peak that end within a thousandth of it.
    compared : DataFrame peak, loss, lower, upper, ok. warnings : where the answer leaves what the runs tell.
    """

    peak: float
    loss: float
    flat: tuple[float, float]
    compared: pd.DataFrame
    warnings: tuple[str, ...] = ()
    fields = ("peak", "loss", "flat", "compared", "warnings")

    def head(self) -> list[tuple[str, str]]:
        low, high = (f"{x:.3g}" for x in self.flat)
        lines = [("peak", f"best peak {self.peak:.3g}, final loss {self.loss:.4f}; within 0.1 % of it from {low} to {high}")]
        return [*lines, *(("warning", said) for said in self.warnings)]

    def table(self) -> pd.DataFrame:
        shown = self.compared.iloc[:: max(1, len(self.compared) // 8)]
        half = (shown["upper"] - shown["lower"]) / 2
        losses = {c: [digits(x, h) for x, h in zip(shown[c], half, strict=True)] for c in ("loss", "lower", "upper")}
        return pd.DataFrame({"peak": [f"{x:.3g}" for x in shown["peak"]], **losses}).set_index("peak")


def best_peak(fit: Fit, schedule: str, *, level: float = 0.9, **facts: Any) -> BestPeak:
    """The peak rate under which a schedule ends lowest.

    Parameters
    ----------
    fit : of `peaks` or `ladder`, to runs of at least two peaks. schedule : text without its peak, as
        ``"cosine:steps=24000,warmup=500,final=0.1"``.
    level : of the intervals. facts : what else the law takes of a run (N=..., batch=...).

    Raises
    ------
    LawError : a law that knows one peak only, or runs of one peak.
    """
    if not fit.law.hooks.facts or "peak" not in fit.design.frame:
        raise LawError(f"'{fit.law.name}' knows one peak rate; fit 'peaks' (or 'ladder') to runs of several.")
    seen = fit.design.frame["peak"].to_numpy(float)
    if seen.max() < seen.min() * (1 + FLAT):
        raise LawError(f"all runs have the peak {seen[0]:g}, so nothing says what another would do; add a run of another peak.")
    asked = np.geomspace(seen.min() / AROUND, seen.max() * AROUND, POINTS)
    rows = {"schedule": [schedule] * POINTS, "peak": asked, **{k: [v] * POINTS for k, v in facts.items()}}
    found = fit.predict(pd.DataFrame(rows), level=level).sort_values("peak")
    table = found[["peak", "prediction", "lower", "upper", "ok"]].rename(columns={"prediction": "loss"})
    loss = table["loss"].to_numpy(float)
    k = int(loss.argmin())
    x, inner = np.log(asked), min(max(k, 1), POINTS - 2)
    a, b, c = np.polyfit(x[inner - 1 : inner + 2] - x[inner], loss[inner - 1 : inner + 2], 2)
    best = float(np.exp(np.clip(x[inner] - b / (2 * a), x[0], x[-1]))) if a > 0 and k == inner else float(asked[k])
    lowest = float(c - b * b / (4 * a)) if a > 0 and k == inner else float(loss[k])
    near = asked[loss <= lowest * (1 + FLAT)]
    warnings = []
    if not seen.min() <= best <= seen.max():
        where = "above" if best > seen.max() else "below"
        warnings.append(
            f"that is {where} all peaks of the runs ({seen.min():.3g} to {seen.max():.3g}); the law knows no instability, so "
            "take it as a reason to try a peak there, not as its loss"
        )
    return BestPeak(best, lowest, (float(near.min()), float(near.max())), table.reset_index(drop=True), tuple(warnings))
