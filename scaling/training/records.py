"""Files of a run: its curve, its checkpoint, its record, and the table of all runs in a folder.

    <out>/curves/<name>.csv       rows as training goes; every byte decided by spec, corpus, torch and machine
    <out>/curves/<name>.json      the run's facts, with digests of curve and facts, written at its end: then the run is finished
    <out>/checkpoints/<group>.pt  state to resume from, of the runs that train together; removed when they end
    <out>/runs.csv                one row a run, rebuilt from the records

Elapsed time is in the record and not in the curve, so that curves can be compared byte by byte.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import math
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from scaling.counting import flops_per_token
from scaling.document import check_target, digest, genuine, signed, sync_names, write_atomically
from scaling.errors import MachineError, TrainingDataError, TrainingError
from scaling.training.corpus import Corpus
from scaling.training.spec import WATCHED, RunSpec
from scaling.training.vocabulary import BYTES
from scaling.version import __version__
from scaling.words import FORMER

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import torch

CURVE_COLUMNS = (
    "step", "tokens", "lr", "train_loss", "train_window", "val_loss", "val_se", "val_tokens", "grad_norm", "z_loss",
)  # fmt: skip
NEEDED = ("status", "final_loss", "corpus", "corpus_sha256", "schedule")  # of any record
WITH_VOCABULARY = ("train_loss_byte", "val_loss_byte")
WITH_PROBES = ("weight_distance", "safe_step_ratio", "no_gradient_share")
# what a record says besides settings
FACTS = {
    "run_id", "status", "final_loss", "final_loss_byte", "final_val_loss", "final_val_loss_byte", "val_se", "initial_loss",
    "bytes_per_token", "unigram_loss", "merged_val_loss", "merged_val_se", "n_params", "n_params_nonemb", "n_params_embedding",
    "n_params_head", "n_params_encoder", "n_params_decoder", "n_params_active", "steps", "batch_tokens", "peak_lr", "d_ff",
    "dtype", "flops_6nd", "flops_exact", "train_bytes", "validation_bytes", "parent_run", "branch_step", "elapsed_s",
    "curve_sha256", "sha256", "corpus_sha256", "vocabulary_sha256", "rates_sha256", "torch", "device", "threads", "python",
    "numpy", "scaling", "command",
}  # fmt: skip
LOST = 100.0  # seconds after which the locks of a lost machine have fallen; a network drive grants it 90
PLAIN_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,199}")  # file systems take 255 bytes, an ending included
NAMING = "names have letters, digits and . _ + - alone, 200 at most, and do not begin with a dot"


@contextmanager
def writing(folder: str | Path) -> Iterator[None]:
    """Turn what goes wrong with files below `folder` into an answer."""
    try:
        yield
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        why = "no space left on the device" if full else f"cannot be written: {problem.strerror or problem}"
        remedy = "free some space" if full else "name a folder that this process may write to"
        if isinstance(problem, IsADirectoryError):
            remedy = "move away the folder that has its place"
        raise MachineError(
            f"{problem.filename or folder}: {why}\n"
            f"nothing is lost: {remedy} and run the same again; it goes on from its last checkpoint"
        ) from problem


def checkpoint_path(out_dir: str | Path, names: Iterable[str]) -> Path:
    """Where the runs with these names, if they train together, keep what they need to go on."""
    first, *others = sorted(names)
    digest = hashlib.sha256("\n".join([first, *others]).encode()).hexdigest()[:12]
    return Path(out_dir) / "checkpoints" / (f"group-{digest}.pt" if others else f"{first}.pt")


@contextmanager
def sole_writer(checkpoint: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a checkpoint, which falls with its process; while another has it, wait `patience` seconds."""
    if os.name != "posix":
        yield
        return
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    path, deadline = checkpoint.with_suffix(".lock"), time.monotonic() + patience
    with _awaited(path, deadline, f"{checkpoint.with_suffix('')}: another process is training these runs"):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def sole_curves(paths: Iterable[Path], patience: float = 0.0) -> Iterator[dict[Path, IO[bytes]]]:
    """Curves open for appending, each locked until it is closed: sweeps of different files may share a run.

    Files without a byte are removed at the end.
    """
    files, deadline = dict[Path, IO[bytes]](), time.monotonic() + patience
    with ExitStack() as held:
        for path in sorted(paths):  # in one order everywhere, so that no two wait for each other
            path.parent.mkdir(parents=True, exist_ok=True)
            said = f"{path}: another process is training this run, for a sweep of another file or other --lanes"
            files[path] = held.enter_context(_awaited(path, deadline, said) if os.name == "posix" else path.open("ab", 0))
        try:
            yield files
        finally:
            for path, file in files.items():
                if os.name == "posix" and not file.closed and not os.fstat(file.fileno()).st_size:
                    path.unlink(missing_ok=True)


