"""TensorBoard's CSV downloads: one scalar a file, run-NAME-tag-TAG.csv; those of one run are joined by their folder."""

import re
from pathlib import Path

from scaling.logs.columns import curve_columns
from scaling.logs.findings import Findings
from scaling.logs.gathered import Gathered
from scaling.logs.opened import decoded, head_of
from scaling.logs.sheet import Sheet
from scaling.logs.sources import delimited

NAME = "TensorBoard CSV downloads"
_HEADER = re.compile(r'\s*"?Wall time"?,"?Step"?,"?Value"?\s')
_FILE = re.compile(r"(?:run-)?(?P<run>.*?)-?tag-(?P<tag>.+?)(?: \(\d+\))?$")


def claims(path: Path, head: bytes) -> bool:
    """Three columns: Wall time, Step, Value; or a folder with such a file."""
    if path.is_dir():
        return any(claims(file, head_of(file)) for file in sorted(path.glob("*tag-*.csv"))[:1])
    return _HEADER.match(decoded(head)) is not None


def home(path: Path, head: bytes) -> Path:
    """The folder, where the scalars of one run lie beside each other; a file whose name tells no tag stands alone."""
    return path.parent if _FILE.match(path.stem) and claims(path, head) else path


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The runs of a folder, or of one file that lies alone."""
    by_run: dict[str, dict[int, dict[str, float]]] = {}
    folder = path if path.is_dir() else path.parent
    for file in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
        if not claims(file, head_of(file)):
            findings.note("no TensorBoard download, left out", str(file))
            continue
        match = _FILE.match(file.stem)
        told = bool(curve_columns([file.stem]))  # loss.csv: saved under the name of its tag
        alone = ("", file.stem) if told else (file.stem, "Value")  # a name that tells no tag is that of the run
        run, tag = (match["run"], match["tag"]) if match else alone
        for sheet in delimited.sheets(file, findings):
            points = by_run.setdefault(run if run != "." else "", {})
            pairs = zip(sheet.columns["Step"], sheet.columns["Value"], strict=True)
            for i, (step, value) in enumerate(pairs):
                try:
                    points.setdefault(int(float(step)), {})[tag] = float(value)
                except (ValueError, OverflowError):
                    findings.problem(
                        sheet.place(i), f"found step {step!r}, value {value!r}; expected numbers; download it again"
                    )
    made = []
    for run, points in by_run.items():
        columns, lines = Gathered.by_step(points).finished()
        parts = (*folder.absolute().parts[1:], *([run] if run else []))
        made.append(Sheet(str(path), parts, columns, lines, "step", names={"step": "step"}))
    return made
