"""Laws of the user's own: `--law file.py:name`, and --laws FILE.py wherever a saved fit is of one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from scaling.errors import ArgumentError, LawError, ScalingError
from scaling.formula import Law, find


def law_named(text: str) -> Law:
    """The law of a name, with its conventions; of file.py:name after that file was imported."""
    file, py, rest = text.partition(".py")
    if not py or rest[:1] not in ("", ":"):
        return find(text)
    if not rest[1:]:
        raise ArgumentError(f"--law {text}: say which law of it: --law {file}.py:NAME")
    load(Path(f"{file}.py"), "--law")
    return find(rest[1:])


def load(path: Path, option: str) -> None:
    """Import a Python file, so that the laws it defines are registered."""
    if not path.is_file():
        raise ArgumentError(f"{option} {path}: no such file")
    name = f"own_laws_{path.stem}"
    spec = spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{option} {path}: this is no Python file")
    sys.modules[name] = made = module_from_spec(spec)
    try:
        spec.loader.exec_module(made)
    except ScalingError:
        raise
    except Exception as problem:  # whatever the user's file does
        raise LawError(f"{path}: cannot be imported ({type(problem).__name__}: {problem})") from problem


def load_all(tokens: Sequence[str]) -> None:
    """Import the files that --laws names on a command line, before anything is asked of a law."""
    for here, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if here == "--laws" and following:  # else the parser says what is missing
            load(Path(following), here)
        elif here.startswith("--laws="):
            load(Path(here.removeprefix("--laws=")), "--laws")
