"""`python -m benchmarks.sldbench [TASK ...]`: R2 on held-out rows of every public table at hand, and RegMix beside LightGBM."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

import scaling
from benchmarks.papers.__main__ import shared
from benchmarks.sldbench import regmix
from benchmarks.sldbench.tasks import TASKS, Task, rows
from scaling.errors import ScalingError

CHOOSE = 5  # groups that say which law a task takes, where each is fitted alone


def groups(task: Task, table: pd.DataFrame) -> list[pd.DataFrame]:
    """The tables that are fitted, with the column `held`; without that of the groups."""
    table = table.assign(held=task.held(table))
    parts = [part for _, part in table.groupby("group")] if task.apart else [table]
    return [part.drop(columns="group") for part in parts]


def chosen(task: Task, parts: list[pd.DataFrame]) -> tuple[str, str]:
    """The law that errs least by rolling origin over rows that are not held out, and the one that `auto` takes there."""
    seen = [part[~part["held"]].drop(columns="held") for part in parts[-CHOOSE:]]
    best = task.laws[0]
    if len(task.laws) > 1:
        tables = [scaling.compare(part, list(task.laws), objective=task.objective)["error"] for part in seen]
        best = str(pd.concat(tables, axis=1).mean(axis=1, skipna=False).idxmin())
    try:
        auto = scaling.fit(seen[-1], objective=task.objective).law.name
    except ScalingError as problem:
        auto = f"none: {problem}"[:60]
    return best, auto


def r2(loss: np.ndarray, prediction: np.ndarray) -> float:
    return float(1 - ((loss - prediction) ** 2).sum() / ((loss - loss.mean()) ** 2).sum())


def held_out(law: str, parts: list[pd.DataFrame], objective: str, told: bool = False) -> tuple[float, float, bool]:
    """R2 on the raw losses of all held-out rows together, mean error in their unit, and whether all fits are trusted.

    told : are these rows fitted as well? What the law reaches then is about the most that its form can.
    """
    losses, predictions, ok = [], [], True
    for part in parts:
        fit = scaling.fit(part[~part["held"] | told].drop(columns="held"), law, objective=objective)
        asked = part[part["held"]].drop(columns="held")
        predictions.append(fit.predict(asked, interval="delta")["prediction"].to_numpy())
        losses.append(asked["loss"].to_numpy())
        ok &= fit.ok
    loss, prediction = np.concatenate(losses), np.concatenate(predictions)
    return r2(loss, prediction), float(np.abs(loss - prediction).mean()), ok


def ceiling(parts: list[pd.DataFrame]) -> float:
    """R2 of the means of held-out rows with the same inputs, more than any law can reach; NaN where no two are alike."""
    rest = pd.concat(parts, keys=range(len(parts)), names=["part"]).query("held").drop(columns="held").reset_index("part")
    same = rest.groupby([c for c in rest if c != "loss"])["loss"]
    return r2(rest["loss"].to_numpy(), same.transform("mean").to_numpy()) if same.size().max() > 1 else np.nan


def lines(wanted: list[str]) -> Iterator[dict[str, object]]:
    root = shared()
    if root is None:
        raise SystemExit("public data not found: set SCALING_DATA to the folder with scalebench and regmix")
    for task in TASKS:
        if wanted and task.name not in wanted:
            continue
        parts = groups(task, rows(task, root))
        start = time.process_time()
        best, auto = chosen(task, parts)
        most = ceiling(parts)
        for law in task.laws:
            score, error, ok = held_out(law, parts, task.objective)
            whole, _, _ = held_out(law, parts, task.objective, told=True)
            yield {
                "task": task.name, "law": law, "by rolling origin": "chosen" if law == best else "", "auto": auto,
                "R2 held out": round(score, 4), "fitted to them too": round(whole, 3), "of at most": round(most, 3),
                "bar": task.bar, "reached": "yes" if score >= task.bar else "no",
                "mean error": round(error, 4), "ok": ok, "human": task.published[0], "agents": task.published[1],
                "all data": task.published[2], "CPU s": round(time.process_time() - start, 1),
            }  # fmt: skip
            start = time.process_time()


def main(argv: list[str]) -> int:
    warnings.simplefilter("ignore")
    found = pd.DataFrame(list(lines(argv)))
    if len(found):
        print(found.to_string(index=False))
        print(
            "\nThe published numbers are of their own test rows, which are not among the data; ours are of the training rows."
        )
    root = shared()
    if root is not None and (not argv or "regmix" in argv):
        print("\n" + regmix.table(root).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
