"""Small real logs that come with the package: a ladder, a running job, the same job finished, a table of final losses."""

from __future__ import annotations

from pathlib import Path

from scaling.document import write_atomically
from scaling.errors import ArgumentError, MachineError

HOME = Path(__file__).parent


def write(folder: str | Path, *, force: bool = False) -> list[Path]:
    """Copy the samples to a folder, which is made where it is not there yet.

    Parameters
    ----------
    folder : where to. force : may files of the same names be replaced, whatever is in them?

    Returns
    -------
    The folder's entries: ladder, running, finished, table.csv and a README.md that says what they are.

    Raises
    ------
    ArgumentError : the place is a file, its parent is not there, or it has other files of these names.
    MachineError : it cannot be written.
    """
    folder = Path(folder)
    if not folder.parent.is_dir():
        raise ArgumentError(f"{folder}: there is no folder {folder.parent} to make it in; make that first")
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder}: this is a file; name a folder")
    files = {path.relative_to(HOME): path.read_bytes() for path in sorted(HOME.rglob("*")) if path.suffix in (".csv", ".md")}
    for name, content in files.items():
        target = folder / name
        if target.is_symlink() or target.is_dir():
            raise ArgumentError(f"{target}: this is a link or a folder, where a sample would be written; name another folder")
        if not force and target.exists() and target.read_bytes() != content:
            raise ArgumentError(f"{target}: there is a file that is not this version's sample; name another folder")
    for name, content in files.items():
        try:
            write_atomically(folder / name, content)
        except OSError as problem:
            raise MachineError(
                f"{folder / name}: cannot be written: {problem.strerror or problem}; name another place."
            ) from problem
    return sorted({folder / name.parts[0] for name in files})
