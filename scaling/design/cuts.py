"""Splits of the rows into a part that is fitted and a part that is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.design.inputs import Design

FRACTIONS = (0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, eq=False)
class Cut:
    """One split of the rows: `train` is fitted, `test` predicted; `distance` = ln(row / largest fitted row), (n,)."""

    label: str
    train: np.ndarray
    test: np.ndarray
    distance: np.ndarray


def cuts(o: np.ndarray, fractions: Sequence[float] = FRACTIONS) -> list[Cut]:
    """Splits at quantiles of the order o (n,): all rows up to the cutoff are fitted, all beyond it predicted."""
    found = []
    for fraction in fractions:
        at = np.quantile(o, fraction)
        small = o <= at + 1e-12
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
        found.append(Cut(f"without {name}", ~test, test, distance))
    return found
