"""Train runs, together where they share anything; exact to the bit when it is stopped and started again.

The runs of a group are planned as trees of what they share (`tree.forest`). Segments of the trees are work; a stack of
`lanes` members takes one segment each, and the next when it is through. What a run writes does not depend on its company.
"""

import errno
import hashlib
import io
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaling.errors import TrainingError
from scaling.training.corpus import Corpus, read_corpus, validation_windows
from scaling.training.device import prepare, progress
from scaling.training.evaluation import Judge, Judged, evaluate, evaluation_steps
from scaling.training.records import Curve, RunFiles, sole_writer, write_atomically, write_run_table
from scaling.training.spec import RunSpec
from scaling.training.stack import CHUNK, Losses, Stack
from scaling.training.summary import conditions_of, run_record
from scaling.training.tree import Segment, forest


def train(
    spec: RunSpec,
    out_dir: str | Path,
    *,
    name: str | None = None,
    device: str | None = None,
    threads: int = 1,
    labels: Mapping[str, str] | None = None,
    checkpoint_seconds: float = 30.0,
) -> dict[str, Any]:
    """
    Train one model and write its curve; resume it if it was interrupted; do nothing if it is finished.

    Parameters
    ----------
    spec : RunSpec
        Everything that decides the numbers.
    out_dir : path
        Folder for `curves/<name>.csv`, `curves/<name>.json`, `runs.csv` and, while training, `checkpoints/`.
    name : str, optional
        Name of the run and its files; default `spec.default_name`, made of size, schedule and length.
    device : {'cpu', 'cuda'}, optional
        Default: cuda if there is one.
    threads : int
        Threads of torch on the CPU. One is fastest for small models: their threads mostly wait.
    labels : mapping, optional
        Further columns for the run's row in `runs.csv`, for example `{'role': 'short'}`.
    checkpoint_seconds : float
        At least this long between two checkpoints.

    Returns
    -------
    dict
        The run's row of `runs.csv`. `status` is `finished`, or `diverged` if the loss stopped being finite:
        then the curve ends at the last finite row and `final_val_loss` is None.

    Raises
    ------
    TrainingError
        For a corpus too small, files of another spec under this name, a changed corpus or machine on
        resume, no space left, or a device that is not there.
    """
    name = name or spec.default_name
    return train_group(
        {name: spec},
        out_dir,
        device=device,
        threads=threads,
        labels={name: labels or {}},
        checkpoint_seconds=checkpoint_seconds,
    )[name]


def train_group(
    specs: Mapping[str, RunSpec],
    out_dir: str | Path,
    *,
    lanes: int = 1,
    device: str | None = None,
    threads: int = 1,
    labels: Mapping[str, Mapping[str, str]] | None = None,
    checkpoint_seconds: float = 30.0,
    quiet: bool = False,
) -> dict[str, dict[str, Any]]:
    """
    Train several runs of one kind (`RunSpec.kind`): what they share once, and `lanes` members at a time.

    Every file is what `train` would have written for the run alone, bit by bit on the CPU, except where its record
    says how it was made (`parent_run`, `branch_step`, `elapsed_s`).

    Parameters
    ----------
    specs : mapping
        Name -> spec.
    lanes : int
        Members that learn side by side. On a GPU as many as fit; on the CPU 1 to 8, more for smaller models.
    quiet : bool
        Show no progress bar.

    The other parameters, and what is raised, are those of `train`.

    Returns
    -------
    dict
        Name -> the run's row of `runs.csv`.
    """
    files = {name: RunFiles(out_dir, name) for name in specs}
    records: dict[str, dict[str, Any]] = {}
    for name, spec in specs.items():
        if (done := files[name].finished()) is not None:
            settings = asdict(spec)  # a setting younger than the record had its default
            was = {key: done.get(key, getattr(RunSpec, key, None)) for key in settings}
            files[name].refuse_other(files[name].record, was=was, now=settings)
            records[name] = done
    if len({spec.kind for spec in specs.values()}) > 1:
        raise TrainingError("runs of one group must agree in all but seeds, schedule, decay, clipping and rounding")
    if len(records) == len(specs):
        return records
    where = prepare(device, threads)
    corpus = read_corpus(next(iter(specs.values())).corpus)
    group = _Group(dict(specs), files, corpus, where, threads, dict(labels or {}), records)
    try:
        with sole_writer(group.checkpoint):
            group.work(lanes, checkpoint_seconds, quiet)
        write_run_table(out_dir)
    except OSError as full:
        if full.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise TrainingError(
            f"{out_dir}: no space left on the device\n"
            "nothing is lost: free some space and run the same again; it goes on from its last checkpoint"
        ) from full
    return {name: records[name] for name in specs}


