"""Sweeps that ask for what their folder, their labels or their text cannot give; each is told before anything is lost."""

import csv
import json
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest

import scaling
from scaling.cli import main
from scaling.errors import TrainingDataError, TrainingError
from scaling.training import RunSpec, train
from scaling.training.grid import read_sweep
from scaling.training.progress import Watch
from scaling.training.records import FACTS, further_columns
from scaling.training.sweep import costs, sweep
from tests.tiny import TREE, Inline, text_in


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return text_in(tmp_path_factory.mktemp("text")).as_posix()


@pytest.fixture
def spec(text):
    return RunSpec(
        schedule="constant:peak=1e-2,steps=4", n_layer=1, d_model=8, context=16, batch=2, corpus=text,
        eval_tokens=32, val_tokens=32,
    )  # fmt: skip


def test_a_dry_run_and_the_first_look_know_runs_of_another_spec(text, tmp_path, capsys):
    file, out = tmp_path / "ladder.toml", tmp_path / "out"
    file.write_text(TREE.format(corpus=text, eval_every=5, steps=10))
    sweep(read_sweep(file), out, executor=Inline(), device="cpu")
    assert main(["sweep", str(file), str(out), "--dry-run"]) == 0
    assert "4 runs, all finished" in capsys.readouterr().out
    file.write_text(file.read_text().replace("1e-2", "2e-2"))
    runs = read_sweep(file)
    for look in lambda: costs(runs, out), lambda: Watch({n: run.spec for n, run in runs.items()}, out).look():
        with pytest.raises(TrainingDataError, match=r"belongs to another run: schedule was 'constant:peak=0.01"):
            look()
    for more in ["--dry-run"], []:
        assert main(["sweep", str(file), str(out), *more]) == 3
        said = capsys.readouterr()
        assert "belongs to another run" in said.err and "finished" not in said.out + said.err


def test_a_folder_where_a_curve_should_be(text, tmp_path):
    file, out = tmp_path / "ladder.toml", tmp_path / "out"
    file.write_text(TREE.format(corpus=text, eval_every=5, steps=10))
    runs = read_sweep(file)
    (out / "curves" / f"{next(iter(runs))}.csv").mkdir(parents=True)
    with pytest.raises(
        TrainingError, match=r"(?s)1 of 2 groups failed.*Is a directory\nnothing is lost: move away the folder"
    ) as caught:
        sweep(runs, out, executor=Inline(), device="cpu")
    assert "is kept" in str(caught.value)


def test_labels_leave_results_alone(spec, text, tmp_path):
    settings = {"vocab": 260, "merge": "2:0.5 4:0.5", "safe_step": 1.0, "probes": True, "n_encoder": 1, "optimiser": "momo"}
    wide = [spec, replace(spec, **settings), replace(spec, experts=4, top_k=2)]
    for number, one in enumerate(wide):
        record = train(one, tmp_path, name=f"run{number}", device="cpu")
        columns = (tmp_path / "curves" / f"run{number}.csv").read_text().split("\n")[0].split(",")
        assert {*further_columns(one)} <= {*columns}
        for name in {*record, *columns}:
            with pytest.raises(TrainingError, match=r"is a column of runs\.csv or of curves already"):
                train(spec, tmp_path, name="never", device="cpu", labels={name: "x"})
    assert not (FACTS & {"role"})
    file = tmp_path / "ladder.toml"
    file.write_text(f"[axes]\nschedule = 'constant:peak=1,steps=2'\ncorpus = '{text}'\nlabels = {{val_loss_python = 1}}\n")
    with pytest.raises(TrainingDataError, match="axes 1: label 'val_loss_python' is a column"):
        read_sweep(file)
    assert main(["train", str(tmp_path), "--schedule=constant:peak=1,steps=2", "--label=parent_run=x"]) == 2


def test_names_that_file_systems_take(spec, tmp_path, capsys):
    assert train(spec, tmp_path, name="a" * 200, device="cpu")["status"] == "finished"
    with pytest.raises(TrainingError, match="200 at most"):
        train(spec, tmp_path, name="a" * 201, device="cpu")
    file = tmp_path / "ladder.toml"
    file.write_text(
        f"[axes]\nschedule = 'constant:peak=1,steps=2'\nseed = [1, 2]\nx = [{{name = '{'b' * 300}'}}, {{name = 'c'}}]"
    )
    assert main(["sweep", str(file), "--dry-run"]) == 3
    assert "200 at most" in capsys.readouterr().err


def test_one_window_has_no_standard_error(spec, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = train(replace(spec, eval_tokens=16, val_tokens=16, merge="4:1.0"), tmp_path, name="one", device="cpu")
    assert record["val_se"] is None and record["merged_val_se"] is None and record["final_loss"] > 0
    json.loads((tmp_path / "curves" / "one.json").read_text(), parse_constant=pytest.fail)
    with (tmp_path / "curves" / "one.csv").open() as file:
        assert {row["val_se"] for row in csv.DictReader(file)} == {""}


def test_texts_of_one_name_are_judged_each_under_its_own(spec, tmp_path):
    texts = [text_in(tmp_path / place / "text") for place in ("notes", "mail") if not (tmp_path / place).mkdir()]
    both = " + ".join(f"0.5 {folder.as_posix()}" for folder in texts)
    record = train(replace(spec, corpus=both), tmp_path / "out", name="both", device="cpu")
    assert all(record[f"val_loss_{folder.as_posix()}"] > 0 for folder in texts)


def test_losses_of_two_vocabularies_are_told_apart_when_read(spec, tmp_path):
    train(spec, tmp_path, name="small", device="cpu")
    assert not any("vocabularies" in note for note in scaling.read(tmp_path).notes)
    train(replace(spec, vocab=260), tmp_path, name="large", device="cpu")
    told = "all runs: vocabularies of 256, 260 tokens: losses a token of different ones are not comparable"
    assert any(note.startswith(told) for note in scaling.read(tmp_path).notes)


def test_a_script_that_calls_a_sweep_at_its_top(text, tmp_path):
    (tmp_path / "ladder.toml").write_text(TREE.format(corpus=text, eval_every=5, steps=10))
    script = tmp_path / "script.py"
    script.write_text(
        "from scaling.training.grid import read_sweep\nfrom scaling.training.sweep import sweep\n"
        "sweep(read_sweep('ladder.toml'), 'out', jobs=1)\n"
    )
    said = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120).stderr
    assert "MachineError" in said and 'a script calls `sweep` below `if __name__ == "__main__":`' in said
