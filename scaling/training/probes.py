"""What to look at inside a model: sizes of gradients and updates, attention logits, noise scale, sharpness, width.

A `Bench` holds a run that is trained some updates at a time; the probes look at it in between and change nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaling.errors import ArgumentError, TrainingError
from scaling.procedures import batch
from scaling.training.corpus import Corpus
from scaling.training.losses import token_losses
from scaling.training.spec import RunSpec
from scaling.training.stack import Losses, Stack, prepare


class Bench:
    """A run on the table: trained some updates at a time, looked at in between; on the CPU unless `device` says cuda."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: str | None = "cpu"):
        tokens = 256 if corpus.vocabulary is None else len(corpus.vocabulary.widths)
        if tokens != spec.vocab:
            raise TrainingError(
                f"vocab = {spec.vocab}, and the corpus is written in {tokens} tokens: read it with read_corpus(corpus, vocab)"
            )
        self.spec, self.corpus = spec, corpus
        self.stack = Stack(spec, 1, spec.table.steps, corpus.text, prepare(device), spec.qat_bits > 0)
        self.stack.start(0, spec)

    def train(self, updates: int) -> Losses:
        """Do some updates, the same as `train` would; at most 128 at a time."""
        step, span, spec = int(self.stack.step[0]), self.stack.model.span(), self.spec
        places = [self.corpus.places(step + i, spec.batch, span, spec.data_seed) for i in range(updates)]
        return self.stack.advance(np.stack(places)[:, None])

    def windows(self, batch: int, seed: int = 0) -> Tensor:
        """Windows (1, batch, span) of the training text, in no relation to those of any update."""
        span = self.stack.model.span()
        places = self.corpus.places(2**40 + seed, batch=batch, span=span, seed=self.spec.data_seed)
        return self.stack.text[torch.from_numpy(places)[None, :, None].to(self.stack.device) + self.stack.span].long()

    def loss(self, flat: Tensor, windows: Tensor) -> Tensor:
        """Loss (scalar) of the weights in `flat` (1, P)."""
        model = self.stack.model
        return token_losses(model.logits(model.views(flat), windows), windows).mean()

    def gradient(self, windows: Tensor) -> Tensor:
        """Gradient (P,) of the loss on some windows."""
        flat = self.stack.flat.detach().clone().requires_grad_()
        return torch.autograd.grad(self.loss(flat, windows), flat)[0][0]


@torch.no_grad()
def forward_probes(bench: Bench, windows: Tensor) -> dict[str, float]:
    """Attention logits, activations and log Z of a member.

    `logit_max/<attention>`: largest |score|; `activation/<block>`: mean |x| in the residual stream after it;
    `activation/logits`; `log_z`: mean log of the sum of exponentiated logits (2309.14322, section 3).
    """
    seen: dict[str, float] = {}

    def watch(name: str, get: Callable[[], Tensor]) -> None:
        if name.endswith(".scores"):
            seen[f"logit_max/{name.removesuffix('.scores')}"] = float(get().abs().max())
        elif not name.endswith(".load"):
            seen[f"activation/{name}"] = float(get().abs().mean())

    logits = bench.stack.model.logits(bench.stack.weights, windows, watch)
    seen["activation/logits"] = float(logits.abs().mean())
    seen["log_z"] = float(logits.logsumexp(dim=2).mean())
    return seen


def gradient_rms(bench: Bench, windows: Tensor) -> dict[str, float]:
    """Root mean square of the gradient of every tensor, before any clipping."""
    views = bench.stack.model.views(bench.gradient(windows)[None])
    return {name: float(view.square().mean().sqrt()) for name, view in views.items()}


def update_rms(bench: Bench) -> dict[str, float]:
    """Root mean square of what the next update changes in every tensor; it is done on a copy of the state."""
    state = bench.stack.state(0)
    bench.train(1)
    views = bench.stack.model.views((bench.stack.state(0)["flat"] - state["flat"])[None])
    bench.stack.start(0, bench.spec, state)
    return {name: float(view.square().mean().sqrt()) for name, view in views.items()}


