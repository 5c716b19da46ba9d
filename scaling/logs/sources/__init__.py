"""One file a format: `claims` recognises a file or folder by its content, `sheets` reads it.

To add a format write a module with these two functions and NAME, and put it into SOURCES: the first that claims a path
reads it.
"""

from pathlib import Path
from typing import Protocol

from scaling.logs.findings import Findings, some
from scaling.logs.opened import head_of
from scaling.logs.sheet import Sheet
from scaling.logs.sources import delimited, text


class Source(Protocol):
    """A format of logs; the modules beside this file are its instances."""

    NAME: str  # what people call it

    def claims(self, path: Path, head: bytes) -> bool:
        """Is this file (head: its first 4 kB, unpacked) or folder (head is empty) of this format?"""
        ...

    def sheets(self, path: Path, findings: Findings) -> list[Sheet]:
        """Its runs; none after a problem was recorded."""
        ...


SOURCES: tuple[Source, ...] = (text, delimited)  # the more particular first


def source_of(path: Path) -> Source | None:
    """The first source that claims the path."""
    head = b"" if path.is_dir() else head_of(path)
    return next((source for source in SOURCES if source.claims(path, head)), None)


def sheets_of(path: Path, findings: Findings) -> list[Sheet]:
    """The runs in a file or folder, whatever its format."""
    source = source_of(path)
    if source is not None:
        return source.sheets(path, findings)
    known = some([source.NAME for source in SOURCES], len(SOURCES))
    findings.problem(str(path), f"no known format; read are {known}. Write one row per step as CSV: step,loss,lr")
    return []
