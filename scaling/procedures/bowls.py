"""Learning rate and batch for a size and its tokens from a grid of runs, by a law of whole bowls, not of best rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.counting import counted
from scaling.errors import ArgumentError, DataError
from scaling.fits import Fit
from scaling.fits.fitting import fit
from scaling.logs import Runs
from scaling.papers.configuration import best_settings, configuration
from scaling.papers.configuration_quadratic import REFERENCE, best_of_quadratic, configuration_quadratic
from scaling.planning.recipes.grids import resampled
from scaling.procedures.step_law import at_edge, regret
from scaling.procedures.tables import needs, needs_positive
from scaling.rendering import Result
from scaling.words import check_seed

WITHIN = 0.1  # of the lowest loss of their size and tokens: rolling origin on public grids, of none, .3, .1, .05 and .03
FEWEST = 3  # groups that say how much settings drift
INPUTS = ["N", "D", "lr", "batch"]


@dataclass(frozen=True, repr=False)
class Settings(Result):
    """What a grid of runs says of the best learning rate and batch.

    Attributes
    ----------
    fit, quadratic : `configuration` and `configuration_quadratic` on the rows that count.
    within : rows count whose loss is at most so much above the lowest of their size and tokens. rows, of : how many, of how
        many. groups : sizes with their tokens. at_edge : of these, how many have their best run on the edge of their grid.
    backtest : what the settings cost on the largest fifth of the groups, of a fit to the others, mean over groups as a part of
        the lowest loss there; noise of that lowest loss included. NaN where too few groups are left.
    draws (replicates, p) : parameters of `configuration` on resampled groups; rows of one group share its optimum.
    """

    fit: Fit
    quadratic: Fit
    within: float
    rows: int
    of: int
    groups: int
    at_edge: int
    backtest: float
    draws: np.ndarray

    @property
    def ok(self) -> bool:
        return self.fit.ok

    def head(self) -> list[tuple[str, str]]:
        told = [
            ("verdict", "OK" if self.ok else f"not to be trusted: {'; '.join(self.fit.verdict.failures)}"),
            ("rows", f"{self.rows} of {self.of}, {self._counting()}; {self.groups} sizes with their tokens"),
        ]
        if self.at_edge:
            told.append(
                ("  note", f"{self.at_edge} of them have their best run on the edge of their grid: the optimum may lie beyond")
            )
        values = {k: f"{self.fit.values[k]:.3g}" for k in ("alpha", "beta", "nu", "gamma", "r")}
        drift = "lr* ∝ D^{beta} / N^{alpha}, batch* ∝ N^{nu} D^{gamma}, lr follows batch as batch^{r}".format(**values)
        told.append(("drift", drift))
        if self.backtest == self.backtest:
            cost = f"{100 * self.backtest:.2g} % above the lowest loss on the largest fifth of the sizes, fitted without them"
            told.append(("backtest", f"recommended settings are {cost}"))
        return told

    def _counting(self) -> str:
        return "all" if np.isinf(self.within) else f"those within {self.within:.3g} of the lowest loss of their size and tokens"

    def to_dict(self) -> dict[str, Any]:
        names = ("within", "rows", "of", "groups", "at_edge", "backtest", "ok")
        return {**{k: getattr(self, k) for k in names}, "values": self.fit.values, "objective": self.fit.objective}

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """The best learning rate, and the best batch in the unit of the grid."""
        return _Best(self.fit.values).best(N, D)

    def recommend(self, N: ArrayLike, D: ArrayLike, level: float = 0.9) -> pd.DataFrame:
        """Settings for sizes with their tokens, and what they may cost.

        Returns
        -------
        N, D; lr and batch with their intervals; loss there; regret, what the recommendation is expected to cost by the
        resampled grids, as a part of the loss, and regret_upper, which it stays below with this probability, both as far as
        the law is right (`backtest` knows how right); times_beyond, N D in units of the largest of the grid; and the settings
        of the quadratic form.
        """
        N, D = (np.atleast_1d(np.asarray(x, float)) for x in np.broadcast_arrays(N, D))
        if not ((N > 0) & (D > 0)).all():
            raise ArgumentError("sizes and tokens must be numbers above 0.")
        if not 0 < level < 1:
            raise ArgumentError(f"level={level}: the probability that an interval is meant to cover, between 0 and 1.")
        lr, batch = self.best(N, D)
        drawn = {k: v[:, None] for k, v in zip(self.fit.coordinates.names, self.draws.T, strict=True)}
        rates, batches = (np.exp(x) for x in best_settings(N, D, drawn))
        cost = configuration(N, D, lr, batch, **drawn) / configuration(N, D, rates, batches, **drawn) - 1
        ends, seen = [(1 - level) / 2, (1 + level) / 2], self.fit.design.inputs
        out = {"N": N, "D": D}
        for name, value, spread in (("lr", lr, rates), ("batch", batch, batches)):
            out[name] = value
            out[f"{name}_lower"], out[f"{name}_upper"] = np.quantile(spread, ends, axis=0)
        quadratic = _quadratic(self.quadratic.values, N, D)
        return pd.DataFrame(
            {
                **out, "loss": configuration(N, D, lr, batch, **self.fit.values), "regret": cost.mean(0),
                "regret_upper": np.quantile(cost, level, axis=0), "times_beyond": N * D / (seen["N"] * seen["D"]).max(),
                "lr_quadratic": quadratic[0], "batch_quadratic": quadratic[1],
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
    table = _grid(_ends(data) if isinstance(data, Runs) else data)
    groups = table.groupby(["N", "D"])
    rows = _near(table, within)
    found, beside = fit(rows, configuration, seed=seed), fit(rows, configuration_quadratic, seed=seed)
    edges = sum(at_edge(group) for _, group in groups)
    draws = resampled(found, replicates, seed)
    return Settings(
        found, beside, float(within), len(rows), len(table), groups.ngroups, edges, _backtest(table, within, seed), draws
    )


def _grid(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a loss, of what is asked for alone."""
    needs("a grid of runs", table, [*INPUTS, "loss"])
    rows = table[table["loss"].notna()]
    needs_positive("a grid of runs", rows, [*INPUTS, "loss"])
    counted(rows)  # refuses rows counted in several ways
    if (count := len(rows[["N", "D"]].drop_duplicates())) < FEWEST:
        raise DataError(f"only {count} sizes with their tokens; {FEWEST} or more say how the best settings drift.")
    return rows[[*INPUTS, "loss"]].astype(float).reset_index(drop=True)