def _awaited(path: Path, deadline: float, said: str) -> IO[bytes]:
    """The file, locked; `said` is raised if another process still has it at the deadline."""
    while (file := _locked(path)) is None:
        if time.monotonic() >= deadline:
            raise MachineError(f"{said}\ntwo writers would tear a curve; wait for it, or end it and run this again")
        time.sleep(0.2)
    return file


def drop_lock(checkpoint: Path) -> None:
    """Remove the lock of a checkpoint if no process holds it: that of one killed when its work was done."""
    path = checkpoint.with_suffix(".lock")
    if path.exists() and (file := _locked(path)):
        with file:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[bytes] | None:
    """The file, locked; None if another process holds it, or has just removed it, so that others would not see it."""
    file = path.open("ab", buffering=0)  # whoever follows a run sees every row at once
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def remedy(paths: Iterable[Path], otherwise: str = "bring back what was there") -> str:
    """What to do about files that are not what was written: names those that are there, one a line."""
    there = "".join(f"\n  {path}" for path in paths if path.exists() or path.is_symlink())
    return f"{otherwise}; or remove what stands below and run the same again, to train it anew:{there}"


def read_record(path: Path) -> dict[str, Any]:
    """A record as it was written; those of before there were digests are taken as they are."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        # the digest of the curve is as young as that of the record: with the one and without the other, one was removed
        good = genuine(record) if {"sha256", "curve_sha256"} & {*record} else True
        why = "its digest does not match"
        record = {FORMER.get(key, key): value for key, value in record.items()}
        if good and not (record["run_id"] == path.stem and {*NEEDED} <= record.keys()):
            good, why = False, f"it is not that of a run {path.stem}"
    except OSError as problem:
        good, why = False, problem.strerror or str(problem)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # no JSON, no object, or not all of it
        good, why = False, "it is no whole record"
    if not good:
        files = remedy([path, path.with_suffix(".csv")])
        raise TrainingDataError(f"{path}: this record was changed or damaged, {why}\n{files}")
    record.pop("sha256", None)
    return record


def sealed(content: bytes) -> bytes:
    """Of a checkpoint: its digest, a line feed, and what was saved."""
    return digest(content).encode() + b"\n" + content


def unsealed(found: bytes) -> bytes:
    """What was saved in a checkpoint; those of before there were digests are archives, and taken as they are.

    Raises ValueError if the digest does not match.
    """
    if found.startswith(b"PK"):
        return found
    if found[:65] != sealed(content := found[65:])[:65]:
        raise ValueError("its digest does not match")
    return content


class RunFiles:
    """Where the files of one run lie."""

    def __init__(self, out_dir: str | Path, name: str):
        if not PLAIN_NAME.fullmatch(name):
            raise TrainingError(f"run {name!r} makes no file name\n{NAMING}")
        self.name, curves = name, Path(out_dir) / "curves"
        self.curve, self.record = curves / f"{name}.csv", curves / f"{name}.json"

    def finished(self, spec: RunSpec | None = None) -> dict[str, Any] | None:
        """The record of the run, if it has ended; its curve is there, and as it was written, and it is that of `spec`."""
        if not self.record.exists():
            return None
        record = read_record(self.record)
        self._check_curve(record)
        if spec:
            now = asdict(spec)
            was = {key: record.get(key, getattr(RunSpec, key, None)) for key in now}  # a younger setting had its default
            self.refuse_other(self.record, was=was, now=now)
        return record

    def _check_curve(self, record: Mapping[str, Any]) -> None:
        try:
            written = digest(self.curve.read_bytes())
            # a record of before there were digests vouches only for a curve being there
            why = "" if record.get("curve_sha256", written) == written else "was changed or damaged, its digest does not match"
        except OSError as problem:
            missing = isinstance(problem, FileNotFoundError)
            why = "is missing" if missing else f"cannot be read: {problem.strerror or problem}"
        if why:
            raise TrainingDataError(f"{self.curve}: the curve of a finished run {why}\n{remedy([self.record, self.curve])}")

    def refuse_other(self, found: Path, *, was: dict[str, Any], now: dict[str, Any]) -> None:
        """Raise if `found`, a file under this name, was made by another run than the one now asked for."""
        changed = [f"{key} was {value!r}, is {now.get(key)!r}" for key, value in was.items() if now.get(key) != value]
        if changed:
            raise TrainingDataError(
                f"{found} belongs to another run: {'; '.join(changed)}\n"
                "going on would mix two runs in one curve; choose another name, restore the old setting, "
                f"or remove the files of {self.name} to start over"
            )

    def finish(self, record: dict[str, Any]) -> None:
        """Write the record, with its digest; the curve must be what it says."""
        self._check_curve(record)
        write_atomically(self.record, (json.dumps(signed(record), indent=1) + "\n").encode())


def further_columns(spec: RunSpec) -> tuple[str, ...]:
    """The columns of a run's curve that its switches bring, beside `CURVE_COLUMNS`."""
    return spec.watched + (WITH_VOCABULARY if spec.vocab > BYTES else ()) + (WITH_PROBES if spec.probes else ())


