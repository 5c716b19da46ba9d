"""One file a format: `claims` recognises a file or folder by its content, `sheets` reads it.

To add a format write a module with these two functions and NAME, and put it into SOURCES: the first that claims a path
reads it. Where several files are one run, a function `home` names the folder, and the module stands in HOMES too.
"""

from pathlib import Path
from typing import Protocol

from scaling.document import kind_saved
from scaling.logs.findings import Findings, some
from scaling.logs.opened import head_of
from scaling.logs.sheet import Sheet
from scaling.logs.sources import (
    delimited,
    excel,
    huggingface,
    mlflow,
    parquet,
    records,
    tensorboard,
    tensorboard_csv,
    text,
    trackio,
    wandb,
)


class Source(Protocol):
    """A format of logs; the modules beside this file are its instances."""

    NAME: str  # what people call it

    def claims(self, path: Path, head: bytes) -> bool:
        """Is this file (head: its first 4 kB, unpacked) or folder (head is empty) of this format?"""
        ...

    def sheets(self, path: Path, findings: Findings) -> list[Sheet]:
        """Its runs; none after a problem was recorded."""
        ...


class Home(Source, Protocol):
    """A format that keeps one run in several files."""

    def home(self, path: Path, head: bytes) -> Path:
        """The folder that a file is a part of; the file itself where it stands alone."""
        ...


SOURCES: tuple[Source, ...] = (  # the more particular first
    huggingface, mlflow, tensorboard, tensorboard_csv, wandb, parquet, excel, trackio, records, delimited, text,
)  # fmt: skip
HOMES: tuple[Home, ...] = (huggingface, mlflow, tensorboard, tensorboard_csv)
OTHERS = {  # what files that are no logs begin with -> what they are and what to do
    b"\x80\x04": "a pickle, which is not opened as it may run anything; save the history as CSV",
    b"\x80\x05": "a pickle, which is not opened as it may run anything; save the history as CSV",
    b"PK\x03\x04": "a zip archive or a checkpoint; unpack it, or save the history as CSV",
    b"\x89HDF": "an HDF5 file; save the history as CSV: pandas.read_hdf(...).to_csv('run.csv')",
    b"\x93NUMPY": "a NumPy array, which has no names; save the history as CSV with the columns step and loss",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture; scaling reads the numbers behind it",
}


def source_of(path: Path, head: bytes | None = None) -> Source | None:
    """The first source that claims the path."""
    if head is None:
        head = b"" if path.is_dir() else head_of(path)
    return next((source for source in SOURCES if source.claims(path, head)), None)


def home_of(path: Path) -> Path:
    """The folder of the run that a file is a part of, else the file."""
    if path.is_dir() or not path.exists():
        return path
    head = head_of(path)
    return next((home for source in HOMES if (home := source.home(path, head)) != path), path)


def sheets_of(path: Path, findings: Findings) -> list[Sheet]:
    """The runs in a file or folder, whatever its format."""
    head = b"" if path.is_dir() else head_of(path)
    source = source_of(path, head)
    if source is not None:
        before = findings.told
        found = source.sheets(path, findings)
        if not found and findings.told == before:
            findings.problem(
                str(path), f"it looks like {source.NAME}, but no run is in it; write one row per step as CSV: step,loss"
            )
        return found
    if kind := kind_saved(head):
        findings.problem(
            str(path), f"it is a {kind} that this program saved, and data are wanted here; `scaling report` and "
            f"`scaling predict` take a fit, `scaling score` a registration"
        )  # fmt: skip
        return []
    what = next((what for magic, what in OTHERS.items() if head.startswith(magic)), None)
    if what is not None:
        findings.problem(str(path), f"it is {what}")
    elif path.is_dir():
        findings.problem(str(path), "a folder without logs")
    else:
        known = some([source.NAME for source in SOURCES], len(SOURCES))
        findings.problem(str(path), f"no known format; read are {known}. Write one row per step as CSV: step,loss,lr")
    return []
