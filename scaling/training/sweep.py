"""Many runs: what they cost together, and their groups on the executor of your choice.

A group is a tree of runs, or several. Parts of a tree are groups of their own, so that it keeps more than one process
busy: they begin when the group of the tree has written their checkpoint, at the step where they branch off.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scaling import training
from scaling.counting import flops_per_token
from scaling.document import write_atomically
from scaling.errors import ArgumentError, MachineError, ScalingError, TrainingDataError, TrainingError
from scaling.training.corpus import read_corpus, validation_windows
from scaling.training.executors import open_executor
from scaling.training.grid import Planned
from scaling.training.progress import Progress, Watch
from scaling.training.records import LOST, RunFiles, check_run_table, checkpoint_path, write_run_table, writing
from scaling.training.spec import RunSpec
from scaling.training.tree import Segment, forest, parts

if TYPE_CHECKING:  # slow, and `scaling sweep --help` has no table
    import pandas as pd

Records = dict[str, dict[str, Any]]
LOOK = 1.0  # seconds between two looks at how far the runs are
# FLOPs that make a part worth the fifth of a second in which another process takes it up, mostly to read the corpus:
# they take a core two seconds at width 32 (17 GFLOP/s) and half of one at width 128
WORTH = 3e10


class Unit(NamedTuple):
    """Runs that train together, and the parts of them that are handed over to units of their own."""

    specs: dict[str, RunSpec]
    parts: list[list[str]]


def groups(runs: Mapping[str, Planned], lanes: int = 1) -> list[Unit]:
    """Units of work, the longest first: runs that share a prefix, and `lanes` such trees of one kind side by side.

    They follow from runs and `lanes` alone, so that an interrupted sweep finds its checkpoints.
    """
    specs = {name: run.spec for name, run in runs.items()}
    kinds: dict[tuple[Any, ...], list[Segment]] = {}
    for tree in forest(specs):
        kinds.setdefault(specs[tree.runs[0]].kind, []).append(tree)
    units = []
    for trees in kinds.values():
        flops = specs[trees[0].runs[0]].flops
        for some in (trees[i : i + lanes] for i in range(0, len(trees), lanes)):
            names = [name for tree in some for name in tree.runs]
            divided = [part for tree in some for part in parts(tree, lanes, WORTH / flops)]
            work = flops * sum(tree.steps for tree in some)
            units.append((work, Unit({name: specs[name] for name in names}, divided)))
    return [unit for _, unit in sorted(units, key=lambda pair: -pair[0])]


def costs(runs: Mapping[str, Planned], out_dir: str | Path | None = None, seconds: bool = False) -> pd.DataFrame:
    """What a sweep would do, one row a run.

    Parameters
    ----------
    runs : of `read_sweep`.
    out_dir : where runs may have been finished already; these cost nothing.
    seconds : time some updates of every size here and estimate seconds from them, evaluation included (needs torch).

    Returns
    -------
    DataFrame
        run, n_params, steps, tokens, flops (6 N D, all parameters), own_steps (updates that no earlier run of the
        table does for it), seconds, status.
    """
    import pandas as pd  # noqa: PLC0415 - slow, and only the table of costs needs it

    todo = {n: r.spec for n, r in runs.items() if out_dir is None or not RunFiles(out_dir, n).finished(r.spec)}
    own = dict.fromkeys(runs, 0)
    for tree in forest(todo):
        for segment in tree.walk():
            own[segment.runs[0]] += segment.end - segment.start
    timed: dict[tuple[Any, ...], float] = {}
    rows = []
    for name, run in runs.items():
        spec, steps = run.spec, run.spec.table.steps
        tokens, flops = steps * spec.batch_tokens, float(flops_per_token(spec.shape, "6ND_with_gains"))
        row = {"run": name, "n_params": spec.params["n_params"], "steps": steps, "tokens": tokens}
        row |= {"flops": tokens * flops, "own_steps": own[name]}
        if seconds:
            key = (spec.shape, spec.batch, spec.optimiser, spec.safe_step > 0)
            timed[key] = timed.get(key) or training.seconds_per_update(spec)
            judging = own[name] / spec.eval_every * 1.5 * spec.eval_tokens + spec.val_tokens  # a third of the work each
            row["seconds"] = timed[key] * (own[name] + judging / 3 / spec.batch_tokens) if own[name] else 0.0
        rows.append(row | {"status": "to do" if name in todo else "finished"})
    return pd.DataFrame(rows)


def check_texts(runs: Mapping[str, Planned], out_dir: str | Path) -> None:
    """Raise what about their texts would stop runs that are not finished at once, before anything is trained.

    Raises
    ------
    TrainingDataError : a corpus is missing, too short for a sequence, for what is judged or for its vocabulary, or another
    than that of finished runs; MissingExtra : a vocabulary needs a library that is not installed.
    """
    records = {name: RunFiles(out_dir, name).finished(run.spec) for name, run in runs.items()}
    before = _corpora(record for record in records.values() if record)
    todo: dict[tuple[str, int], set[tuple[int, ...]]] = {}
    for name, run in runs.items():
        spec = run.spec
        if not records[name]:
            span = (2 if spec.n_encoder else 1) * spec.context + 1
            needed = {(span, spec.context, tokens) for tokens in (spec.eval_tokens, spec.val_tokens)}
            todo.setdefault((spec.corpus, spec.vocab), set()).update(needed)
    for (text, vocab), sizes in todo.items():
        corpus = read_corpus(text, vocab)
        if (was := before.get(text, corpus.sha256)) != corpus.sha256:
            raise TrainingDataError(
                f"corpus {text!r} has changed since finished runs in {out_dir} were trained on it\n"
                f"its hash was {was}, is {corpus.sha256}: bring the old text back, or choose another folder"
            )
        for span, context, tokens in sorted(sizes):
            corpus.require(span)
            for source in corpus.sources:
                validation_windows(source.validation, tokens, context, span)


@contextmanager
def _mark(out_dir: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A file and what it says while this sweep is wanted: who reads it sees the folder; a later sweep takes it over."""
    path, token = checkpoint_path(out_dir, names).with_suffix(".sweep"), secrets.token_hex(8)
    with writing(out_dir):
        write_atomically(path, token.encode())
    try:
        yield str(path), token
    finally:
        if _says(path, token):
            path.unlink()


