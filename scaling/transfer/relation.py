"""Fit the loss-to-loss relation between two data sets (arXiv:2411.12925), knowing both irreducible losses, one, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from scaling import document
from scaling.errors import ArgumentError, DataError, FitError
from scaling.fits import Fit, fit, saving
from scaling.formula import Law, find
from scaling.intervals.target import Target
from scaling.logs import Runs
from scaling.rendering import Result, plain
from scaling.transfer.pairs import pair, points
from scaling.words import check_level, listed

PARAMS = ("K", "kappa", "E0", "E1")

LOOSE = 0.5  # relative standard error beyond which an irreducible loss is not called determined
FEW = 3  # pairs beyond the number of free parameters below which an interval rests on almost nothing


@dataclass(frozen=True, eq=False, repr=False)
class Relation(Result):
    """L1 = K (L0 - E0)^kappa + E1, and where it came from.

    Attributes
    ----------
    K, kappa, E0, E1 : float. how : where E0 and E1 came from, in words.
    fit : the Fit behind, of `loss_to_loss`; None for relations made by algebra. With both E known it fits reducible losses.
    pairs : the paired losses, with the account of those left out in ``attrs["account"]``. r2 : in loss space.
    warnings : what to know before using it.
    carried : irreducible loss from a joint fit -> what one standard error of it does to K, kappa, E0 and E1.
    """

    K: float
    kappa: float
    E0: float
    E1: float
    how: str = "given"
    fit: Fit | None = None
    pairs: pd.DataFrame | None = None
    r2: float = np.nan
    warnings: tuple[str, ...] = field(default=())
    carried: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    facts = ("values", "how", "r2", "ok", "warnings")

    @property
    def law(self) -> Law:
        return find("loss_to_loss")

    @property
    def ok(self) -> bool | None:
        """Is the fit behind it trustworthy? None for relations made by algebra."""
        return None if self.fit is None else self.fit.ok

    @property
    def values(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in PARAMS}

    def __call__(self, x):
        """Target loss at source loss x (> E0)."""
        return self.K * (np.asarray(x, float) - self.E0) ** self.kappa + self.E1

    def slope(self, x):
        """dL1 / dL0."""
        return self.K * self.kappa * (np.asarray(x, float) - self.E0) ** (self.kappa - 1)

    @property
    def inverse(self) -> Relation:
        """The same curve read backwards. A fit in the other direction is another estimate, not this one."""
        return Relation(self.K ** (-1 / self.kappa), 1 / self.kappa, self.E1, self.E0, f"inverse of ({self.how})")

    def then(self, other: Relation) -> Relation:
        """First this relation, then `other`, whose source is this one's target (equal irreducible loss)."""
        if not np.isclose(self.E1, other.E0, rtol=1e-9):
            raise FitError(
                f"the relations do not join: the first ends at irreducible loss {self.E1:.6g}, the second starts at "
                f"{other.E0:.6g}. Fit both with the same joint law of the data set between."
            )
        return Relation(other.K * self.K**other.kappa, self.kappa * other.kappa, self.E0, other.E1, "composed")

    def predict(self, data: Any, level: float = 0.9) -> pd.DataFrame:
        """Target loss with interval at measured source losses.

        Parameters
        ----------
        data : losses; a DataFrame or mapping with column x; or Runs on the source data, of which the last loss counts.

        Returns
        -------
        DataFrame: what identifies the rows (run, N, D of Runs; the columns of a DataFrame), x, prediction, lower, upper.
        """
        if isinstance(data, Runs):
            rows = points(data).rename(columns={"loss": "x"})[["run", "step", "N", "D", "x"]]
        elif isinstance(data, (pd.DataFrame, Mapping)):
            rows = pd.DataFrame({k: np.atleast_1d(v) for k, v in data.items()})
            if "x" not in rows:
                raise DataError(
                    f"a relation is predicted at column x, the source loss; got {', '.join(map(str, rows))}."
                )
        else:
            rows = pd.DataFrame({"x": np.atleast_1d(np.asarray(data, float))})
        check_level(level)
        x = rows["x"].to_numpy(float)
        if not (x > self.E0).all():
            raise DataError(
                f"source loss {x[~(x > self.E0)][0]:.6g} is not above the irreducible loss E0 = {self.E0:.6g}."
            )
        mean = self(x)
        variance, noise = self.variance(x)
        half = student.ppf(0.5 + level / 2, self._fit.cov.dof) * np.sqrt(variance + noise)
        out = rows.reset_index(drop=True).assign(
            prediction=mean, lower=np.maximum(mean - half, self.E1), upper=mean + half
        )
        exact = [n for n in ("E0", "E1") if self._fit.fixed.get(n) is not None and n not in self.carried]
        out.attrs["interval"] = f"{level:.0%} interval, delta method plus row noise; " + (
            f"{listed(exact)} counted as exact" if exact else "errors of the irreducible losses included"
        )
        seen = self.pairs["x"] if self.pairs is not None else self._fit.design.inputs["x"] + self.E0
        below, above = int((x < seen.min()).sum()), int((x > seen.max()).sum())
        out.attrs["extrapolation"] = (
            f"{below + above} of {len(x)} source losses lie outside those paired ({seen.min():.4g} to {seen.max():.4g})"
            if below + above
            else "inside the source losses that were paired"
        )
        return out

    def variance(self, x) -> tuple[np.ndarray, np.ndarray]:
        """Variance of the relation at x from what was fitted and from the irreducible losses, and of one loss around it."""
        x = np.asarray(x, float)
        shift = not self._fit.fixed.get("E0", 1) and not self._fit.fixed.get("E1", 1)  # fitted on reducible losses
        target = Target(self._fit, {"x": x - self.E0 if shift else x})
        variance, noise = target.deviation() ** 2, target.noise() ** 2
        for moved in self.carried.values():
            variance = variance + (_slopes(self.values, x) @ np.array(moved)) ** 2
        return variance, noise

    def save(self, path: str | Path) -> None:
        """Write the relation, its pairs and the fit behind it as one JSON document; `scaling.load` reads it back."""
        pairs = None
        if self.pairs is not None:
            said = {k: self.pairs.attrs[k] for k in ("account", "unpaired")}
            pairs = {"columns": self.pairs.to_dict("list"), **said}
        content = {
            "values": self.values,
            "how": self.how,
            "r2": self.r2,
            "warnings": self.warnings,
            "carried": self.carried,
            "pairs": pairs,
            "fit": None if self.fit is None else saving.to_saved(self.fit),
        }
        document.write(path, "relation", content)

    @classmethod
    def from_saved(cls, saved: document.Fields) -> Relation:
        """What `save` wrote."""
        pairs = None
        if saved.maybe("pairs"):
            part = saved.part("pairs")
            columns = part.part("columns")
            rows = len(columns.array("x", None))
            pairs = pd.DataFrame({name: columns.array(name, rows) for name in ("N", "D", "x", "loss")})
            pairs.attrs = {"account": part.text("account"), "unpaired": part.part("unpaired").found}
        values, carried = saved.part("values"), saved.part("carried")
        return cls(
            K=values.number("K"),
            kappa=values.number("kappa"),
            E0=values.number("E0"),
            E1=values.number("E1"),
            how=saved.text("how"),
            fit=Fit.of(saving.from_saved(saved.part("fit"))) if saved.maybe("fit") else None,
            pairs=pairs,
            r2=saved.number("r2", finite=False),
            warnings=saved.texts("warnings"),
            carried={name: tuple(carried.array(name, len(PARAMS)).tolist()) for name in carried.found},
        )

    @property
    def _fit(self) -> Fit:
        if self.fit is None:
            raise FitError("this relation was made by algebra and has no data behind it, so it has no interval.")
        return self.fit

    def translate(self, source: Fit):
        """The whole law of the source data, carried to the target: `Translated`."""
        from scaling.transfer.translation import Translated

        return Translated(self, source)

    def head(self) -> list[tuple[str, str]]:
        formula = f"L1 = {self.K:.6g} (L0 - {self.E0:.6g})^{self.kappa:.6g} + {self.E1:.6g}   ({self.how})"
        out = [line for line in self.fit.head() if line[0] in ("verdict", "  failed")] if self.fit is not None else []
        out.append(("loss to loss", formula))
        if self.pairs is not None:
            out += [("data", self.pairs.attrs["account"]), ("R2", f"{self.r2:.5f} in loss space")]
        return [*out, *(("note", said) for said in self.warnings)]

    def table(self) -> pd.DataFrame | None:
        return None if self.fit is None else pd.DataFrame({"error": self.fit.errors().dropna()})

    def to_dict(self) -> dict[str, Any]:
        law: dict[str, Any] = {"law": self.law.name}
        if self.fit is not None:
            law |= {"errors": plain(self.fit.errors().to_dict()), "verdict": self.fit.to_dict()["verdict"]}
        if self.pairs is not None:
            law |= {"pairs": len(self.pairs), "account": self.pairs.attrs["account"]}
        return law | super().to_dict()


