"""mlflow's file store: a folder a run, a file a metric, a line a point: time, value, step."""

from pathlib import Path

from scaling.logs.beside import parse
from scaling.logs.findings import Findings
from scaling.logs.gathered import Gathered
from scaling.logs.opened import text_of
from scaling.logs.sheet import Sheet

NAME = "mlflow file store"
_STATUS = {"1": "running", "3": "finished", "4": "failed", "5": "killed"}


def claims(path: Path, head: bytes) -> bool:
    """The folder of a run."""
    return path.is_dir() and (path / "metrics").is_dir() and ((path / "params").is_dir() or (path / "meta.yaml").is_file())


def home(path: Path, head: bytes) -> Path:
    """The folder of the run that a metric belongs to."""
    run = next((p.parent for p in path.parents if p.name == "metrics"), None)
    return run if run is not None and claims(run, b"") else path


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """One run with all its metrics; of a step logged again the newest value."""
    name, known = str(path), findings.count
    by_step: dict[int, dict[str, float]] = {}
    for file in sorted(file for file in (path / "metrics").rglob("*") if file.is_file()):
        if file.stat().st_size:
            _metric(file, file.relative_to(path / "metrics").as_posix(), by_step, findings)
    if findings.count > known:
        return []
    if not by_step:
        findings.problem(name, "no metric was logged yet; call mlflow.log_metric with a step")
        return []
    columns, lines = Gathered.by_step(by_step).finished()
    told = _words(path / "tags") | {"run_name": _entry(path, "run_name")}
    facts = {key: parse(value) for key, value in _words(path / "params").items()}
    if status := _STATUS.get(_entry(path, "status")):
        facts["status"] = status
    title = told.get("mlflow.runName") or told["run_name"] or path.absolute().name
    return [
        Sheet(name, (*path.absolute().parent.parts[1:], title), columns, lines, "step", facts=facts, names={"step": "step"})
    ]


def _metric(file: Path, metric: str, by_step: dict[int, dict[str, float]], findings: Findings) -> None:
    text = text_of(file, findings)
    lines = [] if text is None else text.splitlines()
    for i, line in enumerate(lines):
        try:
            _, value, step = line.split()[:3]
            by_step.setdefault(int(step), {})[metric] = float(value)
        except (ValueError, IndexError):
            if i == len(lines) - 1 and text is not None and not text.endswith("\n"):
                findings.note(f"line {i + 1} is cut off at the end of the file and was dropped", str(file))
            elif line.strip("\0 \t"):
                findings.problem(f"{file}, line {i + 1}", f"found {line[:60]!r}; a metric has lines of time, value and step")


def _words(folder: Path) -> dict[str, str]:
    """File name -> content, of a folder of small files."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size < 10_000] if folder.is_dir() else []
    return {file.relative_to(folder).as_posix(): file.read_text(errors="replace").strip() for file in files}


def _entry(path: Path, key: str) -> str:
    meta = path / "meta.yaml"
    text = meta.read_text(errors="replace") if meta.is_file() else ""
    return next((line.partition(":")[2].strip(" '\"") for line in text.splitlines() if line.startswith(f"{key}:")), "")
