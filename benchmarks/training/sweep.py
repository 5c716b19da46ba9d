"""A whole sweep against the anchor: 5 lengths x 4 cooldown shapes at d=32, wall time.

The anchor's loops run one by one, as they would in a shell loop: no evaluation, no files. Ours is what `scaling sweep`
does, start of two processes, evaluation, curves and checkpoints included; time from the call to the last file. On a
quiet machine with two cores: `python -m benchmarks.training.sweep`. A number behind it is the shortest length (default
100 updates). On a busy machine, `--cpu`: all units one after the other in this process, the anchor likewise, both by
CPU time; of the units, the time that two processes with a core each would take, from the seconds of each and when it
handed over what. Twice so on a busy machine: 5.8 and 5.5 times faster with 1 lane, 5.6 and 6.3 with 2, 4.7 and 5.3 with 4.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import heapq
import sys
import tempfile
import time
from concurrent.futures import Executor, Future
from pathlib import Path

import torch

from benchmarks.training.anchor import Anchor
from benchmarks.training.speed import SIZES, sample_text
from scaling.training import RunSpec, group
from scaling.training.grid import Planned
from scaling.training.records import checkpoint_path
from scaling.training.sweep import LOOK, sweep
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


class OneByOne(Executor):
    """Does the work when it is submitted, and keeps the CPU seconds of each unit."""

    def __init__(self):
        self.seconds: list[float] = []
        self.ready: list[tuple[int, float]] = []  # who hands a unit over, and its CPU seconds until then
        self.written: dict[Path, tuple[int, float]] = {}
        self.write, group.write_atomically = group.write_atomically, self.note

    def note(self, path: Path, content: bytes) -> None:
        self.write(path, content)
        self.written.setdefault(path, (len(self.seconds), time.process_time() - self.began))

    def submit(self, fn, unit, mark, settings):
        self.ready.append(self.written.get(checkpoint_path(settings["out_dir"], unit.specs), (-1, 0.0)))
        self.began, future = time.process_time(), Future()
        future.set_result(fn(unit, mark, settings))
        self.seconds.append(time.process_time() - self.began)
        return future

    def shutdown(self, wait=True, *, cancel_futures=False):
        group.write_atomically = self.write

    def on(self, processes: int, start: float) -> float:
        """Seconds until the last unit has ended, if `processes` that need `start` seconds took them as they get ready."""
        free = [start] * processes
        waiting = [(0.0, i) for i, (giver, _) in enumerate(self.ready) if giver < 0]
        while waiting:
            ready, unit = heapq.heappop(waiting)
            began = max(ready, heapq.heappop(free))
            heapq.heappush(free, began + self.seconds[unit])
            for i, (giver, after) in enumerate(self.ready):
                if giver == unit:
                    heapq.heappush(waiting, (began + after + LOOK, i))
        return max(free)


def main(shortest: int, cpu: bool) -> int:
    start = time.process_time()  # what a process needs to import all
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
        for lanes in (1, 2, 4):
            planned = {name: Planned(spec, {}) for name, spec in specs.items()}
            if cpu:
                with OneByOne() as units:
                    sweep(planned, folder / str(lanes), executor=units, lanes=lanes, device="cpu")
                ours = units.on(2, start)
                print(f"{len(units.seconds)} units, {sum(units.seconds):.1f} s")
            else:
                began = clock()
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
