"""Does a small ladder rank training recipes as the large one does? Share of pairs alike, by rung and by fitted law."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from scaling.counting import completed, compute
from scaling.design.inputs import design
from scaling.engine.losses import Loss
from scaling.engine.refit import refit
from scaling.engine.threads import one_thread
from scaling.errors import ArgumentError, DataError
from scaling.formula import Law, find
from scaling.logs import Runs
from scaling.logs.tables import listed_columns
from scaling.rendering import Result, plain
from scaling.words import amount, check_level, check_seed, did_you_mean, many, verb

SAME = 1.05  # ratio up to which sizes are one rung: recipes differ by a vocabulary or so
CLEAR = 2.0  # standard errors of a difference at the target that seeds do not make
REPLICATES = 2000  # draws of recipes behind the intervals
LAWS = ("power_law_offset", "power_law")  # by how many rungs there are, the richer one first


@dataclass(frozen=True, repr=False)
class Decisions(Result):
    """How well smaller runs decide between recipes.

    Attributes
    ----------
    frame : one row per way and rung: way ("rung", or the law fitted to all rungs up to it), up_to (its size), cost (share of
        the target's compute, NaN without tokens), pairs, alike (share ranked as at the target) with lower and upper (recipes
        drawn anew), clear (the same of pairs that differ beyond seeds at the target), best (its choice), regret (relative
        loss at the target of that choice over the best).
    by, target : the column that says size, and the largest rung. recipes : how many are judged there.
    noise : relative sd of one run between seeds, None if no rung has two. ceiling : share of pairs that another run of the
        target itself would rank alike, by that noise; None without it.
    notes : what was left out.
    """

    frame: pd.DataFrame
    by: str
    target: float
    recipes: int
    noise: float | None
    ceiling: float | None
    level: float
    notes: tuple[str, ...] = ()
    fields = ("by", "target", "recipes", "noise", "ceiling", "level", "notes")

    def head(self) -> list[tuple[str, str]]:
        judged = f"{many(self.recipes, 'recipe')} at {self.by} = {amount(self.target)}"
        lines = [("target", f"{judged}; intervals of {self.level:.0%}, by recipes")]
        if self.noise is None:
            lines.append(("seeds", "no recipe has two at any size, so how far the target itself can be believed is not known"))
        else:
            again = f"another run of the target would rank {self.ceiling:.1%} of the pairs alike"
            lines.append(("seeds", f"{self.noise:.3%} of the loss between two; {again}"))
        return [*lines, *(("note", said) for said in self.notes)]

    def table(self) -> pd.DataFrame:
        shown = self.frame.assign(
            alike=[
                f"{a:.1%} ({low:.0%} to {high:.0%})" for a, low, high in self.frame[["alike", "lower", "upper"]].to_numpy(float)
            ]
        )
        cells = {"cost": "{:.2%}", "clear": "{:.1%}", "regret": "{:.2%}"}
        shown = shown.assign(**{k: ["" if x != x else form.format(x) for x in shown[k]] for k, form in cells.items()})
        shown["up_to"] = [amount(x) for x in shown["up_to"]]
        return shown[["way", "up_to", "cost", "pairs", "alike", "clear", "regret", "best"]].set_index("way")

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"ways": plain(self.frame)}


def compare_recipes(
    data: Any, *, recipe: str = "recipe", by: str = "N", law: Law | str | None = None, noise: float | None = None,
    level: float = 0.9, seed: int = 0,
) -> Decisions:  # fmt: skip
    """Ask of every rung of a ladder, and of laws fitted to it, whether they rank recipes as the largest runs do.

    Parameters
    ----------
    data : DataFrame, one row per run: the recipe (data mixture, optimiser, ...), its size, its loss; several rows of one
        recipe and size are seeds. With columns N and D the cost of each rung is told.
    recipe, by : columns that name the recipe and the size (N, C, or what the rungs differ in).
    law : fitted to each recipe's rungs and asked for the target; if none, E + A / x^alpha where three rungs and more go
        before it, else A / x^alpha.
    noise : relative sd of a run between seeds, where it is known and the table has none.
    level, seed : of the intervals, which draw recipes anew.

    Returns
    -------
    Decisions
        Prints itself; ``frame`` holds a row per rung and law, `plots.decisions` draws it.

    Raises
    ------
    DataError : missing columns, losses or sizes that are not positive, fewer than two rungs or recipes.
    """
    check_level(level)
    check_seed(seed)
    if noise is not None and not 0 <= float(noise) < 1:
        raise ArgumentError(f"noise={noise!r} must be a relative sd of the loss, 0 or more and below 1.")
    rows, extra = _rows(data, recipe, by)
    cells = rows.groupby(["recipe", "rung"]).agg(x=("x", "mean"), loss=("mean", "first"), seeds=("loss", "size"))
    losses = cells["loss"].unstack("rung")
    target = float(losses.columns[-1])
    judged = losses[losses[target].notna()]
    if len(judged) < 2 or losses.shape[1] < 2:
        n, sizes = len(judged), many(losses.shape[1], "size")
        raise DataError(
            f"{many(n, 'recipe')} {verb(n, 'has', 'have')} runs at the largest {by} ({amount(target)}), and there "
            f"{verb(losses.shape[1])} {sizes}; two of both are needed. Sizes within {SAME - 1:.0%} are one."
        )
    gone = len(losses) - len(judged)
    notes = [] if not gone else [f"{many(gone, 'recipe')} {verb(gone, 'has', 'have')} no run at the target: left out"]
    sd = _between_seeds(rows) if noise is None else float(noise)
    error = None if sd is None else sd / np.sqrt(cells["seeds"].unstack("rung").loc[judged.index, target].to_numpy(float))
    truth = np.log(judged[target].to_numpy(float))
    cost = _costs(rows, extra, target)
    ways = [("rung", float(rung), np.log(judged[rung].to_numpy(float))) for rung in losses.columns[:-1]]
    for name, rung, said in _fitted(rows[rows["recipe"].isin(judged.index)], judged.index, law, by, seed):
        ways.append((name, rung, said))
    table = [
        {"way": way, "up_to": rung, "cost": cost(rung, way), **_ranked(said, truth, error, judged.index, level, seed)}
        for way, rung, said in ways
        if np.isfinite(said).sum() > 1
    ]
    order = ["way", "up_to", "cost", "pairs", "alike", "lower", "upper", "clear", "regret", "best"]
    return Decisions(
        pd.DataFrame(table)[order], by, float(target), len(judged), sd, _ceiling(truth, error), level, tuple(notes)
    )


def _kind(data: object) -> str:
    return "These are loss curves" if isinstance(data, Runs) else f"This is a {type(data).__name__}"


def _rows(data: pd.DataFrame, recipe: str, by: str) -> tuple[pd.DataFrame, bool]:
    """Rows recipe, rung (a size that stands for those near it), x, loss, mean (geometric, of the cell), and N, D if there."""
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            f"recipes are compared in a table with a row per run: its recipe, N, D and last loss. {_kind(data)}; "
            "write such a table from the last row of each run."
        )
    frame, _ = completed(data, [by, "N", "D"])
    named = {recipe: "recipe= (--recipes) names that of the recipes", by: "by= (--by) names that of the size"}
    named["loss"] = "call that of the last loss of a run so"
    if missing := [c for c in named if c not in frame]:
        hint = did_you_mean(missing[0], map(str, data.columns), f": {', '.join(named[c] for c in missing)}, or add it")
        raise DataError(f"no column {', '.join(missing)}; the table has {listed_columns(data)}{hint}")
    frame = frame[frame["loss"].notna()]
    for column in (by, "loss"):
        values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float)
        if not len(values) or not (np.isfinite(values) & (values > 0)).all():
            raise DataError(f"column '{column}' must hold positive numbers in every row with a loss.")
    names = frame[recipe]
    if names.isna().any():
        raise DataError(f"column '{recipe}' has empty cells; every run belongs to a recipe.")
    out = pd.DataFrame({"recipe": names.astype(str), "x": frame[by].astype(float), "loss": frame["loss"].astype(float)})
    sizes = np.sort(out["x"].unique())
    groups = np.concatenate([[0], np.cumsum(sizes[1:] / sizes[:-1] > SAME)])
    typical = {x: float(np.median(sizes[groups == g])) for x, g in zip(sizes, groups, strict=True)}
    out["rung"] = out["x"].map(typical)
    out["mean"] = np.exp(np.log(out["loss"]).groupby([out["recipe"], out["rung"]]).transform("mean"))
    told = {"N", "D"} <= set(frame.columns)
    if told:
        lengths = frame["D"].astype(float).groupby([out["recipe"], out["rung"]])
        if len(wide := lengths.max()[lengths.max() > SAME * lengths.min()]):
            name, size = wide.index[0]
            raise DataError(
                f"recipe '{name}' has runs of several lengths at {by} = {amount(size)}, which are no seeds of each other; keep "
                "one length per recipe and size, or the best run of each budget."
            )
    return out.assign(**{k: frame[k].astype(float) for k in ("N", "D") if told}), told


def _between_seeds(rows: pd.DataFrame) -> float | None:
    """Relative sd between runs of one recipe and size, pooled over all that have several."""
    logs = np.log(rows["loss"]) - np.log(rows["mean"])
    spare = len(rows) - len(rows.groupby(["recipe", "rung"]))
    return float(np.sqrt((logs**2).sum() / spare)) if spare > 0 else None


def _costs(rows: pd.DataFrame, told: bool, target: float) -> Any:
    """Compute of a way over that of the target, per recipe and run: a law costs all rungs up to its last."""
    each = rows.assign(C=compute(rows["N"], rows["D"])).groupby("rung")["C"].mean() if told else None

    def cost(rung: float, way: str) -> float:
        if each is None:
            return math.nan
        part = each[each.index <= rung].sum() if way != "rung" else each[rung]
        return float(part / each[target])

    return cost


def _fitted(
    rows: pd.DataFrame, recipes: pd.Index, law: Law | str | None, by: str, seed: int
) -> list[tuple[str, float, np.ndarray]]:
    """ln of what the law, fitted to every recipe's rungs up to each, says of the target (nan: too few), all in one batch."""
    rungs = np.sort(rows["rung"].unique())
    out = []
    for name in [law] if law is not None else [LAWS[0] if len(rungs) > 3 else LAWS[1]]:
        found = find(name)
        found = found.using(x=by) if "x" in found.inputs else found
        made = design(rows.drop(columns=["x", "mean"]).assign(**{by: rows["x"]}), found, fitting=True)
        codes, at = made.frame["recipe"].to_numpy(), made.frame["rung"].to_numpy(float)
        last = [k for k in range(len(rungs) - 1) if k + 1 >= max(len(found.params), 2)]
        keys = [(rung, recipe) for rung in rungs[last] for recipe in recipes]
        if not keys:
            if law is not None:
                few = f"there {verb(len(rungs) - 1)} {many(len(rungs) - 1, 'size')} below the target"
                raise ArgumentError(f"'{found.name}' has {len(found.params)} parameters and {few}; give a smaller law.")
            continue
        weights = np.array([made.weights * ((at <= rung) & (codes == recipe)) for rung, recipe in keys])
        with one_thread():
            fits = refit(found, made, Loss.parse("log_squares", 1e-3), weights, seed=seed)
            said = fits.predict(fits.model(made))[0]
        ends = [np.flatnonzero((codes == recipe) & (at == rungs[-1]))[0] for _, recipe in keys]
        value = np.where(fits.ok, said[np.arange(len(keys)), ends], np.nan).reshape(len(last), len(recipes))
        out += [(found.name, float(rungs[k]), row) for k, row in zip(last, value, strict=True)]
    return out