class Curve:
    """The curve of a run in a file of `sole_curves`.

    `keep` is the length in bytes that a checkpoint vouches for, `said` its digest (None: of before there were digests);
    what lies behind it is cut off, and will be made again. Without `keep` it is begun. `more` are columns beside
    those that all curves have.

    Raises
    ------
    ValueError : the file is not what the checkpoint vouches for.
    """

    def __init__(self, file: IO[bytes], keep: int | None = None, said: str | None = None, more: Iterable[str] = ()):
        self.columns, self._file = (*CURVE_COLUMNS, *more), file
        kept, path = b"", Path(file.name)
        if keep is None:
            file.truncate(0)
            sync_names(path.parent)
        else:
            kept = path.read_bytes()[:keep]
            if len(kept) < keep:
                raise ValueError(f"is shorter than its checkpoint says ({keep} bytes): rows were lost or edited")
            if said not in (None, digest(kept)):
                raise ValueError("was changed or damaged: its digest is not that in its checkpoint")
            file.truncate(keep)
            begun = kept.partition(b"\n")[0].split(b",")  # maybe by an older version, which knew fewer
            self.columns = tuple(name for name in self.columns if name in CURVE_COLUMNS or name.encode() in begun)
        self._size, self._hash = len(kept), hashlib.sha256(kept)
        if keep is None:
            self._append(",".join(self.columns))

    def row(self, **values: float | int | None) -> None:
        """Append one row, of the curve's columns.

        A float is written with nine digits, `lr` exactly, and what is None or not finite as an empty cell.
        """
        exact = {k for k, value in values.items() if k == "lr" or isinstance(value, int)}
        cells = {
            k: "" if v is None or not math.isfinite(v) else repr(v) if k in exact else f"{v:.9g}" for k, v in values.items()
        }
        self._append(",".join(cells[column] for column in self.columns))

    def _append(self, text: str) -> None:
        left = line = (text + "\n").encode()
        while left:  # a full disk may take the first bytes and refuse the rest only when they come again
            left = left[self._file.write(left) :]
        self._hash.update(line)
        self._size += len(line)

    def sync(self) -> tuple[int, str]:
        """Bring all rows to disk; returns length in bytes and digest of what was written, whatever others do to the file."""
        os.fsync(self._file.fileno())
        return self._size, self._hash.hexdigest()

    def close(self) -> None:
        """Leave the file to others."""
        self._file.close()


