"""A mixture of experts: which of them each row passes, and what they make of it, every row multiplied by its own alone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SLOPE = ".slope"  # behind the name of matrices: memory that their slopes may be written to


def mixture(x: Tensor, weights: Mapping[str, Tensor], top_k: int) -> tuple[Tensor, Tensor]:
    """What the chosen experts make of every row of x (K, rows, d), each times its gate; and rows of each expert, (K, E).

    `weights` are `router` (K, d, E), `bias` (K, E), `up` (K, E, d, ff) and `out` (K, E, ff, d). Loss-free balancing
    (2408.15664): a bias has a say in which experts are chosen, not in how much they count. Gates are sigmoids, scaled so
    that those of a row sum to about one at the start.
    """
    asked, experts = torch.bmm(x, weights["router"]), weights["bias"].shape[1]
    gates, orders, loads = list[Tensor](), list[Tensor](), list[Tensor]()
    # one member after the other: where a number lies in memory decides the last bits of its sigmoid
    for own, bias in zip(torch.split(asked, 1), weights["bias"].detach(), strict=True):
        gate = torch.sigmoid(own.squeeze(0))
        biased = gate.detach() + bias
        chosen = biased.max(dim=1, keepdim=True)[1] if top_k == 1 else torch.topk(biased, top_k, dim=1)[1]
        passes = chosen.flatten() == torch.arange(experts, device=x.device).unsqueeze(1)  # (E, rows top_k)
        gates.append(gate.gather(1, chosen).mul(2 / top_k))
        orders.append(passes.nonzero()[:, 1])
        loads.append(passes.sum(dim=1))
    load = torch.stack(loads)
    slopes = (weights.get(name + SLOPE) for name in ("up", "out"))
    made = Experts.apply(x, weights["up"], weights["out"], *slopes, orders, load.tolist())  # type: ignore[no-untyped-call]
    mixed = made.view(*x.shape[:2], top_k, -1) * torch.stack(gates).unsqueeze(3)
    return (mixed.squeeze(2) if top_k == 1 else mixed.sum(dim=2)), load


class Experts(torch.autograd.Function):
    """Rows x (K, rows, d), each through its experts: up (K, E, d, ff) and out (K, E, ff, d); gives (K, rows top_k, d).

    `orders` have the places (row top_k + choice) of the rows of the first expert, then of the second, .., `loads` how many
    each has, one for each member. Rows are sorted once, and products written where they belong, without a copy.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, up: Tensor, out: Tensor, of_up: Tensor | None, of_out: Tensor | None,
        orders: list[Tensor], loads: list[list[int]],
    ) -> Tensor:  # fmt: skip
        top_k, found, kept = len(orders[0]) // x.shape[1], list[Tensor](), list[Tensor]()
        for k, (order, load) in enumerate(zip(orders, loads, strict=True)):
            parts = x[k].index_select(0, order if top_k == 1 else order.div(top_k, rounding_mode="floor"))
            risen = _products(parts, up[k], load)
            bent = F.gelu(risen)
            made = _products(bent, out[k], load)
            places = torch.empty_like(order)  # of the rows, among those by expert
            places[order] = torch.arange(len(order), device=x.device)
            found.append(made.index_select(0, places))
            kept += [order, places, parts, risen, bent]
        ctx.top_k, ctx.loads, ctx.into = top_k, loads, (of_up, of_out)
        ctx.save_for_backward(up, out, *kept)
        return found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_made: Tensor) -> tuple[Tensor | None, ...]:
        up, out, *kept = ctx.saved_tensors
        of_up, of_out = (torch.empty_like(w) if into is None else into for w, into in zip((up, out), ctx.into, strict=True))
        found = list[Tensor]()
        for k, load in enumerate(ctx.loads):
            order, places, parts, risen, bent = kept[5 * k : 5 * k + 5]
            slope = of_made[k].index_select(0, order)
            _slopes(bent, slope, load, of_out[k])
            slope_up = torch.ops.aten.gelu_backward(_products(slope, out[k].mT, load), risen)
            _slopes(parts, slope_up, load, of_up[k])
            of_x = _products(slope_up, up[k].mT, load).index_select(0, places)
            found.append(of_x if ctx.top_k == 1 else of_x.view(-1, ctx.top_k, of_x.shape[1]).sum(dim=1))
        of_all = found[0].unsqueeze(0) if len(found) == 1 else torch.stack(found)
        return of_all, of_up, of_out, None, None, None, None


def _products(rows: Tensor, matrices: Tensor, load: list[int]) -> Tensor:
    """Some rows times the first matrix, the next times the second, .."""
    made = rows.new_empty(len(rows), matrices.shape[2])
    for own, matrix, target in zip(torch.split(rows, load), matrices, torch.split(made, load), strict=True):
        torch.mm(own, matrix, out=target)
    return made


def _slopes(rows: Tensor, slopes: Tensor, load: list[int], into: Tensor) -> None:
    """Write those of the matrices (E, n, m) that rows (.., n) were multiplied by, from the slopes (.., m) of the products."""
    for own, slope, target in zip(torch.split(rows, load), torch.split(slopes, load), into.mT, strict=True):
        torch.mm(slope.T, own, out=target)
