"""Learning rate and batch for a size and its tokens from a grid of runs, by a law of whole bowls, not of best rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.counting import completed, counted
from scaling.engine.refit import refit
from scaling.errors import ArgumentError, DataError
from scaling.fits import Fit
from scaling.fits.fitting import fit
from scaling.formula import Law
from scaling.logs import Runs
from scaling.logs.sheet import rows_named
from scaling.papers.configuration import configuration
from scaling.papers.configuration_quadratic import best_by, configuration_quadratic
from scaling.planning.recipes.grids import around, enough, groups_of, levelled, levels, resampled
from scaling.procedures.step_law import at_edge, regret
from scaling.procedures.tables import needs, needs_positive
from scaling.rendering import Result, plain
from scaling.words import check_seed, many, verb

WITHIN = 0.1  # of the lowest loss of their size and tokens: rolling origin on public grids, of none, .3, .1, .05 and .03
FEWEST = 3  # groups that say how much settings drift
INPUTS = ["N", "D", "lr", "batch"]
FORMS = (configuration, configuration_quadratic)
SAID = {configuration.name: "uneven bowls", configuration_quadratic.name: "quadratic form"}
CUTS = (0.8, 0.6)  # shares of the sizes with their tokens, by N D, whose bowls say which form fits the others better


@dataclass(frozen=True, repr=False)
class Settings(Result):
    """What a grid of runs says of the best learning rate and batch.

    Attributes
    ----------
    fit : of the form that fits the bowls of the largest sizes better where these are held out, to the rows that count.
    bowls, beside : that form and the other one with a level of its own for every size with its tokens: where their best is
        does not depend on how the loss falls with size and tokens (`scaling.planning.recipes.grids.levelled`).
    errors : form -> mean deviation of ln loss from its bowl in the groups held out; infinite where too few are left.
    within : rows count whose loss is at most so much above the lowest of their size and tokens. rows, of : how many, of how
        many. groups : sizes with their tokens. at_edge : of these, how many have their best run on the edge of their grid.
    backtest : what the settings cost on the largest fifth of the groups, of a fit to the others, mean over groups as a part of
        the lowest loss there; noise of that lowest loss included. NaN where too few groups are left.
    draws (replicates, p) : parameters of `bowls` on resampled groups; rows of one group share its optimum.
    notes : rows that were left out or count once.
    """

    fit: Fit
    bowls: Fit
    beside: Fit
    errors: dict[str, float]
    within: float
    rows: int
    of: int
    groups: int
    at_edge: int
    backtest: float
    draws: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.bowls.ok

    @property
    def other(self) -> str:
        """What the other form is called."""
        return SAID[self.beside.law.name]

    def head(self) -> list[tuple[str, str]]:
        sizes = many(self.groups, "size")
        told = [
            ("verdict", "OK" if self.ok else f"not to be trusted: {'; '.join(self.bowls.verdict.failures)}"),
            ("rows", f"{self.rows} of {self.of}, {self._counting()}; {sizes} with {verb(self.groups, 'its', 'their')} tokens"),
            *(("  note", said) for said in self.notes),
        ]
        if self.at_edge:
            told.append(
                ("  note", f"{self.at_edge} of them have their best run on the edge of their grid: the optimum may lie beyond")
            )
        if self.ok and not self.fit.ok:
            told.append(("  note", f"settings hold, losses do not: {'; '.join(self.fit.verdict.failures)}"))
        told += [("form", self._chosen()), ("drift", self._drift())]
        if self.backtest == self.backtest:
            cost = f"{100 * self.backtest:.2g} % above the lowest loss on the largest fifth of the sizes, fitted without them"
            told.append(("backtest", f"recommended settings are {cost}"))
        return told

    def _counting(self) -> str:
        return "all" if np.isinf(self.within) else f"those within {self.within:.3g} of the lowest loss of their size and tokens"

    def _chosen(self) -> str:
        own, other = (self.errors[form.law.name] for form in (self.bowls, self.beside))
        said = SAID[self.bowls.law.name]
        if not own < np.inf:
            return f"{said}; too few sizes to hold some out and see whether the {self.other} would do better"
        return (
            f"{said}: off by {100 * own:.2g} % in the bowls of the largest sizes, held out; {self.other} by {100 * other:.2g} %"
        )

    def _powers(self) -> dict[str, float]:
        v = self.bowls.values
        if self.bowls.law.name == configuration.name:
            return {k: v[k] for k in ("alpha", "beta", "nu", "gamma", "r")}
        # slopes of the lowest point, which are the same everywhere
        N, D = np.exp(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        (rate, rate_N, rate_D), (batch, batch_N, batch_D) = best_by(self.bowls.law, N, D, v)
        powers = {"alpha": rate - rate_N, "beta": rate_D - rate, "nu": batch_N - batch, "gamma": batch_D - batch}
        return {**powers, "r": -v["z_lrB"] / (2 * v["z_lrlr"])}

    def _drift(self) -> str:
        told = {k: f"{x:.3g}" for k, x in self._powers().items()}
        return "lr* ∝ D^{beta} / N^{alpha}, batch* ∝ N^{nu} D^{gamma}, lr follows batch as batch^{r}".format(**told)

    def to_dict(self) -> dict[str, Any]:
        names = ("within", "rows", "of", "groups", "at_edge", "backtest", "ok", "errors", "notes")
        shown = {"form": self.bowls.law.name, "values": self.bowls.values, "objective": self.bowls.objective}
        shown["drift"] = {k: float(x) for k, x in self._powers().items()}
        return {**{k: plain(getattr(self, k)) for k in names}, **shown}

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The best learning rate, and the best batch in the unit of the grid."""
        return _Best(self.bowls.law, self.bowls.values).best(N, D)

    def recommend(self, N: ArrayLike, D: ArrayLike, level: float = 0.9) -> pd.DataFrame:
        """Settings for sizes with their tokens, and what they may cost.

        Returns
        -------
        N, D; lr and batch with their intervals; loss there; regret, what the recommendation is expected to cost by the
        resampled grids, as a part of the loss, and regret_upper, which it stays below with this probability, both as far as
        the law is right (`backtest` knows how right); times_beyond, N D in units of the largest of the grid; and the settings
        of the other form.
        """
        N, D = (np.atleast_1d(np.asarray(x, float)) for x in np.broadcast_arrays(N, D))
        if not ((N > 0) & (D > 0)).all():
            raise ArgumentError("sizes and tokens must be numbers above 0.")
        if not 0 < level < 1:
            raise ArgumentError(f"level={level}: the probability that an interval is meant to cover, between 0 and 1.")
        lr, batch = self.best(N, D)
        law, seen = self.bowls.law, self.bowls.design.inputs
        drawn = {k: v[:, None] for k, v in zip(self.bowls.coordinates.names, self.draws.T, strict=True)}
        spread = best_by(law, N, D, drawn)
        cost = law(N, D, lr, batch, **drawn) / law(N, D, *np.exp(spread), **drawn) - 1
        out = {"N": N, "D": D}
        for name, value, each in (("lr", lr, spread[0]), ("batch", batch, spread[1])):
            out[name] = value
            out[f"{name}_lower"], out[f"{name}_upper"] = np.exp(around(np.log(value), each, level))
        other = _Best(self.beside.law, self.beside.values).best(N, D)
        return pd.DataFrame(
            {
                **out, "loss": law(N, D, lr, batch, **self.bowls.values), "regret": np.nanmean(cost, 0),
                "regret_upper": np.nanquantile(cost, level, axis=0), "times_beyond": N * D / (seen["N"] * seen["D"]).max(),
                "lr_other": other[0], "batch_other": other[1],
            }
        )  # fmt: skip


