"""K members learning side by side: their weights, and one update as a fixed chain of tensor operations.

The chain reads rates, places in the text and steps from tensors on the device and writes losses there, so that a CUDA
graph can replay it; on the CPU the same code runs eagerly. Nothing is reduced over members.
"""

import os
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from scaling.errors import TrainingError
from scaling.training.experts import SLOPE
from scaling.training.losses import training_loss
from scaling.training.model import BOUNDARY, Model, Rules, Watch, fake_quantised
from scaling.training.optimisers import RULES, Rule
from scaling.training.spec import RunSpec
from scaling.training.steps import gauge, looked_at

CHUNK = 128  # updates between two looks of the host, at most: the length of the ring that losses are written to


def prepare(device: str | None) -> torch.device:
    """Choose the device, default cuda if there is one, and set torch up so that equal runs give equal bits."""
    if device not in (None, "cpu", "cuda"):
        raise TrainingError(f"device {device!r}: choose 'cpu' or 'cuda'")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device 'cuda': torch sees no CUDA device here; use device 'cpu', or a CUDA build of torch")
    torch.set_num_threads(1)  # fastest for small models: more threads mostly wait for each other
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda":  # on the CPU every kernel used here is deterministic anyway
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return where


class Losses(NamedTuple):
    """What `Stack.advance` saw: each (K, updates), the loss before the update and the gradient before clipping.

    `watched` has what `RunSpec.watched` names, (names, K, updates).
    """

    train: np.ndarray
    z: np.ndarray
    grad_norm: np.ndarray
    watched: np.ndarray


def model_of(spec: RunSpec) -> Model:
    """The model of a run."""
    rules = Rules.of(spec.parametrization, spec.d_model / spec.base_width, spec.n_layer / spec.base_depth)
    return Model(spec.shape, rules)


