"""Coverage of nominal 90 % intervals: share of rows inside, median full width, interval score, per column of the study."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import tasks

COLUMNS = ["epoch", "epoch far", "curve to 1.5x", "curve to 4x", "sched2", "sched4", "exact"]
BEST = dict(zip(COLUMNS, [0.0546, None, None, 0.116, 0.069, 0.034, None], strict=True))  # scores of spec/engine.md section 5


def groups(task: tasks.Task) -> dict[str, np.ndarray]:
    all_ = np.ones(len(task.far), bool)
    if task.column == "epoch":
        return {"epoch": all_, "epoch far": task.far}
    if task.column == "curve":
        return {"curve to 1.5x": ~task.far, "curve to 4x": all_}
    return {task.column: all_}


def score(task: tasks.Task, interval: str = "calibrated") -> tuple[dict[str, tuple[float, ...]], str]:
    """column -> (coverage, median width, interval score, width over that of "delta"), and what the interval says of itself."""
    fit = scaling.fit(task.train, task.law, objective=task.objective)
    link = fit.loss.link
    found = fit.predict(task.target, interval=interval)
    plain = fit.predict(task.target, interval="delta")
    y, low, high = link(found["loss"].to_numpy()), link(found["lower"].to_numpy()), link(found["upper"].to_numpy())
    width = high - low
    points = width + 20 * np.maximum(low - y, 0) + 20 * np.maximum(y - high, 0)
    inside = (y >= low) & (y <= high)
    delta = link(plain["upper"].to_numpy()) - link(plain["lower"].to_numpy())
    out = {
        name: (inside[m].mean(), np.median(width[m]), points[m].mean(), np.median(width[m]) / np.median(delta[m]))
        for name, m in groups(task).items()
        if m.any()
    }
    return out, found.attrs["interval"]


def table(data: Path, interval: str = "calibrated", exact: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over tasks, every task one vote; and the tasks below 70 % coverage, worst first."""
    found = defaultdict(list)
    failures = []
    streams = [tasks.epoch_tasks(data), tasks.curve_tasks(data), tasks.schedule_tasks(data, 2, 21)]
    streams += [tasks.schedule_tasks(data, 4, 18), tasks.exact_tasks(exact)]
    for stream in streams:
        start = time.process_time()
        for task in stream:
            scored, said = score(task, interval)
            for name, values in scored.items():
                found[name].append(values)
                if values[0] < 0.7:
                    failures.append((name, task.name, *values[:2], said.partition(";")[0]))
        print(f"{task.column}: {time.process_time() - start:.0f} s of CPU", file=sys.stderr, flush=True)
    names = [c for c in COLUMNS if c in found]
    out = pd.DataFrame([np.mean(found[c], 0) for c in names], index=names, columns=["coverage", "width", "score", "of delta"])
    out["best score of spec"] = [BEST[c] for c in names]
    out["tasks"] = [len(found[c]) for c in names]
    return out, pd.DataFrame(failures, columns=["column", "task", "coverage", "width", "interval"]).sort_values("coverage")
