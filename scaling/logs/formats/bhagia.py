"""allenai/OLMo-ladder: ladder-runs/<size>-<x>xC.csv, checkpoints of 190M to 1.3B models at 0.5 to 10 times 20 tokens per N."""

from pathlib import Path
from typing import Any

import pandas as pd

from scaling.errors import DataError
from scaling.logs.formats.table import table

SIZES = {"190M": 190_354_176, "370M": 371_262_464, "760M": 758_220_288, "1B": 1_279_395_840}  # without embeddings
# questions of each category: with these weights the mean of four has the paper's fitted constants
MMLU = {"stem": 3018, "humanities": 4705, "social_sciences": 3077, "other": 3242}
_STEMS = {"eval/downstream_bpb/": "_bpb", "eval/downstream/": "_len_norm"}


def ladder(folder: str | Path, loss: str = "c4_en", *, last: int | None = 5, reruns: bool = False) -> pd.DataFrame:
    """One row per run: run, size, xC, N (without embeddings), D, loss and every other metric, means over the last checkpoints.

    Columns ``<set>_loss`` are validation losses in nats per token, ``<task>_bpb`` bits per byte of the right answer,
    ``<task>_acc`` accuracies; ``mmlu_test_bpb`` and ``mmlu_test_acc`` average the four categories by number of questions.

    Parameters
    ----------
    folder : the repository's folder ladder-runs. loss : the set, or the task's bpb, that becomes `loss`.
    last : checkpoints to average (the paper's 5); None for one row per checkpoint, with step, lr and D so far.
    reruns : also the files ``*-rerun.csv``, second runs of the same setting.
    """
    paths = sorted(p for p in Path(folder).glob("*xC*.csv") if reruns or not p.stem.endswith("-rerun"))
    if not paths:
        raise DataError(f"{folder}: no <size>-<x>xC.csv; give the folder ladder-runs of your clone of OLMo-ladder.")
    out = pd.concat([_run(path, loss, last) for path in paths], ignore_index=True)
    out.attrs["note"] = "N without embeddings, D tokens, loss in nats per token or bits per byte, as chosen"
    return out


def _run(path: Path, loss: str, last: int | None) -> pd.DataFrame:
    raw = table(path, ["_step", "throughput/total_tokens", "optim/learning_rate_group0"])
    size, length = path.stem.removesuffix("-rerun").split("-")
    if size not in SIZES:
        raise DataError(f"{path}: size '{size}' is none of {', '.join(SIZES)}.")
    rows: dict[str, Any] = {"step": raw["_step"], "D": raw["throughput/total_tokens"].astype(float)}
    rows["lr"] = raw["optim/learning_rate_group0"]
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
    xC = float(length.removesuffix("xC").removesuffix("C"))
    run = {"run": path.stem, "size": size, "xC": xC, "N": float(SIZES[size])}
    return pd.DataFrame(run, index=frame.index).join(frame)