def _ranked(
    said: np.ndarray, truth: np.ndarray, error: np.ndarray | None, recipes: pd.Index, level: float, seed: int
) -> dict[str, Any]:
    """How what is said of recipes (n,), nan where nothing is, ranks them beside the truth (n,), both ln of losses."""
    known = np.flatnonzero(np.isfinite(said))
    i, j = np.array(list(combinations(known, 2))).T
    ahead, behind = said[i] - said[j], truth[i] - truth[j]
    alike = np.where(ahead * behind > 0, 1.0, np.where(ahead * behind == 0, 0.5, 0.0))  # a tie decides nothing
    drawn = np.random.default_rng(seed).multinomial(len(known), np.full(len(known), 1 / len(known)), REPLICATES)
    place = {int(k): n for n, k in enumerate(known)}
    a, b = ([place[int(k)] for k in side] for side in (i, j))
    weight = (drawn[:, a] * drawn[:, b]).astype(float)
    with np.errstate(invalid="ignore"):
        shares = (weight @ alike) / weight.sum(1)
    low, high = np.nanquantile(shares, [0.5 - level / 2, 0.5 + level / 2])
    clear = math.nan
    if error is not None:
        far = np.abs(behind) > CLEAR * np.hypot(error[i], error[j])
        clear = float(alike[far].mean()) if far.any() else math.nan
    best = int(known[said[known].argmin()])
    return {
        "pairs": len(i), "alike": float(alike.mean()), "lower": float(low), "upper": float(high), "clear": clear,
        "regret": float(np.exp(truth[best] - truth[known].min()) - 1), "best": str(recipes[best]),
    }  # fmt: skip


def _ceiling(truth: np.ndarray, error: np.ndarray | None) -> float | None:
    """Share of pairs that another run of the target would rank as this one: both are the truth plus noise."""
    if error is None:
        return None
    i, j = np.triu_indices(len(truth), 1)
    s = np.hypot(error[i], error[j])
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = ndtr(np.abs(truth[i] - truth[j]) / (np.sqrt(2) * s))
    return float(np.where(s > 0, odds, 1.0).mean())