def _says(path: str | Path, token: str) -> bool:
    try:
        return Path(path).read_text() == token
    except FileNotFoundError:
        return False


def _work(unit: Unit, mark: tuple[str, str], settings: dict[str, Any]) -> Records:
    """Train a group, in whatever process and on whatever machine this is."""
    if not _says(*mark):
        raise MachineError(
            f"worker on {platform.node()}: does not see {mark[0]}, or another sweep has taken its place\n"
            "results go through that folder: mount it on all machines under the same path"
        )
    wanted = lambda: _says(*mark)
    return training.train_group(unit.specs, parts=unit.parts, **settings, quiet=True, patience=LOST, wanted=wanted)


def _corpora(records: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Corpus -> the hash of its text in these records."""
    found: dict[str, tuple[str, str]] = {}
    for record in records:
        corpus, digest, name = record["corpus"], record["corpus_sha256"], record["run_id"]
        before, other = found.setdefault(corpus, (digest, name))
        if before != digest:
            raise TrainingDataError(
                f"corpus {corpus!r} changed between the runs {other} and {name}: their losses cannot be compared\n"
                "remove the curve and the record of those with the wrong text, and run the same again"
            )
    return {corpus: digest for corpus, (digest, _) in found.items()}


def sweep(
    runs: Mapping[str, Planned],
    out_dir: str | Path,
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    lanes: int = 1,
    device: str | None = None,
    notify: Callable[[Progress], None] = lambda progress: None,
) -> list[dict[str, Any]]:
    """Train all runs that are not finished; returns the rows of `runs.csv`, in the order of `runs`.

    Parameters
    ----------
    runs : of `read_sweep`.
    out_dir, device : as for `train`; the folder is seen by all workers.
    executor : where the groups run; any will do, also `dask.distributed.Client(..).get_executor()`. A group may be started
        twice, as after the loss of a worker: it goes on from its checkpoint. Default: `jobs` processes here.
    jobs : processes, default one a core.
    lanes : members that learn side by side in a group; keep it when an interrupted sweep is run again.
    notify : is told how far the sweep is: at once, every second or so, and at its end.

    Raises
    ------
    ArgumentError : less than one lane; MachineError : `out_dir` cannot be written;
    TrainingError : after all other groups have ended, if any failed; of the kind of the first failure.
    """
    if executor is None:
        with open_executor(None, jobs) as pool:
            return sweep(runs, out_dir, executor=pool, lanes=lanes, device=device, notify=notify)
    if lanes < 1:
        raise ArgumentError(f"lanes = {lanes}: must be 1 or more")
    out_dir = Path(out_dir).resolve()
    settings: dict[str, Any] = {"out_dir": str(out_dir), "lanes": lanes, "device": device}
    check_run_table(out_dir)
    watch = Watch({name: run.spec for name, run in runs.items()}, out_dir)
    futures: dict[Future[Records], str] = {}
    records: Records = {}
    failed: dict[Future[Records], Exception] = {}
    later: list[tuple[Future[Records], Unit]] = []  # a part, behind who hands it over
    with _mark(out_dir, runs) as mark:
        notify(before := watch.look())
        corpora = _corpora(before.new)

        def submit(unit: Unit) -> Future[Records]:
            name, spec = next(iter(unit.specs.items()))
            labels = {name: runs[name].labels for name in unit.specs}
            own = settings | {"corpus_sha256": corpora.get(spec.corpus), "labels": labels}
            future = executor.submit(_work, unit, mark, own)
            futures[future] = name
            later.extend((future, Unit({name: unit.specs[name] for name in part}, [])) for part in unit.parts)
            return future

        left = {submit(unit) for unit in groups(runs, lanes)}
        while True:
            for pair in list(later):
                giver, unit = pair
                # where nothing was handed over, all its runs have ended, or the checkpoint is slow to be seen here
                through = giver not in left and giver not in failed
                if through or checkpoint_path(out_dir, unit.specs).exists():
                    later.remove(pair)
                    left.add(submit(unit))
            if not left:
                break
            ended, left = wait(left, timeout=LOOK, return_when=FIRST_COMPLETED)
            for future in ended:
                try:
                    records |= future.result()
                except Exception as problem:  # of any kind: the other groups go on, and it is raised below
                    failed[future] = problem
            notify(watch.look())
    with writing(out_dir):
        write_run_table(out_dir)
    if failed:
        ended_by, first = next(iter(failed.items()))
        kind = type(first) if isinstance(first, ScalingError) else TrainingError
        said = str(first) if kind is type(first) else f"{type(first).__name__}: {first}".rstrip(": ")
        if isinstance(first, BrokenExecutor):
            kind, said = (
                MachineError,
                (
                    "a process of its ended abruptly: it was killed, memory ran out, or it could not start\n"
                    'a script calls `sweep` below `if __name__ == "__main__":`, and is a file: every process reads it again'
                ),
            )
        raise kind(
            f"{len(failed)} of {len(futures)} groups failed; that of {futures[ended_by]}: {said}\n"
            "what the others did is kept; run the same again to go on"
        ) from first
    _corpora(records.values())
    return [records[name] for name in runs]
