"""Updates a CPU second against the anchor: single runs and stacked members; `sweep.py` has a whole sweep.

CPU time of the process on one thread, all candidates interleaved in rounds; a ratio is the median over rounds of ours to
the anchor's in the same round, which is short enough for both to have the same neighbours. The argument is the number of
rounds: `python -m benchmarks.training.speed 60`.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.training.anchor import Anchor
from scaling.training import RunSpec
from scaling.training.corpus import Corpus, Source
from scaling.training.stack import Stack

SIZES = {  # layers, width, heads, context, batch; bar; updates a round
    "d=32": ((2, 32, 2, 64, 8), 1.3, 10),
    "d=64": ((4, 64, 4, 64, 16), 1.05, 3),
    "d=128": ((4, 128, 4, 128, 8), 1.0, 2),
}


def cpu_seconds(work: Callable[..., object], *args: object, **settings: object) -> float:
    began = time.process_time()
    work(*args, **settings)
    return time.process_time() - began


def sample_text() -> np.ndarray:
    """Bytes to train on; what they say does not matter here."""
    return np.frombuffer(Path(np.__file__).with_name("__init__.py").read_bytes() * 40, np.uint8)


def ours(size: tuple[int, ...], members: int, text: np.ndarray, **switch: object) -> Callable[[int], object]:
    """A function that does updates of a stack, data order included."""
    layers, d, heads, context, batch = size
    schedule = "constant:peak=1e-3,steps=100000"
    spec = RunSpec(schedule=schedule, n_layer=layers, d_model=d, n_head=heads, context=context, batch=batch, **switch)
    stack = Stack(spec, members, 100_000, text, torch.device("cpu"))
    for k in range(members):
        stack.start(k, spec)
    corpus = Corpus((Source("text", 1.0, text, text, 1, ""),))

    def train(updates: int) -> None:
        def places(i: int) -> list[np.ndarray]:
            return [corpus.places(i, batch=batch, span=context + 1, seed=k) for k in range(members)]

        stack.advance(np.array([places(i) for i in range(updates)]))

    return train


def main(rounds: int) -> int:
    torch.set_num_threads(1)
    text, missed = sample_text(), 0
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "text.bin"
        data.write_bytes(text.tobytes())
        for name, (size, bar, updates) in SIZES.items():
            anchor = Anchor(*size, data)
            stacks = {k: ours(size, k, text) for k in ((1, 4, 8) if name == "d=32" else (1, 4))}
            ratios: dict[int, list[float]] = {k: [] for k in stacks}
            for i in range(rounds + 1):
                base = cpu_seconds(anchor.train, updates) / updates
                for k, stack in stacks.items():
                    n = max(1, updates // k)
                    one = cpu_seconds(stack, n) / n / k
                    if i:  # the first round warms up
                        ratios[k].append(base / one)
            for k, found in ratios.items():
                low, high = sorted(found)[min(1, rounds - 1)], sorted(found)[max(-2, -rounds)]
                ok = k > 1 or median(found) >= bar
                missed += not ok
                said = f"bar {bar}" if k == 1 else ""
                print(
                    f"{name:6} K={k}: {median(found):5.2f} x the anchor [{low:.2f}, {high:.2f}] {said} {'' if ok else 'MISSED'}"
                )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
