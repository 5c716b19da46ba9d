"""The row a run leaves in `runs.csv`: settings, counts, result, and what it would take to make it again."""

import hashlib
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scaling
from scaling.training.corpus import Corpus
from scaling.training.counts import flops_per_token, param_counts
from scaling.training.evaluation import Judged
from scaling.training.records import RunFiles
from scaling.training.spec import RunSpec


def conditions_of(spec: RunSpec, corpus: Corpus, device: torch.device, threads: int) -> dict[str, Any]:
    """What bitwise equality needs besides the spec; a run resumes only where these are unchanged."""
    return {
        "corpus_sha256": corpus.sha256,
        "rates_sha256": hashlib.sha256(spec.table.rates.astype("<f8").tobytes()).hexdigest()[:16],
        "torch": str(torch.__version__),  # a subclass of str, which a checkpoint of plain types would refuse
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": threads,
    }


def _from_here(path: Path) -> Path:
    """A path as one would type it here: a record says nothing of where on a machine its project lies."""
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def run_record(
    spec: RunSpec,
    files: RunFiles,
    corpus: Corpus,
    conditions: dict[str, Any],
    outcome: dict[str, Any],
    labels: dict[str, str],
) -> dict[str, Any]:
    """One flat dict of plain values; the settings of the spec are among them."""
    steps, counts = spec.table.steps, param_counts(spec.shape)
    final: Judged | None = outcome["final"]
    by_source = final.by_source if final and len(corpus.sources) > 1 else {}
    heard = outcome | {"final_val_loss": final and final.loss, "val_se": final and final.standard_error}
    tokens = steps * spec.batch_tokens
    return (
        {"run_id": files.name}
        | labels
        | {key: heard[key] for key in ("status", "final_val_loss", "val_se", "initial_loss")}
        | {f"val_loss_{Path(source).name or source}": loss for source, loss in by_source.items()}
        | counts
        | {"steps": steps, "tokens": tokens, "batch_tokens": spec.batch_tokens, "peak_lr": spec.table.peak}
        | asdict(spec)
        | {
            "d_ff": 4 * spec.d_model,
            "vocab": spec.shape.vocab,
            "dtype": "float32",
            "flops_6nd": tokens * flops_per_token(spec.shape, "6nd"),
            "flops_exact": tokens * flops_per_token(spec.shape, "exact"),
            "train_bytes": len(corpus.text),
            "validation_bytes": sum(len(source.validation) for source in corpus.sources),
        }
        | {key: outcome[key] for key in ("parent_run", "branch_step", "elapsed_s")}
        | conditions
        | {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scaling": scaling.__version__,
            "command": spec.command(_from_here(files.out_dir).as_posix(), files.name),
        }
    )
