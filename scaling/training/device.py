"""The machine under a run: device, threads, deterministic kernels, and a progress bar for who watches."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from scaling.errors import TrainingError


def prepare(device: str | None, threads: int) -> torch.device:
    """
    Choose the device and set torch up so that equal runs give equal bits.

    Raises
    ------
    TrainingError
        If `device` is neither `cpu` nor `cuda`, or cuda is asked for and absent.
    """
    if device not in (None, "cpu", "cuda"):
        raise TrainingError(f"device {device!r}: choose 'cpu' or 'cuda'")
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("device 'cuda': torch sees no CUDA device here; use device 'cpu', or a CUDA build of torch")
    if threads < 1:
        raise TrainingError(f"threads = {threads}: must be 1 or more")
    torch.set_num_threads(threads)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if where.type == "cuda":  # on the CPU every kernel used here is deterministic anyway
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return where


@contextmanager
def progress(name: str, done: int, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with the time left; nothing at all where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda updates: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=total, completed=done)
        yield lambda updates: bar.advance(task, updates)
