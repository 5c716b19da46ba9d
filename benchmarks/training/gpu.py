"""What a GPU makes of the trainer, within eight minutes and into one JSON: `python -m benchmarks.training.gpu out.json`.

    stack    K stacked members at width 64 beside the anchor trained one by one: tokens a second
    bf16     runs/surface.toml with products in bfloat16 beside float32: losses, and the law fitted to each
    ladder   the runs of runs/ladder.toml: seconds, and how far their final losses lie from those made on a CPU

Where time is up, fewer runs have `ended` than there are `runs`; a part that fails says why, and the others go on: the file is
written after each. Nothing of this is measured on a GPU yet: none was at hand.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import scaling
from benchmarks.training.anchor import Anchor
from benchmarks.training.speed import sample_text
from scaling.errors import TrainingError
from scaling.training import RunSpec, train_group
from scaling.training.grid import Planned, read_sweep
from scaling.training.records import write_run_table
from scaling.training.stack import Stack, prepare
from scaling.training.sweep import groups

RUNS = Path(__file__).resolve().parents[2] / "runs"
MINUTES = 8.0
MEMBERS = (1, 8, 32, 128)
SIZE = {"n_layer": 4, "d_model": 64, "n_head": 4, "context": 64, "batch": 16}


def tokens_a_second(work: Callable[[], object], tokens: int, device: torch.device, seconds: float) -> float:
    """Best rate over rounds that take some seconds in all; `work` trains so many tokens, and ends on the device."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    work()  # warms up: kernels, workspaces, graphs
    best, end = 0.0, time.perf_counter() + seconds
    while not best or time.perf_counter() < end:
        wait()
        began = time.perf_counter()
        work()
        wait()
        best = max(best, tokens / (time.perf_counter() - began))
    return best


def stacked(device: torch.device, members: Iterable[int] = MEMBERS, seconds: float = 8.0, updates: int = 8) -> dict[str, Any]:
    """Tokens a second of the anchor, and of K stacked members in all; and the ratios."""
    spec, text = RunSpec(schedule="constant:peak=1e-3,steps=100000", **SIZE), sample_text()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "text.bin"
        data.write_bytes(text.tobytes())
        anchor = Anchor(*SIZE.values(), data, device.type)
        found["anchor"] = tokens_a_second(lambda: anchor.train(updates), updates * spec.batch_tokens, device, seconds)
    said: dict[str, Any] = {"tokens_a_second": found}
    for k in members:
        try:
            stack = Stack(spec, k, spec.table.steps, text, device)
            for member in range(k):
                stack.start(member, spec)
            places = np.random.default_rng(0).integers(0, len(text) - spec.context - 1, (updates, k, spec.batch))
            work = lambda s=stack, p=places: s.advance(p)
            found[f"K={k}"] = tokens_a_second(work, k * updates * spec.batch_tokens, device, seconds)
        except torch.OutOfMemoryError:
            said["no_room_for"] = k
            break
    return said | {"ratio": {name: rate / found["anchor"] for name, rate in found.items()}}


def trained(runs: Mapping[str, Planned], out: Path, device: torch.device, lanes: int, end: float) -> pd.DataFrame:
    """Facts of the runs that have ended before time is up, trained in this process."""
    in_time = lambda: time.perf_counter() < end
    for unit in groups(runs, lanes):
        if in_time():
            try:
                train_group(
                    unit.specs, out, lanes=lanes, device=device.type, quiet=True, checkpoint_seconds=5.0, wanted=in_time
                )
            except TrainingError:
                if in_time():
                    raise
                write_run_table(out)  # of those of the group that had ended
    return scaling.read(out).facts if (out / "runs.csv").exists() else pd.DataFrame()


def ladder(device: torch.device, end: float, sweep: Path = RUNS / "ladder.toml", lanes: int = 32) -> dict[str, Any]:
    """Seconds of a sweep, and final losses against those that the records of the same runs have."""
    runs, began = read_sweep(sweep), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        facts = trained(runs, Path(folder), device, lanes, end)
    found = {"runs": len(runs), "ended": len(facts), "seconds": time.perf_counter() - began}
    if len(facts) and (sweep.with_suffix("") / "runs.csv").exists():
        recorded = scaling.read(sweep.with_suffix("")).facts["final_loss"]
        apart = (facts["final_loss"] - recorded).dropna().abs()
        found |= {"compared": len(apart), "mean_apart": float(apart.mean()), "most_apart": float(apart.max())}
    return found


def bf16(device: torch.device, end: float, sweep: Path = RUNS / "surface.toml", lanes: int = 32) -> dict[str, Any]:
    """A sweep with products in bfloat16 beside float32: difference of final losses, and `chinchilla` fitted to each."""
    runs, found, losses = read_sweep(sweep), dict[str, Any](), dict[str, pd.Series]()
    for name in ("float32", "bfloat16"):
        products = torch.autocast(device.type, torch.bfloat16, cache_enabled=False) if name == "bfloat16" else nullcontext()
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, products:
            facts = trained(runs, Path(folder), device, lanes, end)
        found[name] = {"runs": len(runs), "ended": len(facts), "seconds": time.perf_counter() - began}
        if len(facts) == len(runs):
            losses[name] = facts["final_loss"]
            rows = pd.DataFrame({"N": facts["n_params"], "D": facts["tokens"], "loss": facts["final_loss"]}).astype(float)
            if len(rows) >= 12:
                found[name] |= {"chinchilla": dict(scaling.fit(rows, "chinchilla").values)}
    if len(losses) == 2:
        apart = losses["bfloat16"] - losses["float32"]
        found |= {"mean_difference": float(apart.mean()), "most_apart": float(apart.abs().max())}
    return found


def main(path: str, name: str | None = None) -> int:
    began = time.perf_counter()
    end, device = began + 60 * MINUTES - 20, prepare(name)  # time to write what was found
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "stack": lambda: stacked(device),
        "bf16": lambda: bf16(device, min(end, time.perf_counter() + 150)),
        "ladder": lambda: ladder(device, end),
    }
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    found: dict[str, Any] = {"device": machine, "torch": torch.__version__}
    for part, work in parts.items():
        try:
            found[part] = work()
        except Exception as problem:  # of any kind: what the others find is kept
            found[part] = {"failed": f"{type(problem).__name__}: {problem}"}
        found["seconds"] = time.perf_counter() - began
        Path(path).write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return int(any("failed" in found[part] for part in parts))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
