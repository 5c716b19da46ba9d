"""The work of a group of runs: segments of their trees, taken in turn by the members of a stack.

A stack of `lanes` members takes one segment each, and the next when it is through; what a run writes does not depend
on its company. All that is needed to go on is in one checkpoint: the state of every segment under way or waiting, and
how long each curve was. A part of a tree that is another group's work is handed over as just that: at its branch
point, the checkpoint of the other group is written.
"""

import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from scaling.document import write_atomically
from scaling.errors import TrainingDataError, TrainingError
from scaling.training.corpus import Corpus
from scaling.training.evaluation import Judge, Judged, evaluate, evaluation_steps, in_bytes, judges
from scaling.training.progress import bar
from scaling.training.records import (
    Curve,
    RunFiles,
    checkpoint_path,
    conditions,
    facts,
    further_columns,
    refuse_orphans,
    remedy,
    sealed,
    unsealed,
    versions,
)  # fmt: skip
from scaling.training.spec import RunSpec
from scaling.training.stack import CHUNK, Losses, Stack, model_of
from scaling.training.stops import Stops
from scaling.training.tree import Segment, forest

HOPELESS = 2.0  # times the loss of a model that knows nothing: no run that learned was ever above 1.3 of it


class Run:
    """A run on its way: where it is evaluated, its curve, and the updates since its last row."""

    def __init__(self, spec: RunSpec, curve: Curve, *means: Iterable[float]):
        self.spec, self.rows = spec, {*map(int, evaluation_steps(spec.table.rates, spec.eval_every))}
        # values of each update of which a row says the mean: loss, z-loss, and what is watched besides
        self.stops = self.rows | spec.merged.keys()
        self.curve, self.means = curve, [list(values) for values in means] or [[] for _ in range(2 + len(spec.watched))]


@dataclass(eq=False)
class Lane:
    """A segment, and how far it is: `state` is None at the very beginning of a run."""

    segment: Segment
    state: dict[str, Any] | None
    seconds: float
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.step = self.state["step"] if self.state else 0


