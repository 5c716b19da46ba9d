# ruff: noqa: E402  (imports follow the check that torch is there)
"""State that was damaged is named and never used; what the answer says to remove is made again, to the byte."""

import json
import random
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.errors import ArgumentError, ScalingError, TrainingDataError
from scaling.training import group, train_group
from scaling.training import sweep as sweeping
from scaling.training.grid import read_sweep
from scaling.training.records import RunFiles
from scaling.training.sweep import costs, sweep
from tests.tiny import TREE, Inline, text_in

RESULTS = ("status", "final_loss", "val_se", "initial_loss", "curve_sha256")


def go(runs, out):
    return sweep(runs, out, executor=Inline(), device="cpu")


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    return made(tmp_path_factory.mktemp("states"))


def made(folder, settings=""):
    """Runs, and two folders of theirs: `finished`, and `interrupted` with a record, a group and a part on their way."""
    text = text_in(folder / "text").as_posix()
    tree = TREE.format(corpus=text, eval_every=5, steps=24)
    (folder / "sweep.toml").write_text(tree.replace("[axes]", settings + "[axes]"))
    runs = read_sweep(folder / "sweep.toml")
    save = group.Group._save

    def stop(self):
        save(self)
        if self.spec.seed == 2 and any(lane.step >= 10 for lane in self.lanes):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "WORTH", 0)  # every tree is divided
        go(runs, folder / "finished")
        patch.setattr(group.Group, "_save", stop)
        patch.setitem(train_group.__kwdefaults__, "checkpoint_seconds", 0.0)
        with pytest.raises(KeyboardInterrupt):
            go(runs, folder / "interrupted")
    left = sorted(path.suffix for path in (folder / "interrupted").rglob("*") if path.is_file())
    assert left == [".csv"] * 5 + [".json"] + [".pt"] * 2  # four curves and the table of runs
    return runs, folder


def damage(path, how, chance):
    """One damage of a file; what it was is never what it is."""
    was = path.read_bytes()
    at = chance.randrange(len(was))
    if how == "deletion":
        path.unlink()
    elif how == "truncation":
        path.write_bytes(was[:at])
    elif how == "bit flip":
        path.write_bytes(was[:at] + bytes([was[at] ^ 1 << chance.randrange(8)]) + was[at + 1 :])
    elif digits := [i for i, byte in enumerate(was) if chr(byte) in "123456789"]:  # an edit by somebody who looks at numbers
        at = chance.choice(digits)
        path.write_bytes(was[:at] + (b"1" if was[at] > ord("1") else b"2") + was[at + 1 :])
    assert not path.exists() or path.read_bytes() != was


def mend(runs, out):
    """Run the sweep and do what its answers say, until it ends; returns the answers."""
    answers = []
    for _ in range(5):
        try:
            go(runs, out)
        except ScalingError as problem:
            answers.append(str(problem))
            named = [Path(line.strip()) for line in answers[-1].splitlines() if line.startswith("  ")]
            if isinstance(problem, ArgumentError):
                assert "runs.csv" in answers[-1] and "move it away" in answers[-1]
                named = [out / "runs.csv"]
            assert named, answers
            for path in named:
                assert path.is_relative_to(out)
                path.unlink()
        else:
            return answers
    raise AssertionError(answers)


def damaged(states, tmp_path, count, seed):
    runs, folder = states
    chance = random.Random(seed)
    kinds = ("bit flip", "truncation", "deletion", "edit")
    told = 0  # damages that were told
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeping, "WORTH", 0)
        patch.setattr(sweeping, "LOST", 0.0)
        for number in range(count):
            state = chance.choice(["finished", "interrupted", "interrupted"])
            out = tmp_path / str(number)
            shutil.copytree(folder / state, out)
            path = chance.choice(sorted(path for path in out.rglob("*") if path.is_file()))
            how = kinds[number % 4]
            damage(path, how, chance)
            answers = mend(runs, out)
            where = (number, state, path.relative_to(out), how, answers)
            if path.name != "runs.csv":  # which is made from the records
                assert answers and path.stem in answers[0], where
                told += 1
            for name in runs:
                whole, now = RunFiles(folder / "finished", name), RunFiles(out, name)
                assert now.curve.read_bytes() == whole.curve.read_bytes(), where
                one, other = (json.loads(files.record.read_text()) for files in (whole, now))
                assert [one[key] for key in RESULTS] == [other[key] for key in RESULTS], where
            assert not [path for path in out.rglob("*") if path.suffix in (".tmp", ".pt", ".sweep", ".lock")], where
            assert (out / "runs.csv").read_text().count("\n") == len(runs) + 1, where
            shutil.rmtree(out)
    return told


