"""Train a run, or runs that share something; exact to the bit when it is stopped and started again."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import TrainingDataError, TrainingError
from scaling.training.corpus import read_corpus
from scaling.training.group import Group
from scaling.training.records import (
    RunFiles,
    check_run_table,
    checkpoint_path,
    drop_lock,
    refuse_labels,
    sole_curves,
    sole_writer,
    write_run_table,
    writing,
)  # fmt: skip
from scaling.training.spec import RunSpec
from scaling.training.stack import Stack, prepare


def train(
    spec: RunSpec,
    out_dir: str | Path,
    *,
    name: str | None = None,
    device: str | None = None,
    labels: Mapping[str, str] | None = None,
    checkpoint_seconds: float = 30.0,
) -> dict[str, Any]:
    """Train one model and write its curve; resume it if it was interrupted; do nothing if it is finished.

    Parameters
    ----------
    spec : everything that decides the numbers.
    out_dir : folder for `curves/<name>.csv`, `curves/<name>.json`, `runs.csv` and, while training, `checkpoints/`.
    name : of the run and its files; default `spec.default_name`, made of size, schedule and length.
    device : "cpu" or "cuda"; default cuda if there is one.
    labels : further columns for the run's row in `runs.csv`, for example `{'role': 'short'}`.
    checkpoint_seconds : at least this long between two checkpoints.

    Returns
    -------
    The run's row of `runs.csv`. `status` is `finished`, or `diverged` if the loss stopped being finite or was twice that of
    the initial weights: then the curve ends there, losses that are not finite as empty cells, and `final_loss` is None.

    Raises
    ------
    TrainingDataError : a corpus too small, files of another spec under this name, a changed corpus or machine on resume;
    MachineError : no space left, or a folder that cannot be written; TrainingError : a device that is not there.
    """
    name = name or spec.default_name
    own = {name: labels or {}}
    return train_group({name: spec}, out_dir, device=device, labels=own, checkpoint_seconds=checkpoint_seconds)[name]


def train_group(
    specs: Mapping[str, RunSpec],
    out_dir: str | Path,
    *,
    lanes: int = 1,
    device: str | None = None,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    checkpoint_seconds: float = 30.0,
    quiet: bool = False,
    corpus_sha256: str | None = None,
    patience: float = 0.0,
    wanted: Callable[[], bool] = lambda: True,
    parts: Sequence[Sequence[str]] = (),
) -> dict[str, dict[str, Any]]:
    """Train several runs of one kind (`RunSpec.kind`): what they share once, and `lanes` members at a time.

    Every file is what `train` would have written for the run alone, bit by bit on the CPU, except where its record
    says how it was made (`parent_run`, `branch_step`, `elapsed_s`). Returns rows of `runs.csv` by name, of all runs that
    are finished.

    Parameters
    ----------
    specs, labels : name -> spec, and further columns.
    lanes : members that learn side by side. On a GPU as many as fit; on the CPU 1 to 8, more for smaller models.
    quiet : show no progress bar.
    corpus_sha256 : hash of the text that runs to be compared with these were trained on.
    patience : seconds to wait for another process that is at these runs and may be on its way out.
    wanted : asked at every checkpoint; the group stops there when it says no.
    parts : of `tree.parts`: runs left to other calls, one a part, from where they branch off. There a checkpoint is
        written that `train_group` of these runs goes on from.
    """
    for own in (labels or {}).values():
        refuse_labels(own)
    checkpoint, records = checkpoint_path(out_dir, specs), _finished(specs, out_dir)
    if len({spec.kind for spec in specs.values()}) > 1:
        raise TrainingError("runs of one group must agree in all but seeds, schedule, decay, clipping and rounding")
    if len({*records, *_handed_over(out_dir, parts)}) == len(specs) and not checkpoint.exists():
        drop_lock(checkpoint)
        return records
    where, spec = prepare(device), next(iter(specs.values()))
    text, corpus = spec.corpus, read_corpus(spec.corpus, spec.vocab)
    if corpus_sha256 not in (None, corpus.sha256):
        raise TrainingDataError(
            f"corpus {text!r} has changed since other runs in {out_dir} were trained on it\n"
            f"its hash was {corpus_sha256}, is {corpus.sha256}: losses on two texts cannot be compared; bring the "
            "old text back, or choose another folder"
        )
    check_run_table(out_dir)
    with writing(out_dir), sole_writer(checkpoint, patience):
        # asked for in this order: other groups may be ending, and their checkpoint goes after the last record
        elsewhere = _handed_over(out_dir, parts)
        records = _finished(specs, out_dir)  # anew: by another process, while this one waited for the lock
        group = Group(specs, out_dir, corpus, where, labels or {}, records, parts, elsewhere)
        ours = [RunFiles(out_dir, name).curve for name in specs.keys() - records.keys() - elsewhere]
        with sole_curves(ours, patience) as curves:
            records |= _finished(specs, out_dir)  # and by the sweep of another file
            group.work(curves, lanes, checkpoint_seconds, quiet, wanted)
        write_run_table(out_dir)
        checkpoint.unlink()  # last, so that whatever is missing after a kill is made when it is run again
    return {name: records[name] for name in specs if name in records}


def _finished(specs: Mapping[str, RunSpec], out_dir: str | Path) -> dict[str, dict[str, Any]]:
    """Records of the runs that have ended."""
    found = {name: RunFiles(out_dir, name).finished(spec) for name, spec in specs.items()}
    return {name: record for name, record in found.items() if record}


def _handed_over(out_dir: str | Path, parts: Sequence[Sequence[str]]) -> set[str]:
    """Runs of the parts that have their own checkpoint, or had it and are finished."""
    ended = lambda name: RunFiles(out_dir, name).record.exists()
    reached = [part for part in parts if checkpoint_path(out_dir, part).exists() or all(map(ended, part))]
    return {name for part in reached for name in part}


def seconds_per_update(spec: RunSpec) -> float:
    """What one update of a run takes a core here: the best of four, without what prepares them."""
    rng = np.random.default_rng(0)
    text = rng.integers(0, spec.vocab, 1 << 16, np.int32)
    stack = Stack(spec, 1, spec.table.steps, text, prepare("cpu"))
    stack.start(0, spec)
    best = np.inf
    for _ in range(min(4, spec.table.steps)):
        began = time.process_time()  # of this core, whatever else it is busy with
        stack.advance(rng.integers(0, 1 << 15, (1, 1, spec.batch)))
        best = min(best, time.process_time() - began)
    return float(best)
