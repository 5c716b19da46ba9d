"""The tasks at hand: which rows are held out, which laws are tried, and what others reached on their own test rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.logs import formats


def _fifth(cost: pd.Series) -> np.ndarray:
    """The largest fifth."""
    return (cost >= cost.quantile(0.8)).to_numpy()


def _every_fifth(rows: pd.DataFrame) -> np.ndarray:
    return (rows.groupby("group").cumcount() % 5 == 4).to_numpy()


@dataclass(frozen=True)
class Task:
    """One table.

    laws : tried, of which rolling origin chooses one. held : rows -> which of them are held out, shape (n,).
    bar : R2 to reach on them. published : R2 of a human's law, of the best agents' and of a law on all training rows, where
    printed (arXiv:2507.21184, arXiv:2604.22753), on test rows that we do not have. apart : groups are fitted alone.
    """

    name: str
    laws: tuple[str, ...]
    held: Callable[[pd.DataFrame], np.ndarray]
    bar: float
    published: tuple[str, str, str]
    objective: str = "log_huber"
    apart: bool = False


TASKS = (
    Task("parallel", ("parallel",), lambda t: (t["streams"] == 4).to_numpy(), 0.999, ("1.000", ".99996", ".99"), apart=True),
    Task(
        "vocab", ("vocabulary", "vocabulary_data", "vocabulary_bowl"), lambda t: _fifth(t["N"] * t["characters"]), 0.97,
        (".966", ".986", ".93"), "squares",
    ),
    Task(
        "moe", ("routed", "experts", "experts_effective"), lambda t: (t["N"] == t["N"].max()).to_numpy(), 0.85,
        (".703", ".833", ".81"),
    ),
    Task(
        "data_constrained", ("chinchilla", "data_constrained", "data_constrained_2", "memorised"),
        lambda t: _fifth(t["N"] * t["D"]), 0.97,
        (".911", ".920", ".79"),
    ),
    Task(
        "lr_bsz", ("configuration", "configuration_quadratic"), lambda t: _fifth(t["N"] * t["D"]), 0.93,
        ("-.076", ".955", ".04"),
    ),
    Task(
        "sparsity", ("upcycled",), lambda t: _fifth(t["N_dense"] * t["D1"] + t["N"] * t["D2"]), 0.6, ("", "", ".37"),
    ),
    Task(
        "farseer", ("chinchilla", "chinchilla_outer", "farseer"), lambda t: _fifth(t["N"] * t["D"]), 0.95, ("", "", ".91"),
    ),
    Task(
        "domain_mixture", ("mixture_exponential", "mixture_transfer"), _every_fifth, 0.99, (".671", ".848", ".81"), apart=True,
    ),
)  # fmt: skip


def rows(task: Task, root: Path) -> pd.DataFrame:
    """The training rows of a task: `group`, the inputs of its laws, `loss`."""
    path = root / f"scalebench/{task.name}_scaling_law/train-00000-of-00001.parquet"
    if task.name != "domain_mixture":
        return formats.scalebench(path)
    wide = formats.scalebench_mixtures(path)
    shares = [c for c in wide if str(c).startswith("r_")]
    each = [wide[shares].assign(group=wide["group"] + f" domain {i}", loss=wide[f"{i}_loss"]) for i in range(1, 6)]
    return pd.concat(each, ignore_index=True)
