"""TensorBoard event files: all files of a folder are one run."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from scaling.logs.findings import Findings
from scaling.logs.gathered import Gathered
from scaling.logs.sheet import Sheet
from scaling.words import many

NAME = "TensorBoard event files"
_MARK = "tfevents"


def claims(path: Path, head: bytes) -> bool:
    """An event file: a length of eight bytes, its checksum, and an event that names its version; or a folder with one."""
    if path.is_dir():
        return any(_MARK in file.name for file in path.iterdir() if file.is_file())
    return (_MARK in path.name and (not head or b"brain.Event:" in head[:64])) or b"brain.Event:" in head[12:64]


def home(path: Path, head: bytes) -> Path:
    """The folder, as a resumed run goes on in another file."""
    return path.parent if claims(path, head) else path


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """One run; of steps that a resumed run wrote again the newest."""
    try:
        from tensorboard.backend.event_processing import event_accumulator
    except ImportError:
        said = "event files need an extra: pip install 'scaling-laws[tensorboard]'; or download the scalars as CSV"
        findings.problem(str(path), said)
        return []
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    place = f"{path}/." if path.is_dir() else str(path)  # a folder of this name would be taken for a file
    events = event_accumulator.EventAccumulator(place, size_guidance={"scalars": 0, "tensors": 0})
    try:
        events.Reload()
        series = _series(events)
    except Exception as error:  # damage surfaces as whatever the parts below it raise
        why = f"{type(error).__name__}: {error}".splitlines()[0][:80]
        findings.problem(str(path), f"an event file is damaged ({why}); move it away, or download the scalars as CSV")
        return []
    if not any(series.values()):
        findings.problem(str(path), "the event files hold no scalars yet; log one with SummaryWriter.add_scalar")
        return []
    by_step: dict[int, dict[str, float]] = {}
    rewritten = 0
    for tag, points in series.items():
        kept, dropped = newest(np.array([step for _, step, _ in points], np.int64))
        rewritten += dropped
        for i in kept:
            by_step.setdefault(points[i][1], {})[tag] = points[i][2]
    if rewritten:
        findings.note(f"{many(rewritten, 'value')} that a resumed run wrote again dropped: the newest is read", str(path))
    columns, lines = Gathered.by_step(by_step).finished()
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    return [Sheet(str(path), folder.parts[1:], columns, lines, "step", names={"step": "step"})]


def _series(events: Any) -> dict[str, list[tuple[float, int, float]]]:
    """Tag -> time, step and value of every scalar."""
    from tensorboard.util import tensor_util

    series = {tag: [(e.wall_time, e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    for tag in events.summary_metadata and events.Tags()["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            found = [(e.wall_time, e.step, tensor_util.make_ndarray(e.tensor_proto)) for e in events.Tensors(tag)]
            series[tag] = [(time, step, float(value)) for time, step, value in found if value.size == 1]
    return series


def newest(step: np.ndarray) -> tuple[np.ndarray, int]:
    """Of values in the order they were written: those that no later value of the same or an earlier step replaces."""
    if not len(step):
        return np.zeros(0, np.int64), 0
    later = np.append(np.minimum.accumulate(step[::-1])[::-1][1:], np.iinfo(np.int64).max)
    kept = np.flatnonzero(step < later)
    return kept, len(step) - len(kept)