def settings(data: pd.DataFrame | Runs, within: float = WITHIN, *, replicates: int = 200, seed: int = 0) -> Settings:
    """Fit the bowls of a grid of runs around their best learning rate and batch.

    Parameters
    ----------
    data : columns N, D, lr (peak), batch (in one unit), loss, one row per run; or Runs, of whose runs the last row counts.
    within : rows count whose loss is at most so much above the lowest of their size and tokens; infinite for all. Runs far
        off the optimum diverge in ways that no bowl has, and the choice moves the exponents.
    replicates, seed : resampled grids behind the intervals; whole sizes with their tokens are drawn.

    Raises
    ------
    DataError : missing columns, or fewer than three sizes with their tokens. FitError : fewer rows than parameters.
    """
    check_seed(seed)
    if not within > 0:
        raise ArgumentError(f"within={within}: the part of the lowest loss that a row may be above it, 0.1 or inf for all.")
    if not replicates >= 1:
        raise ArgumentError(f"replicates={replicates}: resampled grids make the intervals; say 1 or more.")
    table, notes = _grid(_ends(data) if isinstance(data, Runs) else data)
    groups = table.groupby(["N", "D"])
    rows = _near(table, within)
    fits = {law.name: fit(rows, law, seed=seed) for law in FORMS}
    bowls = {name: levelled(one) for name, one in fits.items()}
    held = {law.name: _held_out(fits[law.name], table) for law in FORMS}
    saddle = {name: bool(np.isnan(best_by(one.law, rows["N"], rows["D"], one.values)).any()) for name, one in bowls.items()}
    best, other = sorted(bowls, key=lambda name: (saddle[name], held[name][0], not bowls[name].ok))  # a saddle has no best
    return Settings(
        fits[best], bowls[best], bowls[other], {name: error for name, (error, _) in held.items()}, float(within), len(rows),
        len(table), groups.ngroups, sum(at_edge(group) for _, group in groups), held[best][1],
        resampled(bowls[best], replicates, seed), notes,
    )  # fmt: skip


