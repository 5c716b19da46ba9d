"""Text to train on: a folder of files as bytes, split by file, and the windows that runs read of it."""

import hashlib
import sysconfig
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scaling.errors import TrainingError

VALIDATION_SHARE = 10  # one file in ten
_NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True, eq=False)
class Corpus:
    """
    Bytes to learn from and bytes to be judged on, never from the same file.

    Attributes
    ----------
    train, validation : ndarray of uint8
        All files of a side one after the other, each closed by a zero byte.
    source : str
        Where the text came from.
    n_files : int
    sha256 : str
        Hash over both sides: two corpora with equal hashes hold the same text, split the same way.
    """

    train: np.ndarray
    validation: np.ndarray
    source: str
    n_files: int
    sha256: str

    def require(self, context: int) -> None:
        """Raise TrainingError if the training side is shorter than one window."""
        if len(self.train) <= context:
            raise TrainingError(
                f"corpus {self.source!r}: a window of context = {context} needs {context + 1} bytes, the "
                f"training files have {len(self.train)}\nuse a larger corpus or a smaller context"
            )


def read_corpus(source: str = "python") -> Corpus:
    """
    Read a corpus into memory.

    Parameters
    ----------
    source : str
        `python`: the sources of the running interpreter's standard library. Anything else: a folder, of which
        every file is read as bytes.

    Returns
    -------
    Corpus
        A file belongs to the validation side if the CRC-32 of its path below the folder is a multiple of ten,
        so the split needs no random numbers and stays put when other files come or go.

    Raises
    ------
    TrainingError
        If the folder is missing, or one of the two sides stays empty.
    """
    root = Path(sysconfig.get_paths()["stdlib"]) if source == "python" else Path(source)
    if not root.is_dir():
        raise TrainingError(f"corpus {source!r}: no such folder; give a folder of text files, or 'python'")
    paths = root.rglob("*.py" if source == "python" else "*")
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.is_file())
    if source == "python":
        names = [name for name in names if not _NOT_STDLIB.intersection(name.split("/"))]
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for name in names:
        held_out = zlib.crc32(name.encode()) % VALIDATION_SHARE == 0
        sides[held_out].append((root / name).read_bytes() + b"\0")
    train, validation = (b"".join(side) for side in sides)
    if not train or not validation:
        raise TrainingError(
            f"corpus {source!r}: {len(sides[0])} files to train on and {len(sides[1])} to validate on\n"
            "the split is by file, about one in ten for validation: cut the text into more files"
        )
    digest = hashlib.sha256(hashlib.sha256(train).digest() + hashlib.sha256(validation).digest()).hexdigest()
    return Corpus(
        train=np.frombuffer(train, np.uint8),
        validation=np.frombuffer(validation, np.uint8),
        source=source,
        n_files=len(names),
        sha256=digest,
    )


def training_batch(data: np.ndarray, update: int, *, batch: int, context: int, seed: int) -> np.ndarray:
    """
    The windows of one update, a pure function of (seed, update): no state, so nothing can shift the order.

    Parameters
    ----------
    data : ndarray of uint8
    update : int
        0-based index of the update, the same that indexes the table of rates.
    batch, context : int
        Sequences, and bytes predicted in each.

    Returns
    -------
    ndarray of uint8, shape (batch, context + 1)
        Windows drawn with replacement; inputs are `[:, :-1]`, targets `[:, 1:]`.
    """
    windows = sliding_window_view(data, context + 1)
    # raw counter output, because numpy keeps that stream stable across versions and Generator methods not
    drawn = np.random.Philox(key=np.array([seed, update], np.uint64)).random_raw(batch)
    return windows[drawn % len(windows)]


def validation_windows(data: np.ndarray, tokens: int, context: int) -> np.ndarray:
    """
    The fixed validation set: `tokens // context` windows, evenly spread, no byte predicted twice.

    Returns
    -------
    ndarray of uint8, shape (tokens // context, context + 1)

    Raises
    ------
    TrainingError
        If the text is too short for that many windows.
    """
    wanted, available = tokens // context, (len(data) - 1) // context
    if not 0 < wanted <= available:
        raise TrainingError(
            f"{tokens} validation tokens need {wanted} windows of {context} bytes, the text has {available}\n"
            "use a larger corpus, or lower val_tokens and eval_tokens (not below one context)"
        )
    first = np.arange(wanted) * available // wanted * context
    return sliding_window_view(data, context + 1)[first]
