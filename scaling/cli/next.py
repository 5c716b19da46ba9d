"""`scaling next`: which runs to make next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scaling
from scaling.cli import output
from scaling.cli.options import Count, Flag, Many, Positive, check_columns, saved_fit
from scaling.cli.output import Printing
from scaling.errors import ArgumentError, DataError
from scaling.formula import find
from scaling.words import amount, many

if TYPE_CHECKING:
    import pandas as pd

    from scaling.formula import Law


def run(
    fit: str,
    /,
    *,
    pool: Many,
    target: Many,
    budget: Positive,
    cost: str | None = None,
    branch: Flag = False,
    seed: Count = 0,
    printing: Printing = Printing(),
) -> int:
    """Choose which runs to make next, so that a prediction far away is off by least per cost.

    For example:

        scaling next fit.json --pool affordable.csv --target big.csv --budget 1e21
        scaling next fit.json --pool schedules.csv --target cosine:peak=3e-4,steps=72k,warmup=2k --budget 50k

    Parameters
    ----------
    fit
        A fit saved by `scaling fit -o`, whose own runs are taken as made; or the name of a law: there are none yet.
    pool
        CSV of runs that could be made next, one row each, columns = the law's inputs. For laws of schedules: a CSV with a
        column schedule, a schedule as text, or a log with the rows to come; may be repeated.
    target
        CSV of the runs whose loss shall be predicted well; for laws of schedules likewise, and the final loss.
    budget
        What the runs may cost together.
    cost
        Column of the pool with the cost of a run, if that is not 6 N D (schedules: without size and batch, tokens or updates).
    branch
        Schedules continue from checkpoints of runs made with the same rates so far, and cost only what is new.
    seed
        Of the starts of refits.
    """
    source: Any = saved_fit(fit) if Path(fit).suffix == ".json" or Path(fit).exists() else fit
    law = find(getattr(source, "law", source))
    if branch and not law.over_schedules:
        raise ArgumentError(f"--branch goes with laws of schedules, which '{law.name}' is not")
    could, wanted = (_runs(texts, option, law) for texts, option in ((pool, "--pool"), (target, "--target")))
    runs = scaling.planning.plan_next(source, could, wanted, budget, cost=cost, branch=branch, seed=seed)
    facts = {**{str(k): v for k, v in runs.attrs.items()}, "spent": float(runs["cost"].sum())}
    for text in facts["warnings"]:
        output.warning(text)
    return output.show(_told(runs, facts, budget), printing)


def _told(runs: pd.DataFrame, facts: dict[str, Any], budget: float) -> output.Told:
    after = runs["target_sd"].iloc[-1] if len(runs) else facts["target_sd"]
    now, noise, misfit = (_percent(facts[name]) for name in ("target_sd", "noise", "misfit"))
    spent = f"{amount(facts['spent'])} of {amount(budget)} {facts['unit']}".rstrip()
    said = f"error of the target's prediction: {now} now, {_percent(after)} expected after {many(len(runs), 'run')} for {spent}"
    believed = f"losses scatter by {noise}, the law is off by {misfit}; plan again as losses come in"
    lines = [("plan", said), ("believed now", believed)]
    shown = runs.drop(columns="target_sd").map(lambda x: amount(x) if isinstance(x, float) else x)
    shown["target_error"] = [f"{100 * sd:.4g} %" for sd in runs["target_sd"]]  # what one more run brings is small
    return output.Told(lines, shown if len(runs) else None, {**facts, "runs": runs})


def _percent(sd: float) -> str:
    return f"{100 * sd:.2g} %" if sd < 1 else "more than 100 %"


def _runs(paths: Sequence[str], option: str, law: Law) -> Any:
    """A table with one run a row; for laws of schedules also schedules as text, or logs with the rows to come."""
    if law.over_schedules:
        if all(":" in path and not Path(path).exists() for path in paths):
            return paths
        if len(paths) > 1 or Path(paths[0]).is_dir() or "step" in scaling.logs.columns_of(paths[0]):
            return scaling.read(paths)
    elif len(paths) > 1:
        raise ArgumentError(f"{option} is given {len(paths)} times; law '{law.name}' takes one CSV with one run a row")
    header = scaling.logs.columns_of(paths[0])
    whole = law.over_schedules and not law.hooks.facts
    if whole and header and "schedule" not in header and all(map(str.isprintable, header)):
        raise DataError(
            f"{paths[0]}: it has {', '.join(header)}; for a law of schedules {option} takes a CSV with a column schedule, "
            "a log with step and lr, or schedules such as wsd:peak=3e-4,steps=24k,warmup=2k"
        )
    if not law.over_schedules:
        check_columns(paths[0], header, [law], ())
    return scaling.logs.read_table(paths, needed=[name for name in law.inputs if name in header])
