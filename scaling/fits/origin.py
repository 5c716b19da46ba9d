"""Where a fit came from: the command line that made it, and the file of a law that is none of the house's."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

from scaling.document import Fields
from scaling.engine.fitted import Fitted
from scaling.formula import Law
from scaling.formula.definition import HOME


def file_of(law: Law) -> str:
    """The file that defines a law of the user's own; "" for one of the house's, or typed at a prompt."""
    if law.fn.__module__.startswith(f"{HOME}."):
        return ""
    file = inspect.getsourcefile(inspect.unwrap(law.fn))
    return file if file is not None and Path(file).is_file() else ""


def remember(fit: Fitted, command: str) -> None:
    """The command line that made a fit, which is saved with it."""
    fit.memory.once("command", lambda: command)


def command(fit: Fitted) -> str:
    """The command line that made a fit; "" where it was made in Python."""
    return str(fit.memory.kept.get("command", ""))


def to_saved(fit: Fitted) -> dict[str, str]:
    """What is known of its origin."""
    known = {"command": command(fit), "law_file": file_of(fit.law)}
    return {name: text for name, text in known.items() if text}


def from_saved(saved: Fields, fit: Fitted) -> None:
    """Remember what a document that has `to_saved` says."""
    if "command" in saved.found:
        remember(fit, saved.text("command"))


def foreign(saved: Fields, name: str) -> str:
    """What is said where a saved law is not registered: the file that defines it, if it is still there."""
    said = str(saved.found.get("law_file", ""))
    file = Path(said) if said else None
    if file is None or not file.is_file():
        gone = f", which {said} defined when it was saved," if said else ""
        return (
            f"the law '{name}'{gone} is none that is known here; import the module that defines it first "
            "(command line: add --laws FILE.py, the file that defines it)."
        )
    near = os.path.relpath(file)
    path = str(file) if near.startswith("..") else near
    return f"the law '{name}' is defined in {path}; import that first (command line: add --laws {path})."