@dataclass
class _Run:
    """A run on its way: what it will be evaluated at, its open curve, and the updates since its last row."""

    spec: RunSpec
    rows: set[int]
    curve: Curve | None = None
    window: list[float] = field(default_factory=list)
    z: list[float] = field(default_factory=list)


@dataclass
class _Lane:
    """A segment, and how far it is: `state` is None at the very beginning of a run."""

    segment: Segment
    state: dict[str, Any] | None
    seconds: float
    step: int = 0
    rows: list[int] = field(default_factory=list)


class _Group:
    def __init__(
        self,
        specs: dict[str, RunSpec],
        files: dict[str, RunFiles],
        corpus: Corpus,
        device: torch.device,
        threads: int,
        labels: dict[str, Mapping[str, str]],
        records: dict[str, dict[str, Any]],
    ):
        self.specs, self.files, self.corpus, self.device = specs, files, corpus, device
        self.labels, self.records = labels, records
        self.initial: dict[int, float] = {}
        self.spec = next(iter(specs.values()))
        self.conditions = {name: conditions_of(spec, corpus, device, threads) for name, spec in specs.items()}
        group = next(iter(specs))
        if len(specs) > 1:
            group = f"group-{hashlib.sha256(repr(sorted(specs)).encode()).hexdigest()[:12]}"
        self.checkpoint = next(iter(files.values())).out_dir / "checkpoints" / f"{group}.pt"
        span = (2 if self.spec.n_encoder else 1) * self.spec.context + 1
        corpus.require(span)

        def judges(tokens: int) -> list[Judge]:
            windows = (validation_windows(s.validation, tokens, self.spec.context, span) for s in corpus.sources)
            return [
                Judge(source.name, source.share, torch.from_numpy(w).to(device).long())
                for source, w in zip(corpus.sources, windows, strict=True)
            ]

        self.curve_judges, self.final_judges, self.span = (
            judges(self.spec.eval_tokens),
            judges(self.spec.val_tokens),
            span,
        )
        self.curve_judges = [judge for judge in self.curve_judges if judge.share]

    def work(self, lanes: int, checkpoint_seconds: float, quiet: bool) -> None:
        """Train all that is not finished."""
        saved = None
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            for name, spec in self.specs.items():
                if name not in self.records:
                    was, now = saved["identity"].get(name, {}), asdict(spec) | self.conditions[name]
                    self.files[name].refuse_other(self.checkpoint, was=was, now=now)
        # the numbering of segments in a checkpoint is that of the runs that were unfinished when it began
        names = saved["names"] if saved else [name for name in self.specs if name not in self.records]
        self.trees = forest({name: self.specs[name] for name in names})
        self.segments = [segment for tree in self.trees for segment in tree.walk()]
        self.names = names
        self.runs = {
            name: _Run(
                self.specs[name], set(evaluation_steps(self.specs[name].table.rates, self.specs[name].eval_every))
            )
            for name in names
            if name not in self.records
        }
        self.waiting = [_Lane(tree, None, 0.0) for tree in reversed(self.trees)]
        self.lanes: list[_Lane] = []
        self.stack: Stack | None = None
        bytes_of: dict[str, int] = {}
        if saved:
            self.waiting = [_Lane(self.segments[i], state, seconds) for i, state, seconds in saved["waiting"]]
            for name, run in self.runs.items():
                bytes_of[name], run.window, run.z = saved["runs"][name]
        total = sum(tree.steps for tree in self.trees)
        done = total - sum(
            lane.segment.steps - (lane.state["step"] - lane.segment.start if lane.state else 0) for lane in self.waiting
        )
        with ExitStack() as files, progress(self.checkpoint.stem, done, total, quiet) as advanced:
            for name, run in self.runs.items():
                run.curve = files.enter_context(Curve(self.files[name].curve, bytes_of.get(name)))
            self._save()
            saved_at = time.perf_counter()
            while self._fill(lanes):
                advanced(self._advance())
                if time.perf_counter() - saved_at >= checkpoint_seconds:
                    self._save()
                    saved_at = time.perf_counter()
        self.checkpoint.unlink()

    def _alive(self, segment: Segment) -> list[str]:
        return [name for name in segment.runs if name in self.runs]

    def _fill(self, lanes: int) -> bool:
        """Give free lanes the next segments; a stack of another size is built when their number changes."""
        going = [lane for lane in self.lanes if lane.step < lane.segment.end and self._alive(lane.segment)]
        new: list[_Lane] = []
        while self.waiting and len(going) + len(new) < lanes:
            lane = self.waiting.pop()
            if self._alive(lane.segment):
                new.append(lane)
        if len(going) + len(new) != len(self.lanes) or self.stack is None:
            for lane in going:
                lane.state = self._state(lane)
            old, self.lanes = self.lanes, [*going, *new]
            if not self.lanes:
                return False
            fresh = self.lanes
            if len(self.lanes) != len(old) or self.stack is None:
                longest = max(len(spec.updates) for spec in self.specs.values())
                quantise = any(spec.qat_bits for spec in self.specs.values())
                self.stack = Stack(self.spec, len(self.lanes), longest, self.corpus.text, self.device, quantise)
        else:  # the same number: only the places that became free change hands
            fresh = new
            places = iter(new)
            self.lanes = [lane if any(lane is g for g in going) else next(places) for lane in self.lanes]
        for lane in fresh:
            k = next(i for i, other in enumerate(self.lanes) if other is lane)
            lane.step = lane.state["step"] if lane.state else 0
            self.stack.start(k, self.specs[lane.segment.runs[0]], lane.state)
            lane.state = None
            rows = set().union(*(self.runs[name].rows for name in self._alive(lane.segment)))
            end = lane.segment.end
            lane.rows = sorted({row for row in rows if lane.step < row < end} | {end}, reverse=True)
        return True

    def _state(self, lane: _Lane) -> dict[str, Any]:
        assert self.stack is not None
        return self.stack.state(next(k for k, other in enumerate(self.lanes) if other is lane))

    def _advance(self) -> int:
        """Go on to the next row of any lane, at most a chunk; returns the updates done."""
        assert self.stack is not None
        began = time.perf_counter()
        n = min(CHUNK, *(lane.rows[-1] - lane.step for lane in self.lanes))
        specs = [self.specs[lane.segment.runs[0]] for lane in self.lanes]
        places = np.stack(
            [
                [
                    self.corpus.places(lane.step + i, batch=spec.batch, span=self.span, seed=spec.data_seed)
                    for lane, spec in zip(self.lanes, specs, strict=True)
                ]
                for i in range(n)
            ]
        )
        losses = self.stack.advance(places)
        for k, lane in enumerate(self.lanes):
            lane.step += n
            for name in self._alive(lane.segment):
                self.runs[name].window += losses.train[k].tolist()
                self.runs[name].z += losses.z[k].tolist()
        at_row = [k for k, lane in enumerate(self.lanes) if lane.step == lane.rows[-1]]
        judged = self._judge(at_row, self.curve_judges) if at_row else []
        share = (time.perf_counter() - began) / len(self.lanes)
        for lane in self.lanes:
            lane.seconds += share
        for k, curve_loss in zip(at_row, judged, strict=True):
            self._row(k, curve_loss, losses)
        return n * len(self.lanes)

    def _judge(self, members: list[int], judges: list[Judge]) -> list[Judged]:
        """Losses of some members of the stack, with the weights that their next update would see."""
        assert self.stack is not None
        with torch.no_grad():
            chosen = torch.tensor(members, device=self.device)
            last = (self.stack.step[chosen] - 1).clamp_min(0)
            levels = self.stack.updates[chosen, last, 2]
            weights = {name: weight.detach()[chosen] for name, weight in self.stack.weights.items()}
            return evaluate(self.stack.model, self.stack.seen(weights, levels), judges)

    def _row(self, k: int, judged: Judged, losses: Losses) -> None:
        """Write the rows of all runs that have one at this step of lane k; end those that end here."""
        lane = self.lanes[k]
        step = lane.rows.pop()
        names = self._alive(lane.segment)
        if not math.isfinite(judged.loss) or not np.isfinite(losses.train[k]).all():
            for name in names:
                self._finish(name, lane, "diverged", None)
            return
        for name in names:
            run = self.runs[name]
            if step not in run.rows:
                continue
            assert run.curve is not None
            run.curve.row(
                step=step,
                tokens=step * run.spec.batch_tokens,
                lr=float(run.spec.table.rates[step - 1]),
                train_loss=math.fsum(run.window) / len(run.window),  # exact, however the updates were chunked
                train_window=len(run.window),
                val_loss=judged.loss,
                val_se=judged.standard_error,
                val_tokens=run.spec.eval_tokens * len(self.curve_judges),
                grad_norm=float(losses.grad_norm[k, -1]),
                z_loss=math.fsum(run.z) / len(run.z) if run.spec.z_loss else None,
            )
            run.window, run.z = [], []
        if step < lane.segment.end:
            return
        state = self._state(lane) if lane.segment.children else None
        self.waiting += [_Lane(child, state, lane.seconds) for child in reversed(lane.segment.children)]
        ending = [name for name in names if self.runs[name].spec.table.steps == step]
        if ending:
            (final,) = self._judge([k], self.final_judges)
            for name in ending:
                self._finish(name, lane, "finished", final)

    def _finish(self, name: str, lane: _Lane, status: str, final: Judged | None) -> None:
        run = self.runs.pop(name)
        assert run.curve is not None
        run.curve.sync()
        shared = [s for s in self.segments if name in s.runs and s.runs[0] != name]
        outcome = {
            "status": status,
            "final": final,
            "initial_loss": self._initial_loss(run.spec.seed),
            "elapsed_s": round(lane.seconds, 1),
            "parent_run": shared[-1].runs[0] if shared else None,
            "branch_step": max(s.end for s in shared) if shared else None,
        }
        record = run_record(
            run.spec, self.files[name], self.corpus, self.conditions[name], outcome, dict(self.labels.get(name, {}))
        )
        self.files[name].finish(record)
        self.records[name] = record

    def _initial_loss(self, seed: int) -> float:
        """Loss before the first update, on the final validation set: what a run that learned nothing has."""
        if seed not in self.initial:
            assert self.stack is not None
            model = self.stack.model
            weights = model.views(model.initial(seed)[None].to(self.device))
            self.initial[seed] = evaluate(model, weights, self.final_judges)[0].loss
        return self.initial[seed]

    def _save(self) -> None:
        """Write the checkpoint: rows are on disk before the state that counts on them."""
        index = {id(segment): i for i, segment in enumerate(self.segments)}
        waiting = [(index[id(lane.segment)], lane.state, lane.seconds) for lane in self.waiting]
        waiting += [
            (index[id(lane.segment)], self._state(lane), lane.seconds)
            for lane in reversed(self.lanes)
            if self._alive(lane.segment) and lane.step < lane.segment.end
        ]
        content = io.BytesIO()
        torch.save(
            {
                "names": self.names,
                "identity": {name: asdict(spec) | self.conditions[name] for name, spec in self.specs.items()},
                "waiting": waiting,
                "runs": {name: (run.curve.sync(), run.window, run.z) for name, run in self.runs.items() if run.curve},
            },
            content,
        )
        write_atomically(self.checkpoint, content.getvalue())
