"""What the design can tell apart: where all rows lie on one line of ln inputs (D = 20 N), terms of the inputs trade off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.design.inputs import Design
from scaling.engine.verdict.near import scales
from scaling.formula import Law
from scaling.words import listed

TOLD = 4.0  # standard errors by which what leaves the line must move the losses before it says whose they are
ON = 1e-5  # distance (ln) from the line that is rounding of the inputs
NARROW = 0.25  # spread across, by that along, up to which rows are called a line; a grid of two by two is none
NEAR = np.log(2.0)  # distance (ln of a ratio of inputs) up to which what the line says bounds a forecast usefully


@dataclass(frozen=True, eq=False)
class Line:
    """The line in ln inputs that all rows lie on.

    Attributes
    ----------
    names : the inputs. middle, way (d,) : a point of it, and its direction, of length one. reach : ends of the data on it.
    off : largest distance (ln) of a row from it.
    """

    names: tuple[str, ...]
    middle: np.ndarray
    way: np.ndarray
    reach: tuple[float, float]
    off: float

    def places(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """Where rows would be on the line by each of their inputs alone (n, d); alike where they lie on it."""
        X = np.stack([np.log(np.asarray(inputs[k], float)) for k in self.names], 1)
        return np.asarray((X - self.middle) / self.way)

    def apart(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """How far rows (n,) are from the line: ln of the factor by which one input must change to come onto it."""
        return np.asarray(np.ptp(self.places(inputs), axis=1) * np.abs(self.way).min())

    def at(self, place: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs (n,) of points on the line."""
        return dict(zip(self.names, np.exp(self.middle[:, None] + self.way[:, None] * place), strict=True))

    @property
    def monotone(self) -> bool:
        """Do all inputs grow along the line?"""
        return bool((self.way > 0).all())

    @property
    def equation(self) -> str:
        """D = 20 N."""
        first, *others = self.names
        said = []
        for k, name in enumerate(others, 1):
            power = self.way[k] / self.way[0]
            power = 1.0 if abs(power - 1) < 0.02 else power
            factor = np.exp(self.middle[k] - power * self.middle[0])
            said.append(f"{name} = {factor:.3g} {first}" + ("" if power == 1.0 else f"^{power:.2g}"))
        return listed(said)

    def said(self, weakest: tuple[str, ...]) -> str:
        """What trades off, what can still be asked, and what run would decide."""
        what = f"{listed(weakest)} are not determined" if weakest else f"the terms of {listed(self.names)} trade off"
        decide = "runs away from it would decide"
        if self.monotone:  # a ratio that the line has nowhere, or only far off
            first, last, at = self.names[0], self.names[-1], self.at(np.array([np.mean(self.reach)]))
            ratio = float(at[last][0] / at[first][0])
            decide = f"one run at {last}/{first} = {3 * ratio:.2g} or {ratio / 3:.2g} would decide"
        return (
            f"all rows lie on the line {self.equation}: {what}, one makes up for the other; forecasts on this line hold, off "
            f"it they do not ({decide})"
        )


def _across(X: np.ndarray, way: np.ndarray, y: np.ndarray, noise: float) -> float:
    """By how many standard errors leaving the line moves the losses, beside a parabola along it.

    Along a line on which one input grows as another falls (runs of one budget) losses hardly move, so that their slope along
    it says nothing of what it is to leave it.

    Parameters
    ----------
    X (n, d) : ln inputs from the middle. way (d,) : direction of the line. y (n,) : losses. noise : of one.
    """
    place = X @ way
    along = np.vander(place / np.abs(place).max(), 3)
    aside = X @ np.linalg.svd(way[None])[2][1:].T
    base, joint = np.linalg.qr(along)[0], np.linalg.qr(np.hstack([along, aside]))[0]
    alone = ((y - base @ (base.T @ y)) ** 2).sum()
    rest = ((y - joint @ (joint.T @ y)) ** 2).sum()
    spare = max(len(y) - joint.shape[1], 1)
    return float(np.sqrt(max(alone - rest, 0.0) / max(noise**2, rest / spare)))


def line(law: Law, design: Design, y: np.ndarray, noise: float) -> Line | None:
    """The line the rows lie on, or None where they leave it by enough to show whose the losses are.

    Parameters
    ----------
    y (n,) : losses in the objective's units. noise : standard deviation of one of them.
    """
    if law.over_schedules:
        return None
    logs = {k: x for k, x in scales(law, design).items() if np.ptp(x) > ON}
    if len(logs) < 2 or len(design) < 4:
        return None
    X = np.stack(list(logs.values()), 1)
    middle = X.mean(0)
    way = np.linalg.svd(X - middle, full_matrices=False)[2][0]
    way = way * np.sign(way[np.abs(way).argmax()])
    if np.abs(way).min() < 0.1:  # one input hardly moves: it is that one's few values that count, not a line
        return None
    place = (X - middle) @ way
    off = np.sqrt(((X - middle - place[:, None] * way) ** 2).sum(1))
    if off.max() > NEAR or np.sqrt((off**2).sum()) > NARROW * np.sqrt((place**2).sum()):
        return None
    slope = np.polyfit(place, y, 1)[0]
    if off.max() > ON and (abs(slope) * np.sqrt((off**2).sum()) > TOLD * noise or _across(X - middle, way, y, noise) > TOLD):
        return None
    return Line(tuple(logs), middle, way, (float(place.min()), float(place.max())), float(off.max()))
