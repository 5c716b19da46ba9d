"""How far an update goes: weight distance, the safe-step ratio, and tokens whose loss has no gradient left."""

import warnings
from math import pi

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaling.training.losses import chunks, targets
from scaling.training.model import Model, Weights


@torch.no_grad()
def gauge(model: Model, weights: Weights, change: Weights, windows: Tensor) -> tuple[Tensor, Tensor]:
    """Safe-step ratio of a change of the weights, and the share of tokens without a gradient; each (K,), on some windows.

    The logits z of a token move by dz to first order (one forward derivative, no finite difference). Its log Z, a function
    of the size of the step, has no singularity within pi / (max dz - min dz); r is the whole step over that, largest over
    the tokens: beyond 1 an expansion of the loss need not converge (2603.13552). The logit of a token has no gradient where
    its chance is 1 in float32: what the others add to Z is rounded away (softmax collapse, 2501.04697).
    """
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels know no forward derivative
        warnings.filterwarnings("ignore", ".*torch.jit", DeprecationWarning)  # what torch uses of itself there
        x, dx, *_ = torch.func.jvp(lambda named: model.features(named, windows), (weights,), (change,))
    wanted, head, dhead = targets(windows, x.shape[1]), weights["embedding"], change["embedding"]
    spread, sure = x.new_empty(x.shape[:2]), x.new_empty(x.shape[:2])
    for k in range(len(x)):
        for at in chunks(x.shape[1], head.shape[1]):
            low, high = torch.addmm(dx[k, at] @ head[k].T, x[k, at], dhead[k].T).aminmax(dim=1)
            spread[k, at] = high - low
            chances = torch.softmax(x[k, at] @ head[k].T, dim=1)
            sure[k, at] = (chances.gather(1, wanted[k, at].unsqueeze(1)) == 1).squeeze(1).to(x)
    return spread.amax(dim=1) / pi, sure.mean(dim=1)


def looked_at(model: Model, weights: Weights, change: Tensor, travelled: Tensor, windows: Tensor) -> dict[str, float]:
    """The columns of a row with probes, of one member: what its last update did to `weights`, and how far it has come.

    `change` is that update, `travelled` the way from the first weights, each (1, P); `windows` (1, batch, span) are those
    of the update.
    """
    ratio, sure = gauge(model, weights, model.views(change), windows)
    found = {"weight_distance": torch.linalg.vector_norm(travelled), "safe_step_ratio": ratio, "no_gradient_share": sure}
    return {name: float(value) for name, value in found.items()}
