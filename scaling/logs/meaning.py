"""Rows in whatever units a log has -> updates and nats per token, once the facts of the run are known."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scaling.logs import units
from scaling.logs.columns import LOSSES
from scaling.logs.findings import Findings
from scaling.logs.rows import Curve
from scaling.schedules import MOST_UPDATES
from scaling.words import many

RISEN = 1.5  # times the first loss: further than a sum of losses that fall rises by a bad batch


def in_updates(rows: Curve, unit: str, facts: Mapping[str, Any], place: str, advice: str, findings: Findings) -> Curve | None:
    """Rows whose step counts updates; None after a problem, which names the fact that is needed.

    Parameters
    ----------
    rows : step in `unit`, a key of `units.STEPS`, and other columns. advice : what else would help.
    """
    if unit == "updates":
        return rows
    fact, what = units.STEPS[unit]
    step = rows.data["step"].astype(np.float64)
    if fact not in facts and "batch_tokens" in facts and (tokens := _tokens(rows)) is not None:
        unit, fact, step = "tokens", "batch_tokens", tokens
    if fact not in facts:
        other = " (or batch_tokens, tokens per update)" if "tokens" in rows.data and fact != "batch_tokens" else ""
        findings.problem(
            place,
            f"its steps count {unit}, not updates: {advice or f'say {fact}, {what}{other}'}: facts={{{fact!r}: NUMBER}} "
            f"(command line: --fact {fact}=NUMBER)",
        )
        return None
    if not (isinstance(facts[fact], (int, float)) and facts[fact] > 0 and math.isfinite(facts[fact])):
        findings.problem(place, f"fact {fact} is {facts[fact]!r}; {what} are a number above 0")
        return None
    first = 1.0 if unit == "epochs" and _counted_from_zero(step) else 0.0
    made, whole = units.to_updates(step + first, unit, facts)
    if made.max() > MOST_UPDATES:
        findings.problem(
            place, f"{made.max():,} updates are beyond any run (at most {MOST_UPDATES:,}); correct {fact}={facts[fact]!r}"
        )
        return None
    note = f"steps are {unit} converted to updates by {fact}={facts[fact]:g}"
    findings.note(f"{note}, epoch 0 being the first" if first else note, place)
    last = np.append(made[1:] != made[:-1], True)
    if (lost := int((~(whole & last)).sum())) and unit != "epochs":
        findings.note(f"{many(lost, 'row')} in the midst of an update left out", place)
    kept = rows.having(step=made).only(whole & last)
    if not len(kept):
        findings.problem(place, f"no row is at the end of an update by {fact}={facts[fact]:g}; correct it")
    return kept if len(kept) else None


def _tokens(rows: Curve) -> np.ndarray | None:
    """Tokens seen at every row: logged, or in proportion to the steps where some rows have them; None without either."""
    if "tokens" not in rows.data:
        return None
    tokens, step = rows.data["tokens"], rows.data["step"].astype(np.float64)
    known = np.isfinite(tokens) & (step > 0)
    if np.isfinite(tokens).all() or not known.any():
        return tokens if len(tokens) and known.any() else None
    ratio = tokens[known] / step[known]
    return step * ratio[0] if np.allclose(ratio, ratio[0], rtol=1e-6) else None


def _counted_from_zero(step: np.ndarray) -> bool:
    """Epochs by number, 0 the first, as Keras and fastai write them when each has ended; fractions say how far it is."""
    return bool(step[0] == 0 and (step == np.floor(step)).all())


def in_nats(rows: Curve, columns: Mapping[str, str], facts: Mapping[str, Any], place: str, findings: Findings) -> Curve | None:
    """Rows whose losses are nats per token; None after a problem, which names the fact that is needed.

    Parameters
    ----------
    columns : canonical name -> column of the file, whose name may say the unit.
    """
    changed = {}
    for loss in ("loss", *LOSSES):
        column = columns.get(loss, str(facts["loss_from"]) if loss == "loss" else "")
        unit = units.loss_unit(column) if loss in rows.data else "nats"
        if unit == "nats":
            continue
        fact, what = units.LOSSES[unit]
        known = not fact or (isinstance(facts.get(fact), (int, float)) and facts[fact] > 0)
        if not known and loss != "loss" and column != facts["loss_from"]:
            findings.note(f"column {column!r} is in {unit}, not nats per token: left out; {fact}, {what}, converts it", place)
            rows = Curve({name: values for name, values in rows.data.items() if name != loss}, rows.at)
            continue
        if not known:
            findings.problem(
                place,
                f"column {column!r} is in {unit}, not nats per token: say {fact}, {what}: facts={{{fact!r}: NUMBER}} "
                f"(command line: --fact {fact}=NUMBER)",
            )
            return None
        changed[loss] = units.to_nats(rows.data[loss], unit, facts)
        if (changed[loss] <= 0).any():
            findings.problem(place, f"column {column!r}, in {unit}, falls to 0 nats; laws take the logarithm of a loss")
            return None
        by = f" by {fact}={facts[fact]:g}" if fact else ""
        findings.note(f"column {column!r} is in {unit}: read as nats per token{by}", place)
    return rows.having(**changed) if changed else rows


def check_first(rows: Curve, facts: Mapping[str, Any], place: str, findings: Findings) -> None:
    """Warn of a first loss above what guessing costs: of a run that diverged, or a sum over accumulation steps, as some
    trainers log it, which falls as its parts do."""
    loss = rows.data["loss"][np.isfinite(rows.data["loss"])]
    vocabulary = facts.get("vocab")
    most, guess = units.LARGEST_FIRST, "guessing costs at most 12 or so"
    if isinstance(vocabulary, (int, float)) and vocabulary > 1:
        most, guess = 1.5 * math.log(vocabulary), f"guessing among {vocabulary:g} tokens costs {math.log(vocabulary):.3g}"
    if not len(loss) or loss[0] <= most:
        return
    ended = facts.get("status") == "diverged" and loss[-1] >= loss[0]
    if ended or loss[-1] > loss[0] or loss.max() > RISEN * loss[0]:
        findings.warn(
            f"the first loss is {loss[0]:.4g} nats, the largest {loss.max():.4g} and the last {loss[-1]:.4g}, but {guess}: "
            "the run diverged; leave it out",
            place,
        )
        return
    findings.warn(
        f"the first loss is {loss[0]:.4g} nats, but {guess}: a sum over accumulation steps? Divide it by their number, "
        "or update the trainer",
        place,
    )