def relate(source: Any, target: Any, *, E0: float | None = None, E1: float | None = None) -> Relation:
    """Fit how the loss on one distribution follows from the loss on another, over runs of equal size and tokens.

    Parameters
    ----------
    source, target : a joint Fit of (N, D), which brings its rows and its irreducible loss; or rows alone (Runs, or a DataFrame
        with N, D, loss), whose irreducible loss is then estimated here.
    E0, E1 : irreducible losses where you know better.

    Returns
    -------
    Relation
        Two Fits: least squares of ln(L1 - E1) on ln(L0 - E0). A Fit and rows ("few points"): least squares of L1 over K, kappa
        and E1. Rows and rows: E0 as well. Rows at or below an irreducible loss are left out and counted in the warnings.

    Raises
    ------
    DataError, FitError : nothing pairs, or fewer pairs than unknowns.
    """
    pairs = pair(source, target)
    said: list[str] = []
    known, errors = {}, {}
    for name, given, side in (("E0", E0, source), ("E1", E1, target)):
        if given is not None:
            if not 0 <= given < np.inf:
                raise ArgumentError(f"{name}={given:g} must be 0 or more: no loss is irreducible below zero.")
            known[name] = float(given)
        elif isinstance(side, Fit):
            known[name] = _irreducible(side)
            errors[name] = float(side.errors()["E"])
            if not side.ok:
                said.append(f"{name} comes from a fit that is not trustworthy: {side.warnings[0]}")
    x, y = pairs["x"].to_numpy(), pairs["loss"].to_numpy()
    above = (x > known.get("E0", -np.inf)) & (y > known.get("E1", -np.inf))
    if not above.all():
        said.append(f"{(~above).sum()} of {len(pairs)} pairs lie at or below an irreducible loss and are left out")
    if not above.any():
        raise DataError(
            f"no pair lies above the irreducible losses {', '.join(f'{k} = {v:.6g}' for k, v in known.items())}; the losses "
            f"start at {x.min():.6g} (source) and {y.min():.6g} (target). Are source and target swapped?"
        )
    x, y = x[above], y[above]
    if len(known) == 2:
        frame = pd.DataFrame({"x": x - known["E0"], "loss": y - known["E1"]})
        found = fit(frame, "loss_to_loss", fixed={"E0": 0.0, "E1": 0.0}, objective="log_squares")
        values, how = {**found.values, **known}, "irreducible losses from joint fits or given"
    else:
        found = fit(pd.DataFrame({"x": x, "loss": y}), "loss_to_loss", fixed=known, objective="squares")
        values = found.values
        how = f"{listed(n for n in ('E0', 'E1') if n not in known)} estimated from these pairs"
    K, kappa, E0, E1 = (values[k] for k in ("K", "kappa", "E0", "E1"))
    relation = Relation(K, kappa, E0, E1, how)
    residual = y - relation(x)
    r2 = float(1 - (residual**2).sum() / ((y - y.mean()) ** 2).sum())
    said += [*found.warnings, *_doubts(relation, y, len(x), 4 - len(known))]
    se = found.errors()
    if loose := [n for n in ("E0", "E1") if n not in known and not se[n] < LOOSE * values[n]]:
        said.append(
            f"these pairs do not determine {listed(loose)}, nor kappa with it: take irreducible losses from joint fits"
        )
    carried = {}
    for name, error in errors.items():
        if np.isfinite(error):
            carried[name] = tuple(error * _moved(relation.values, x, y, name, [n for n in PARAMS if n not in known]))
        else:
            said.append(f"{name} has no standard error in its joint fit and counts as exact")
    return Relation(K, kappa, E0, E1, how, found, pairs, r2, tuple(said), carried)


