"""The sweep files of runs/ against the records of what they made."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from scaling.training.grid import read_sweep
from scaling.training.spec import RunSpec

RUNS = Path(__file__).parents[1] / "runs"
FILES = sorted(RUNS.glob("*.toml"))


def records(file):
    """Name -> record of the runs that are here; those of schedules.toml lie in runs/ itself."""
    folder = RUNS if file.stem == "schedules" else RUNS / file.stem
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("curves/*.json")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_here_is_what_the_sweep_file_describes(file):
    planned, found = read_sweep(file), records(file)
    assert found.keys() <= planned.keys()
    for name, record in found.items():
        settings, labels = asdict(planned[name].spec), planned[name].labels
        # a setting younger than the record had its default
        assert {key: record.get(key, getattr(RunSpec, key, None)) for key in settings} == settings
        assert {key: record[key] for key in labels} == labels


def test_the_runs_of_the_demo_are_all_here():
    assert len(records(RUNS / "schedules.toml")) == len(read_sweep(RUNS / "schedules.toml")) == 18
