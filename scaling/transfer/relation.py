"""The loss-to-loss relation between two data sets (arXiv:2411.12925), and a whole law seen through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from scaling import document
from scaling.design.checks import table_of
from scaling.errors import DataError, FitError
from scaling.fits import Fit, saving
from scaling.formula import Law, find
from scaling.intervals.target import Target
from scaling.logs import Runs
from scaling.rendering import Result, plain
from scaling.transfer.pairs import points
from scaling.transfer.profiles import reach
from scaling.words import check_level, listed

PARAMS = ("K", "kappa", "E0", "E1")
OPEN = "these pairs do not determine"  # how a warning begins that leaves irreducible losses open
LARGEST = 1e100  # what an error of an irreducible loss can move a parameter by
CLOSED = "kaplan_offset"  # the only form that a relation maps onto itself


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
    fields = ("values", "how", "r2", "ok", "warnings")

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

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """Target loss at source loss x (> E0)."""
        return self.K * (np.asarray(x, float) - self.E0) ** self.kappa + self.E1

    def slope(self, x: ArrayLike) -> np.ndarray:
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
        rows = _sources(data)
        check_level(level)
        x = rows["x"].to_numpy(float)
        if not (x > self.E0).all():
            low = x[~(x > self.E0)][0]
            raise DataError(f"source loss {low:.6g} is not above the irreducible loss E0 = {self.E0:.6g}.")
        out = self.band(rows, x, sum(self.variance(x)), level)
        exact = [n for n in ("E0", "E1") if self.evidence.fixed.get(n) is not None and n not in self.carried]
        how = f"{listed(exact)} counted as exact" if exact else "errors of the irreducible losses included"
        out.attrs["interval"] = f"{level:.0%} interval, delta method plus row noise; {how}"
        seen = self.pairs["x"] if self.pairs is not None else self.evidence.design.inputs["x"] + self.E0
        outside, ends = int(((x < seen.min()) | (x > seen.max())).sum()), f"{seen.min():.4g} to {seen.max():.4g}"
        far = f"{outside} of {len(x)} source losses lie outside those paired ({ends})"
        out.attrs["extrapolation"] = far if outside else "inside the source losses that were paired"
        return out

    def band(self, rows: pd.DataFrame, x: np.ndarray, variance: Any, level: float) -> pd.DataFrame:
        """rows with prediction, lower and upper at source losses x (n,), of this variance (n,) in target loss."""
        half, mean = stdtrit(self.evidence.cov.dof, 0.5 + level / 2) * np.sqrt(variance), self(x)
        bounds = {"prediction": mean, "lower": np.maximum(mean - half, self.E1), "upper": mean + half}
        return rows.reset_index(drop=True).assign(**bounds)

    def variance(self, x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Variance of the relation at x from what was fitted and from the irreducible losses, and of one loss around it."""
        x = np.asarray(x, float)
        shift = not any(self.evidence.fixed.get(name, 1) for name in ("E0", "E1"))  # fitted on reducible losses
        target = Target(self.evidence, {"x": x - self.E0 if shift else x})
        variance, noise = target.deviation() ** 2, target.noise() ** 2
        for moved in self.carried.values():
            variance = variance + (slopes(self.values, x) @ np.array(moved)) ** 2
        return variance, noise

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the relation, its pairs and the fit behind it as one JSON document; `scaling.load` reads it back.

        `force` as in `Fit.save`.
        """
        pairs = None
        if self.pairs is not None:
            said = {k: self.pairs.attrs[k] for k in ("account", "unpaired")}
            pairs = {"columns": self.pairs.to_dict("list"), **said}
        written = {name: getattr(self, name) for name in ("values", "how", "r2", "warnings", "carried")}
        fit = None if self.fit is None else saving.to_saved(self.fit)
        document.write(path, "relation", {**written, "pairs": pairs, "fit": fit}, force=force)

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
        K, kappa, E0, E1 = (saved.part("values").number(name) for name in PARAMS)
        fit = Fit.of(saving.from_saved(saved.part("fit"))) if saved.maybe("fit") else None
        part = saved.part("carried")
        carried = {name: tuple(part.array(name, len(PARAMS)).tolist()) for name in part.found}
        known = K, kappa, E0, E1, saved.text("how")
        relation = cls(*known, fit, pairs, saved.unbounded("r2"), saved.texts("warnings"), carried)
        relation._check(saved)
        return relation

    def _check(self, saved: document.Fields) -> None:
        """Refuse numbers that do not follow from each other."""
        for name in ("K", "kappa"):
            ours = getattr(self, name)
            if not ours > 0 or (self.fit is not None and not np.isclose(ours, self.fit.values[name], rtol=saving.SAME)):
                raise saved.wrong(f"values.{name}", f"is {ours:g}, which the fit behind does not say")
        for name, moved in self.carried.items():
            if not np.abs(moved).max() < LARGEST:
                raise saved.wrong(f"carried.{name}", f"has numbers beyond {LARGEST:g}")
        if self.pairs is not None and self.fit is not None:
            x, y = self.pairs["x"].to_numpy(), self.pairs["loss"].to_numpy()
            known = {name: self.values[name] for name in ("E0", "E1") if name in self.fit.fixed}
            above = (x > known.get("E0", -np.inf)) & (y > known.get("E1", -np.inf))  # the others were left out
            x, y = x[above], y[above]
            if not len(x):
                raise saved.wrong("values.E0", "and E1 lie above all pairs")
            with np.errstate(all="ignore"):
                r2 = share_explained(self, x, y)
            if not np.isclose(r2, self.r2, rtol=saving.SAME, atol=saving.SAME):
                raise saved.wrong("r2", f"is {self.r2:g}, and values and pairs give {r2:g}")

    @property
    def evidence(self) -> Fit:
        """The fit behind, which an interval needs."""
        if self.fit is None:
            raise FitError("this relation was made by algebra and has no data behind it, so it has no interval.")
        return self.fit

    @cached_property
    def errors(self) -> pd.Series:
        """Standard errors of what the fit behind it estimated; of irreducible losses the larger of delta method and profile."""
        found = self.evidence.errors().fillna(np.inf)
        known: dict[str, float] = {name: self.values[name] for name in ("E0", "E1") if name in self.evidence.fixed}
        if len(known) == 2:
            return found
        rows = self.evidence.design
        wider = pd.Series(reach(rows.inputs["x"], rows.loss, known, self.values), dtype=float).reindex(found.index).fillna(0.0)
        return found.where(found >= wider, wider)

    def translate(self, source: Fit) -> Translated:
        """The whole law of the source data, carried to the target: `Translated`."""
        return Translated(self, source)

    def head(self) -> list[tuple[str, str]]:
        formula = f"L1 = {self.K:.6g} (L0 - {self.E0:.6g})^{self.kappa:.6g} + {self.E1:.6g}   ({self.how})"
        out = [line for line in self.fit.head() if line[0] in ("verdict", "  failed")] if self.fit is not None else []
        if any(said.startswith(OPEN) for said in self.warnings):
            out = [(name, text.replace("OK:", "OK between the losses of these pairs alone:")) for name, text in out]
        out.append(("loss to loss", formula))
        if self.pairs is not None:
            out += [("data", self.pairs.attrs["account"]), ("R2", f"{self.r2:.5f} in loss space")]
        return [*out, *(("note", said) for said in self.warnings)]

    def table(self) -> pd.DataFrame | None:
        if self.fit is None:
            return None
        found = self.errors.drop(labels=[*self.fit.fixed], errors="ignore")
        return pd.DataFrame({"error": found[np.isfinite(found)]})

    def to_dict(self) -> dict[str, Any]:
        law: dict[str, Any] = {"law": self.law.name}
        if self.fit is not None:
            law |= {"errors": plain(self.errors.to_dict()), "verdict": self.fit.to_dict()["verdict"]}
        if self.pairs is not None:
            law |= {"pairs": len(self.pairs), "account": self.pairs.attrs["account"]}
        return law | super().to_dict()


@dataclass(frozen=True, eq=False, repr=False)
class Translated(Result):
    """The law of the source data seen through a relation: callable on (N, D) or whatever the source law takes."""

    relation: Relation
    source: Fit
    fields = ("ok", "relation", "source")

    def __post_init__(self) -> None:
        if not np.isclose(self.relation.E0, self.source.values.get("E", np.nan), rtol=1e-9):
            raise FitError(
                f"the relation starts at irreducible loss {self.relation.E0:.6g}, the source law has "
                f"E = {self.source.values.get('E', np.nan):.6g}: fit the relation with this law as its source."
            )

    def __call__(self, *inputs: ArrayLike, **named: ArrayLike) -> np.ndarray:
        """Target loss at the inputs of the source law."""
        return self.relation(self.source.law(*inputs, **named, **self.source.values))

    @property
    def ok(self) -> bool:
        """Are the source law and the relation trustworthy? One that was given counts as such."""
        return self.source.ok and self.relation.ok is not False

    def head(self) -> list[tuple[str, str]]:
        doubted = [what for what, one in (("source law", self.source), ("relation", self.relation)) if one.ok is False]
        verdict = f"NOT TRUSTWORTHY: {' and '.join(doubted)}" if doubted else "OK: so are source law and relation"
        relation = [line for line in self.relation.head() if line[0] == "loss to loss"]
        return [("verdict", verdict), self.source.head()[0], *relation]

    def table(self) -> pd.DataFrame | None:
        return pd.DataFrame({"value": self.values}) if self.source.law.name == CLOSED else None

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"values": self.values if self.source.law.name == CLOSED else None}

    @property
    def values(self) -> dict[str, float]:
        """Constants of the translated law, in the same form as the source's.

        Raises
        ------
        FitError : the source is not `kaplan_offset`; then the translated law is a composition, of no simpler form.
        """
        if self.source.law.name != CLOSED:
            raise FitError(
                f"'{self.source.law.name}' seen through a relation with kappa = {self.relation.kappa:.4g} is not of its own "
                f"form, so it has no constants; call it, or fit '{CLOSED}' as the source."
            )
        v, K, k = self.source.values, self.relation.K, self.relation.kappa
        alpha, beta = k * v["alpha"], k * v["beta"]
        scales = {"A": v["A"] * K ** (1 / alpha), "B": v["B"] * K ** (1 / beta)}
        return {"E": self.relation.E1, **scales, "alpha": alpha, "beta": beta}

    def predict(self, data: Any, level: float = 0.9) -> pd.DataFrame:
        """Loss on the target data at rows of (N, D): columns of data, prediction, lower, upper.

        The interval adds what source law and relation do not know and the scatter of either around its own curve, as if
        they were independent. Rows of one recipe share part of their scatter, which makes it wide, not narrow.
        """
        target = Target(self.source, data)
        x, source = target.value, target.deviation() ** 2 + target.noise() ** 2
        variance = sum(self.relation.variance(x)) + self.relation.slope(x) ** 2 * source
        out = self.relation.band(target.rows.frame, x, variance, level)
        how = "delta method through source law and relation; both assumed exact in form"
        out.attrs["interval"] = f"{level:.0%} interval, {how}"
        return out


def share_explained(relation: Relation, x: np.ndarray, y: np.ndarray) -> float:
    """R2 of the relation over paired losses (n,), in loss space."""
    return float(1 - ((y - relation(x)) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def slopes(values: Mapping[str, float], x: np.ndarray) -> np.ndarray:
    """d L1 / d (K, kappa, E0, E1), shape (n, 4)."""
    above, power = x - values["E0"], (x - values["E0"]) ** values["kappa"]
    by_kappa = values["K"] * power * np.log(above)
    return np.column_stack([power, by_kappa, -values["K"] * values["kappa"] * power / above, np.ones_like(x)])


def _sources(data: Any) -> pd.DataFrame:
    """Rows with the source loss in column x, and what identifies them."""
    if isinstance(data, Runs):
        return points(data).rename(columns={"loss": "x"})[["run", "step", "N", "D", "x"]]
    if not isinstance(data, (pd.DataFrame, Mapping)):
        try:
            return pd.DataFrame({"x": np.atleast_1d(np.asarray(data, float))})
        except (TypeError, ValueError):
            raise DataError(f"a relation is predicted at source losses, numbers or column x; not at {data!r}.") from None
    rows = table_of(data)
    if "x" not in rows:
        raise DataError(f"a relation is predicted at column x, the source loss; got {', '.join(map(str, rows))}.")
    return rows
