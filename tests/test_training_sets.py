"""The sweep files of runs/ against the records of what they made."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.training.grid import read_sweep
from scaling.training.records import read_record
from scaling.training.spec import RunSpec

RUNS = Path(__file__).parents[1] / "runs"
FILES = sorted(RUNS.glob("*.toml"))


def records(file):
    """Name -> record of the runs that are here; those of schedules.toml lie in runs/ itself."""
    folder = RUNS if file.stem == "schedules" else RUNS / file.stem
    return {path.stem: read_record(path) for path in folder.glob("curves/*.json")}


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


def curve(file, name):
    return pd.read_csv(RUNS / file / "curves" / f"{name}.csv")


def test_every_divergence_is_behind_an_unsafe_step_and_so_is_every_other_run():
    """So the ratio of one is no alarm, but how often it is passed tells good rates from bad ones."""
    found = {name: record for name, record in records(RUNS / "weights.toml").items() if "plain" in name or "normed" in name}
    assert len(found) == 24 and sum(record["status"] == "diverged" for record in found.values()) == 6
    share, loss = {}, {}
    for name, record in found.items():
        beyond = curve("weights", name)["safe_step_ratio"] >= 1
        assert beyond.iloc[:-1].any()
        share[name], loss[name] = beyond.mean(), record["final_loss"]
        assert beyond.all() == (record["status"] == "diverged")
    assert pd.Series(share).corr(pd.Series(loss, dtype=float), "spearman") > 0.7


def test_held_to_a_safe_step_no_rate_diverges():
    found = {name: record for name, record in records(RUNS / "weights.toml").items() if "held" in name}
    assert len(found) == 6 and {record["status"] for record in found.values()} == {"finished"}
    assert max(curve("weights", name)["safe_step_ratio"].max() for name in found) < 1.001
    assert records(RUNS / "weights.toml")["d32-plain-peak3.0"]["status"] == "diverged"


def test_averages_of_checkpoints_bring_half_and_more_of_what_the_cooldown_does():
    found = records(RUNS / "merges.toml")
    averages = {name: record for name, record in found.items() if "average" in name}
    assert len(averages) == 20
    for name, record in averages.items():
        size, _, decay, _ = name.split("-")
        cooled = found[f"{size}-{decay}"]["final_loss"]
        assert record["final_loss"] == found[f"{size}-constant"]["final_loss"]
        assert 0.02 < record["merged_val_loss"] - cooled < 0.13
        assert 0.4 < (record["final_loss"] - record["merged_val_loss"]) / (record["final_loss"] - cooled) < 0.85


def best_rate(parametrization, width):
    """The rate of the lowest loss, between those tried (a parabola in log rate through the best and its neighbours)."""
    losses = {}
    for record in records(RUNS / "widths.toml").values():
        if (record["parametrization"], record["d_model"]) == (parametrization, width):
            losses.setdefault(record["peak_lr"], []).append(record["final_loss"])
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
