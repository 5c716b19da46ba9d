"""Splits of the rows into a part that is fitted and a part that is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scaling.design.inputs import Design

FRACTIONS = (0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SAME = 0.02  # rows closer than this, relative, are one budget, which no cutoff parts
PARTS = 5  # of rows that have no order


@dataclass(frozen=True, eq=False)
class Cut:
    """One split of the rows: `train` is fitted, `test` predicted; `distance` = ln(row / largest fitted row), (n,).

    `grows`: does the fitted part lie below the predicted one, as what is known below what is asked for?
    """

    label: str
    train: np.ndarray
    test: np.ndarray
    distance: np.ndarray
    grows: bool = True

    @property
    def share(self) -> float:
        """Of the rows, that are fitted."""
        return float(self.train.mean())

    def take(self, rows: np.ndarray) -> Cut:
        """The same split of some of the rows."""
        return replace(self, train=self.train[rows], test=self.test[rows], distance=self.distance[rows])


def cuts(o: np.ndarray, fractions: Sequence[float] = FRACTIONS) -> list[Cut]:
    """Splits at quantiles of the order o (n,): all rows up to the cutoff are fitted, all beyond it predicted.

    A budget is never parted; of cutoffs that part the rows alike the first is kept, and none that leaves nothing to predict.
    """
    found: list[Cut] = []
    for fraction in sorted(fractions):
        at = np.quantile(o, fraction)
        small = o <= at + SAME
        if small.all():  # within the largest budget: all that is below it
            small = o < o.max() - SAME
            at = o[small].max() if small.any() else at
        if small.any() and not any((small == cut.train).all() for cut in found):
            found.append(Cut(f"{np.exp(at):.4g}", small, ~small, o - at))
    return found


def left_out(made: Design, o: np.ndarray | None) -> list[Cut]:
    """Splits that leave out one run each."""
    found = []
    for code in range(made.runs.max() + 1):
        test = made.runs == code
        largest = 0.0 if o is None or test.all() else o[~test].max()
        distance = np.zeros(len(test)) if o is None else o - largest
        name = str(made.frame["run"].iloc[int(np.argmax(test))]) if "run" in made.frame else str(code)
        found.append(Cut(f"without {name}", ~test, test, distance, grows=False))
    return found


def parts(loss: np.ndarray) -> list[Cut]:
    """Splits that leave out every fifth row by loss (n,), where rows have no order along which to extrapolate."""
    place = np.argsort(np.argsort(loss, kind="stable"), kind="stable") % PARTS
    nothing = np.zeros(len(loss))
    return [Cut(f"part {k + 1}", place != k, place == k, nothing, grows=False) for k in range(min(PARTS, len(loss)))]
