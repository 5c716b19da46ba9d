"""Which files a reader is given: paths, globs and folders -> the files and folders that are logs, each once."""

import glob
import os
from pathlib import Path

from scaling.errors import ArgumentError
from scaling.logs import facts
from scaling.logs.beside import RECORDS
from scaling.logs.findings import Findings, some
from scaling.logs.sources import home_of, source_of

DEEPEST = 8  # folders below the one that is given
SKIPPED = (".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".png", ".pdf", ".svg", ".pt", ".safetensors", ".bin", ".html")


def logs_in(paths: list[str | Path], findings: Findings) -> list[Path]:
    """The logs that are named; those that lie in a folder that is one run stand for it."""
    found: dict[str, Path] = {}
    homes: set[str] = set()
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            files = [] if source_of(path) else _inside(path, 0)
            if not files and source_of(path) is None:
                findings.problem(str(given), _nothing(path))
            files = files or [path]
        elif any(mark in str(given) for mark in "*?[") and not path.exists():
            matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
            files = [file for match in matches for file in _matched(Path(match))]
            if not files:
                findings.problem(str(given), "no file matches; check the pattern")
        else:
            files = [path]
        for file in files:
            home = home_of(file)
            key = os.path.realpath(home)
            if key in found and key not in homes:
                findings.note("given twice, read once", str(file))
            if home != file:
                homes.add(key)
            found.setdefault(key, home)
    if not paths:
        raise ArgumentError("no paths given; name a file, a pattern or a folder")
    return list(found.values())


def _matched(path: Path) -> list[Path]:
    if path.is_dir():
        return [path] if source_of(path) else _inside(path, 0)
    return [] if facts.is_table(path) else [path]


def _inside(folder: Path, depth: int) -> list[Path]:
    """The logs of a folder; those of its folders if it has none of its own."""
    if facts.is_table(folder / facts.TABLE) and (folder / "curves").is_dir():
        folder = folder / "curves"
    entries = sorted(folder.iterdir())
    names = {entry.name for entry in entries}
    files = [entry for entry in entries if _may_be_log(entry, names) and source_of(entry)]
    if files or depth == DEEPEST:
        return files
    deeper = [
        entry for entry in entries if entry.is_dir() and not entry.name.startswith((".", "__")) and not entry.is_symlink()
    ]
    return [log for entry in deeper for log in ([entry] if source_of(entry) else _inside(entry, depth + 1))]


def _may_be_log(path: Path, names: set[str]) -> bool:
    """Not a table or record of facts, nor what is plainly something else."""
    if facts.is_table(path) or path.name in RECORDS or path.name.startswith("."):
        return False
    record = path.suffix == ".json" and f"{path.stem}.csv" in names
    return not record and path.suffix.lower() not in SKIPPED and path.is_file()


def _nothing(folder: Path) -> str:
    seen = sorted(str(file.relative_to(folder)) for file in folder.glob("*/*") if file.is_file())
    seen += [file.name for file in sorted(folder.iterdir()) if file.is_file()]
    return f"the folder has no log that can be read{f'; it has {some(seen, 5)}' if seen else '; it is empty'}"
