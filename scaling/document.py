"""Files on disk: written whole or not at all, never over what is not ours, and JSON read field by field, with a digest."""

from __future__ import annotations

import glob
import hashlib
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import ArgumentError, DataError, MachineError
from scaling.version import __version__

SCHEMA = 2  # 1 had no digest
MARK = f"written by scaling-laws {__version__}"  # in pages and figures
# kinds that no other kind of document replaces, and what to do about a damaged one
ONCE: dict[str, str] = {
    "registration": "Take it from where a copy was kept: one made now would be no forecast of before.",
    "score": "Make it again: `scaling score FORECAST RUN -o`.",
}
# kind of file -> does this content show that we wrote it? A table of forecasts has no room for a mark but its header
OURS: dict[str, Callable[[bytes], bool]] = {
    "saved fit": lambda content: _kind(content) not in (None, *ONCE),
    "registration": lambda content: False,
    "score": lambda content: _kind(content) == "score",
    "forecast": lambda content: {b"prediction", b"lower", b"upper"} <= _header(content),
    "schedule": lambda content: False,  # only step and lr, as anybody's
    "table of runs": lambda content: {b"run_id", b"flops_6nd", b"train_bytes"} <= _header(content),
    "figure": lambda content: MARK.rpartition(" ")[0].encode() in content,
    "page": lambda content: MARK.rpartition(" ")[0].encode() in content,
}
LARGEST = 2**28  # bytes of a file that may be ours
REMEDY = (
    "Write it again: fit.save for a fit, relation.save for a relation "
    "(command line: `scaling fit DATA -o FILE`, a relation `scaling relate ... -o FILE`)."
)


def write(path: str | Path, kind: str, content: Mapping[str, Any], *, force: bool = False) -> None:
    """One JSON document of this version; an interrupted write leaves the old file. `force` as in `check_target`."""
    put(path, _encoded(sealed(kind, content)), "score" if kind == "score" else "saved fit", force=force)


