"""Forecasts inside the loss-to-loss authors' sweep: fit budgets up to 1e19 FLOP, predict 4.84e19, on six data sets.

Which runs enter the fit changes the error more than the formula does, so every choice stands beside its number:
method A extrapolates the minima of iso-FLOP parabolas, with an irreducible loss and without; method B fits a joint law and
is scored on all runs of the top budget. `python -m benchmarks.transfer.inside_sweep` prints both beside the known numbers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar, nnls

import scaling
from benchmarks.papers.__main__ import shared
from scaling.logs import formats

SETS = ("fineweb-100b", "fineweb-edu-100b", "proof-pile-2", "slimpajama-chunk1", "smollm-corpus", "starcoder")
TOP, REFERENCE = 4e19, 1e19  # budgets above TOP are what is predicted; compute counts in units of REFERENCE
FEWEST = 5  # runs of a budget below which its parabola is optionally left out
TRUTH = (2.65407, 2.44488, 1.59706, 2.48827, 2.04478, 1.13271)
KNOWN_A = {3: (0.40, 1.73), 4: (0.54, 2.52), 5: (1.08, 3.67), 6: (1.60, 5.17)}  # mean error %, with E and without
KNOWN_B = {0.0: 1.09, 1e18: 0.78, 4e18: 0.68}  # least budget fitted -> mean error %


def runs(root: Path) -> pd.DataFrame:
    """The sweep, one row per run, of all six data sets."""
    return formats.loss_to_loss(root / "loss-to-loss-notebooks/data/sweep.csv")


def minima(rows: pd.DataFrame, fewest: int = 3) -> pd.DataFrame:
    """Columns C, loss, runs: the vertex of a parabola of the loss in ln N at every budget with at least `fewest` runs."""
    out = []
    for C, level in rows.groupby("C"):
        if len(level) >= fewest:
            c2, c1, c0 = np.polyfit(np.log(level["N"] / 1e8), level["loss"], 2)
            out.append((C, c0 - c1**2 / (4 * c2), len(level)))
    return pd.DataFrame(out, columns=["C", "loss", "runs"])


def offset(points: pd.DataFrame, C: float) -> float:
    """E + a (C / 1e19)^-al with E >= 0 by least squares of the loss, at C; through all points where there are three of them.

    Given al the rest is linear, so one bounded search over al is global (three points are too few for `scaling.fit`).
    """
    x, y = points["C"].to_numpy() / REFERENCE, points["loss"].to_numpy()

    def solved(al: float) -> tuple[np.ndarray, float]:
        terms = np.column_stack([np.ones_like(x), x**-al])
        return nnls(terms, y)

    grid = np.geomspace(0.01, 2.0, 60)
    k = int(np.argmin([solved(al)[1] for al in grid]))
    around = (grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)])
    al = minimize_scalar(lambda al: solved(al)[1], bounds=around, method="bounded", options={"xatol": 1e-12}).x
    E, a = solved(al)[0]
    return float(E + a * (C / REFERENCE) ** -al)


def line(points: pd.DataFrame, C: float) -> float:
    """The straight line in logarithms (no irreducible loss), at C."""
    slope, height = np.polyfit(np.log(points["C"]), np.log(points["loss"]), 1)
    return float(np.exp(height + slope * np.log(C)))


def method_a(rows: pd.DataFrame, n: int, fewest: int = 3) -> tuple[float, float, float]:
    """Error % of the predicted minimum at the top budget from the last n budgets below: with E, without E; and the truth."""
    points = minima(rows[rows["C"] < 1.01 * REFERENCE], fewest).tail(n)
    top = minima(rows[rows["C"] > TOP]).iloc[-1]
    with_E, without = (100 * (f(points, top["C"]) / top["loss"] - 1) for f in (offset, line))
    return with_E, without, top["loss"]


def chosen_inside(rows: pd.DataFrame) -> tuple[int, float]:
    """The number of budgets that best predicts the minimum at 1e19 from those below, and its error % at the top budget.

    The choice sees nothing above 1e19: use n = 3 only where the data inside the fit say so.
    """
    points = minima(rows[rows["C"] < 1.01 * REFERENCE])
    known, last = points.iloc[:-1], points.iloc[-1]
    errors = {n: abs(offset(known.tail(n), last["C"]) / last["loss"] - 1) for n in KNOWN_A if n <= len(known)}
    n = min(errors, key=errors.__getitem__)
    return n, method_a(rows, n)[0]


def method_b(rows: pd.DataFrame, least: float, law: str = "chinchilla") -> tuple[float, float]:
    """Mean absolute and mean signed error % on all runs of the top budget, of a joint law of the budgets (least, 1e19]."""
    fit = scaling.fit(rows[(rows["C"] > least) & (rows["C"] < 1.01 * REFERENCE)], law)
    test = rows[rows["C"] > TOP]
    error = 100 * (fit.predict(test)["prediction"].to_numpy() / test["loss"].to_numpy() - 1)
    return float(np.abs(error).mean()), float(error.mean())


def table_a(sweep: pd.DataFrame, fewest: int = 3) -> pd.DataFrame:
    """One row per number of budgets: mean |error| % with E and without, whether the two enclose the truth, and per set."""
    out = []
    for n in KNOWN_A:
        found = np.array([method_a(sweep[sweep["data"] == data], n, fewest) for data in SETS])
        enclosed = int(((found[:, 0] > 0) & (found[:, 1] < 0)).sum())
        row = {"budgets": n, "with E": np.abs(found[:, 0]).mean(), "without": np.abs(found[:, 1]).mean()}
        out.append({**row, "encloses truth": f"{enclosed}/{len(SETS)}", **dict(zip(SETS, found[:, 0], strict=True))})
    return pd.DataFrame(out)


def table_b(sweep: pd.DataFrame, law: str = "chinchilla") -> pd.DataFrame:
    """One row per least budget of the fit: mean |error| %, and signed means per set."""
    out = []
    for least in KNOWN_B:
        found = np.array([method_b(sweep[sweep["data"] == data], least, law) for data in SETS])
        out.append({"budgets >": least, "error": found[:, 0].mean(), **dict(zip(SETS, found[:, 1], strict=True))})
    return pd.DataFrame(out)


def main() -> int:
    root = shared()
    if root is None:
        print("needs the public data (set SCALING_DATA)", file=sys.stderr)
        return 0
    sweep = runs(root)
    a, b = table_a(sweep), table_b(sweep)
    known = pd.DataFrame(KNOWN_A, index=["known", "known without"]).T.reset_index(drop=True)
    show = {"index": False, "float_format": lambda x: f"{x:+.2f}" if abs(x) < 100 else f"{x:.3g}"}
    print("method A: minima of iso-FLOP parabolas, extrapolated from the last n budgets; error % at 4.84e19")
    print(pd.concat([a.iloc[:, :3], known, a.iloc[:, 3:]], axis=1).to_string(**show))
    least = table_a(sweep, FEWEST).iloc[-1]
    print(f"6 budgets, those with fewer than {FEWEST} runs skipped: {least['with E']:.2f}, without E {least['without']:.2f}")
    chosen = {data: chosen_inside(sweep[sweep["data"] == data]) for data in SETS}
    mean = np.mean([abs(error) for _, error in chosen.values()])
    said = ", ".join(f"{data} {n}: {error:+.2f}" for data, (n, error) in chosen.items())
    print(f"number of budgets chosen by holding out 1e19: {mean:.2f} ({said})")
    print("method B: joint Chinchilla law, all runs at 4.84e19; mean |error| %, and signed means per set")
    print(b.assign(known=list(KNOWN_B.values())).to_string(**show))
    close = np.abs(a["with E"] - known["known"]).max() < 0.021 and np.abs(b["error"] - list(KNOWN_B.values())).max() < 0.021
    print("all within 0.02 points of the known numbers" if close else "NOT all within 0.02 points of the known numbers")
    return 0 if close else 1


if __name__ == "__main__":
    sys.exit(main())
