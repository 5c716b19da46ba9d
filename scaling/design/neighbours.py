"""Very long curves in means of neighbouring rows, which say the same in fewer: the noise of a row is kept beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

LONG = 10_000  # rows of a run that are fitted as they are
FAR = 5.0  # robust standard deviations of its neighbours beyond which a row counts as one so far
NOISE = "row_noise"  # column: how far the rows of a mean scatter around it (rms), as a part of the loss


def group(longest: int) -> int:
    """How many neighbours make one mean, an odd number, where the longest run has so many rows."""
    return -(-longest // LONG) // 2 * 2 + 1 if longest > LONG else 1


def means(rows: pd.DataFrame, size: int) -> pd.DataFrame:
    """The middle ones of every `size` rows of a run, with means of ln loss (of the loss, where some are not positive).

    Counted from the first row, so that runs which share a trunk share its means. What is left at the end, fewer than `size`
    rows, is one more.
    """
    loss = rows["loss"].to_numpy(float)
    positive = bool((loss > 0).all())
    values, whole = np.log(loss) if positive else loss, len(loss) // size * size
    parts = [values[:whole].reshape(-1, size)]
    if left := len(loss) - whole:
        last = whole + 1 - left % 2  # an odd number of them has a middle
        parts += [values[last:][None]] if last < len(loss) else []
    middle = np.append(np.arange(size // 2, whole, size), [(last + len(loss)) // 2] if len(parts) > 1 else []).astype(int)
    found = [_mean(part) for part in parts if part.size]
    mean, sd = (np.concatenate(x) for x in zip(*found, strict=True))
    if positive:
        return rows.iloc[middle].assign(loss=np.exp(mean), **{NOISE: sd})
    return rows.iloc[middle].assign(loss=mean, **{NOISE: sd / np.abs(mean)})


def _mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scatter around it (m,) of the rows of values (m, k), few far ones brought in."""
    middle = np.median(values, axis=1, keepdims=True)
    width = FAR * 1.4826 * np.median(np.abs(values - middle), axis=1, keepdims=True)
    kept = np.clip(values, middle - width, middle + width)
    return kept.mean(1), kept.std(1)
