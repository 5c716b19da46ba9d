"""Laws side by side, by what they predict of data they have not seen; never ranked by how well they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from scaling.design.cuts import FRACTIONS, cuts, left_out
from scaling.design.order import SIZE, TOKENS, WORDS, natural_order, order
from scaling.engine.refit import refit
from scaling.engine.threads import one_thread
from scaling.errors import ArgumentError, FitError, ScalingError
from scaling.fits import Fit, fit
from scaling.formula import Law, find
from scaling.words import check_seed

NEAR = 2.0  # errors closer to the best than this many standard errors are no evidence


def compare(
    data: Any,
    laws: Iterable[Law | str] | Law | str,
    holdout: float | str | None = None,
    *,
    objective: str = "log_huber",
    delta: float = 1e-3,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare laws by their error on held-out data.

    Parameters
    ----------
    data : as in `scaling.fit`. Of the rows that all laws have (those of schedules have none in the warm-up) the same are
        held out of each.
    laws : laws, their names, or text with conventions; a single one is checked alone.
    holdout : what is predicted from the rest: None, the larger part at five cutoffs along the laws' natural order; a
        fraction, the largest rows at that one cutoff; "compute", "size", "tokens", "step" or a column, five cutoffs along
        it; "schedule", one run at a time. Where the natural orders of the laws differ, compute serves for all that go by
        size, tokens or compute, else steps; ``attrs["holdout"]`` says which it was.

    Returns
    -------
    DataFrame
        One row per law, best first: ``error`` (mean over cutoffs of the mean |relative error|), ``difference`` to the best
        and its standard error ``se`` over cutoffs (over blocks of rows for a single cutoff), ``bias``, then in-sample
        ``aicc`` and ``bic`` (those of the fit), ``params``, and ``reason``: why not to
        trust a row.

    Raises
    ------
    ArgumentError : a law given twice, an unknown holdout; FitError : no law could be compared, or there is no order for all;
    LawError : an unknown law.
    """
    check_seed(seed)
    given = [laws] if isinstance(laws, str | Law) else list(laws) if isinstance(laws, Iterable) else []
    if not given:
        raise ArgumentError(f"laws={laws!r}: compare needs at least one law, for example ['chinchilla', 'power_law:x=N'].")
    chosen = _labelled([find(law) for law in given])
    _check_holdout(data, list(chosen.values()), holdout)
    if isinstance(data, Mapping):
        data = pd.DataFrame({k: np.atleast_1d(v) for k, v in data.items()})
    if isinstance(data, pd.DataFrame):
        data = data.reset_index(drop=True)  # the index says which rows laws have in common
    fits: dict[str, Fit] = {}
    held: dict[str, list[np.ndarray]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for label, law in chosen.items():
        try:
            fits[label] = fit(data, law, objective=objective, delta=delta, seed=seed)
        except ArgumentError:
            raise
        except ScalingError as problem:
            rows[label] = {"error": np.nan, "reason": str(problem).splitlines()[0]}
    if not fits:
        raise _nothing(rows)
    by = holdout if isinstance(holdout, str) else _direction([found.law for found in fits.values()])
    places = _places(fits)
    for label, found in fits.items():
        try:
            held[label] = _errors(found, places[label], by, holdout, seed)
            rows[label] = _row(found, held[label])
        except ScalingError as problem:
            rows[label] = {"error": np.nan, "reason": str(problem).splitlines()[0]}
    if not held:
        raise _nothing(rows)
    _set_apart(rows, held)
    columns = ["error", "difference", "se", "bias", "aicc", "bic", "params", "reason"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).rename_axis("law")
    table = table.sort_values("error", kind="stable")
    table.attrs["holdout"] = _words(by, holdout)
    return table


def _row(found: Fit, errors: list[np.ndarray]) -> dict[str, Any]:
    """What is known of a law by itself."""
    return {
        "error": float(np.mean([np.mean(np.abs(e)) for e in errors])),
        "bias": float(np.mean([np.mean(e) for e in errors])),
        "aicc": found.aicc,
        "bic": found.bic,
        "params": found.nvarys,
        "reason": "; ".join(found.warnings[:2]),
    }


def _set_apart(rows: dict[str, dict[str, Any]], held: Mapping[str, list[np.ndarray]]) -> None:
    """Add to the rows how far each law is from the best, and why not to trust it."""
    best = min(held, key=lambda k: rows[k]["error"])
    apart = {k: _difference(e, held[best]) for k, e in held.items()}
    for label, (difference, se) in apart.items():
        row = rows[label]
        notes = [row["reason"]]
        if label == best:
            close = [k for k in held if k != best and apart[k][0] <= NEAR * apart[k][1]]
            notes.insert(0, f"not clearly better than {', '.join(close)}" if close else "")
        elif difference <= NEAR * se:
            notes.insert(0, "no worse than the best within its standard error")
        if abs(row["bias"]) > 0.8 * row["error"]:
            notes.append(f"predicts too {'high' if row['bias'] > 0 else 'low'} nearly everywhere")
        row.update(difference=difference, se=se, reason="; ".join(filter(None, notes)))


def _nothing(rows: Mapping[str, Mapping[str, Any]]) -> FitError:
    return FitError("no law could be compared: " + "; ".join(f"{k}: {r['reason']}" for k, r in rows.items()))


def _check_holdout(data: Any, laws: list[Law], holdout: Any) -> None:
    """A direction that is misspelt must not decide which law wins."""
    if holdout is None or (isinstance(holdout, str) and holdout in WORDS):
        return
    table = getattr(data, "frame", data)
    names = map(str, table if isinstance(table, Mapping | pd.DataFrame) else ())
    columns = {*names}.union(*(law.inputs for law in laws))
    if isinstance(holdout, str) and holdout not in columns:
        raise ArgumentError(
            f"holdout='{holdout}': no such column; say {', '.join(WORDS)}, a fraction, or one of {', '.join(sorted(columns))}."
        )
    if not isinstance(holdout, str) and not (isinstance(holdout, int | float | np.number) and 0 < holdout < 1):
        raise ArgumentError(
            f"holdout={holdout!r}: give a fraction of the rows between 0 and 1, or a direction: {', '.join(WORDS)} or a column."
        )


def _direction(laws: list[Law]) -> str:
    """One order for all laws, so that the same rows are held out; compute where their own orders are sizes and tokens."""
    found = {natural_order(law) for law in laws} - {None}
    if len(found) == 1:
        return str(found.pop())
    if found and ("compute" in found or found <= {*SIZE, *TOKENS}):
        return "compute"
    if "step" in found:
        return "step"
    which = f"are extrapolated along different columns ({', '.join(sorted(map(str, found)))})" if found else ""
    raise FitError(f"these laws {which or 'have no natural order of their rows'}; say holdout=, the column for all.")


def _words(by: str, holdout: Any) -> str:
    if by == "schedule":
        return "one run at a time"
    if isinstance(holdout, Real):
        return f"the largest {holdout:.3g} of the rows by {WORDS.get(by, by)}"
    return f"five cutoffs along {WORDS.get(by, by)}"


def _labelled(laws: list[Law]) -> dict[str, Law]:
    named: dict[str, Law] = {}
    for law in laws:
        changed = ",".join(f"{k}={v}" for k, v in law.conventions.items() if find(law.name).conventions.get(k) != v)
        label = f"{law.name}:{changed}" if changed else law.name
        if (twin := named.get(label)) and (twin.fn, twin.held, twin.params) == (law.fn, law.held, law.params):
            raise ArgumentError(f"law '{label}' is given twice, and would be compared with itself; name every law once.")
        named[label if twin is None else f"{label} ({len(named) + 1})"] = law
    return named


def _places(fits: dict[str, Fit]) -> dict[str, np.ndarray]:
    """For the rows of every law their place among the rows that all laws have, -1 for others: laws of schedules leave out the
    warm-up, laws of sizes take the end of a run."""
    frames = {label: found.design.frame for label, found in fits.items()}
    if any(found.law.over_schedules for found in fits.values()):
        named = _steps(frames)
    else:
        named = {label: frame.index for label, frame in frames.items()}
    shared = next(iter(named.values())).unique()
    for names in named.values():
        shared = shared[shared.isin(names)]
    if not len(shared):
        raise FitError(f"{', '.join(fits)} are fitted to rows of which none is common; compare laws of the same rows.")
    shared = shared.sort_values()
    return {k: np.where(names.duplicated(), -1, shared.get_indexer(names)) for k, names in named.items()}


def _steps(frames: dict[str, pd.DataFrame]) -> dict[str, pd.Index]:
    """Rows of curves by run and step (a table of one curve need not name its run)."""
    if not all("step" in frame for frame in frames.values()):
        raise FitError("laws of schedules know rows by step; name that column step, or pass Runs.from_frame(data).")
    runs = all("run" in frame for frame in frames.values())
    return {
        k: pd.MultiIndex.from_arrays([frame["run"].astype(str) if runs else np.full(len(frame), ""), frame["step"]])
        for k, frame in frames.items()
    }


def _errors(found: Fit, place: np.ndarray, by: str, holdout: Any, seed: int) -> list[np.ndarray]:
    """Relative errors of the held-out rows, one array per cutoff; every cutoff must be fittable."""
    made = found.design if (place >= 0).all() else found.design.take(np.flatnonzero(place >= 0))
    place = place[place >= 0]
    shares = FRACTIONS if holdout is None or isinstance(holdout, str) else [1 - holdout]
    splits = left_out(made, None) if by == "schedule" else cuts(order(made, by), shares)
    if not all(c.test.any() for c in splits):
        raise FitError(f"no row lies beyond a cutoff by {by}, so there is nothing to predict; say another holdout=")
    weights = np.array([c.train * made.weights for c in splits])
    with one_thread():
        fits = refit(found.law, made, found.loss, weights, params=found.coordinates.params, seed=seed)
        middle = fits.predict(fits.model(made))[0]
    back = np.exp(middle) if found.loss.log else middle
    errors = back / made.loss - 1
    if not fits.ok.all() or not all(np.isfinite(errors[f][c.test]).all() for f, c in enumerate(splits)):
        raise FitError("cannot be fitted to the smaller part of the data at every cutoff, so it cannot be compared")
    tested = [np.flatnonzero(c.test) for c in splits]  # in one order for all laws
    tested = [rows[np.argsort(place[rows])] for rows in tested]
    cutoffs = sorted(range(len(splits)), key=lambda f: (by == "schedule") * place[tested[f][0]])
    return [errors[f][tested[f]] for f in cutoffs]


def _difference(one: list[np.ndarray], best: list[np.ndarray]) -> tuple[float, float]:
    """Mean difference of |error| and its standard error; cutoffs are nested, so they count as no more than what differs."""
    if len(one) > 1:
        d = np.array([np.abs(a).mean() - np.abs(b).mean() for a, b in zip(one, best, strict=True)])
    else:
        parts = np.array_split(np.abs(one[0]) - np.abs(best[0]), 8)
        d = np.array([part.mean() for part in parts if len(part)])
    mean = float(np.mean([np.abs(a).mean() for a in one]) - np.mean([np.abs(b).mean() for b in best]))
    return mean, float(d.std(ddof=1) / np.sqrt(len(d))) if len(d) > 1 else np.nan