def _grid(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows with a loss, of what is asked for alone, in an order of their own; which rows are not among them."""
    table, _ = completed(table, ["N", "D", "loss"])
    needs("a grid of runs", table, [*INPUTS, "loss"])
    rows = table[table["loss"].notna()]
    needs_positive("a grid of runs", rows, [*INPUTS, "loss"])
    counted(rows)  # refuses rows counted in several ways
    if (count := len(rows[["N", "D"]].drop_duplicates())) < FEWEST:
        raise DataError(f"only {many(count, 'size')} with their tokens; {FEWEST} or more say how the best settings drift.")
    copies = rows.duplicated([*INPUTS, "loss"])
    told = [(table[table["loss"].isna()], "without a loss, not counted"), (rows[copies], "there twice, counted once")]
    notes = tuple(f"{many(len(few), 'row')} {what}: {rows_named(few)}" for few, what in told if len(few))
    kept = rows.loc[~copies, [*INPUTS, "loss"]].astype(float)
    return kept.sort_values([*INPUTS, "loss"], ignore_index=True), notes


def _near(table: pd.DataFrame, within: float) -> pd.DataFrame:
    """The rows that count."""
    return table[table["loss"] / table.groupby(["N", "D"])["loss"].transform("min") - 1 <= within]


@dataclass(frozen=True)
class _Best:
    """Settings by the parameters of a form."""

    law: Law
    values: dict[str, float]

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        rate, batch = best_by(self.law, np.asarray(N, float), np.asarray(D, float), self.values)
        return np.exp(rate), np.exp(batch)


def _held_out(whole: Fit, table: pd.DataFrame) -> tuple[float, float]:
    """Of bowls fitted to the smaller groups by N D: mean deviation of ln loss from them in the larger ones, each at a level of
    its own, over the CUTS (infinite of too few); and the mean regret on the largest fifth of the table (NaN)."""
    rows, law, params = whole.design.frame, whole.law, len(whole.coordinates.params)
    size, every, found, cost = rows["N"] * rows["D"], table["N"] * table["D"], [], np.nan
    for share in CUTS:
        kept = (size < np.quantile(every.unique(), share)).to_numpy()
        some = rows[kept]
        if not kept.any() or len(some[["N", "D"]].drop_duplicates()) < FEWEST or not enough(some, params):
            continue
        first = refit(law, whole.design, whole.loss, kept[None] * whole.design.weights, coordinates=whole.coordinates)
        if not first.ok[0]:
            continue
        t, _ = levels(whole, first.t[0], kept * whole.design.weights)
        values = dict(zip(whole.coordinates.names, map(float, whole.coordinates.to_params(t)), strict=True))
        rest = rows[~kept]
        miss = np.log(rest["loss"] / law(*rest[INPUTS].to_numpy(float).T, **values))
        found.append(float(np.abs(miss - miss.groupby(groups_of(rest)).transform("median")).mean()))
        if share == CUTS[0]:  # over the groups whose grid reaches the settings
            cost = float(regret(_Best(law, values), table[every >= np.quantile(every.unique(), share)]).mean())
    return float(np.mean(found)) if found else np.inf, cost


def _ends(runs: Runs) -> pd.DataFrame:
    """The last row of every run, with its peak rate."""
    frame = runs.joined()
    last = frame[frame["loss"].notna()].groupby("run", sort=False).tail(1)
    peaks = last["run"].map({name: plan.peak for name, plan in runs.schedules.items()})
    names = {"n_params": "N", "tokens": "D", "batch_tokens": "batch"}
    return last.drop(columns="lr", errors="ignore").rename(columns=names).assign(lr=peaks)
