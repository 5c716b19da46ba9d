"""Many runs: what they cost together, and their groups on the executor of your choice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import MissingExtra, TrainingError
from scaling.training.counts import flops_per_token, param_counts
from scaling.training.grid import Planned
from scaling.training.records import RunFiles, write_run_table
from scaling.training.spec import RunSpec
from scaling.training.tree import forest

if TYPE_CHECKING:
    import pandas as pd


def groups(runs: Mapping[str, Planned], lanes: int = 1) -> list[dict[str, RunSpec]]:
    """Units of work, the longest first: runs that share a prefix, and `lanes` such trees of one kind side by side."""
    specs = {name: run.spec for name, run in runs.items()}
    kinds: dict[tuple, list] = {}
    for tree in forest(specs):
        kinds.setdefault(specs[tree.runs[0]].kind, []).append(tree)
    units = [trees[i : i + lanes] for trees in kinds.values() for i in range(0, len(trees), lanes)]
    units.sort(key=lambda unit: -sum(t.steps * flops_per_token(specs[t.runs[0]].shape, "exact") for t in unit))
    return [{name: specs[name] for tree in unit for name in tree.runs} for unit in units]


def costs(runs: Mapping[str, Planned], out_dir: str | Path | None = None, seconds: bool = False) -> pd.DataFrame:
    """
    What a sweep would do, one row a run.

    Parameters
    ----------
    runs : mapping
        Of `read_sweep`.
    out_dir : path, optional
        Where runs may have been finished already; these cost nothing.
    seconds : bool
        Time three updates of every size here and estimate seconds from them, evaluation included (needs torch).

    Returns
    -------
    DataFrame
        run, n_params, steps, tokens, flops (6 N D, all parameters), own_steps (updates that no earlier run of the
        table does for it), seconds, status.
    """
    import pandas as pd

    todo = {n: r.spec for n, r in runs.items() if out_dir is None or not RunFiles(out_dir, n).record.exists()}
    own = dict.fromkeys(runs, 0)
    for tree in forest(todo):
        for segment in tree.walk():
            own[segment.runs[0]] += segment.end - segment.start
    timed: dict[tuple, float] = {}
    rows = []
    for name, run in runs.items():
        spec, steps = run.spec, run.spec.table.steps
        tokens = steps * spec.batch_tokens
        row = {
            "run": name,
            "n_params": param_counts(spec.shape)["n_params"],
            "steps": steps,
            "tokens": tokens,
            "flops": float(tokens * flops_per_token(spec.shape, "6nd")),
            "own_steps": own[name],
        }
        if seconds:
            key = (*spec.shape, spec.batch)
            if key not in timed:
                timed[key] = _seconds_per_update(spec)
            judging = own[name] / spec.eval_every * 1.5 * spec.eval_tokens + spec.val_tokens  # a third of the work each
            row["seconds"] = timed[key] * (own[name] + judging / 3 / spec.batch_tokens) if own[name] else 0.0
        rows.append(row | {"status": "to do" if name in todo else "finished"})
    return pd.DataFrame(rows)


def _seconds_per_update(spec: RunSpec) -> float:
    from scaling.training.device import prepare
    from scaling.training.stack import Stack

    rng = np.random.default_rng(0)
    stack = Stack(spec, 1, spec.table.steps, rng.integers(0, 255, 1 << 16).astype(np.uint8), prepare("cpu", 1))
    stack.start(0, spec)
    best = np.inf
    for _ in range(min(4, spec.table.steps)):
        began = time.perf_counter()
        stack.advance(rng.integers(0, 1 << 15, (1, 1, spec.batch)))
        best = min(best, time.perf_counter() - began)
    return float(best)


def _one_thread() -> None:
    """Of a worker, before it imports torch: two thread pools on one core mostly wait for each other."""
    os.environ["OMP_NUM_THREADS"] = "1"


@contextmanager
def open_executor(where: str | None, jobs: int | None) -> Iterator[Executor]:
    """
    An executor by its name.

    Parameters
    ----------
    where : {None, 'dask:ADDRESS'}
        None: spawned processes here. `dask:tcp://..`: the scheduler of a Dask cluster whose workers see the same
        folder and have scaling and torch installed (one thread a worker: `dask worker ADDRESS --nthreads 1`).
        On Slurm and its like, `dask_jobqueue.SLURMCluster(cores=1, ..)` starts such workers.
    jobs : int, optional
        Processes here; default one for each core this process may use.
    """
    if where is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        pool = ProcessPoolExecutor(jobs or cores, mp_context=get_context("spawn"), initializer=_one_thread)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
        return
    kind, _, address = where.partition(":")
    if kind != "dask" or not address:
        raise TrainingError(f"executor {where!r}: write dask:tcp://ADDRESS:PORT, or leave it out for local processes")
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise MissingExtra("a Dask executor needs distributed\npip install 'scaling-laws[cluster]'") from None
    with Client(address) as client, client.get_executor(pure=False, retries=3) as executor:
        yield executor


def sweep(
    runs: Mapping[str, Planned],
    out_dir: str | Path,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    lanes: int = 1,
    device: str | None = None,
    notify: Callable[[dict[str, Any]], None] = lambda record: None,
) -> list[dict[str, Any]]:
    """
    Train all runs that are not finished.

    Parameters
    ----------
    runs : mapping
        Of `read_sweep`.
    out_dir : path
        As for `train`; seen by all workers.
    executor : concurrent.futures.Executor, optional
        Where the groups run; any will do, also `dask.distributed.Client(..).get_executor()`. A group may be
        started twice, as after the loss of a worker: it goes on from its checkpoint. Default: `jobs` processes here.
    jobs : int, optional
        Processes, default one a core.
    lanes : int
        Members that learn side by side in a group; keep it when an interrupted sweep is run again.
    device : {'cpu', 'cuda'}, optional
        Default: cuda if there is one.
    notify : callable
        Is given the record of every run as its group ends.

    Returns
    -------
    list of dict
        Rows of `runs.csv`, in the order of `runs`.

    Raises
    ------
    TrainingError
        After all other groups have ended, if any failed.
    """
    if executor is None:
        with open_executor(None, jobs) as pool:
            return sweep(runs, out_dir, executor=pool, lanes=lanes, device=device, notify=notify)
    from scaling.training import train_group

    out_dir = Path(out_dir).resolve()
    labels = {name: run.labels for name, run in runs.items()}
    work = partial(train_group, out_dir=str(out_dir), lanes=lanes, device=device, quiet=True)
    futures = {}
    for unit in groups(runs, lanes):
        futures[executor.submit(work, unit, labels={name: labels[name] for name in unit})] = list(unit)
    records: dict[str, dict[str, Any]] = {}
    failed: dict[str, Exception] = {}
    for future in as_completed(futures):
        try:
            found = future.result()
        except Exception as problem:  # of any kind: the other groups go on, and it is raised below
            failed[futures[future][0]] = problem
            continue
        records |= found
        for record in found.values():
            notify(record)
    write_run_table(out_dir)
    if failed:
        name, first = next(iter(failed.items()))
        said = str(first) if isinstance(first, TrainingError) else f"{type(first).__name__}: {first}"
        raise TrainingError(
            f"{len(failed)} of {len(futures)} groups failed; that of {name}: {said}\nrun the same again to go on"
        ) from first
    return [records[name] for name in runs]
