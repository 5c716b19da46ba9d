"""One meaning for x and for loss: updates, and nats per token; anything else is converted by a named fact or refused."""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

STEPS: dict[str, tuple[str, str]] = {  # what a log may count -> the fact that turns it into updates, and what that is
    "updates": ("", ""),
    "micro-batches": ("accumulation", "micro-batches per update"),
    "tokens": ("batch_tokens", "tokens per update"),
    "samples": ("batch_size", "samples per update"),
    "epochs": ("steps_per_epoch", "updates per epoch"),
    "log calls": ("log_every", "updates from one log call to the next"),
}
LOSSES: dict[str, tuple[str, str]] = {  # unit -> the fact that turns it into nats per token ("": none is needed), what that is
    "nats": ("", ""),
    "bits": ("", ""),
    "perplexity": ("", ""),
    "bits per byte": ("bytes_per_token", "bytes of text per token"),
}
_UNIT_OF_NAME = (  # the first that is found in the name of a column
    (r"bpb|bits[_ -]?per[_ -]?byte", "bits per byte"),
    (r"(^|[^a-z])(ppl|perplexity)([^a-z]|$)", "perplexity"),
    (r"(^|[^a-z])(bits|bpt|base[_ -]?2|loss2|bits[_ -]?per[_ -]?token)([^a-z]|$)", "bits"),
)
LARGEST_FIRST = 15.0  # nats: ln of 3 million tokens, more than any vocabulary


def loss_unit(column: str) -> str:
    """The unit that the name of a column says its loss is in; nats where it says none."""
    return next((unit for pattern, unit in _UNIT_OF_NAME if re.search(pattern, column.lower())), "nats")


def needs(column: str) -> str:
    """The fact without which the loss in a column of this name cannot be read; "" where none is needed."""
    return LOSSES[loss_unit(column)][0]


def to_nats(loss: np.ndarray, unit: str, facts: Mapping[str, Any]) -> np.ndarray:
    """Losses in nats per token.

    Parameters
    ----------
    loss : shape (n,), in `unit`, a key of LOSSES. facts : of the run; KeyError where the one that `unit` needs is not there.
    """
    if unit == "perplexity":
        with np.errstate(divide="ignore", invalid="ignore"):
            logs: np.ndarray = np.log(loss)
        return logs
    per_token = float(facts["bytes_per_token"]) if unit == "bits per byte" else 1.0
    return loss * (1.0 if unit == "nats" else math.log(2) * per_token)


def to_updates(step: np.ndarray, unit: str, facts: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Updates made, and which of them are whole: rows in the midst of an update are not at its end.

    Parameters
    ----------
    step : shape (n,), in `unit`, a key of STEPS. facts : of the run; KeyError where the one that `unit` needs is not there.

    Returns
    -------
    updates : int64, shape (n,), rounded. whole : bool, shape (n,): within a thousandth of an update, or four digits of a log.
    """
    fact = STEPS[unit][0]
    ratio = float(facts[fact]) if fact else 1.0
    exact = step * ratio if unit in ("epochs", "log calls") else step / ratio
    updates = np.rint(exact)
    near: np.ndarray = np.abs(exact - updates) <= np.maximum(1e-3, (unit == "epochs") * np.maximum(0.5, 1e-4 * exact))
    return updates.astype(np.int64), near
