"""The chunked cross-entropy against one that holds all logits, at V = 32,768: CPU time, and memory of one loss with gradients.

Bars: an eighth of the memory, 1.3 times the time. Time is interleaved in one process, a ratio the median over rounds; memory
is the growth of the largest resident size of a process that does the one or the other. The argument is the number of rounds:
`python -m benchmarks.training.chunked 9`.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import resource
import subprocess
import sys
import time
from statistics import median

import torch

from scaling.training.losses import ChunkedCrossEntropy, CrossEntropy, targets

VOCAB, WIDTH, BATCH, CONTEXT = 32_768, 64, 32, 64


def gradients(kind: str) -> object:
    """The loss of one batch and its gradients, from rows and a head that are drawn anew and alike each time."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, BATCH * CONTEXT, WIDTH, generator=generator).requires_grad_()
    head = torch.randn(1, VOCAB, WIDTH, generator=generator).mul_(0.02).requires_grad_()
    windows = torch.randint(VOCAB, (1, BATCH, CONTEXT + 1), generator=generator)
    if kind == "chunked":
        total = ChunkedCrossEntropy.apply(x, head, targets(windows, x.shape[1]), 0.0)[0]
    else:
        total = CrossEntropy.apply(torch.bmm(x, head.transpose(1, 2)), windows)[0].mean(dim=1)
    return torch.autograd.grad(total.sum(), (x, head))


def grown(kind: str) -> float:
    """MB that a process of its own grows by."""
    code = f"from benchmarks.training import chunked; print(chunked.growth({kind!r}))"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def growth(kind: str) -> float:
    """MB that this process grows by."""
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gradients(kind)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main(rounds: int) -> int:
    torch.set_num_threads(1)
    plain, chunked = grown("plain"), grown("chunked")  # first: a process inherits the largest size of its parent
    ratios = []
    for i in range(rounds + 1):
        took = {}
        for kind in ("plain", "chunked") if i % 2 else ("chunked", "plain"):
            began = time.process_time()
            gradients(kind)
            took[kind] = time.process_time() - began
        if i:  # the first round warms up
            ratios.append(took["chunked"] / took["plain"])
    print(f"time   {median(ratios):.2f} of the plain loss; bar 1.3")
    print(f"memory {chunked:.0f} MB of {plain:.0f} MB, {chunked / plain:.3f}; bar 0.125")
    return int(median(ratios) > 1.3 or chunked / plain > 0.125)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