def noise_scale(bench: Bench, small: int, big: int, repeats: int = 8) -> dict[str, float]:
    """`scaling.procedures.batch.noise_scale` in sequences, from gradients of two batch sizes averaged over `repeats`."""
    norms = np.zeros(2)
    for i in range(repeats):
        for j, size in enumerate((small, big)):
            norms[j] += float(bench.gradient(bench.windows(size, seed=2 * i + j)).square().sum()) / repeats
    return batch.noise_scale((small, norms[0]), (big, norms[1]))


def top_eigenvalue(apply: Callable[[Tensor], Tensor], size: int, *, tolerance: float = 1e-4) -> float:
    """Largest eigenvalue, to a relative `tolerance`, of a symmetric operator on vectors (size,)."""

    def product(vector: np.ndarray) -> np.ndarray:
        return apply(torch.from_numpy(vector)).double().cpu().numpy()

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    return float(eigsh(operator, 1, which="LA", v0=start, tol=tolerance, return_eigenvectors=False)[0])


def sharpness(bench: Bench, windows: Tensor, *, preconditioned: bool = False) -> float:
    """Top eigenvalue of the Hessian of the loss on fixed windows (Noci et al., 2402.17457).

    `preconditioned`: of P^-1/2 H P^-1/2 with AdamW's P = sqrt(v) + eps, whose edge of stability is 38 / rate at
    beta1 = 0.9; without, that of gradient descent is 2 / rate.
    """
    stack = bench.stack
    scale = torch.ones_like(stack.flat[0])
    if preconditioned:
        if bench.spec.optimiser != "adamw":
            raise ArgumentError("preconditioned sharpness is that of AdamW; leave preconditioned out for other optimisers")
        corrected = stack.rule.slots["v"][0] / (1 - bench.spec.beta2 ** int(stack.step[0]))
        scale = (corrected.sqrt() + 1e-8).rsqrt()
    flat = stack.flat.detach().clone().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels cannot be differentiated twice
        (slope,) = torch.autograd.grad(bench.loss(flat, windows), flat, create_graph=True)

        def apply(vector: Tensor) -> Tensor:
            direction = vector.to(flat) * scale
            (product,) = torch.autograd.grad(slope, flat, direction[None], retain_graph=True)
            return product[0] * scale

        return top_eigenvalue(apply, flat.numel())


def coordinate_check(
    spec: RunSpec, widths: Sequence[int], corpus: Corpus, *, updates: int = 10, seeds: Sequence[int] = (0, 1, 2)
) -> pd.DataFrame:
    """Mean |activation| of every layer over training, for several widths: layer, width, step, activation (mean over seeds).

    The width of `spec` is replaced, and its heads so that theirs stays; its schedule has at least so many `updates`.
    `slopes` makes one number a layer of what is returned.
    """
    head_dim, rows = spec.d_model // spec.n_head, []
    for width in widths:
        for seed in seeds:
            bench = Bench(replace(spec, d_model=width, n_head=width // head_dim, seed=seed), corpus)
            windows = bench.windows(16)
            for step in range(updates + 1):
                found = forward_probes(bench, windows)
                layers = {k.removeprefix("activation/"): v for k, v in found.items() if k.startswith("activation/")}
                rows += [{"layer": k, "width": width, "step": step, "activation": v} for k, v in layers.items()]
                if step < updates:
                    bench.train(1)
    return pd.DataFrame(rows).groupby(["layer", "width", "step"])["activation"].mean().reset_index()


def slopes(check: pd.DataFrame) -> pd.Series:
    """Slope of log activation on log width at the last step, by layer: near 0 under muP, growing under sp."""
    last = np.log(check[check["step"] == check["step"].max()].set_index("layer")[["width", "activation"]])
    return pd.Series({layer: np.polyfit(x["width"], x["activation"], 1)[0] for layer, x in last.groupby("layer")})
