"""allenai/OLMo-ladder: ladder-runs/<size>-<x>xC.csv, checkpoints of models trained on x times 20 tokens per parameter."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scaling.errors import DataError
from scaling.logs.formats.table import table
from scaling.words import parse_number

TOKENS, RATE = "throughput/total_tokens", "optim/learning_rate_group0"
NAME = re.compile(r"(\d+(?:\.\d+)?[kMB])-(\d+(?:\.\d+)?)(xC|T|B)(-rerun)?")  # 1B-10xC, or tokens: 7B-4T
CHINCHILLA = 20.0  # tokens per parameter at 1xC
COLUMNS = ("n_params_nonemb", "n_params", "N")
NOMINAL = 1.5  # factor by which a size may be off its name: 1B has 1.28e9
# questions of each category: with these weights the mean of four has the paper's fitted constants
MMLU = {"stem": 3018, "humanities": 4705, "social_sciences": 3077, "other": 3242}
_STEMS = {"eval/downstream_bpb/": "_bpb", "eval/downstream/": "_len_norm"}


def ladder(folder: str | Path, loss: str = "c4_en", *, last: int | None = 5, reruns: bool = False) -> pd.DataFrame:
    """One row per run: run, size, xC, N (without embeddings), D, loss and every other metric, means over the last checkpoints.

    N is the column n_params_nonemb, n_params or N of a file, if it has one. Else it follows from the tokens of the runs of its
    size, 20 N x and a few more: their slope in x, or D / 20 x of a single run. Where they disagree with the size in the name
    by more than half, as runs that were cut do, and where names tell tokens and no x, it is the size in the name.

    Columns ``<set>_loss`` are validation losses in nats per token, ``<task>_bpb`` bits per byte of the right answer,
    ``<task>_acc`` accuracies; ``mmlu_test_bpb`` and ``mmlu_test_acc`` average the four categories by number of questions.

    Parameters
    ----------
    folder : the repository's folder ladder-runs. loss : the set, or the task's bpb, that becomes `loss`.
    last : checkpoints to average (the paper's 5); None for one row per checkpoint, with step, lr and D so far.
    reruns : also the files ``*-rerun.csv``, second runs of the same setting.
    """
    paths = sorted(p for p in Path(folder).glob("*.csv") if NAME.fullmatch(p.stem))
    raw = {path: table(path, ["_step", TOKENS, RATE]) for path in paths}
    sizes = _sizes(raw)
    wanted = [path for path in paths if reruns or not path.stem.endswith("-rerun")]
    if not wanted:
        raise DataError(f"{folder}: no <size>-<x>xC.csv; give the folder ladder-runs of your clone of OLMo-ladder.")
    out = pd.concat([_run(path, raw[path], sizes[_named(path)[0]], loss, last) for path in wanted], ignore_index=True)
    out.attrs["note"] = "N without embeddings, D tokens, loss in nats per token or bits per byte, as chosen"
    return out


def _named(path: Path) -> tuple[str, float, str]:
    """Size, length and its unit (xC, or tokens) in the name of a file."""
    found = NAME.fullmatch(path.stem)
    assert found is not None
    return found[1], float(found[2]), found[3]


def _sizes(raw: Mapping[Path, pd.DataFrame]) -> dict[str, float]:
    """Size in the name -> parameters without embeddings."""
    found: dict[str, float] = {}
    for size in dict.fromkeys(_named(path)[0] for path in raw):
        mine = {path: frame for path, frame in raw.items() if _named(path)[0] == size}
        said = [float(frame[c].iloc[-1]) for frame in mine.values() for c in COLUMNS if c in frame]
        ends = [(_named(path)[1], float(frame[TOKENS].max())) for path, frame in mine.items() if _named(path)[2] == "xC"]
        x, D = np.array(ends).T if ends else (np.zeros(0), np.zeros(0))
        N = nominal = parse_number(size)
        if len(x):
            N = (np.polyfit(x, D, 1)[0] if len(np.unique(x)) > 1 else D[0] / x[0]) / CHINCHILLA
        near = 1 / NOMINAL < N / nominal < NOMINAL
        found[size] = said[0] if said else float(np.round(N)) if near else nominal
    return found


def _run(path: Path, raw: pd.DataFrame, N: float, loss: str, last: int | None) -> pd.DataFrame:
    size, length, unit = _named(path)
    rows: dict[str, Any] = {"step": raw["_step"], "D": raw[TOKENS].astype(float), "lr": raw[RATE]}
    for column in map(str, raw):
        stem, _, name = column.rpartition("/")
        if name == "CrossEntropyLoss":
            rows[stem.removeprefix("eval/").removesuffix("-validation") + "_loss"] = raw[column]
        elif ending := _STEMS.get(stem + "/"):
            kind = "_bpb" if ending == "_bpb" else "_acc"
            rows[name.removesuffix(ending).replace("_rc_5shot", "") + kind] = raw[column]
    for kind in ("bpb", "acc"):
        parts = {f"mmlu_{c}_test_{kind}": w for c, w in MMLU.items()}
        if parts.keys() <= rows.keys():
            rows[f"mmlu_test_{kind}"] = sum(rows[c] * w for c, w in parts.items()) / sum(parts.values())
    chosen = next((c for c in (f"{loss}_loss", loss) if c in rows), None)
    if chosen is None:
        raise DataError(f"{path}: no loss '{loss}'; it has {', '.join(c for c in rows if c.endswith(('_loss', '_bpb')))}.")
    frame = pd.DataFrame({"loss": rows[chosen], **rows}).dropna(subset="loss")
    if last is not None:
        ends = frame.tail(1)[["step", "D", "lr"]].iloc[0]
        frame = frame.tail(last).mean().to_frame().T.assign(**ends)
    xC = length if unit == "xC" else parse_number(f"{length}{unit}") / N / CHINCHILLA
    run = {"run": path.stem, "size": size, "xC": xC, "N": N}
    return pd.DataFrame(run, index=frame.index).join(frame)