def _slopes(values: Mapping[str, float], x: np.ndarray) -> np.ndarray:
    """d L1 / d (K, kappa, E0, E1), shape (n, 4)."""
    above, power = x - values["E0"], (x - values["E0"]) ** values["kappa"]
    by_kappa = values["K"] * power * np.log(above)
    return np.column_stack([power, by_kappa, -values["K"] * values["kappa"] * power / above, np.ones_like(x)])


def _moved(values: Mapping[str, float], x: np.ndarray, y: np.ndarray, name: str, free: list[str]) -> np.ndarray:
    """By how much K, kappa, E0 and E1 of the least-squares fit move per unit of the irreducible loss `name` held in it."""
    J = _slopes(values, x)
    if "E0" not in free and "E1" not in free:  # fitted as a line in logarithms of reducible losses
        J = J / (y - values["E1"])[:, None]
    rows = [PARAMS.index(n) for n in free]
    out = np.zeros(len(PARAMS))
    out[PARAMS.index(name)] = 1.0
    out[rows] = -np.linalg.lstsq(J[:, rows], J[:, PARAMS.index(name)], rcond=None)[0]
    return out


def _irreducible(joint: Fit) -> float:
    if "E" not in joint.values:
        raise DataError(
            f"law '{joint.law.name}' has no irreducible loss E; fit 'kaplan_offset' or 'chinchilla', or give E0, E1."
        )
    return joint.values["E"]


def _doubts(relation: Relation, y: np.ndarray, n: int, free: int) -> list[str]:
    out = []
    if 0.1 * y.min() > relation.E1 and relation.kappa < 0.5:
        out.append(
            f"E1 = {relation.E1:.3g} is near zero and kappa = {relation.kappa:.3g} below 0.5: the irreducible loss is not "
            "identified, and kappa makes up for it"
        )
    if n < free + FEW:
        out.append(f"{n} pairs for {free} unknowns: the interval rests on {n - free} degrees of freedom")
    return out
