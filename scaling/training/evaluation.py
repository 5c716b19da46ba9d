"""When a run is evaluated, and how: on fixed windows, in double precision, without touching the training."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from scaling.training.corpus import Corpus, validation_windows
from scaling.training.losses import judged_losses
from scaling.training.model import Model

_CHUNK = 128  # windows a forward pass: small enough for the cache, and fixed so that sums never change order


class Judge(NamedTuple):
    """A fixed validation set: windows (n, span) of one source, the source's weight in the mean, and bytes a token."""

    source: str
    share: float
    windows: Tensor
    width: float = 1.0


class Judged(NamedTuple):
    """Loss of one member in nats a token, its standard error by sequence, the loss on each source, and nats a byte.

    One sequence has no standard error.
    """

    loss: float
    standard_error: float | None
    by_source: dict[str, float]
    per_byte: float


def judges(corpus: Corpus, tokens: int, context: int, span: int, device: torch.device) -> list[Judge]:
    """Fixed validation sets of `tokens` predicted tokens, one for each source; `span` is the tokens of a window."""
    return [
        Judge(source.name, source.share, torch.from_numpy(windows).to(device).long(), corpus.width(windows, context))
        for source in corpus.sources
        for windows in [validation_windows(source.validation, tokens, context, span)]
    ]


def in_bytes(corpus: Corpus, sets: Sequence[Judge], context: int, final: Judged | None) -> dict[str, float | None]:
    """What makes losses of different vocabularies comparable: nats a byte, bytes a token, and a unigram model's loss."""
    read = [(judge.share, judge.windows[:, -context:].cpu().numpy()) for judge in sets]
    return {
        "final_loss_byte": final and final.per_byte,
        "bytes_per_token": corpus.bytes_of(corpus.text) / len(corpus.text),
        "unigram_loss": sum(share * corpus.unigram_loss(tokens) for share, tokens in read),
    }


def evaluation_steps(rates: np.ndarray, every: int) -> np.ndarray:
    """Steps (updates done) with a row: 1, 2, 4, .. below `every`, its multiples, the last step, the cooldown.

    The cooldown is what follows the last update at the peak of `rates`, if it is at most half of the run. There the
    loss moves fastest and laws learn most, so rows are five times denser, with one just before and one just after
    the rate first falls.
    """
    n = len(rates)
    steps = {2**k for k in range(every.bit_length()) if 2**k < every} | {*range(every, n, every), n}
    falls = n - int(np.argmax(rates[::-1]))  # updates done when the peak rate was last used
    if n / 2 <= falls < n:
        dense = max(1, every // 5)
        steps |= {falls, falls + 1, *range(-(-falls // dense) * dense, n, dense)}
    return np.array(sorted(step for step in steps if step <= n))


@torch.no_grad()
def evaluate(model: Model, weights: Mapping[str, Tensor], judges: Sequence[Judge]) -> list[Judged]:
    """Mean losses of K members, whose named tensors are `weights` (K, ..), on fixed windows.

    Every token of a source has the same weight. The standard error is by sequence: tokens of one window are far from
    independent, windows nearly are.
    """
    members = len(weights["norm"])
    loss, variance, per_byte = np.zeros(members), np.zeros(members), np.zeros(members)
    by_source: list[dict[str, float]] = [{} for _ in range(members)]
    for source, share, windows, width in judges:
        means = torch.cat([_means(model, weights, part, members) for part in torch.split(windows, _CHUNK)], dim=1)
        for k, of_one in enumerate(means):  # one member after the other: sums of one never depend on how many there are
            mean = float(of_one.mean())
            by_source[k][source] = mean
            loss[k] += share * mean
            per_byte[k] += share * mean / width
            if share:
                variance[k] += share**2 * (float(of_one.var()) / len(of_one) if len(of_one) > 1 else np.nan)
    errors = [None if np.isnan(value) else float(np.sqrt(value)) for value in variance]
    return [Judged(float(loss[k]), errors[k], by_source[k], float(per_byte[k])) for k in range(members)]


def _means(model: Model, weights: Mapping[str, Tensor], part: Tensor, members: int) -> Tensor:
    windows = part.expand(members, -1, -1)
    losses = judged_losses(model, weights, windows).double()
    return losses.view(members, len(part), -1).mean(dim=2)
