"""The loop: one model, one schedule, one curve; exact to the bit when it is stopped and started again."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaling.training.corpus import Corpus, read_corpus, training_batch, validation_windows
from scaling.training.device import on_device, prepare, progress
from scaling.training.evaluation import evaluate, evaluation_steps
from scaling.training.learner import Learner
from scaling.training.records import Curve, RunFiles
from scaling.training.spec import RunSpec
from scaling.training.summary import conditions_of, run_record


def train(
    spec: RunSpec,
    out_dir: str | Path,
    *,
    name: str | None = None,
    device: str | None = None,
    threads: int = 1,
    labels: Mapping[str, str] | None = None,
    checkpoint_seconds: float = 30.0,
) -> dict[str, Any]:
    """
    Train one model and write its curve; resume it if it was interrupted; do nothing if it is finished.

    Parameters
    ----------
    spec : RunSpec
        Everything that decides the numbers.
    out_dir : path
        Folder for `curves/<name>.csv`, `curves/<name>.json`, `runs.csv` and, while training, `checkpoints/`.
    name : str, optional
        Name of the run and its files; default `spec.default_name`, made of size, schedule and length.
    device : {'cpu', 'cuda'}, optional
        Default: cuda if there is one.
    threads : int
        Threads of torch on the CPU. One is fastest for small models: their threads mostly wait.
    labels : mapping, optional
        Further columns for the run's row in `runs.csv`, for example `{'role': 'short'}`.
    checkpoint_seconds : float
        At least this long between two checkpoints; they are taken after rows only.

    Returns
    -------
    dict
        The run's row of `runs.csv`. `status` is `finished`, or `diverged` if the loss stopped being finite:
        then the curve ends at the last finite row and `final_val_loss` is None.

    Raises
    ------
    TrainingError
        For a corpus too small, files of another spec under this name, a changed corpus or machine on
        resume, or a device that is not there.
    """
    files = RunFiles(out_dir, name or spec.default_name)
    if (done := files.finished()) is not None:
        settings = asdict(spec)
        files.refuse_other(files.record, was={key: done.get(key) for key in settings}, now=settings)
        return done
    where = prepare(device, threads)
    corpus = read_corpus(spec.corpus)
    corpus.require(spec.context)
    conditions = conditions_of(spec, corpus, where, threads)
    outcome = _loop(spec, files, corpus, conditions, where, checkpoint_seconds)
    record = run_record(spec, files, corpus, conditions, outcome, dict(labels or {}))
    files.finish(record)
    return record


def _loop(
    spec: RunSpec,
    files: RunFiles,
    corpus: Corpus,
    conditions: dict[str, Any],
    device: torch.device,
    checkpoint_seconds: float,
) -> dict[str, Any]:
    rates = spec.table.rates
    rows = set(evaluation_steps(rates, spec.eval_every).tolist())
    curve_set = on_device(validation_windows(corpus.validation, spec.eval_tokens, spec.context), device)
    final_set = on_device(validation_windows(corpus.validation, spec.val_tokens, spec.context), device)
    learner, identity = Learner(spec, device), asdict(spec) | conditions
    step, csv_bytes, began = 0, None, time.perf_counter()
    if files.checkpoint.exists():
        saved = torch.load(files.checkpoint, map_location=device, weights_only=True)
        files.refuse_other(files.checkpoint, was=saved["identity"], now=identity)
        learner.restore(saved)
        step, csv_bytes, began = saved["step"], saved["csv_bytes"], began - saved["elapsed_s"]

    with Curve(files.curve, csv_bytes) as curve, progress(files.name, step, len(rates)) as advance:

        def checkpoint(step: int) -> float:
            now = time.perf_counter()
            # sync first: rows are on disk before the checkpoint that counts on them
            facts = {"csv_bytes": curve.sync(), "step": step, "elapsed_s": now - began, "identity": identity}
            learner.save(files.checkpoint, **facts)
            return now

        saved_at = checkpoint(step)
        window, window_sum = 0, torch.zeros((), dtype=torch.float64, device=device)
        status = "finished"
        for update in range(step, len(rates)):
            batch = training_batch(corpus.train, update, batch=spec.batch, context=spec.context, seed=spec.data_seed)
            loss, grad_norm = learner.update(on_device(batch, device), float(rates[update]))
            window, window_sum = (
                window + 1,
                window_sum + loss,
            )  # on the device: reading it would stop the queue
            advance()
            step = update + 1
            if step not in rows:
                continue
            train_loss, val_loss = float(window_sum) / window, evaluate(learner.model, curve_set)[0]
            if not np.isfinite([train_loss, val_loss]).all():
                status = "diverged"
                break
            curve.row(
                step=step,
                tokens=step * spec.batch_tokens,
                lr=float(rates[update]),
                train_loss=train_loss,
                train_window=window,
                val_loss=val_loss,
                val_tokens=spec.eval_tokens,
                grad_norm=float(grad_norm),
            )
            window, window_sum = 0, torch.zeros_like(window_sum)
            if time.perf_counter() - saved_at >= checkpoint_seconds:
                saved_at = checkpoint(step)
        curve.sync()
    loss_and_error = evaluate(learner.model, final_set) if status == "finished" else (None, None)
    return {
        "status": status,
        "final_val_loss": loss_and_error[0],
        "val_se": loss_and_error[1],
        "elapsed_s": round(time.perf_counter() - began, 1),
    }
