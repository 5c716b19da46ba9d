"""`make mutants`: mutmut breaks every line of the rooms below in turn, and tells which breaks no test sees.

Each room runs in a folder of its own under .mutants with the few fast test files that are there for it, so a mutant takes
about a second. `python -m benchmarks.mutants losses drops` runs some rooms; without names all, an hour or more on two cores.
README.md beside this file has the scores and says of every survivor why it is left.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SCRATCH = REPOSITORY / ".mutants"
ROOMS: dict[str, tuple[list[str], list[str]]] = {  # what is broken, and the tests that should see it
    "losses": (["scaling/engine/losses.py"], ["tests/test_engine_golden.py"]),
    "solver": (["scaling/engine/solver.py", "scaling/engine/steps.py"], ["tests/test_engine_golden.py", "tests/test_nist.py"]),
    "drops": (
        ["scaling/schedules/drops.py", "scaling/schedules/table.py"],
        ["tests/test_golden_schedules.py", "tests/test_schedules.py"],
    ),
    "schedules": (
        ["scaling/schedules/rows.py", "scaling/schedules/shapes.py", "scaling/schedules/text.py"],
        ["tests/test_golden_schedules.py", "tests/test_schedules.py"],
    ),
    "counting": (["scaling/counting/*"], ["tests/test_golden_counts.py", "tests/test_counting.py"]),
    "calibration": (["scaling/intervals/along_steps.py"], ["tests/test_along_steps.py"]),
    "allocation": (
        ["scaling/planning/compute.py", "scaling/planning/surface.py", "scaling/planning/shares.py"],
        ["tests/test_golden_allocation.py", "tests/test_multilingual.py", "tests/test_planning.py"],
    ),
}


def run(room: str) -> dict[str, int]:
    """Counts of mutants by what became of them; the survivors are printed."""
    files, tests = ROOMS[room]
    folder = SCRATCH / room
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("scaling", "tests", "benchmarks", "runs"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "public"))
    settings = {
        "source_paths": ["scaling"],
        "only_mutate": files,
        "also_copy": ["scaling", "benchmarks", "runs"],
        "pytest_add_cli_args_test_selection": tests,
        "do_not_mutate_patterns": [r"raise \w+"],  # the words of an answer have tests of their own
        "timeout_constant": 20.0,
    }
    text = (REPOSITORY / "pyproject.toml").read_text()
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    (folder / "pyproject.toml").write_text(text + "\n[tool.mutmut]\n" + "\n".join(lines) + "\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""}

    def mutmut(*words: str) -> str:
        line = [sys.executable, "-m", "mutmut", *words]
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"mutmut {' '.join(words)} failed in {folder}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    mutmut("run", "--max-children", "2")
    for line in filter(str.strip, mutmut("results").splitlines()):
        print(mutmut("show", line.split(":")[0].strip()))
    mutmut("export-cicd-stats")
    found: dict[str, int] = json.loads((folder / "mutants/mutmut-cicd-stats.json").read_text())
    return found


def main(rooms: list[str]) -> None:
    if unknown := set(rooms) - set(ROOMS):
        raise SystemExit(f"no room {', '.join(unknown)}; there are {', '.join(ROOMS)}")
    rows = {room: run(room) for room in rooms or ROOMS}
    print(f"\n{'room':<12} {'mutants':>7} {'seen':>7} {'score':>7}")
    for room, found in rows.items():
        total, seen = found["total"] - found["skipped"], found["killed"] + found["timeout"] + found["segfault"]
        print(f"{room:<12} {total:>7} {seen:>7} {seen / total:>7.1%}")


main(sys.argv[1:])
