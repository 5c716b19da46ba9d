"""Downstream error in two steps: a law of the loss, then a law of the error in the loss; the interval carries both.

Each step is stretched by its own backtests: the first by the calibration of its fit, the second by predicting the rows of
lowest loss from the others, again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from scaling.errors import FitError, ScalingError
from scaling.fits import Fit, fit
from scaling.intervals.target import Target
from scaling.procedures.tables import needs
from scaling.rendering import Result
from scaling.words import many

SKILL = 0.5  # part of the progress beyond the runs seen that the law must explain
AHEAD = 0.25  # part of the runs, those of lowest loss, that are held out to be predicted
CUTS, FEWEST = (0.2, 0.3, 0.4, 0.5), 2  # parts of the rows that backtests of the error law hold out, and how many at least
PERFECT = 1e-9  # loss of a perfect model: a law may take its logarithm
SMOOTH, EARLY = 5, 0.1  # evaluations in a mean, and part of a run that is left out (arXiv:2412.04403)


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
        """Error at rows of the first law's inputs.

        Returns
        -------
        DataFrame
            columns of data, loss_prediction, prediction, lower, upper; from_loss and from_error: the half-widths that come from
            the calibrated interval of the loss, and from the error law and the noise around it, both stretched by its
            backtests toward low losses.
        """
        first = self.first.predict(data, level=level)
        x, name = first["prediction"].to_numpy(), self.second.law.inputs[0]
        own = Target(self.second, {name: x})
        with np.errstate(over="ignore"):  # an interval of the loss without limit
            ends = [self.second.law(first[end].to_numpy(float), **self.second.values) for end in ("lower", "upper")]
        around = np.stack([*ends, own.value])
        low, high = own.value - around.min(0), around.max(0) - own.value
        low, high = (np.where(np.isnan(part), np.inf, part) for part in (low, high))  # nothing is known of the loss
        stretch = stretched(self.second)
        half = stdtrit(self.second.cov.dof, 0.5 + level / 2) * stretch * np.hypot(own.deviation(), own.noise())
        bounds = {"prediction": own.value, "lower": own.value - np.hypot(low, half), "upper": own.value + np.hypot(high, half)}
        parts = {"from_loss": (low + high) / 2, "from_error": half}
        kept = first.loc[:, :"prediction"].drop(columns="prediction")
        out = kept.assign(loss_prediction=x, **bounds, **parts)
        seen = self.second.design.inputs[name]
        least = float(seen[seen > PERFECT].min())
        below = int((x < least).sum())
        said = f"loss {first.attrs['interval'].partition(', ')[2]}; error law stretched {stretch:.3g} times by its backtests"
        out.attrs["interval"] = f"{level:.0%} interval, both steps calibrated: {said}"
        outside = f"{below} of {len(x)} predicted losses lie below the smallest loss the error law has seen ({least:.4g})"
        out.attrs["extrapolation"] = outside if below else "inside the losses the error law has seen"
        return out


def stretched(second: Fit) -> float:
    """How many times its own standard deviation an error law misses the rows of lowest loss, fitted to the others; 1 at least.

    The median over cutoffs of the root mean square; a cutoff at which it cannot be fitted says nothing.
    """
    (name,) = second.law.inputs
    rows, x = second.data, second.design.inputs[name]
    real, found = x > PERFECT, []
    for share in CUTS:
        ahead = real & (x < np.quantile(x[real], share))
        if ahead.sum() < FEWEST:
            continue
        kept = rows[~ahead][[c for c in (name, "loss", "weight", "run", "step") if c in rows]]
        loss = second.loss
        try:
            past = fit(kept, second.law, objective=loss.objective, delta=loss.delta, fixed=second.fixed, seed=second.seed)
        except ScalingError:
            continue
        target = Target(past, {name: x[ahead]})
        sd = np.hypot(target.deviation(), target.noise())
        scaled = np.abs(second.design.loss[ahead] - target.value) / sd
        if np.isfinite(scaled).all():
            found.append(float(np.sqrt(np.mean(scaled**2))))
    return max(1.0, float(np.median(found))) if found else 1.0


def accuracy_points(checkpoints: pd.DataFrame, task: str) -> pd.DataFrame:
    """Columns run, step, L, loss (the accuracy), as the second step of arXiv:2412.04403 takes them from logged runs.

    Per run means over the last 5 evaluations, the first tenth of them left out; and one row more: accuracy 1 at loss 0.

    Parameters
    ----------
    checkpoints : `scaling.logs.formats.ladder(folder, last=None)`: run, step, <task>_bpb and <task>_acc.
    """
    names = [f"{task}_bpb", f"{task}_acc"]
    checkpoints = needs("checkpoints", checkpoints, ("run", "step", *names))
    parts = []
    for run, rows in checkpoints.groupby("run", sort=False):
        known = rows.dropna(subset=names).sort_values("step")
        means = known[names].rolling(SMOOTH, min_periods=1).mean().set_axis(["L", "loss"], axis=1)
        parts.append(means.assign(run=run, step=known["step"]).iloc[int(np.ceil(EARLY * len(known))) :])
    perfect = pd.DataFrame({"run": ["a perfect model"], "step": [0], "L": [PERFECT], "loss": [1.0]})
    return pd.concat([*parts, perfect], ignore_index=True)[["run", "step", "L", "loss"]]


def ladder(checkpoints: pd.DataFrame, task: str) -> Chain:
    """Both steps of arXiv:2412.04403 for one task: its loss in N and D, then its accuracy in that loss.

    Parameters
    ----------
    checkpoints : as in `accuracy_points`, with N and D.

    Returns
    -------
    Chain
        `chinchilla` of the mean loss of every run's last 5 checkpoints, and `downstream_sigmoid`, by least squares of the
        accuracy. Its ceiling is 1, and with the row of a perfect model this is the authors' fit.
    """
    checkpoints = needs("checkpoints", checkpoints, ("run", "step", "N", "D", f"{task}_bpb"))
    rows = checkpoints.dropna(subset=f"{task}_bpb").sort_values("step").groupby("run", sort=False)
    last = rows.tail(SMOOTH).groupby("run", sort=False)[f"{task}_bpb"].mean()
    ends = rows[["run", "N", "D"]].tail(1).set_index("run").assign(loss=last).reset_index()
    points = accuracy_points(checkpoints, task)
    return Chain(fit(ends, "chinchilla"), fit(points, "downstream_sigmoid", objective="squares"))


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
    return error, skill, False, f"not predictable: {why} (skill {skill:.2f} on the {many(ahead, 'run')} of lowest loss)"
