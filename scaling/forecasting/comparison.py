"""Laws side by side, by what they predict of data they have not seen; never ranked by how well they fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from scaling.errors import FitError, ScalingError
from scaling.fitting import fit
from scaling.fitting.design import Design
from scaling.fitting.refit import refit
from scaling.forecasting.backtests import FRACTIONS, Cut, cuts, left_out
from scaling.forecasting.order import natural_order, order
from scaling.formula import Law
from scaling.laws import find

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
    data : as in `scaling.fit`. All laws are held out the same rows.
    laws : laws, their names, or text with conventions; a single one is checked alone.
    holdout : what is predicted from the rest: None, the larger part at five cutoffs along the laws' natural order; a
        fraction, the largest rows at that one cutoff; "compute", "size", "tokens", "step" or a column, five cutoffs along
        it; "schedule", one run at a time.

    Returns
    -------
    DataFrame
        One row per law, best first: ``error`` (mean over cutoffs of the mean |relative error|), ``difference`` to the best
        and its standard error ``se`` over cutoffs (over blocks of rows for a single cutoff), ``bias``, then in-sample
        ``aicc`` and ``bic`` (of the residual variance in the objective's units), ``params``, and ``reason``: why not to
        trust a row.

    Raises
    ------
    FitError : no law could be compared.
    """
    chosen = [find(law) for law in ([laws] if isinstance(laws, str | Law) else laws)]
    if not chosen:
        raise FitError("compare needs at least one law, for example ['chinchilla', 'power_law'].")
    _check_holdout(data, chosen, holdout)
    held: dict[str, list[np.ndarray]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for law in chosen:
        label = _label(law, rows)
        try:
            found = fit(data, law, objective=objective, delta=delta, seed=seed)
            held[label] = _errors(found.design, law, found, holdout, seed)
        except ScalingError as problem:
            rows[label] = {"error": np.nan, "reason": str(problem).splitlines()[0]}
            continue
        p = len(found.frame.params)
        rows[label] = {
            "error": float(np.mean([np.mean(np.abs(e)) for e in held[label]])),
            "bias": float(np.mean([np.mean(e) for e in held[label]])),
            **_criteria(found, len(found.design), p),
            "params": p,
            "reason": "; ".join(found.warnings[:2]),
        }
    if not held:
        raise FitError("no law could be compared: " + "; ".join(f"{k}: {r['reason']}" for k, r in rows.items()))
    best = min(held, key=lambda k: rows[k]["error"])
    apart = {k: _difference(e, held[best]) for k, e in held.items()}
    for label, (difference, se) in apart.items():
        row = rows[label]
        notes = [row["reason"]]
        if label == best:
            close = [k for k in held if k != best and _near(*apart[k])]
            notes.insert(0, f"not clearly better than {', '.join(close)}" if close else "")
        elif _near(difference, se):
            notes.insert(0, "no worse than the best within its standard error")
        if abs(row["bias"]) > 0.8 * row["error"]:
            notes.append(f"predicts too {'high' if row['bias'] > 0 else 'low'} nearly everywhere")
        row.update(difference=difference, se=se, reason="; ".join(filter(None, notes)))
    columns = ["error", "difference", "se", "bias", "aicc", "bic", "params", "reason"]
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).rename_axis("law")
    table = table.sort_values("error", kind="stable")
    table.attrs["holdout"] = "five cutoffs along the natural order" if holdout is None else str(holdout)
    return table


def _check_holdout(data: Any, laws: list[Law], holdout: float | str | None) -> None:
    """A direction that is misspelt must not decide which law wins."""
    if not isinstance(holdout, str) or holdout in ("schedule", "compute", "size", "step"):
        return
    columns = {*map(str, getattr(data, "frame", data))} | {i for law in laws for i in law.inputs}
    if holdout not in columns:
        raise FitError(
            f"holdout='{holdout}': no such column; say compute, size, step, schedule, a fraction, or one of "
            f"{', '.join(sorted(columns))}."
        )


def _label(law: Law, known) -> str:
    plain = find(law.name).conventions
    changed = ",".join(f"{k}={v}" for k, v in law.conventions.items() if plain.get(k) != v)
    name = f"{law.name}:{changed}" if changed else law.name
    return name if name not in known else f"{name} ({len(known) + 1})"


def _errors(made: Design, law: Law, found, holdout, seed: int) -> list[np.ndarray]:
    """Relative errors of the held-out rows, one array per cutoff; every cutoff must be fittable."""
    splits = _splits(made, law, holdout)
    weights = np.array([c.train * made.weights for c in splits])
    with threadpool_limits(1):
        fits = refit(law, made, found.loss, weights, params=found.frame.params, seed=seed)
        middle = fits.predict(made)[0]
    back = np.exp(middle) if found.loss.log else middle
    errors = back / made.loss - 1
    if not fits.ok.all() or not all(np.isfinite(errors[f][c.test]).all() for f, c in enumerate(splits)):
        raise FitError(
            "cannot be fitted to the smaller part of the data at every cutoff, so it cannot be compared there"
        )
    return [errors[f][c.test] for f, c in enumerate(splits)]


def _splits(made: Design, law: Law, holdout: float | str | None) -> list[Cut]:
    if holdout == "schedule":
        return left_out(made, None)
    by = holdout if isinstance(holdout, str) else natural_order(law)
    if by is None:
        raise FitError("has no natural order of its rows; say holdout=, a column along which it is extrapolated")
    if isinstance(holdout, (int, float)):
        if not 0 < holdout < 1:
            raise FitError(f"holdout={holdout} must be a fraction of the rows between 0 and 1, or a direction.")
        return cuts(order(made, by), [1 - holdout])
    return cuts(order(made, by), FRACTIONS)


def _difference(one: list[np.ndarray], best: list[np.ndarray]) -> tuple[float, float]:
    """Mean difference of |error| and its standard error; cutoffs are nested, so they count as no more than what differs."""
    if len(one) > 1:
        d = np.array([np.abs(a).mean() - np.abs(b).mean() for a, b in zip(one, best, strict=True)])
    else:
        a, b = np.abs(one[0]), np.abs(best[0])
        n = min(len(a), len(b))
        d = np.array(
            [part.mean() for part in np.array_split((a - b)[:n] if len(a) == len(b) else a[:n] - b[:n], 8) if len(part)]
        )
    mean = float(np.mean([np.abs(a).mean() for a in one]) - np.mean([np.abs(b).mean() for b in best]))
    return mean, float(d.std(ddof=1) / np.sqrt(len(d))) if len(d) > 1 else np.nan


def _near(difference: float, se: float) -> bool:
    return bool(difference <= NEAR * se)


def _criteria(found, n: int, p: int) -> dict[str, float]:
    """AICc and BIC of a Gaussian with the fit's residual variance; its variance counts as a parameter."""
    with np.errstate(all="ignore"):
        model = found._model(found.design)
        r = found.loss.link(model.value(model.terms(found.t[None]))[0]) - found.loss.link(found.design.loss)
    k = p + 1
    deviance = n * np.log(np.mean(r**2))
    small = 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else np.inf
    return {"aicc": float(deviance + 2 * k + small), "bic": float(deviance + k * np.log(n))}
