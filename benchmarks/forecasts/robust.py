"""`compare` on every public table and law, on random parts of tables, and on tables made to be awkward: nothing may fail.

`python -m benchmarks.forecasts robust`. A refusal is an answer if it is of this project's classes and names the law, the rows
or columns, and what to do; anything else is a failure, and so is a law without an error or a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from benchmarks.forecasts import Bar
from benchmarks.forecasts.tables import tables
from scaling.errors import ScalingError

PARTS, MADE = 500, 200  # random parts of public tables, and tables made
REMEDIES = (
    "add ", "add.", "hold ", "say ", "name it", "leave out", "rename", "pass ", "drop ", "give ", "use ", "take ",
    "compare laws", "remove", "check ", "fix ", "another", "choose", "first", "which it is", "more runs",
    "more rows", "further apart",
)  # fmt: skip
RATIOS = (1.0, 5.0, 20.0, 80.0, 320.0)
TRUTHS = {
    "chinchilla": {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.347, "beta": 0.367},
    "chinchilla_outer": {"E": 0.4, "A": 60.0, "B": 100.0, "alpha": 0.3, "beta": 0.3, "gamma": 0.4},
    "kaplan_offset": {"E": 0.9, "A": 8e9, "B": 3e10, "alpha": 0.1, "beta": 0.12},
    "over_training": {"E": 1.5, "a": 113.0, "b": 190.0, "eta": 0.24},
}


def failures(table: pd.DataFrame, laws: Iterable[str] | None = None) -> list[str]:
    """What is wrong with the comparison of laws (None: all that the columns allow) on a table; nothing, if all is well."""
    try:
        found = scaling.compare(table, laws)
    except ScalingError as refused:
        return _unhelpful(str(refused), laws)
    except Exception as problem:  # what is looked for
        return [f"{type(problem).__name__}: {problem}"]
    bad = []
    for law, row in found.iterrows():
        if np.isnan(row["error"]):
            bad += _unhelpful(f"{law}: {row['reason']}", [str(law)])
        elif not row["error"] >= 0:
            bad.append(f"{law}: error {row['error']}")
    return bad


def _unhelpful(said: str, laws: Iterable[str] | None) -> list[str]:
    """The refusal, if it names no law or does not say what to do."""
    named = laws is None or any(law.partition(":")[0] in said for law in laws)
    helps = any(remedy in said.lower() for remedy in REMEDIES)
    return [] if named and helps else [f"refusal without {'a law' if not named else 'a remedy'}: {said}"]


def public(data: Path) -> list[pd.DataFrame]:
    """The public tables as a user would give them."""
    found = []
    for _, _, frame in tables(data):
        columns = [c for c in ("N", "D", "C", "U", "loss") if c in frame]
        found.append(frame[columns].astype(float).reset_index(drop=True))
    return found


def part(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Some rows of a table, some of them twice, some a little off, some columns less."""
    rng = np.random.default_rng(seed)
    rows = table.sample(int(rng.integers(3, 60)), replace=bool(seed % 3 == 0) or len(table) < 60, random_state=seed)
    if seed % 5 == 0:
        rows = rows.assign(loss=rows["loss"] * np.where(rng.random(len(rows)) < 0.1, 3.0, 1.0))
    if seed % 7 == 0:
        rows = rows.drop(columns=[c for c in ("D", "C") if c in rows][:1])
    if seed % 11 == 0:
        rows = rows[rows["N"] == rows["N"].iloc[0]]
    return rows


def made(seed: int) -> pd.DataFrame:
    """Losses of a known law over an awkward design: one size, one budget, one ratio, copies, noise beyond measure."""
    rng = np.random.default_rng(seed)
    name = list(TRUTHS)[seed % len(TRUTHS)]
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 10 ** rng.uniform(7.5, 10.5), rng.integers(2, 9)), RATIOS))
    D = N * ratio
    match seed % 6:
        case 1:
            D = np.full_like(N, 1e18) / N  # one budget
        case 2:
            D = 20 * N  # one ratio, copies of every size
        case 3:
            keep = rng.choice(len(N), min(len(N), int(rng.integers(4, 12))), replace=False)
            N, D = N[keep], D[keep]
        case 4:
            N = np.full_like(N, 1e8)
    law = scaling.laws[name]
    loss = law(N, D / N if "M" in law.inputs else D, **TRUTHS[name])
    loss = loss * np.exp(rng.choice([0.0, 1e-4, 0.01, 0.3]) * rng.standard_normal(len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


def bars(data: Path, failed: list[str], parts: int = PARTS, generated: int = MADE) -> Iterator[Bar]:
    """What is measured, the bar, the number, met?"""
    known = public(data)
    jobs = {
        f"{len(known)} public tables, {len(scaling.laws)} laws each": [(t, [law]) for t in known for law in scaling.laws],
        f"{len(known)} public tables, laws of their columns": [(t, None) for t in known],
        f"{parts} random parts": [(part(known[k % len(known)], k), None) for k in range(parts)],
        f"{generated} made": [(made(k), None) for k in range(generated)],
    }
    for name, tasks in jobs.items():
        bad = [said for table, laws in tasks for said in failures(table, laws)]
        failed += [f"compare, {name}: {said[:300]}" for said in bad]
        yield f"compare: failures on {name}", "0", str(len(bad)), not bad
