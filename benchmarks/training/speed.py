"""Updates a CPU second against the anchor: single runs, stacked members, and a whole sweep.

CPU time of the process on one thread, all candidates interleaved in rounds; a ratio is the median over rounds of ours to
the anchor's in the same round. More rounds: `python -m benchmarks.training.speed 15`.
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
from scaling.training import RunSpec, train_group
from scaling.training.corpus import Corpus, Source
from scaling.training.stack import Stack
from scaling.training.tree import forest

SIZES = {  # layers, width, heads, context, batch; bar; updates a round
    "d=32": ((2, 32, 2, 64, 8), 1.3, 40),
    "d=64": ((4, 64, 4, 64, 16), 1.05, 12),
    "d=128": ((4, 128, 4, 128, 8), 1.0, 6),
}


def cpu_seconds(work: Callable[..., object], *args: object, **settings: object) -> float:
    began = time.process_time()
    work(*args, **settings)
    return time.process_time() - began


def ours(size: tuple[int, ...], members: int, text: np.ndarray) -> Callable[[int], object]:
    """A function that does updates of a stack, data order included."""
    layers, d, heads, context, batch = size
    schedule = "constant:peak=1e-3,steps=100000"
    spec = RunSpec(schedule=schedule, n_layer=layers, d_model=d, n_head=heads, context=context, batch=batch)
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
    text = np.frombuffer(Path(np.__file__).with_name("__init__.py").read_bytes() * 40, np.uint8)
    missed = 0
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
        missed += not sweep(Path(folder), data)
    return 1 if missed else 0


def sweep(folder: Path, data: Path) -> bool:
    """5 lengths x 4 cooldown shapes at d=32, ours (with evaluation, files, checkpoints) and the anchor's bare loops."""
    for i in range(20):  # files enough for both sides of the split
        (folder / "corpus").mkdir(exist_ok=True)
        (folder / "corpus" / f"{i}.txt").write_bytes(data.read_bytes()[:20_000])
    layers, d, heads, context, batch = SIZES["d=32"][0]
    settings = {"n_layer": layers, "d_model": d, "n_head": heads, "context": context, "batch": batch, "eval_every": 50}
    settings |= {"eval_tokens": 2048, "val_tokens": 4096, "corpus": str(folder / "corpus")}
    specs = {
        f"{n}-{shape}": RunSpec(schedule=f"wsd:peak=1e-3,warmup=10,steps={n},decay=0.2,shape={shape}", **settings)
        for n in (50, 100, 200, 400, 800)
        for shape in ("linear", "1-sqrt", "cosine", "1-square")
    }
    asked = sum(spec.table.steps for spec in specs.values())
    done = sum(tree.steps for tree in forest(specs))
    anchor = Anchor(*SIZES["d=32"][0], data)
    base, probes = [], 3
    found = {}
    for lanes in (1, 8):
        base.append(cpu_seconds(anchor.train, 100) / 100)
        found[lanes] = cpu_seconds(train_group, specs, folder / str(lanes), lanes=lanes, device="cpu", quiet=True)
    base += [cpu_seconds(anchor.train, 100) / 100 for _ in range(probes)]
    print(f"sweep: {done} updates for {asked} asked ({done / asked:.3f}, bar 0.31)")
    for lanes, seconds in found.items():
        print(
            f"sweep, {lanes} lanes, one core: {asked * median(base) / seconds:.2f} x the anchor one by one (bar 5 on two cores)"
        )
    return done / asked <= 0.31


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
