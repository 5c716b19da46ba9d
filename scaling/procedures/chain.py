"""Downstream error in two steps: a law of the loss, then a law of the error in the loss; the interval carries both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from scaling.errors import FitError
from scaling.fits import Fit, fit
from scaling.intervals.target import Target
from scaling.numerics import complex_step
from scaling.rendering import Result

SKILL = 0.5  # part of the progress beyond the runs seen that the law must explain
AHEAD = 0.25  # part of the runs, those of lowest loss, that are held out to be predicted


@dataclass(frozen=True, eq=False, repr=False)
class Chain(Result):
    """error(loss(N, D)): `first` is a Fit of the loss, `second` a Fit of the error with the loss as its only input."""

    first: Fit
    second: Fit
    fields, widths = ("ok", "first", "second"), Fit.widths

    def __post_init__(self) -> None:
        if len(self.second.law.inputs) != 1:
            raise FitError(
                f"the second law must take the loss alone, as 'downstream_error' does; '{self.second.law.name}' takes "
                f"{', '.join(self.second.law.inputs)}."
            )

    def __call__(self, *inputs: ArrayLike) -> np.ndarray:
        """Error at the inputs of the first law."""
        loss = self.first.law(*inputs, **self.first.values)
        found: np.ndarray = self.second.law(loss, **self.second.values)
        return found

    @property
    def ok(self) -> bool:
        return self.first.ok and self.second.ok

    def head(self) -> list[tuple[str, str]]:
        doubted = [one.law.name for one in (self.first, self.second) if not one.ok]
        verdict = f"NOT TRUSTWORTHY: {' and '.join(doubted)}" if doubted else "OK: so are both laws"
        return [("verdict", verdict), self.first.head()[0], self.second.head()[0]]

    def table(self) -> pd.DataFrame:
        return pd.concat([self.first.table(), self.second.table()])

    def predict(self, data: Any, level: float = 0.9) -> pd.DataFrame:
        """Error at rows of the first law's inputs: columns of data, loss_prediction, prediction, lower, upper, and the
        standard deviations from_loss (first step) and from_error (second step) that make up the interval."""
        target = Target(self.first, data)
        x, name = target.value, self.second.law.inputs[0]
        own = Target(self.second, {name: x})
        slope = complex_step(lambda loss: self.second.law(loss, **self.second.values), x)
        from_loss = slope**2 * (target.deviation() ** 2 + target.noise() ** 2)
        from_error = own.deviation() ** 2 + own.noise() ** 2
        dof = min(self.first.cov.dof, self.second.cov.dof)
        half = student.ppf(0.5 + level / 2, dof) * np.sqrt(from_loss + from_error)
        bounds = {"prediction": own.value, "lower": own.value - half, "upper": own.value + half}
        parts = {"from_loss": np.sqrt(from_loss), "from_error": np.sqrt(from_error)}
        out = target.rows.frame.reset_index(drop=True).assign(loss_prediction=x, **bounds, **parts)
        least = self.second.design.inputs[name].min()
        below = int((x < least).sum())
        out.attrs["interval"] = f"{level:.0%} interval, delta method through both steps, each assumed exact in form"
        outside = f"{below} of {len(x)} predicted losses lie below the smallest loss the error law has seen ({least:.4g})"
        out.attrs["extrapolation"] = outside if below else "inside the losses the error law has seen"
        return out


def predictable(frame: pd.DataFrame, tasks: list[str], law: str = "downstream_error") -> pd.DataFrame:
    """Which single tasks follow the error law, judged by predicting the quarter of runs with the lowest loss from the others.

    Parameters
    ----------
    frame : DataFrame with L (validation loss) and one column per task (its error or accuracy, in (0, 1)); one row per run.
    tasks : columns to judge. law : "downstream_error" for errors, "downstream_sigmoid" for accuracies.

    Returns
    -------
    DataFrame indexed by task: error (mean absolute relative error on the runs held out), skill (1 - squared error over that of
    saying that nothing improves on the best run seen), predictable, and reason. Averages over tasks are usually predictable;
    single tasks often are not, and then say so rather than draw a curve.
    """
    if missing := [c for c in ["L", *tasks] if c not in frame]:
        raise FitError(f"judging tasks needs columns L and the tasks; missing {', '.join(missing)}.")
    if wrong := [t for t in tasks if not frame[t].dropna().between(0, 1).all()]:
        raise FitError(f"errors and accuracies lie between 0 and 1; {', '.join(wrong)} do not (percent? divide by 100).")
    out = {task: _judged(frame[["L", task]].dropna().rename(columns={task: "loss"}), law) for task in tasks}
    return pd.DataFrame.from_dict(out, orient="index", columns=["error", "skill", "predictable", "reason"])


def _judged(rows: pd.DataFrame, law: str) -> tuple[float, float, bool, str]:
    rows = rows.sort_values("L", ascending=False)
    ahead = max(2, round(AHEAD * len(rows)))
    seen, far = rows.iloc[:-ahead], rows.iloc[-ahead:]
    found = fit(seen, law, objective="squares")
    y = far["loss"].to_numpy()
    wrong = found.law(far["L"].to_numpy(), **found.values) - y
    skill = float(1 - (wrong**2).sum() / max(((seen["loss"].iloc[-1] - y) ** 2).sum(), 1e-300))
    error = float(np.abs(wrong / y).mean())
    if skill >= SKILL:
        return error, skill, True, ""
    trend = np.corrcoef(rows["L"], rows["loss"])[0, 1]
    why = "no clear trend with the loss" if abs(trend) < 0.8 else "the runs of lower loss leave the curve of the others"
    return error, skill, False, f"not predictable: {why} (skill {skill:.2f} on the {ahead} runs of lowest loss)"