def refuse_orphans(curves: Iterable[Path], checkpoint: Path) -> None:
    """Raise if there are rows in a curve that is to be begun: whoever made them, they are not overwritten."""
    if found := [path for path in curves if path.exists() and not _no_row(path.read_bytes())]:
        raise TrainingDataError(
            f"{found[0]} exists without a record or a checkpoint of its run: it is not overwritten\n"
            f"its checkpoint would be {checkpoint}\n"
            "an interrupted sweep goes on if it is run as it was, with the same file and --lanes; "
            "one under way is to be waited for\n"
            + remedy(found, "else choose another name for the run, or bring back record or checkpoint")
        )


def _no_row(content: bytes) -> bool:
    """Is it a curve whose run was stopped before its first row: its header at most?"""
    return not content or (content.count(b"\n") <= content.endswith(b"\n") and content.startswith(b"step,"[: len(content)]))


def check_run_table(out_dir: str | Path) -> None:
    """Refuse a folder whose `runs.csv` is not ours: it holds facts that somebody wrote down, and would be replaced."""
    if (table := Path(out_dir) / "runs.csv").exists() or table.is_symlink():
        check_target(table, "table of runs")


def write_run_table(out_dir: str | Path) -> None:
    """Rebuild `runs.csv` of a folder from the records of its finished runs, sorted by name."""
    table = Path(out_dir) / "runs.csv"
    with sole_writer(table, patience=LOST):  # else an older table might replace a newer one
        records = [read_record(path) for path in sorted(Path(out_dir).glob("curves/*.json"))]
        if not records:
            return
        columns = list(dict.fromkeys(key for record in records for key in record))
        check_run_table(out_dir)
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
        write_atomically(table, text.getvalue().encode(), alone=os.name == "posix")  # no locks elsewhere


def refuse_labels(labels: Iterable[str]) -> None:
    """Raise TrainingError for a label that is named like what records or curves say themselves: one of both would be lost."""
    settings = {field.name for field in fields(RunSpec)} | {"peak", "horizon", "qat_fraction"}
    ours = FACTS | settings | {*CURVE_COLUMNS, *WITH_VOCABULARY, *WITH_PROBES, *WATCHED}
    if reserved := [name for name in labels if name in ours or name.startswith("val_loss_")]:
        raise TrainingError(f"label {reserved[0]!r} is a column of runs.csv or of curves already; rename it")


def conditions(spec: RunSpec, corpus: Corpus, device: torch.device) -> dict[str, Any]:
    """What bitwise equality needs besides the spec; a run resumes only where these are unchanged."""
    import torch  # noqa: PLC0415 - slow, and a plan of runs needs none

    vocabulary = {"vocabulary_sha256": corpus.vocabulary.sha256} if corpus.vocabulary else {}
    return {
        "corpus_sha256": corpus.sha256,
        **vocabulary,
        "rates_sha256": hashlib.sha256(spec.table.rates.astype("<f8").tobytes()).hexdigest()[:16],
        "torch": str(torch.__version__),  # a subclass of str, which a checkpoint of plain types would refuse
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


def facts(spec: RunSpec, corpus: Corpus) -> dict[str, Any]:
    """What a record says of a run before it begins: counts and settings."""
    tokens = spec.table.steps * spec.batch_tokens
    return {
        **spec.params,
        "steps": spec.table.steps,
        "tokens": tokens,
        "batch_tokens": spec.batch_tokens,
        "peak_lr": spec.table.peak,
        **asdict(spec),
        "d_ff": 4 * spec.d_model,
        "dtype": "float32",
        "flops_6nd": tokens * int(flops_per_token(spec.shape, "6ND_with_gains")),
        "flops_exact": spec.table.steps * spec.flops,
        "train_bytes": corpus.bytes_of(corpus.text),
        "validation_bytes": sum(corpus.bytes_of(source.validation) for source in corpus.sources),
    }


def versions() -> dict[str, str]:
    """Of what makes the numbers, besides torch."""
    return {"python": platform.python_version(), "numpy": np.__version__, "scaling": __version__}
