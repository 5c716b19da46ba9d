"""Hoffmann's three ways to the optimal size: envelope of curves, iso-FLOP parabolas, parametric fit (arXiv:2203.15556).

The parabolas are biased even without noise where alpha and beta differ or grids are off centre, so their result comes
with the bias measured on the parametric fit's own surface, and with that fit beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from scaling import fits
from scaling.counting import compute, counted, tokens
from scaling.errors import FitError
from scaling.logs import Runs
from scaling.planning.beside import ISOFLOP, KNOWN, KNOWN_FOR, TIED
from scaling.planning.budgets import minima, power_laws
from scaling.planning.compute import plan
from scaling.procedures.tables import needs, needs_positive
from scaling.rendering import Result
from scaling.words import listed

ENVELOPE = 1500  # log-spaced values of compute at which the best curve is sought


@dataclass(frozen=True, repr=False)
class Optima(Result):
    """Power laws of the optimum, N* = exp(log_N) C^a and D* = exp(log_D) C^b, and the points they were fitted to.

    Attributes
    ----------
    points : DataFrame flops, N, D, loss: the optimum found at each budget.
    bias : share by which D* is off at the asked budget on a noiseless surface like this one; None if not measured.
    notes : what was left out, and why.
    """

    a: float
    b: float
    log_N: float
    log_D: float
    points: pd.DataFrame
    notes: tuple[str, ...] = ()
    bias: float | None = None
    fields = ("a", "b", "log_N", "log_D", "bias", "points", "notes")

    def at(self, flops: float) -> dict[str, float]:
        """N and D at a budget."""
        x = np.log(flops)
        return {"N": float(np.exp(self.log_N + self.a * x)), "D": float(np.exp(self.log_D + self.b * x))}


def envelope(curves: pd.DataFrame, smooth: int = 1) -> Optima:
    """Approach 1: at each compute the best of all loss curves, then power laws through those.

    Parameters
    ----------
    curves : columns run, N, D, loss: every logged row of every run, one size per run.
    smooth : rows of a running mean over each curve.

    Notes
    -----
    A curve under a schedule longer than the budget has not annealed yet, so its loss at that budget is too high.
    """
    curves = _checked("curves", curves, "run")
    lines = []
    for _, rows in curves.sort_values("D").groupby("run", sort=False):
        loss = rows["loss"].rolling(smooth, center=True, min_periods=1).mean().to_numpy(float)
        lines.append((np.log(compute(rows["N"], rows["D"])), loss, float(rows["N"].iloc[0])))
    low, high = min(x[0] for x, _, _ in lines), max(x[-1] for x, _, _ in lines)
    grid = np.linspace(low, high, ENVELOPE)
    losses = np.array([np.interp(grid, x, y, left=np.inf, right=np.inf) for x, y, _ in lines])
    sizes, there = np.array([line[2] for line in lines]), np.isfinite(losses)
    N = sizes[losses.argmin(0)]
    # the best of all sizes run at this compute tells nothing if it is the smallest or the largest of them
    inside = (np.where(there, sizes[:, None], np.inf).min(0) < N) & (np.where(there, sizes[:, None], 0).max(0) > N)
    if inside.sum() < 3:
        raise FitError(
            "the curves share too little compute to bracket an optimal size; log more of each run, add sizes, or use isoflop."
        )
    C = np.exp(grid)
    points = pd.DataFrame({"flops": C, "N": N, "D": tokens(C, N), "loss": losses.min(0)})[inside]
    note = (f"{(~inside).sum()} of {ENVELOPE} budgets left out: their best size is the smallest or largest run there",)
    return _power_laws(points, note)


def hull(curves: pd.DataFrame | Runs, smooth: int = 1) -> Optima:
    """The frontier of Henighan et al. (arXiv:2010.14701): the lower convex hull of all curves in ln C and ln L.

    Parameters
    ----------
    curves : columns run, N, D, loss: every logged row of every run; or Runs with the facts n_params and batch_tokens.
    smooth : rows of a running mean over each curve.

    Returns
    -------
    Optima
        `points`: the corners of the hull that lie on curves of neither the smallest nor the largest size, and the power laws
        N_opt(C), D_opt(C) through them. `at(flops)` gives N and D at a budget.

    Notes
    -----
    Unlike `envelope` it keeps only where a curve touches a common tangent, so a few points. With one schedule for all lengths
    the exponent of N comes out too large, as the paper's 0.7 did.
    """
    rows, smallest, largest = logged(curves, smooth)
    corners = rows.iloc[_lower_hull(np.log(rows["flops"].to_numpy(float)), np.log(rows["loss"].to_numpy(float)))]
    inside = (corners["N"] > smallest) & (corners["N"] < largest)
    if corners.loc[inside, "N"].nunique() < 2:
        raise FitError(
            "the hull of these curves has corners on fewer than two sizes between the smallest and the largest; log more of "
            "each run, or add sizes."
        )
    note = f"{int((~inside).sum())} of {len(corners)} corners left out: they lie on the smallest or the largest size"
    return _power_laws(corners[inside], (note,) if not inside.all() else ())


def logged(curves: pd.DataFrame | Runs, smooth: int) -> tuple[pd.DataFrame, float, float]:
    """Rows run, flops, N, D, loss of curves as `hull` takes them, in the order of compute; smallest and largest size."""
    if isinstance(curves, Runs):
        facts = curves.facts
        needs("runs' facts", facts, ("n_params", "batch_tokens"))
        frame = curves.frame.dropna(subset=["loss"])
        of = facts.loc[frame["run"]]
        D = frame["step"].to_numpy(float) * of["batch_tokens"].to_numpy(float)
        N = of["n_params"].to_numpy(float)
        curves = pd.DataFrame({"run": frame["run"].to_numpy(), "N": N, "D": D, "loss": frame["loss"].to_numpy(float)})
        curves = curves[curves["D"] > 0]
    curves = _checked("curves", curves, "run")
    rows = curves.sort_values("D", kind="stable")
    rows = rows.assign(
        loss=rows.groupby("run", sort=False)["loss"].transform(lambda y: y.rolling(smooth, center=True, min_periods=1).mean()),
        flops=compute(rows["N"], rows["D"]),
    )
    rows = rows.sort_values(["flops", "loss"], kind="stable", ignore_index=True)
    return rows[["run", "flops", "N", "D", "loss"]], float(rows["N"].min()), float(rows["N"].max())


def _lower_hull(x: np.ndarray, y: np.ndarray) -> list[int]:
    """Numbers of the corners of the lower convex hull, x rising, up to the lowest point."""
    corners: list[int] = []
    for i in range(int(y.argmin()) + 1):
        while len(corners) > 1:
            a, b = corners[-2:]
            if (x[b] - x[a]) * (y[i] - y[a]) > (y[b] - y[a]) * (x[i] - x[a]):
                break
            corners.pop()
        if corners and x[i] == x[corners[-1]]:
            continue
        corners.append(i)
    return corners


def isoflop(runs: pd.DataFrame, flops: float | None = None) -> Optima:
    """Approach 2: a parabola of the loss in ln N at every budget; power laws through the minima.

    Parameters
    ----------
    runs : columns N, D, loss, and `budget` that groups runs of equal compute (default: runs of 6 N D that no wide gap parts).
    flops : compute at which the bias is stated; ten times the largest budget if not given.

    Returns
    -------
    Optima
        `bias`: what the same parabolas get wrong on the noiseless surface of a Chinchilla fit to the same runs.
    """
    runs = _checked("runs", runs)
    points, notes = minima(runs)
    found = _power_laws(points, notes)
    flops = 10 * float(points["flops"].max()) if flops is None else flops
    return replace(found, bias=_bias(runs, flops))


def parametric(runs: pd.DataFrame, law: str = "chinchilla", flops: float | Sequence[float] | None = None) -> Optima:
    """Approach 3: fit the law, over N and D or N and M, and read off the optimum at the budgets of the runs (or at `flops`).

    Raises
    ------
    FitError : all runs lie on one line of N and D (one budget, or D = 20 N), which leaves the optimum open.
    """
    runs = _checked("runs", runs)
    fit = fits.fit(runs[["N", "D", "loss"]].assign(M=runs["D"] / runs["N"]), law)
    if fit.findings.line is not None:
        raise FitError(f"where the optimum moves these runs do not say: {fit.findings.line.said(())}.")
    C = compute(runs["N"], runs["D"])
    rows = plan(fit, np.geomspace(C.min(), C.max(), 9).tolist() if flops is None else flops, replicates=0)
    return _power_laws(rows[["flops", "N", "D", "loss"]], tuple(fit.warnings))


def compare(runs: pd.DataFrame, flops: float) -> pd.DataFrame:
    """Iso-FLOP parabolas, the parametric fits and one with tied exponents beside each other.

    Parameters
    ----------
    runs : as in `isoflop`. flops : where N and D are stated.

    Returns
    -------
    DataFrame indexed by approach: exponents a and b, N and D at `flops`, bias_of_D of the parabolas on a noiseless surface,
    and known_error: the mean |relative error| of D* eight to ten times beyond the runs, on eight real sets of iso-FLOP runs
    (by this project). Tied exponents (over_training) did best there: D / N is the same at every budget, and less is fitted.
    A way that these runs do not allow has no numbers, and attrs["note"] says why.
    """
    laws = ("chinchilla", "chinchilla_outer", TIED)
    C = compute(runs["N"], runs["D"])
    at = np.geomspace(C.min(), max(C.max(), flops), 9).tolist()
    ways = {ISOFLOP: partial(isoflop, runs, flops), **{law: partial(parametric, runs, law, at) for law in laws}}
    rows: dict[str, dict[str, float | None]] = {}
    left: dict[str, list[str]] = {}
    for name, way in ways.items():
        try:
            one = way()
            rows[name] = {"a": one.a, "b": one.b, **one.at(flops), "bias_of_D": one.bias, "known_error": KNOWN[name]}
        except FitError as problem:
            rows[name] = {"known_error": KNOWN[name]}
            left.setdefault(str(problem).removesuffix("."), []).append(name)
    said = [f"{listed(names)} left out: {reason}" for reason, names in left.items()]
    if sum(map(len, left.values())) == len(ways):
        raise FitError("; ".join(said) + ".")
    out = pd.DataFrame.from_dict(rows, orient="index")[["a", "b", "N", "D", "bias_of_D", "known_error"]].astype(float)
    out.attrs["note"] = "; ".join([KNOWN_FOR, *said])
    return out


def _bias(runs: pd.DataFrame, flops: float) -> float | None:
    fit = fits.fit(runs[["N", "D", "loss"]], "chinchilla")
    if not fit.ok:
        return None
    exact = fit.law(runs["N"].to_numpy(float), runs["D"].to_numpy(float), **fit.values)
    try:
        points, _ = minima(runs.assign(loss=exact))
    except FitError:
        return None
    truth = float(plan(fit, flops, replicates=0)["D"].iloc[0])
    return _power_laws(points, ()).at(flops)["D"] / truth - 1


def _power_laws(points: pd.DataFrame, notes: tuple[str, ...]) -> Optima:
    (a, log_N), (b, log_D) = power_laws(points).values()
    return Optima(a, b, log_N, log_D, points[["flops", "N", "D", "loss"]].reset_index(drop=True), notes)


def _checked(name: str, frame: pd.DataFrame, *more: str) -> pd.DataFrame:
    frame = needs_positive(name, frame, (*more, "N", "D", "loss"))
    counted(frame)  # refuses rows counted in several ways
    return frame
