"""`scaling plan --mixture`: shares of the tokens for families or domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from scaling.cli import output
from scaling.cli.options import Printing, UsageError, number, pairs, saved_fit

Objective = Literal["normalised", "sum", "worst"]


def mixture_plan(
    mixture: Sequence[str],
    N: float | None,
    D: float | None,
    objective: Objective,
    weight: Sequence[str],
    floor: Sequence[str],
    cap: Sequence[str],
    level: float,
    seed: int,
    printing: Printing,
) -> None:
    """Print the best shares for saved fits, given as name=fit.json."""
    from scaling.planning import own_shares, search

    fits = {name: saved_fit(path) for name, path in pairs(mixture, "--mixture").items()}
    common: dict[str, Any] = {
        "N": N, "D": D, "weights": _numbers(weight, "--weight") or None, "floors": _bound(floor, "--floor", 0.0),
        "caps": _bound(cap, "--cap", 1.0), "level": level, "seed": seed,
    }  # fmt: skip
    if all(fit.law.layout is not None for fit in fits.values()):
        if objective != "normalised":
            raise UsageError("--objective is for families; mixture laws minimise the weighted sum of losses")
        found = search(fits, **common)
    elif N is None or D is None:
        raise UsageError("plan --mixture of families needs --N and --D of the planned run")
    else:
        found = own_shares(fits, objective=objective, **common)
    if printing.json:
        output.document({
            "objective": found.objective, "value": found.value, "at_reference": found.at_reference,
            "gain": found.gain, "gain_lower": found.gain_lower, "gain_upper": found.gain_upper, "level": level,
            "worth_it": found.worth_it, "residual": found.residual,
            "shares": found.frame.rename_axis("name").reset_index(),
            "losses": found.losses.rename_axis("name").reset_index(), "notes": found.notes,
        })  # fmt: skip
        return
    print(found)


def _numbers(texts: Sequence[str], option: str) -> dict[str, float]:
    out = {}
    for name, text in pairs(texts, option).items():
        try:
            out[name] = number(text)
        except ValueError as wanted:
            raise UsageError(f"{option} {name}={text}: must be {wanted}") from None
    return out


def _bound(texts: Sequence[str], option: str, missing: float) -> float | dict[str, float]:
    """One number for all, or numbers by name."""
    if not texts:
        return missing
    if len(texts) == 1 and "=" not in texts[0]:
        try:
            return number(texts[0])
        except ValueError as wanted:
            raise UsageError(f"{option} {texts[0]}: must be {wanted}, or name={wanted}") from None
    return _numbers(texts, option)
