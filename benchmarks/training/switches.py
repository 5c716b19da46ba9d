"""What switches of the trainer cost: CPU time of an update beside the same model without, interleaved in one process.

    muon       beside adamw, width 64; bar 1.25
    experts    16, one a byte, beside the dense model of equal active FLOPs, widths 64 and 128; bar 1.3

A ratio is the median over rounds; the argument is how many: `python -m benchmarks.training.switches 30`. Twice so on a busy
machine: muon 1.14 and 1.18; experts 1.46 and 1.49 at width 64, 1.40 and 1.39 at 128, both missed: 16 times as many weights of
experts are read, written and learned for as many tokens.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
from collections.abc import Callable
from statistics import median

import torch

from benchmarks.training.speed import SIZES, cpu_seconds, ours, sample_text

PAIRS = [  # size, switch, bar
    ("d=64", {"optimiser": "muon"}, 1.25),
    ("d=64", {"experts": 16}, 1.3),
    ("d=128", {"experts": 16}, 1.3),
]


def ratios(plain: Callable[[int], object], switched: Callable[[int], object], rounds: int, updates: int) -> list[float]:
    """CPU time of the one over that of the other, round by round; the first round warms up."""
    found = []
    for i in range(rounds + 1):
        sides = (plain, switched) if i % 2 else (switched, plain)
        took = {side: cpu_seconds(side, updates) for side in sides}
        if i:
            found.append(took[switched] / took[plain])
    return found


def main(rounds: int) -> int:
    torch.set_num_threads(1)
    text, missed = sample_text(), 0
    for name, switch, bar in PAIRS:
        size, _, updates = SIZES[name]
        found = ratios(ours(size, 1, text), ours(size, 1, text, **switch), rounds, updates)
        low, high = sorted(found)[min(1, rounds - 1)], sorted(found)[max(-2, -rounds)]
        missed += median(found) > bar
        said = ", ".join(f"{key} = {value}" for key, value in switch.items())
        print(
            f"{name:6} {said}: {median(found):.2f} [{low:.2f}, {high:.2f}] bar {bar} {'MISSED' if median(found) > bar else ''}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