class Group:
    """Runs of one kind on one device.

    `records` are those of the runs that have ended; more are added. `parts` are other groups' work from their branch
    points on, and `elsewhere` the names of those of their runs that have reached it.
    """

    def __init__(
        self,
        specs: Mapping[str, RunSpec],
        out_dir: str | Path,
        corpus: Corpus,
        device: torch.device,
        labels: Mapping[str, Mapping[str, str]],
        records: dict[str, dict[str, Any]],
        parts: Sequence[Sequence[str]] = (),
        elsewhere: Set[str] = frozenset(),
    ):
        self.specs, self.out_dir, self.corpus, self.device = specs, out_dir, corpus, device
        self.labels, self.records, self.parts, self.elsewhere = labels, records, parts, elsewhere
        self.files = {name: RunFiles(out_dir, name) for name in specs}
        self.checkpoint = checkpoint_path(out_dir, specs)
        self.spec = next(iter(specs.values()))
        self.model = model_of(self.spec)
        self.conditions = {name: conditions(spec, corpus, device) for name, spec in specs.items()}
        self.runs: dict[str, Run] = {}  # not ended, and not elsewhere
        self.parents: dict[str, tuple[str, int]] = {}  # run -> the one that lent it its first updates, and how many
        self.initial: dict[int, float] = {}  # seed -> loss before the first update
        self.averages: dict[str, torch.Tensor] = {}  # run -> weighted sum of its checkpoints so far, float64 (P,)
        self.origin = cache(self.model.initial)  # seed -> first weights
        self.trees = forest(specs)
        self.segments = [segment for tree in self.trees for segment in tree.walk()]
        for segment in self.segments:
            self.parents |= dict.fromkeys(segment.runs[1:], (segment.runs[0], segment.end))
        self.waiting = [Lane(tree, None, 0.0) for tree in reversed(self.trees)]
        self.lanes: list[Lane] = []
        self.stack: Stack
        self.pace = 1  # updates a second: no signal waits much longer
        corpus.require(self.model.span())
        self.final_judges, curve_judges = (
            judges(corpus, tokens, self.spec.context, self.model.span(), device)
            for tokens in (self.spec.val_tokens, self.spec.eval_tokens)
        )
        self.curve_judges = [judge for judge in curve_judges if judge.share]

    def work(
        self, curves: Mapping[Path, IO[bytes]], lanes: int, checkpoint_seconds: float, quiet: bool, wanted: Callable[[], bool]
    ) -> None:
        """Train all that is not finished, into `curves`; the last checkpoint is left for who writes what runs share."""
        saved = self._resume() if self.checkpoint.exists() else {}
        if not saved:
            refuse_orphans(self._begun().values(), self.checkpoint)
        for name, path in self._begun().items():
            try:
                keep, said = saved[name][0] if saved else (None, None)
                curve = Curve(curves[path], keep, said, further_columns(self.specs[name]))
            except ValueError as problem:
                raise TrainingDataError(f"{path} {problem}\n{self._start_over()}") from None
            self.runs[name] = Run(self.specs[name], curve, *(saved[name][1:] if saved else ()))
        for seed in {run.spec.seed for run in self.runs.values()} - self.initial.keys():
            weights = self.model.views(self.model.initial(seed)[None].to(self.device))
            self.initial[seed] = evaluate(self.model, weights, self.final_judges)[0].loss
        total = sum(tree.steps for tree in self.trees)
        done = total - sum(lane.segment.steps - (lane.step - lane.segment.start) for lane in self.waiting)
        self._hand_over()
        self._save()
        saved_at = time.perf_counter()
        with bar(self.checkpoint.stem, done, total, quiet) as advanced, Stops() as stops:
            while self._fill(lanes):
                advanced(self._advance())
                if stops.number is not None or time.perf_counter() - saved_at >= checkpoint_seconds:
                    self._save()
                    stops.heed()
                    saved_at = time.perf_counter()
                    if not wanted():
                        raise TrainingError(f"{self.checkpoint.stem}: stopped, a later sweep has taken over")

    def _begun(self) -> dict[str, Path]:
        """The curves of runs that are ours and have not ended, by name."""
        return {n: self.files[n].curve for n in self.specs if n not in self.records and n not in self.elsewhere}

    def _start_over(self, otherwise: str = "bring back what was there") -> str:
        """What to do about a checkpoint, or a curve of it, that cannot be gone on from."""
        with_bytes = [path for path in self._begun().values() if path.exists() and path.stat().st_size]
        return remedy([self.checkpoint, *with_bytes], otherwise)

    def _loaded(self) -> dict[str, Any]:
        """What the checkpoint holds."""
        try:
            content = io.BytesIO(unsealed(self.checkpoint.read_bytes()))
            saved: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
            if "names" not in saved and not {"identity", "waiting", "runs", "parents", "initial"} <= saved.keys():
                raise ValueError("it is not that of a group of runs")
        except Exception as problem:  # of any kind: one of before there were digests may hold anything
            said = str(problem).partition("\n")[0]
            raise TrainingDataError(
                f"{self.checkpoint}: this checkpoint was changed or damaged, {said}\n{self._start_over()}"
            ) from problem
        return saved

    def _resume(self) -> dict[str, tuple[Any, ...]]:
        """Take up the checkpoint; returns for each run length and digest of its curve, and its `means` since the last row."""
        saved = self._loaded()
        if "names" in saved:
            raise TrainingDataError(
                f"{self.checkpoint} was written by an older version of scaling, which divided sweeps otherwise\n"
                + self._start_over("end the sweep with that version")
            )
        for name in self._begun():
            was, now = saved["identity"].get(name, {}), asdict(self.specs[name]) | self.conditions[name]
            if was:  # a younger setting had its default
                was = {key: getattr(RunSpec, key) for key in now if hasattr(RunSpec, key)} | was
            self.files[name].refuse_other(self.checkpoint, was=was, now=now)
            if name not in saved["runs"]:
                raise TrainingDataError(
                    f"{self.checkpoint}: {name} was handed over to another process, and its checkpoint is not there, or it "
                    "had ended, and its record is not there\n"
                    + self._start_over("run the sweep as it was, with the same file and --lanes, and all files back in place")
                )
        self.initial, self.parents, self.waiting = saved["initial"], saved["parents"], []
        self.averages = saved.get("averages", {})  # not in those of before there were any
        for name, state, seconds in saved["waiting"]:
            step = state["step"] if state else 0
            (segment,) = (s for s in self.segments if name in s.runs and s.start <= step < s.end)
            self.waiting.append(Lane(segment, state, seconds))
        digests = saved.get("curves", {})  # not in those of before there were any
        return {name: ((keep, digests.get(name)), *means) for name, (keep, *means) in saved["runs"].items()}

    def _hand_over(self) -> None:
        """Write the checkpoints of the groups whose branch point is reached; what they have is not ours any more."""
        for part in self.parts:
            if theirs := [lane for lane in self.waiting if set(lane.segment.runs) <= set(part)]:
                runs = {name: self.runs.pop(name) for name in part if name in self.runs}
                self.waiting = [lane for lane in self.waiting if lane not in theirs]
                if runs:
                    self._write(checkpoint_path(self.out_dir, part), theirs, runs)

    def _going(self) -> list[Lane]:
        return [lane for lane in self.lanes if lane.step < lane.segment.end and self._alive(lane.segment)]

    def _alive(self, segment: Segment) -> list[str]:
        return [name for name in segment.runs if name in self.runs]

    def _fill(self, lanes: int) -> bool:
        """Give free lanes the next segments; the stack is built anew when the number of lanes changes."""
        going, new = self._going(), list[Lane]()
        while self.waiting and len(going) + len(new) < lanes:
            lane = self.waiting.pop()
            if self._alive(lane.segment):
                new.append(lane)
        if not going and not new:
            return False
        if len(going) + len(new) != len(self.lanes):
            for lane in going:
                lane.state = self._state(lane)
            self.lanes = new = [*going, *new]
            longest = max(len(spec.updates) for spec in self.specs.values())
            quantise = any(spec.qat_bits for spec in self.specs.values())
            self.stack = Stack(self.spec, len(new), longest, self.corpus.text, self.device, quantise)
            self.stack.probing = any(spec.probes for spec in self.specs.values())
        else:
            free = iter(new)
            self.lanes = [lane if lane in going else next(free) for lane in self.lanes]
        for lane in new:
            self._start(lane)
        return True

    def _start(self, lane: Lane) -> None:
        self.stack.start(self.lanes.index(lane), self.specs[lane.segment.runs[0]], lane.state)
        lane.state = None
        rows = set().union(*(self.runs[name].stops for name in self._alive(lane.segment)))
        end = lane.segment.end
        lane.rows = sorted({row for row in rows if lane.step < row < end} | {end}, reverse=True)

    def _state(self, lane: Lane) -> dict[str, Any]:
        return self.stack.state(self.lanes.index(lane))

    def _advance(self) -> int:
        """Go on to the next row of any lane, at most a chunk; returns the updates done."""
        began = time.perf_counter()
        n = min(CHUNK, self.pace, *(lane.rows[-1] - lane.step for lane in self.lanes))
        starts = [(lane.step, self.specs[lane.segment.runs[0]].data_seed) for lane in self.lanes]
        batch, span = self.spec.batch, self.model.span()
        losses = self.stack.advance(
            np.array([[self.corpus.places(step + i, batch, span, seed) for step, seed in starts] for i in range(n)])
        )
        self.pace = max(1, int(n / (time.perf_counter() - began)))
        for k, lane in enumerate(self.lanes):
            lane.step += n
            for name in self._alive(lane.segment):
                for values, now in zip(self.runs[name].means, (losses.train, losses.z, *losses.watched), strict=True):
                    values += now[k].tolist()
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
        if len(members) > 1 and not self.model.even(self.spec.context):
            return [judged for k in members for judged in self._judge([k], judges)]
        with torch.no_grad():
            chosen = torch.tensor(members, device=self.device)
            weights = {name: weight.detach()[chosen] for name, weight in self.stack.weights.items()}
            return evaluate(self.model, self.stack.seen(weights, self.stack.levels(chosen)), judges)

    def _row(self, k: int, judged: Judged, losses: Losses) -> None:
        """Write the rows of all runs that have one at this step of lane k; end those that end here.

        A run ends as diverged at a row of its own, so that it does so at the same one whatever its company.
        """
        lane = self.lanes[k]
        step, span = lane.rows.pop(), self.model.span()
        names = self._alive(lane.segment)
        probing = [self.runs[name] for name in names if self.runs[name].spec.probes and step in self.runs[name].rows]
        probed = self.stack.probes(k, self.origin(probing[0].spec.seed)) if probing else {}
        for name in names:
            run = self.runs[name]
            if weight := run.spec.merged.get(step):
                flat = self.stack.flat[k].detach().cpu().double()
                self.averages[name] = self.averages.get(name, torch.zeros_like(flat)) + weight * flat
            if step not in run.rows:
                continue
            window = len(run.means[0])
            # exact, however the updates were chunked
            train_loss, z_loss, *watched = (math.fsum(values) / window for values in run.means)
            width = self.corpus.width_read(
                range(step - window, step), run.spec.batch, span, run.spec.data_seed, run.spec.context
            )
            run.curve.row(
                step=step,
                tokens=step * run.spec.batch_tokens,
                lr=float(run.spec.table.rates[step - 1]),
                train_loss=train_loss,
                train_window=window,
                val_loss=judged.loss,
                val_se=judged.standard_error,
                val_tokens=run.spec.eval_tokens * len(self.curve_judges),
                grad_norm=float(losses.grad_norm[k, -1]),
                z_loss=z_loss if run.spec.z_loss else None,
                train_loss_byte=train_loss / width,
                val_loss_byte=judged.per_byte,
                **dict(zip(run.spec.watched, watched, strict=True)),
                **probed,
            )
            run.means = [[] for _ in run.means]
            most = HOPELESS * self.initial[run.spec.seed] if step >= run.spec.eval_every else math.inf  # the start may be rough
            if not (math.isfinite(train_loss) and math.isfinite(judged.loss) and judged.loss <= most):
                self._finish(name, lane, "diverged", None)
        if step < lane.segment.end:
            return
        state = self._state(lane) if lane.segment.children else None
        self.waiting += [Lane(child, state, lane.seconds) for child in reversed(lane.segment.children)]
        self._hand_over()
        ending = [name for name in self._alive(lane.segment) if self.specs[name].table.steps == step]
        if ending:
            (final,) = self._judge([k], self.final_judges)
            for name in ending:
                self._finish(name, lane, "finished", final)

    def _merged(self, name: str, lane: Lane, final: Judged | None) -> dict[str, float | None]:
        """What the average of a run's checkpoints is worth, rounded as the last of them is."""
        flat, merged = self.averages.pop(name, None), None
        if final and flat is not None:
            member = self.stack.rows[self.lanes.index(lane)][None]
            weights = self.stack.seen(self.model.views(flat.float().to(self.device)[None]), self.stack.levels(member))
            (merged,) = evaluate(self.model, weights, self.final_judges)
        return {"merged_val_loss": merged and merged.loss, "merged_val_se": merged and merged.standard_error}

    def _finish(self, name: str, lane: Lane, status: str, final: Judged | None) -> None:
        run = self.runs.pop(name)
        _, curve_sha256 = run.curve.sync()
        parent, branch = self.parents.get(name, (None, None))
        by_source = final.by_source if final and len(self.corpus.sources) > 1 else {}
        short = {source: Path(source).name or source for source in by_source}
        if len({*short.values()}) < len(short):  # notes/text/ and mail/text/
            short = {source: source for source in by_source}
        self.records[name] = {
            "run_id": name,
            **self.labels.get(name, {}),
            "status": status,
            "final_loss": final and final.loss,
            "val_se": final and final.standard_error,
            "initial_loss": self.initial[run.spec.seed],
            **{f"val_loss_{short[source]}": loss for source, loss in by_source.items()},
            **(in_bytes(self.corpus, self.final_judges, self.spec.context, final) if self.corpus.vocabulary else {}),
            **(self._merged(name, lane, final) if run.spec.merge else {}),
            **facts(run.spec, self.corpus),
            "parent_run": parent,
            "branch_step": branch,
            "elapsed_s": round(lane.seconds, 1),
            "curve_sha256": curve_sha256,
            **self.conditions[name],
            **versions(),
            "command": run.spec.command(self.out_dir, name),
        }
        self.files[name].finish(self.records[name])

    def _save(self) -> None:
        going = [replace(lane, state=self._state(lane)) for lane in reversed(self._going())]
        self._write(self.checkpoint, [*self.waiting, *going], self.runs)

    def _write(self, path: Path, lanes: list[Lane], runs: dict[str, Run]) -> None:
        """Write a checkpoint: rows are on disk before the state that counts on them."""
        content, waiting = io.BytesIO(), []
        for lane in lanes:  # known by a run and its step, because the trees of another group have other segments
            if name := next((name for name in lane.segment.runs if name in runs), None):
                waiting.append((name, lane.state, lane.seconds))
        curves = {name: run.curve.sync() for name, run in runs.items()}
        if path != self.checkpoint:  # of a part: who goes on from it may take its curves
            for run in runs.values():
                run.curve.close()
        state = {
            "identity": {name: asdict(self.specs[name]) | self.conditions[name] for name in runs},
            "waiting": waiting,
            "runs": {name: (curves[name][0], *run.means) for name, run in runs.items()},
            "curves": {name: sha256 for name, (_, sha256) in curves.items()},
            "parents": self.parents,
            "initial": self.initial,
            "averages": {name: flat for name, flat in self.averages.items() if name in runs},
        }
        torch.save(state, content)
        write_atomically(path, sealed(content.getvalue()))