def test_twenty_damages(states, tmp_path):
    assert damaged(states, tmp_path, 20, seed=5) >= 14


@pytest.mark.slow
def test_two_hundred_damages(states, tmp_path):
    assert damaged(states, tmp_path, 200, seed=6) >= 160


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        'optimiser = "momo"\nexperts = 4\n', 'optimiser = "muon"\n', 'optimiser = "hyperball"\n', 'optimiser = "sgd"\n',
        'optimiser = "frugal"\n', "experts = 4\ntop_k = 2\n",
        'vocab = 265\nprobes = true\nsafe_step = 0.1\nz_loss = 1e-3\nmerge = "6:0.25 18:0.25 24:0.5"\n',
    ],
)  # fmt: skip
def test_two_hundred_damages_with_each_switch(settings, tmp_path):
    assert damaged(made(tmp_path, settings), tmp_path, 200, seed=7) >= 160


def test_a_finished_run_without_its_curve_is_told_before_anything_is_done(states, tmp_path):
    runs, folder = states
    shutil.copytree(folder / "finished", tmp_path / "out")
    curve = RunFiles(tmp_path / "out", next(iter(runs))).curve
    kept = curve.read_bytes()
    curve.unlink()
    for use in (go, costs):
        with pytest.raises(TrainingDataError, match=r"\.csv: the curve of a finished run is missing\n.*\n  .*\.json$"):
            use(runs, tmp_path / "out")
    curve.write_bytes(kept.replace(b"1", b"2", 1))
    with pytest.raises(TrainingDataError, match=r"the curve of a finished run was changed or damaged"):
        go(runs, tmp_path / "out")
    curve.write_bytes(kept)  # brought back: all is well
    assert len(go(runs, tmp_path / "out")) == len(runs)


def test_a_curve_that_somebody_writes_to_while_it_grows_ends_no_run(states, tmp_path, monkeypatch):
    runs, _ = states
    name = next(iter(runs))
    path, finish = RunFiles(tmp_path, name).curve, RunFiles.finish

    def meddle(files, record):
        path.write_bytes(path.read_bytes() + b"1,2,3\n")
        finish(files, record)

    with monkeypatch.context() as patch:
        patch.setattr(RunFiles, "finish", meddle)
        with pytest.raises(TrainingDataError, match="was changed or damaged"):
            train_group({name: runs[name].spec}, tmp_path, device="cpu")
    assert not RunFiles(tmp_path, name).record.exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", "7", "null", '"sha256"', "[" * 100_000, '{"run_id": "other"}', "\xff"])
def test_what_is_no_record_is_told(states, tmp_path, content):
    runs, folder = states
    shutil.copytree(folder / "finished", tmp_path / "out")
    record = RunFiles(tmp_path / "out", next(iter(runs))).record
    record.write_text(content, encoding="latin-1")
    with pytest.raises(TrainingDataError, match=r"this record was changed or damaged"):
        go(runs, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"PK" + bytes(1000), bytes(200)])
def test_what_is_no_checkpoint_is_told(states, tmp_path, monkeypatch, content):
    runs, folder = states
    monkeypatch.setattr(sweeping, "WORTH", 0)
    shutil.copytree(folder / "interrupted", tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.pt"):
        path.write_bytes(content)
    with pytest.raises(TrainingDataError, match=r"this checkpoint was changed or damaged"):
        go(runs, tmp_path / "out")


def test_the_runs_that_are_shipped_are_finished():
    here = Path(__file__).parents[1] / "runs"
    records = [*here.glob("curves/*.json"), *here.glob("*/curves/*.json")]
    found = [RunFiles(path.parent.parent, path.stem).finished() for path in records]
    assert len(found) > 300 and all(record and "final_loss" in record for record in found)  # by its old name in the files