def sealed(kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What is written of a kind, with its digest."""
    return signed({"schema": SCHEMA, "kind": kind, "scaling": __version__, **content})


def write_once(path: str | Path, kind: str, content: Mapping[str, Any]) -> None:
    """The same document where no file is yet: it never replaces one, also if two processes write at once.

    Raises
    ------
    ArgumentError : there is something at this path, or no folder. MachineError : it cannot be written.
    """
    path = Path(path)
    check_target(path, kind)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_atomically(draft, _encoded(sealed(kind, content)))
        draft.rename(path) if os.name == "nt" else os.link(draft, path)  # both refuse a name that is taken
    except FileExistsError:
        check_target(path, kind)
        raise
    except OSError as problem:
        raise MachineError(f"{path}: cannot be written: {problem.strerror or problem}; name another place.") from problem
    finally:
        draft.unlink(missing_ok=True)


def _encoded(saved: Mapping[str, Any]) -> bytes:
    return json.dumps(saved, allow_nan=False).encode()


def put(path: str | Path, content: bytes, kind: str, *, force: bool = False) -> None:
    """Write a file of a kind of `OURS`, where `check_target` lets it."""
    check_target(path, kind, force=force)
    try:
        write_atomically(Path(path), content, alone=False)
    except OSError as problem:
        raise MachineError(f"{path}: cannot be written: {problem.strerror or problem}; name another place.") from problem


def check_target(
    path: str | Path, kind: str, *, force: bool = False, inputs: Iterable[str | Path] = (), option: str = ""
) -> None:
    """Refuse to write where something would be lost: only files that we wrote are replaced.

    Parameters
    ----------
    kind : of `OURS`, what is to be written. force : may it replace a file that we did not write?
    inputs : paths, folders and patterns that the same command reads. option : how the command line calls the path.

    Raises
    ------
    ArgumentError : a link, a folder, a device, an input, a file of another kind or somebody else's, or no folder to write in.
    """
    path, said = Path(path), f"{option} {path}".strip()
    if path.is_symlink():
        raise ArgumentError(f"{said}: this is a link to {path.readlink()}; name the file itself")
    if path.is_dir():
        raise ArgumentError(f"{said}: this is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ArgumentError(f"{said}: there is no folder {path.parent} to save in; make it first")
    if not path.exists():
        return
    if not path.is_file():
        raise ArgumentError(f"{said}: this is a device or a pipe, not a file; name a file")
    if any(_reads(given, path) for given in inputs):
        raise ArgumentError(f"{said}: this command reads that file, so it cannot write it; name another file")
    if kind == "registration" or kind_of(path) == "registration":
        why = "a registered forecast replaces nothing" if kind == "registration" else "it holds a registered forecast"
        raise ArgumentError(f"{said}: there is a file, and {why}; name a new file")
    if not force and (path.stat().st_size > LARGEST or not OURS[kind](path.read_bytes())):
        way = "name another folder" if kind == "table of runs" else "--force replaces it" if option else "force=True does it"
        raise ArgumentError(f"{said}: there is a file that this program did not write as a {kind}; move it away, or {way}")


def _reads(given: str | Path, path: Path) -> bool:
    """Is the existing `path` the file, in the folder, or matched by the pattern, that is read?"""
    try:
        if Path(given).exists():
            inside = Path(given).is_dir() and path.suffix == ".csv" and path.resolve().is_relative_to(Path(given).resolve())
            return inside or path.samefile(given)
        return any(path.samefile(one) for one in glob.glob(str(given), recursive=True))  # noqa: PTH207 - absolute, too
    except (OSError, ValueError):  # no path at all, but constants or a schedule as text
        return False


def _kind(content: bytes) -> str | None:
    """The kind of a document of ours; the first version did not say it of fits. None: it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return str(found.get("kind", "fit")) if isinstance(found, dict) and {"schema", "scaling"} <= set(found) else None


def kind_of(path: Path) -> str | None:
    """The kind of document that a file says it is, before it is checked; None if it is none."""
    with path.open("rb") as file:
        ours = path.stat().st_size <= LARGEST and file.read(64).lstrip().startswith(b"{")
    return _kind(path.read_bytes()) if ours else None


def _header(content: bytes) -> set[bytes]:
    return {cell.strip() for cell in content.partition(b"\n")[0].split(b",")}


def read(path: str | Path) -> Fields:
    """A document of any version up to this one.

    Raises
    ------
    DataError : no such file, none of these documents, or not as it was written.
    """
    try:
        saved = json.loads(Path(path).read_text(), parse_constant=_refuse)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. `scaling fit ... -o {path}` writes one.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, where a saved fit, relation or forecast is one file; name the file.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; name another file.") from error
    except (ValueError, RecursionError) as error:  # not UTF-8 and not JSON are ValueErrors
        raise DataError(f"{path}: no JSON{_why(error)}, so not a saved fit, relation or forecast. {REMEDY}") from error
    if not isinstance(saved, dict) or "schema" not in saved:
        raise DataError(f"{path}: JSON, but not a saved fit or relation: field 'schema' is missing. {REMEDY}")
    remedy = ONCE.get(str(saved.get("kind")), REMEDY)
    fields = Fields(saved, path, remedy=remedy)
    if fields.whole("schema") < 1:
        raise fields.wrong("schema", "must be 1 or more")
    if fields.whole("schema") > SCHEMA:
        by = f" ({saved['scaling']})" if isinstance(saved.get("scaling"), str) else ""
        raise DataError(
            f"{path}: written by a newer version{by}: field 'schema' is {saved['schema']}, this one reads up to {SCHEMA}; "
            "upgrade scaling-laws to read it."
        )
    if not genuine(saved) if "sha256" in saved else saved["schema"] > 1:
        raise DataError(f"{path}: field 'sha256' is not the digest of the rest: changed by hand, or damaged. {remedy}")
    return fields


def _why(error: Exception) -> str:
    """Why a text is no JSON, in our words."""
    if isinstance(error, json.JSONDecodeError):
        return f" from line {error.lineno}, column {error.colno} on"
    if isinstance(error, UnicodeDecodeError):
        return " but bytes of no text"
    if isinstance(error, RecursionError):
        return ", too deeply nested"
    return f" ({error})"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def kind_saved(head: bytes) -> str:
    """The kind of document of this program that a file is by its first bytes; "" where it is none."""
    found = re.match(rb'\{"schema": \d+, "kind": "(\w+)", "scaling": "', head)
    return found[1].decode() if found else ""


def digest(content: Any) -> str:
    """SHA-256 of bytes, or of the canonical JSON of anything else."""
    if not isinstance(content, bytes):
        content = json.dumps(exact(content), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    return hashlib.sha256(content).hexdigest()


def signed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Plain content with its digest under `sha256`."""
    made: dict[str, Any] = exact(content)
    return {**made, "sha256": digest(made)}


def genuine(saved: Mapping[str, Any]) -> bool:
    """Is the content what was signed?"""
    return bool(saved["sha256"] == digest({k: v for k, v in saved.items() if k != "sha256"}))


def write_atomically(path: Path, content: bytes, *, alone: bool = True) -> None:
    """Replace a file in one move: a reader sees the old bytes or the new ones, also after a power cut.

    If others may write the same file at the same time (not `alone`), drafts have names of their own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.tmp" if alone else f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("wb" if alone else "xb") as file:
            if path.exists():
                draft.chmod(path.stat().st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_names(path.parent)


def sync_names(folder: Path) -> None:
    """Bring to disk what files there are in a folder: a new name is only there once its folder is."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def exact(x: Any) -> Any:
    """As JSON types. It has no infinities: written as strings."""
    if isinstance(x, Mapping):
        return {str(k): exact(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [exact(v) for v in x]
    if isinstance(x, np.ndarray):
        return exact(x.tolist())
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else str(float(x))
    if isinstance(x, np.generic):
        return x.item()
    return x


class Fields:
    """An object of a document, read field by field: what is not as it must be is answered with file and field."""

    def __init__(self, found: Mapping[str, Any], path: str | Path, place: str = "", remedy: str = REMEDY):
        self.found, self.path, self.place, self.remedy = found, path, place, remedy

    def wrong(self, name: str, problem: str) -> DataError:
        """The answer to a field that cannot be used."""
        return DataError(f"{self.path}: field '{self.place}{name}' {problem}: the file was damaged. {self.remedy}")

    def get(self, name: str, kind: type | tuple[type, ...], what: str) -> Any:
        """A field of a kind; true and false are no numbers."""
        if name not in self.found:
            raise self.wrong(name, "is missing")
        value = self.found[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, f"must be {what}")
        return value

    def maybe(self, name: str) -> bool:
        """Is there an object where null could be?"""
        return self.get(name, (dict, type(None)), "an object or null") is not None

    def part(self, name: str) -> Fields:
        return Fields(self.get(name, dict, "an object"), self.path, f"{self.place}{name}.", self.remedy)

    def parts(self, name: str) -> list[Fields]:
        found = self.get(name, list, "a list of objects")
        inside = Fields({str(i): one for i, one in enumerate(found)}, self.path, f"{self.place}{name}.", self.remedy)
        return [inside.part(i) for i in inside.found]

    def text(self, name: str) -> str:
        return str(self.get(name, str, "text"))

    def texts(self, name: str) -> tuple[str, ...]:
        found = self.get(name, list, "a list of texts")
        if not all(isinstance(x, str) for x in found):
            raise self.wrong(name, "must be a list of texts")
        return tuple(found)

    def flag(self, name: str) -> bool:
        return bool(self.get(name, bool, "true or false"))

    def whole(self, name: str) -> int:
        """A whole number from 0 on."""
        value: int = self.get(name, int, "a whole number")
        if not 0 <= value < 2**63:
            raise self.wrong(name, "must be 0 or more, and below 2^63")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        return float(self.array(name))

    def unbounded(self, name: str) -> float:
        """A number, an infinity or NaN: texts in JSON."""
        return float(self.array(name, finite=False))

    def numbers(self, name: str) -> dict[str, float]:
        """Finite numbers by name."""
        part = self.part(name)
        return {key: part.number(key) for key in part.found}

    def array(self, name: str, *shape: int | None, finite: bool = True) -> np.ndarray:
        """Nested lists of numbers of a shape, in which None stands for any length."""
        what = f"a list of {' x '.join('n' if n is None else str(n) for n in shape)} numbers" if shape else "a number"
        found = self.get(name, list if shape else (int, float, str), what)
        try:
            return np.array(_nested(found, shape, finite), float)
        except (ValueError, OverflowError):
            raise self.wrong(name, f"must be {what}{', all finite' if finite else ''}") from None

    def all(self, schema: Schema) -> dict[str, Any]:
        """The fields of a schema."""
        return {name: read(self, name) for name, read in schema.items()}


Schema = Mapping[str, Callable[[Fields, str], Any]]  # name of a field -> how it is read


def named(record: object, schema: Schema) -> dict[str, Any]:
    """The attributes of a record that a schema names."""
    return {name: getattr(record, name) for name in schema}


def _nested(found: Any, shape: tuple[int | None, ...], finite: bool) -> Any:
    if not shape:
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        if number or (not finite and found in ("inf", "-inf", "nan")):
            return float(found)
    elif isinstance(found, list) and shape[0] in (None, len(found)):
        return [_nested(one, shape[1:], finite) for one in found]
    raise ValueError("another shape, or no number")
