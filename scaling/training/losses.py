"""From the stream to the loss: cross-entropy for bytes, and one that never holds all logits for large vocabularies."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from scaling.training.model import BOUNDARY, Model, Watch, Weights

PLAIN = 4096  # tokens of a vocabulary whose logits are all held at once: that is quick while they fit the cache
CELLS = 2**20  # logits held at once beyond that: 4 MB


def targets(windows: Tensor, rows: int) -> Tensor:
    """The tokens (K, rows) that are predicted in some windows."""
    return windows[..., -(rows // windows.shape[1]) :].reshape(len(windows), rows)


def token_losses(logits: Tensor, windows: Tensor) -> Tensor:
    """Cross-entropy in nats of each predicted token, shape (K, batch * context), from the windows behind `logits`."""
    members, rows, vocab = logits.shape
    wanted = targets(windows, rows).view(-1)
    return F.cross_entropy(logits.view(-1, vocab), wanted, reduction="none").view(members, rows)


def judged_losses(model: Model, weights: Weights, windows: Tensor) -> Tensor:
    """`token_losses` of a model, without gradients where the vocabulary is large."""
    if model.shape.vocab <= PLAIN:
        return token_losses(model.logits(weights, windows), windows)
    x = model.features(weights, windows)
    return _in_chunks(x, weights["embedding"], targets(windows, x.shape[1]))[0]


def training_loss(
    model: Model, weights: Weights, windows: Tensor, z_loss: float, watch: Watch | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What is minimised, cross-entropy alone, and `z_loss` times (log Z)^2; each (K,), a mean over tokens.

    The last two are to be looked at, not to be differentiated.
    """
    if len(windows) > 1 and windows.device.type == "cpu" and not model.even(windows.shape[1] * model.shape.context):
        return _one_by_one(model, weights, windows, z_loss, watch)
    if model.shape.vocab > PLAIN:
        x = model.features(weights, windows, watch)
        wanted = targets(windows, x.shape[1])
        return ChunkedCrossEntropy.apply(x, weights["embedding"], wanted, z_loss)  # type: ignore[no-any-return, no-untyped-call]
    losses, log_z = CrossEntropy.apply(model.logits(weights, windows, watch), windows)  # type: ignore[no-untyped-call]
    loss = losses.mean(dim=1)
    if not z_loss:
        return loss, loss, torch.zeros_like(loss)
    z = z_loss * log_z.square().mean(dim=1)
    return loss + z, loss, z


def _one_by_one(
    model: Model, weights: Weights, windows: Tensor, z_loss: float, watch: Watch | None
) -> tuple[Tensor, Tensor, Tensor]:
    """`training_loss` of members each of whom has memory of its own."""
    offered: dict[str, list[Callable[[], Tensor]]] = {}
    offer: Watch = lambda name, get: offered.setdefault(name, []).append(get)
    members = zip(*(_apart(weight) for weight in weights.values()), strict=True)
    losses = [
        training_loss(model, dict(zip(weights, own, strict=True)), part, z_loss, watch and offer)
        for own, part in zip(members, torch.split(windows, 1), strict=True)
    ]
    for name, gets in offered.items() if watch else ():
        watch(name, lambda gets=gets: torch.cat([get() for get in gets]))  # type: ignore[misc]
    total, loss, z = (torch.cat(each) for each in zip(*losses, strict=True))
    return total, loss, z


def _apart(weight: Tensor) -> list[Tensor]:
    """A weight of each member, which begins where that of one alone would, seen from boundaries in memory."""
    own = list(torch.split(weight, 1))
    return own if weight.stride(0) % BOUNDARY == 0 else [part.clone() for part in own]  # as quantised ones may lie anywhere


class CrossEntropy(torch.autograd.Function):
    """`token_losses` for training, and log Z of each token: one pass of exponentials serves the loss and its gradient.

    Differentiable once, so probes that look at curvature use `token_losses`.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, windows: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        wanted = targets(windows, logits.shape[1]).unsqueeze(2)
        chances, log_z = _chances(logits)
        ctx.save_for_backward(chances, wanted)
        return (log_z - logits.gather(2, wanted)).squeeze(2), log_z.squeeze(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_loss: Tensor, of_log_z: Tensor | None) -> tuple[Tensor, None]:
        chances, wanted = ctx.saved_tensors
        of_loss = of_loss.unsqueeze(2)
        slope = chances.mul_(of_loss if of_log_z is None else of_loss + of_log_z.unsqueeze(2))
        return _less_at(slope, wanted, of_loss), None


class ChunkedCrossEntropy(torch.autograd.Function):
    """`training_loss` of rows x (K, rows, d) under a head (K, V, d): gradients are made with the losses, chunk by chunk.

    It holds `CELLS` logits at once and computes none twice (cf. 2411.09009, 2410.10989). Members come one after the other.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, wanted: Tensor, z_loss: float) -> tuple[Tensor, Tensor, Tensor]:
        slopes = torch.empty_like(x), torch.zeros_like(head)
        losses, log_z = _in_chunks(x, head, wanted, z_loss, slopes)
        ctx.save_for_backward(*slopes)
        loss, z = losses.mean(dim=1), z_loss * log_z.square().mean(dim=1)
        ctx.mark_non_differentiable(loss, z)
        return loss + z, loss, z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_total: Tensor, *_: Any) -> tuple[Tensor, Tensor, None, None]:
        of_x, of_head = ctx.saved_tensors
        by = of_total.view(-1, 1, 1)
        return of_x.mul_(by), of_head.mul_(by), None, None


def chunks(rows: int, vocab: int) -> Iterator[slice]:
    """Rows in parts that have `CELLS` logits each."""
    size = max(1, CELLS // vocab)
    return (slice(first, first + size) for first in range(0, rows, size))


def _in_chunks(
    x: Tensor, head: Tensor, wanted: Tensor, z_loss: float = 0.0, slopes: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Cross-entropy and log Z of each row, (K, rows); the slopes of `training_loss` go to the two tensors given."""
    rows = x.shape[1]
    losses, log_z = x.new_empty(x.shape[:2]), x.new_empty(x.shape[:2])
    for k, (own, table) in enumerate(zip(x, head, strict=True)):
        for at in chunks(rows, len(table)):
            logits, right = own[at] @ table.T, wanted[k, at].unsqueeze(1)
            chances, z = _chances(logits)
            losses[k, at], log_z[k, at] = (z - logits.gather(1, right)).squeeze(1), z.squeeze(1)
            if slopes:
                slope = _less_at(chances.mul_((1 + 2 * z_loss * z) / rows), right, torch.full_like(z, 1 / rows))
                slopes[0][k, at] = slope @ table
                slopes[1][k].addmm_(slope.T, own[at])
    return losses, log_z


def _chances(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax over the last axis, and log Z with that axis kept."""
    chances = torch.softmax(logits, dim=-1)
    return chances, logits.amax(dim=-1, keepdim=True) - chances.amax(dim=-1, keepdim=True).log_()


def _less_at(slope: Tensor, wanted: Tensor, amount: Tensor) -> Tensor:
    """`slope` less an amount at one place of each row, in place."""
    if slope.device.type == "cpu":
        return slope.scatter_add_(-1, wanted, -amount)
    # on CUDA, a deterministic scatter may ask the host, which no graph allows
    return slope.sub_(amount * (torch.arange(slope.shape[-1], device=slope.device) == wanted))
