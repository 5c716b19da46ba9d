"""Where the groups of a sweep run: processes here, or the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from scaling.errors import ArgumentError, MachineError, MissingExtra

PATIENCE = 10.0  # seconds that a scheduler has to answer


@contextmanager
def open_executor(where: str | None = None, jobs: int | None = None) -> Iterator[Executor]:
    """An executor by its name.

    Parameters
    ----------
    where : None: spawned processes here. `dask:tcp://..`: the scheduler of a Dask cluster whose workers see the same folder
        and have scaling and torch installed (one thread a worker: `dask worker ADDRESS --nthreads 1`). On Slurm and its
        like, `dask_jobqueue.SLURMCluster(cores=1, ..)` starts such workers.
    jobs : processes here; default one for each core this process may use.
    """
    if jobs is not None and jobs < 1:
        raise ArgumentError(f"jobs = {jobs}: must be 1 or more")
    if where is None:
        with _processes(jobs) as pool:
            yield pool
        return
    kind, _, address = where.partition(":")
    if kind != "dask" or not address:
        raise ArgumentError(f"executor {where!r}: write dask:tcp://ADDRESS:PORT, or leave it out for local processes")
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise MissingExtra("a Dask executor needs distributed\npip install 'scaling-laws[cluster]'") from None
    try:
        client: Any = Client(address, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as problem:  # a time-out is an OSError, an address that is none a ValueError
        raise MachineError(
            f"executor {where!r}: no Dask scheduler answers there ({problem})\n"
            "nothing was started: check the address that `dask scheduler` printed, and that its port is open to here"
        ) from None
    with client:
        if not client.nthreads():
            warnings.warn(f"{address} has no workers yet; the sweep begins when they come", stacklevel=3)
        executor = client.get_executor(pure=False, retries=3)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)  # all have ended, or are not wanted any more


@contextmanager
def _processes(jobs: int | None) -> Iterator[ProcessPoolExecutor]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jobs = jobs or cores or 1
    before = set(active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
    try:
        with _deaf():
            for _ in range(jobs):  # work for each, so that all are started here and inherit deafness
                pool.submit(os.getpid)
        yield pool
    except BaseException:  # Ctrl-C above all: what a group has done since its checkpoint is made again, so end it
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - before:
            process.terminate()
        raise
    pool.shutdown()


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C, as processes started now will from their first instant: their parent ends them."""
    if threading.current_thread() is not threading.main_thread():  # no other may set signals
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin() -> None:
    """Of a process, before it imports torch: one thread, deaf to Ctrl-C, and gone when its parent is."""
    os.environ["OMP_NUM_THREADS"] = "1"  # two thread pools on one core mostly wait for each other
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
