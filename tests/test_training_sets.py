"""The sweep files of runs/ against the records of what they made."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
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
    assert len(records(RUNS / "ladder.toml")) == len(read_sweep(RUNS / "ladder.toml")) == 58


def best_rate(parametrization, width):
    """The rate of the lowest loss, between those tried (a parabola in log rate through the best and its neighbours)."""
    losses = {}
    for record in records(RUNS / "widths.toml").values():
        if (record["parametrization"], record["d_model"]) == (parametrization, width):
            losses.setdefault(record["peak_lr"], []).append(record["final_val_loss"])
    rates = sorted(losses)
    means = [np.mean(losses[rate]) for rate in rates]  # over seeds
    at = int(np.argmin(means))
    assert 0 < at < len(rates) - 1, "the best rate is one of the ends"
    near = slice(at - 1, at + 2)
    a, b, _ = np.polyfit(np.log2(rates[near]), means[near], 2)
    return 2 ** (-b / (2 * a))


@pytest.mark.skipif(not records(RUNS / "widths.toml"), reason="the runs of widths.toml are not here")
def test_the_best_rate_drifts_with_the_width_under_sp_and_stays_under_mup():
    best = {rules: [best_rate(rules, width) for width in (16, 32, 64, 128)] for rules in ("sp", "mup")}
    assert max(best["mup"]) / min(best["mup"]) < 2, best  # a grid step
    assert best["sp"][0] / best["sp"][-1] > 2, best
