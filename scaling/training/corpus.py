"""Text to train on: files as bytes, split by file, mixed by share, and the windows that runs read of it."""

import hashlib
import os
import re
import sysconfig
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scaling.errors import TrainingDataError
from scaling.training.vocabulary import BYTES, Vocabulary, learn

VALIDATION_SHARE = 10  # one file in ten
_NOT_STDLIB = {"site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True, eq=False)
class Source:
    """Text to learn from and text to be judged on, never from the same file: bytes, or the tokens they make."""

    name: str  # where the text came from
    share: float  # of the sequences that a run reads; 0 for text that is only judged
    train: np.ndarray  # all files of a side one after the other, each closed by a zero byte: uint8, or int32 of tokens
    validation: np.ndarray
    n_files: int
    sha256: str  # over both sides: two sources with equal hashes hold the same text, split the same way


@dataclass(frozen=True, eq=False)
class Corpus:
    """One source, or several with shares that sum to one; `text` has their training sides one after the other."""

    sources: tuple[Source, ...]
    vocabulary: Vocabulary | None = None  # None: a token is a byte

    @cached_property
    def text(self) -> np.ndarray:
        """What is learned from."""
        read = [source.train for source in self.sources if source.share]
        return read[0] if len(read) == 1 else np.concatenate(read)

    @cached_property
    def sha256(self) -> str:
        """Hash over all sources, as bytes, and their shares."""
        if len(self.sources) == 1:
            return self.sources[0].sha256
        said = ";".join(f"{source.share!r} {source.sha256}" for source in self.sources)
        return hashlib.sha256(said.encode()).hexdigest()

    def bytes_of(self, tokens: np.ndarray) -> int:
        """Bytes of text in some tokens."""
        return tokens.size if self.vocabulary is None else int(self.vocabulary.widths[tokens].sum())

    @cached_property
    def _unigram(self) -> np.ndarray:
        assert self.vocabulary is not None
        counts = np.bincount(self.text, minlength=len(self.vocabulary.widths)) + 1  # one more: no token is impossible
        return np.asarray(-np.log(counts / counts.sum()))

    def unigram_loss(self, tokens: np.ndarray) -> float:
        """Mean loss in nats a token of the model that knows how often each token comes in the text, and nothing else."""
        return float(self._unigram[tokens].mean())

    def width(self, windows: np.ndarray, context: int) -> float:
        """Mean bytes of the tokens that are predicted in some windows, the last `context` of each."""
        return self.bytes_of(windows[:, -context:]) / windows[:, -context:].size

    def width_read(self, updates: range, batch: int, span: int, seed: int, context: int) -> float:
        """Mean bytes of the tokens that some updates learn to predict, the last `context` of each sequence; see `places`."""
        if self.vocabulary is None:
            return 1.0
        ends = np.concatenate([self.places(update, batch, span, seed) for update in updates]) + span
        return int((self._bytes_before[ends] - self._bytes_before[ends - context]).sum()) / (ends.size * context)

    @cached_property
    def _bytes_before(self) -> np.ndarray:
        assert self.vocabulary is not None
        return np.concatenate([[0], np.cumsum(self.vocabulary.widths[self.text])])

    def require(self, span: int) -> None:
        """Raise TrainingDataError if a source that is learned from is shorter than one window of `span` tokens."""
        unit = "tokens" if self.vocabulary else "bytes"
        for source in self.sources:
            if source.share and len(source.train) < span:
                raise TrainingDataError(
                    f"corpus {source.name!r}: one sequence needs {span} {unit}, the training files have "
                    f"{len(source.train)}\nuse a larger corpus or a smaller context"
                )

    def places(self, update: int, batch: int, span: int, seed: int) -> np.ndarray:
        """Where in `text` the sequences of one update begin, int64 (batch,): a pure function of (seed, update).

        `update` is the 0-based index in the table of rates, `span` the tokens of a sequence. Places are drawn with
        replacement; in a mixture each sequence draws its source first.
        """
        # raw counter output, because numpy keeps that stream stable across versions and Generator methods not
        stream = np.random.Philox(key=np.array([seed, update], np.uint64))
        drawn, (first, windows, below) = stream.random_raw(batch), self._layout(span)
        if len(first) == 1:
            return np.asarray(drawn % windows[0], np.int64)
        source = np.searchsorted(below, (stream.random_raw(batch) >> np.uint64(11)) * 2.0**-53, side="right")
        return np.asarray(first[source] + drawn % windows[source], np.int64)

    @cache  # noqa: B019  (a corpus lives as long as its process)
    def _layout(self, span: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        read = [source for source in self.sources if source.share]
        lengths = np.array([len(source.train) for source in read], np.uint64)
        below = np.cumsum([source.share for source in read])[:-1]  # the last takes what rounding leaves
        return np.cumsum(lengths) - lengths, lengths - np.uint64(span - 1), below


def shares(text: str) -> list[tuple[str, float]]:
    """Sources and shares of a corpus setting: `python`, `notes/`, or `0.7 python + 0.3 notes/`."""
    parts = re.split(r"\s\+\s", text)
    found = [re.fullmatch(r"\s*([0-9.]+(?:[eE]-?[0-9]+)?)\s+(.*\S)\s*", part) for part in parts]
    if len(parts) == 1 and not found[0]:
        return [(text, 1.0)]
    pairs = [(match[2], float(match[1])) for match in found if match]
    total = sum(share for _, share in pairs)
    if len(pairs) < len(parts) or abs(total - 1) > 1e-6 or len({name for name, _ in pairs}) < len(parts):
        raise TrainingDataError(
            f"corpus {text!r}: a mixture is `share source + share source`, different sources with shares that "
            "sum to 1\nfor example '0.7 python + 0.3 notes/'"
        )
    return pairs


def read_corpus(text: str = "python", vocab: int = BYTES) -> Corpus:
    """Read a corpus into memory.

    Parameters
    ----------
    text : a source, or a mixture of sources with their shares. A source is `python` (the standard library of the running
        interpreter), `headers` (C and C++ headers of the installed packages), or a folder, of which every file is read as
        bytes. A file belongs to the validation side if the CRC-32 of its path below the folder is a multiple of ten, so
        the split needs no random numbers and stays put when other files come or go.
    vocab : tokens of the vocabulary to learn from the training sides and to write the text in; 256: it stays bytes.

    Raises
    ------
    TrainingDataError : a folder is missing, one of the two sides stays empty, shares do not sum to one, or the text is too
    short for the vocabulary.
    """
    corpus = Corpus(tuple(_read(name, share) for name, share in shares(text)))
    if vocab == BYTES:
        return corpus
    learned = learn(corpus.text, vocab)
    encoded = learned.encoded
    sources = (replace(s, train=encoded(s.train), validation=encoded(s.validation)) for s in corpus.sources)
    return Corpus(tuple(sources), learned)


def _files(source: str) -> tuple[Path, Iterator[Path]]:
    """The folder of a source, and its files, which may be other things than files."""
    paths = sysconfig.get_paths()
    root, suffixes = {"python": (paths["stdlib"], (".py",)), "headers": (paths["platlib"], (".h", ".hpp", ".cuh"))}.get(
        source, (source, ("",))
    )

    def walk() -> Iterator[Path]:
        # Path.rglob would take five times as long, and every process does it
        for folder, inner, names in os.walk(root):
            if source == "python":
                inner[:] = [name for name in inner if name not in _NOT_STDLIB]
            yield from (Path(folder, name) for name in names if name.endswith(suffixes))

    return Path(root), walk()


def _read(name: str, share: float) -> Source:
    root, paths = _files(name)
    if not root.is_dir():
        raise TrainingDataError(f"corpus {name!r}: no such folder; give a folder of text files, 'python' or 'headers'")
    sides: tuple[list[bytes], list[bytes]] = ([], [])
    for file in sorted(path.relative_to(root).as_posix() for path in paths if path.is_file()):
        held_out = zlib.crc32(file.encode()) % VALIDATION_SHARE == 0
        sides[held_out].append((root / file).read_bytes() + b"\0")
    train, validation = (b"".join(side) for side in sides)
    if not train or not validation:
        raise TrainingDataError(
            f"corpus {name!r}: {len(sides[0])} files to train on and {len(sides[1])} to validate on\n"
            "the split is by file, about one in ten for validation: cut the text into more files"
        )
    digest = hashlib.sha256(hashlib.sha256(train).digest() + hashlib.sha256(validation).digest()).hexdigest()
    read, judged = (np.frombuffer(side, np.uint8) for side in (train, validation))
    return Source(name, share, read, judged, sum(map(len, sides)), digest)


def validation_windows(data: np.ndarray, tokens: int, context: int, span: int | None = None) -> np.ndarray:
    """The fixed validation set (tokens // context, span): windows evenly spread, no token predicted twice.

    `tokens` and `context` are those to predict in all and in a window, `span` the tokens of a window where more than
    `context + 1` are read. Raises TrainingDataError if the text is too short.
    """
    span = span or context + 1
    wanted, available = tokens // context, max(0, (len(data) - span) // context + 1)
    if not 0 < wanted <= available:
        raise TrainingDataError(
            f"{tokens} validation tokens need {wanted} windows of {context} tokens, the text has {available}\n"
            "use a larger corpus, or lower val_tokens and eval_tokens (not below one context)"
        )
    first = np.arange(wanted) * available // wanted * context
    return sliding_window_view(data, span)[first]
