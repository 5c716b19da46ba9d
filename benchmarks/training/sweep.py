"""A whole sweep against the anchor: 5 lengths x 4 cooldown shapes at d=32, wall time.

The anchor's loops run one by one, as they would in a shell loop: no evaluation, no files. Ours is what `scaling sweep`
does, processes, evaluation, curves and checkpoints included; time from the call to the last file. All runs share one
trunk, so they are one group and keep one process busy, however many cores there are. On a quiet machine with
two cores: `python -m benchmarks.training.sweep`. A number behind it is the shortest length (default 100 updates); with
`--cpu`, CPU time of one process instead, which a busy machine disturbs less.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.training.anchor import Anchor
from benchmarks.training.speed import SIZES, sample_text
from scaling.training import RunSpec, train_group
from scaling.training.grid import Planned
from scaling.training.sweep import sweep
from scaling.training.tree import forest

SHAPES = ("linear", "1-sqrt", "cosine", "1-square")
BAR_STEPS, BAR_TIME = 0.31, 5.0


def specs_of(shortest: int, corpus: Path) -> dict[str, RunSpec]:
    """The runs: five lengths, each twice the one before, under four cooldowns."""
    layers, d, heads, context, batch = SIZES["d=32"][0]
    settings = {"n_layer": layers, "d_model": d, "n_head": heads, "context": context, "batch": batch, "eval_every": 50}
    settings |= {"eval_tokens": 2048, "val_tokens": 4096, "corpus": str(corpus)}
    return {
        f"{shortest * 2**k}-{shape}": RunSpec(
            schedule=f"wsd:peak=1e-3,warmup=10,steps={shortest * 2**k},decay=0.2,shape={shape}", **settings
        )
        for k in range(5)
        for shape in SHAPES
    }


def main(shortest: int, cpu: bool) -> int:
    torch.set_num_threads(1)
    clock = time.process_time if cpu else time.perf_counter
    with tempfile.TemporaryDirectory() as name:
        folder, text = Path(name), sample_text()
        (folder / "corpus").mkdir()
        for i in range(20):  # files enough for both sides of the split
            (folder / "corpus" / f"{i}.txt").write_bytes(text.tobytes()[:20_000])
        (folder / "text.bin").write_bytes(text.tobytes())
        specs = specs_of(shortest, folder / "corpus")
        asked, done = sum(spec.table.steps for spec in specs.values()), sum(t.steps for t in forest(specs))
        print(f"{done} updates for {asked} asked ({done / asked:.3f}, bar {BAR_STEPS})")

        began = clock()
        for spec in specs.values():
            Anchor(*SIZES["d=32"][0], folder / "text.bin").train(spec.table.steps)
        anchor = clock() - began
        print(f"the anchor, one by one: {anchor:.1f} s")
        best = 0.0
        for lanes in (1, 4, 8):
            began = clock()
            if cpu:
                train_group(specs, folder / str(lanes), lanes=lanes, device="cpu", quiet=True)
            else:
                planned = {name: Planned(spec, {}) for name, spec in specs.items()}
                sweep(planned, folder / str(lanes), jobs=2, lanes=lanes, device="cpu")
            ours = clock() - began
            best = max(best, anchor / ours)
            print(f"lanes {lanes}: {ours:.1f} s, {anchor / ours:.2f} x the anchor", flush=True)
    ok = done / asked <= BAR_STEPS and best >= BAR_TIME
    print(f"bar {BAR_TIME} {'met' if ok else 'MISSED'}")
    return 0 if ok else 1


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:] if word != "--cpu"]
    sys.exit(main(numbers[0] if numbers else 100, "--cpu" in sys.argv))
