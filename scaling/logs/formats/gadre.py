"""mlfoundations/scaling: exp_data/models/*.json and exp_data/evals/*.json, over-training runs with downstream accuracies."""

import json
from pathlib import Path

import pandas as pd

from scaling.errors import DataError

# the 17 tasks of the paper's second average
SUBSET = (
    "bigbench_operators", "bigbench_dyck_languages", "bigbench_novel_concepts", "bigbench_cs_algorithms",
    "bigbench_qa_wikidata", "pubmed_qa_labeled", "hellaswag", "hellaswag_zeroshot", "boolq", "arc_easy", "coqa",
    "lambada_openai", "winograd", "commonsense_qa", "copa", "squad", "piqa")  # fmt: skip


def over_training(folder: str | Path, loss: str = "c4_val") -> pd.DataFrame:
    """One row per run: run, data (c4_original, rpj), model, N (total parameters), D, M = D / N, loss, and its 95 % interval.

    Columns ``<set>_loss`` hold the loss on all eight validation sets. Where the run was evaluated downstream, ``err_<task>``
    are errors 1 - accuracy, `err_all` their mean over all tasks and `err_17` over the paper's subset; else they are NaN.

    Parameters
    ----------
    folder : the repository's folder exp_data. loss : the validation set whose loss becomes `loss`.
    """
    folder = Path(folder)
    paths = sorted((folder / "models").glob("*.json"))
    if not paths:
        raise DataError(f"{folder}/models: no *.json; give the folder exp_data of your clone of mlfoundations/scaling.")
    out = pd.DataFrame([_run(path, folder / "evals", loss) for path in paths])
    out.attrs["note"] = "N total parameters, D tokens, loss in nats per token; loss_lo and loss_hi: the authors' interval"
    return out


def _run(path: Path, evals: Path, chosen: str) -> dict[str, object]:
    raw = json.loads(path.read_text())
    about = raw["hyperparameters"]
    losses = {_set_name(r["val_data"][0]): r for r in raw["results"]}
    if chosen not in losses:
        raise DataError(f"{path}: no loss on '{chosen}'; the sets are {', '.join(sorted(losses))}.")
    N, D = float(about["params"]), float(about["tokens"])  # floats: 6 N D overflows 64-bit integers
    row = {
        "run": raw["name"],
        "data": raw["dataset_name"],
        "model": Path(about["model"]).name.removesuffix(".json"),
        "N": N,
        "D": D,
        "M": D / N,
        "loss": losses[chosen]["loss"],
        "loss_lo": losses[chosen]["loss_sequences_lower_95"],
        "loss_hi": losses[chosen]["loss_sequences_upper_95"],
        **{f"{k}_loss": r["loss"] for k, r in losses.items()},
    }
    tasks = evals / f"evaluation_{path.stem}_heavy.json"
    if tasks.is_file():
        errors = {k: 1 - v for k, v in json.loads(tasks.read_text())["eval_metrics"]["icl"].items()}
        row["err_all"] = sum(errors.values()) / len(errors)
        row["err_17"] = sum(errors[k] for k in SUBSET) / len(SUBSET)
        row.update({f"err_{k}": v for k, v in errors.items()})
    return row


def _set_name(path: str) -> str:
    parts = path.rstrip("/").split("/")
    return "de-en" if "de-en" in parts[-1] else parts[-2]
