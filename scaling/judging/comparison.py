"""Laws side by side, by what they predict of data they have not seen; never ranked by how well they fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from scaling.design.candidates import candidates
from scaling.errors import ArgumentError, FitError
from scaling.formula import Law
from scaling.judging.contest import Contest, contest
from scaling.words import by_reason, check_seed

NEAR = 2.0  # errors closer to the best than this many standard errors are no evidence
COLUMNS = ["error", "difference", "se", "bias", "cutoffs", "aicc", "bic", "params", "reason"]


def compare(
    data: Any,
    laws: Iterable[Law | str] | Law | str | None = None,
    holdout: float | str | None = None,
    *,
    objective: str = "log_huber",
    delta: float | str = 1e-3,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare laws by their error on held-out data.

    Parameters
    ----------
    data : as in `scaling.fit`. Of the rows that all laws have (those of schedules have none in the warm-up) the same are
        held out of each.
    laws : laws, their names, or text with conventions; a single one is checked alone. None: every law of the loss that the
        columns allow.
    holdout : what is predicted from the rest: None, the larger part at up to eight cutoffs along the laws' natural order (for
        laws of schedules also one run at a time; where there is no order, a fifth of the rows at a time); a
        fraction, the largest rows at that one cutoff; "compute", "size", "tokens", "step" or a column, cutoffs along
        it; "schedule", one run at a time. Where the natural orders of the laws differ, compute serves for all that go by
        size, tokens or compute, else steps; ``attrs["holdout"]`` says which it was. No budget is ever parted.

    Returns
    -------
    DataFrame
        One row per law, best first: ``error`` (mean |relative error| of the predicted rows, over the cutoffs at which the law
        could be fitted, late ones counting most), ``difference`` to the best over the cutoffs both were judged at
        and its standard error ``se`` over cutoffs (over blocks of rows for a single cutoff), ``bias``, ``cutoffs``, then
        in-sample ``aicc`` and ``bic`` (those of the fit), ``params``, and ``reason``: why not to
        trust a row, or why a law has no error. ``attrs["absent"]`` says of the laws that were not named which the columns
        do not allow, and why.

    Raises
    ------
    ArgumentError : a law given twice, an unknown holdout; FitError : no law could be compared, or there is no order for all;
    LawError : an unknown law.
    """
    check_seed(seed)
    absent: dict[str, str] = {}
    if laws is None:
        allowed = candidates(data, positive=objective.startswith("log"))
        given: list[Law | str] = list(allowed.laws)
        absent = allowed.absent
        if not given:
            raise FitError(none_fits(absent))
    else:
        given = [laws] if isinstance(laws, str | Law) else list(laws) if isinstance(laws, Iterable) else []
    if not given:
        raise ArgumentError(f"laws={laws!r}: compare needs at least one law, for example ['chinchilla', 'power_law:x=N'].")
    found = contest(data, given, holdout, objective=objective, delta=delta, seed=seed)
    if not found.trials:
        raise FitError(f"no law could be compared: {by_reason(found.reasons)}")
    rows = {label: {"error": np.nan, "reason": reason} for label, reason in found.reasons.items()}
    rows |= judged(found)
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=COLUMNS).rename_axis("law")
    table = table.sort_values("error", kind="stable")
    table.attrs["holdout"], table.attrs["absent"] = found.holdout, absent
    return table


def none_fits(absent: dict[str, str]) -> str:
    """Why no law of the loss can be fitted to a table: what is wrong with its rows, else what the closest laws lack."""
    # of another kind of data
    other = ("predicts ", "reads whole loss curves", "is for whole curves", "goes by size and tokens")
    lacks = {name: reason for name, reason in absent.items() if not reason.startswith(other)} or absent
    # a law whose columns are there is closer than one whose columns are not
    there = {
        name: reason.removesuffix(".").removesuffix(f", as law '{name}' needs; mend or remove it")
        for name, reason in lacks.items() if not reason.startswith(f"law '{name}' needs ")
    }  # fmt: skip
    close = sorted(there or lacks, key=lambda name: (*_far((there or lacks)[name]), name))
    reasons = [*dict.fromkeys((there or lacks)[name] for name in close)][:3]
    told = by_reason({name: reason for name in close if (reason := (there or lacks)[name]) in reasons})
    remedy = "" if there else "Add what one of them lacks; "
    return f"no law of the loss fits these columns. {told}. {remedy}`scaling laws --for TABLE` lists it for every law."


def _far(reason: str) -> tuple[int, int]:
    """How many columns, and rows, a law is from being fitted."""
    rows = re.match("need at least ([0-9]+)", reason)
    return reason.partition(". The data has")[0].count(","), int(rows[1]) if rows else 0


def judged(found: Contest) -> dict[str, dict[str, Any]]:
    """What is known of every law that was judged, how far it is from the best, and why not to trust it."""
    best = min(found.trials, key=found.error)
    apart = {label: found.apart(label, best) for label in found.trials}
    rows = {}
    for label, trial in found.trials.items():
        fit, error = found.fits[label], found.error(label)
        with np.errstate(invalid="ignore"):
            means = np.array([np.mean(e) for e in found.errors(label)])
        counts = found.counts[trial.usable]
        bias = float(means @ counts / counts.sum())
        difference, se = apart[label]
        notes = ["explodes: beyond the data it rises where runs grow"] if trial.explodes else []
        if label == best:
            close = [k for k in found.trials if k != best and apart[k][0] <= NEAR * apart[k][1]]
            notes += [f"not clearly better than {', '.join(close)}"] if close else []
        elif difference <= NEAR * se and not trial.explodes and error <= max(1.0, found.error(best)):  # 100 % off is worse
            notes.append("no worse than the best within its standard error")
        notes += fit.warnings[:2]
        if abs(bias) > 0.8 * error:
            notes.append(f"predicts too {'high' if bias > 0 else 'low'} nearly everywhere")
        rows[label] = {
            "error": error, "difference": difference, "se": se, "bias": bias, "cutoffs": int(trial.usable.sum()),
            "aicc": fit.aicc, "bic": fit.bic, "params": fit.nvarys, "reason": "; ".join(notes),
        }  # fmt: skip
    return rows