class Stack:
    """K members of one kind on a device; member k trains nothing sensible before `start`.

    `spec` is for all that they share (`RunSpec.kind`), `longest` the updates of the longest run that will come,
    `text` what is learned from, `quantise` whether any member will ever be in quantised training.
    """

    def __init__(
        self, spec: RunSpec, members: int, longest: int, text: np.ndarray, device: torch.device, quantise: bool = False
    ):
        self.model, self.spec = model_of(spec), spec
        self.device, self.members, self.quantise = device, members, quantise
        empty: Any = {"dtype": torch.float32, "device": device}
        size = (members, -(-self.model.n_params // BOUNDARY) * BOUNDARY)  # every member begins at a boundary in memory
        self.flat, self.grads = (torch.zeros(size, **empty)[:, : self.model.n_params] for _ in range(2))
        self.rule: Rule = RULES[spec.optimiser](spec, self.model, self.flat)
        self.weights = {name: view.requires_grad_() for name, view in self.model.views(self.flat).items()}
        slopes = self.model.views(self.grads)
        self.slopes = list(slopes.values())
        self.into = {name + SLOPE: slope for name, slope in slopes.items() if slope.dim() == 4}  # experts write theirs here
        self.text = torch.tensor(text, device=device)
        self.span = torch.arange(self.model.span(), device=device)
        columns = self._constants(spec).shape[1]
        self.updates = torch.zeros(members, longest, columns, **empty)  # of each member: see `_constants`
        self.plan = torch.zeros(CHUNK, columns, members, 1, **empty)  # those of the updates of a chunk
        self.clip = torch.full((members, 1), spec.clip, **empty)
        self.step = torch.zeros(members, dtype=torch.int64, device=device)
        self.cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self.windows = torch.zeros(CHUNK, members, spec.batch, self.model.span(), dtype=self.text.dtype, device=device)
        self.ring = torch.zeros(CHUNK, 3 + len(spec.watched), members, **empty)
        self.rows = torch.arange(members, device=device)
        self.graph: Any = None
        self.probing = False  # is the last update before a row to be looked at?
        self.before = self.flat  # weights before it

    def start(self, k: int, spec: RunSpec, state: dict[str, Any] | None = None) -> None:
        """Make member k the run of `spec`: at its first update, or where `state` was taken."""
        with torch.no_grad():
            self.updates[k].zero_()
            self.updates[k, : len(spec.updates)] = torch.tensor(self._constants(spec), dtype=torch.float32)
            self.clip[k] = spec.clip
            state = state or {"flat": self.model.initial(spec.seed), "step": 0}
            self.flat[k], self.step[k] = state["flat"], state["step"]
            self.rule.start(k, self.flat[k], state)

    def state(self, k: int) -> dict[str, Any]:
        """All that member k has learned, on the host: weights, state of the optimiser, updates done."""
        kept = {"flat": self.flat, **self.rule.slots}
        return {name: buffer[k].detach().cpu().clone() for name, buffer in kept.items()} | {"step": int(self.step[k])}

    def advance(self, places: np.ndarray) -> Losses:
        """Do some updates, at most `CHUNK`: each sequence begins where `places` (updates, K, batch) says."""
        n = len(places)
        self.windows[:n] = self.text[torch.from_numpy(places).to(self.device).unsqueeze(-1) + self.span]
        steps = self.step + torch.arange(n, device=self.device).unsqueeze(1)
        self.plan[:n] = self.updates[self.rows, steps].transpose(1, 2).unsqueeze(3)
        self.cursor.zero_()
        # a graph has fixed shapes, and experts have as many rows as come
        if self.device.type == "cuda" and self.graph is None and self.spec.experts == 1:
            self._capture()
        for i in range(n):
            if self.probing and i == n - 1:
                self.before, self.last = self.flat.detach().clone(), self.windows[i].long()
            if self.graph is None:
                self._update()
            else:
                self.graph.replay()
        self.step += n
        train, z, grad_norm, *watched = self.ring[:n].cpu().numpy().transpose(1, 2, 0)  # the one wait for the device
        return Losses(train, z, grad_norm, np.array(watched).reshape(-1, *train.shape))

    @staticmethod
    def _constants(spec: RunSpec) -> np.ndarray:
        """What the optimiser needs to know of each update of a run, and levels of a weight; (updates, n)."""
        return np.column_stack([RULES[spec.optimiser].constants(spec), spec.updates[:, 2]])

    def levels(self, members: Tensor) -> Tensor:
        """Levels that the weights of some members were rounded to in their last update."""
        return self.updates[members, (self.step[members] - 1).clamp_min(0), -1]

    def seen(self, weights: dict[str, Tensor], levels: Tensor) -> dict[str, Tensor]:
        """The weights that the forward pass uses: block matrices rounded for members in quantised training."""
        if not self.quantise:
            return weights
        return weights | {name: fake_quantised(weights[name], levels) for name in self.model.hidden}

    def _update(self) -> None:
        """One update of every member. In a graph: no host value may enter, no shape or address may change."""
        spec, model = self.spec, self.model
        *constants, levels = self.plan.index_select(0, self.cursor).squeeze(0).unbind()  # each (K, 1)
        windows = self.windows.index_select(0, self.cursor).squeeze(0).long()

        loads: list[Tensor] = []
        watch = self._loads_to(loads) if spec.experts > 1 else None
        weights = self.seen(self.weights, levels) | self.into
        total, loss, z = training_loss(model, weights, windows, spec.z_loss, watch)
        # the sum over members is for autograd alone: each has slope 1 in it, also beside one that is not finite
        slopes = torch.autograd.grad(total.sum(), list(self.weights.values()), materialize_grads=True)
        with torch.no_grad():
            if self.into:
                apart = [pair for pair in zip(self.slopes, slopes, strict=True) if pair[0].data_ptr() != pair[1].data_ptr()]
                torch._foreach_copy_([target for target, _ in apart], [slope for _, slope in apart])
                # a dot product is several times as fast, but would change the last bits of all dense runs
                norm = torch.stack([own.dot(own) for own in self.grads]).sqrt_().unsqueeze(1)
            else:
                torch._foreach_copy_(self.slopes, slopes)
                norm = torch.linalg.vector_norm(self.grads, dim=1, keepdim=True)
            scale = (self.clip / (norm + 1e-6)).clamp_(max=1.0)
            before = self.flat.clone() if spec.safe_step else self.flat
            watched = self.rule.update(self.flat, self.grads, (*constants,), total.unsqueeze(1), scale)
            if spec.safe_step:
                watched = [*watched, self._held_back(before, levels, windows)]
            if loads:
                watched.append(self._balance(loads))
            seen = torch.stack([loss, z, *(x.squeeze(1) for x in (norm, *watched))])
            self.ring.index_copy_(0, self.cursor, seen.unsqueeze(0))
            self.cursor.add_(1)

    def _held_back(self, before: Tensor, levels: Tensor, windows: Tensor) -> Tensor:
        """Take back what of the update goes beyond the safe step; returns the share of it that stays, (K, 1)."""
        change, views = self.flat - before, self.model.views
        ratio, _ = gauge(self.model, self.seen(views(before), levels), views(change), windows)
        share = (self.spec.safe_step / ratio).clamp(max=1.0).unsqueeze(1)
        # a whole update keeps its bits; a small share of a large one is not what is left of it after rounding
        self.flat.copy_(torch.where(share == 1, self.flat, before + change * share))
        return share

    def probes(self, k: int, origin: Tensor) -> dict[str, float]:
        """What `looked_at` says of the last update of member k, whose weights were `origin` (P,) at first."""
        one, flat = slice(k, k + 1), self.flat.detach()[k : k + 1]
        weights = self.seen(self.model.views(self.before[one]), self.levels(self.rows[one]))
        return looked_at(self.model, weights, flat - self.before[one], flat - origin.to(self.device), self.last[one])

    def _loads_to(self, loads: list[Tensor]) -> Watch:
        return lambda name, get: loads.append(get()) if name.endswith(".load") else None

    def _balance(self, loads: list[Tensor]) -> Tensor:
        """Move the biases of experts against their loads; returns largest load over mean, less 1, (K, 1), mean over blocks."""
        biases = [weight for name, weight in self.weights.items() if name.endswith(".bias")]
        worst = torch.zeros(self.members, device=self.device)
        for bias, load in zip(biases, loads, strict=True):
            mean = load.float().mean(dim=1, keepdim=True)
            bias.add_((mean - load).sign(), alpha=self.spec.balance)
            worst += (load.amax(dim=1) / mean.squeeze(1) - 1) / len(loads)
        return worst.unsqueeze(1)

    def _capture(self) -> None:
        """Record one update as a CUDA graph, on copies of the state, so that capturing trains nothing."""
        kept = [x.clone() for x in self._changing()]
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # workspaces of the libraries must exist before
                self._update()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._update()
        self.graph = graph
        with torch.no_grad():
            for x, old in zip(self._changing(), kept, strict=True):
                x.copy_(old)

    def _changing(self) -> list[Tensor]:
        return [self.flat.detach(), *self.rule.slots.values(), self.cursor, self.ring]