def _near(table: pd.DataFrame, within: float) -> pd.DataFrame:
    """The rows that count."""
    return table[table["loss"] / table.groupby(["N", "D"])["loss"].transform("min") - 1 <= within]


@dataclass(frozen=True)
class _Best:
    """Settings by a fit of `configuration`."""

    values: dict[str, float]

    def best(self, N: ArrayLike, D: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        rate, batch = best_settings(np.asarray(N, float), np.asarray(D, float), self.values)
        return np.exp(rate), np.exp(batch)


def _backtest(table: pd.DataFrame, within: float, seed: int) -> float:
    """Mean regret on the largest fifth of the groups by N D, of a fit to the others."""
    size = table["N"] * table["D"]
    last = size >= np.quantile(size.unique(), 0.8)
    rows = _near(table[~last], within)
    if len(rows) <= 2 * len(configuration.params) or len(rows[["N", "D"]].drop_duplicates()) < FEWEST:
        return np.nan
    costs = regret(_Best(fit(rows, configuration, seed=seed).values), table[last])
    return float(costs.mean())  # over the groups whose grid reaches the settings


def _ends(runs: Runs) -> pd.DataFrame:
    """The last row of every run, with its peak rate."""
    frame = runs.joined()
    last = frame[frame["loss"].notna()].groupby("run", sort=False).tail(1)
    peaks = last["run"].map({name: plan.peak for name, plan in runs.schedules.items()})
    names = {"n_params": "N", "tokens": "D", "batch_tokens": "batch"}
    return last.drop(columns="lr", errors="ignore").rename(columns=names).assign(lr=peaks)


def _quadratic(values: dict[str, float], N: np.ndarray, D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the quadratic form is lowest; NaN where it is no bowl."""
    best, _, bowl = best_of_quadratic(values)
    rate, batch = best @ np.stack([np.ones_like(N), np.log(N / REFERENCE["N"]), np.log(D / REFERENCE["D"])])
    lost = 0.0 if bowl else np.nan
    return REFERENCE["lr"] * np.exp(rate) + lost, REFERENCE["batch"] * np.exp(batch) + lost
