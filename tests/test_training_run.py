# ruff: noqa: E402  (imports follow the check that torch is there)
"""Whole runs: exact to the bit however they are interrupted, and clear about what they refuse."""

import csv
import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

import scaling
from scaling import schedule
from scaling.document import signed
from scaling.errors import ScheduleError, TrainingDataError, TrainingError
from scaling.training import RunSpec, train, train_group
from scaling.training.evaluation import evaluation_steps
from scaling.training.records import CURVE_COLUMNS, write_run_table
from tests.tiny import text_in

TINY = {
    "n_layer": 1, "d_model": 8, "n_head": 1, "context": 16, "batch": 4, "eval_every": 10,
    "eval_tokens": 256, "val_tokens": 512,
}  # fmt: skip
CONSTANT = "constant:peak=1e-2,warmup=10,steps=60"
WSD = "wsd:peak=1e-2,warmup=10,steps=60,decay=0.5"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return str(text_in(tmp_path_factory.mktemp("text")))


def run(text, out, *, name="run", checkpoint_seconds=30.0, **settings):
    spec = RunSpec(**({"schedule": CONSTANT, "corpus": text} | TINY | settings))
    return train(spec, out, name=name, device="cpu", checkpoint_seconds=checkpoint_seconds)


def curve(out, name="run"):
    return (out / "curves" / f"{name}.csv").read_bytes()


def rows(out, name="run"):
    return list(csv.DictReader(curve(out, name).decode().splitlines()))


def test_a_run_leaves_a_curve_a_record_and_a_row_of_the_table(text, tmp_path):
    record = run(text, tmp_path, schedule=WSD)
    table = rows(tmp_path)
    assert tuple(table[0]) == CURVE_COLUMNS
    assert [int(row["step"]) for row in table] == [
        1, 2, 4, 8, 10, 20, 30, 31, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60,
    ]  # fmt: skip
    rates = schedule(WSD).rates
    for row in table:
        assert float(row["lr"]) == rates[int(row["step"]) - 1]
        assert int(row["tokens"]) == int(row["step"]) * 64
    assert sum(int(row["train_window"]) for row in table) == 60
    assert float(table[-1]["val_loss"]) < float(table[0]["val_loss"]) - 0.5

    assert record["status"] == "finished" and record["steps"] == 60 and record["tokens"] == 3840
    assert record["n_params"] == 256 * 8 + 16 * 8 + 12 * 64 + 16 + 8
    assert record["final_loss"] == pytest.approx(float(table[-1]["val_loss"]), abs=0.3)
    assert 0 < record["val_se"] < 0.2
    assert json.loads((tmp_path / "curves" / "run.json").read_text()) == signed(record)
    (in_table,) = csv.DictReader((tmp_path / "runs.csv").read_text().splitlines())
    assert next(iter(in_table)) == "run_id"
    assert in_table == {key: "" if value is None else str(value) for key, value in record.items()}
    assert not (tmp_path / "checkpoints" / "run.pt").exists()


def test_two_runs_are_equal_to_the_byte_and_a_finished_one_is_left_alone(text, tmp_path):
    first = run(text, tmp_path / "a")
    run(text, tmp_path / "b")
    assert curve(tmp_path / "a") == curve(tmp_path / "b")
    written = (tmp_path / "a" / "curves" / "run.csv").stat().st_mtime_ns
    assert run(text, tmp_path / "a") == first
    assert (tmp_path / "a" / "curves" / "run.csv").stat().st_mtime_ns == written


def test_evaluation_changes_nothing_in_training(text, tmp_path):
    often = run(text, tmp_path, name="often", eval_every=3, eval_tokens=512)
    seldom = run(text, tmp_path, name="seldom", eval_every=60)
    assert often["final_loss"] == seldom["final_loss"]
    assert rows(tmp_path, "often")[-1]["grad_norm"] == rows(tmp_path, "seldom")[-1]["grad_norm"]


def test_seeds_of_weights_and_of_data_matter(text, tmp_path):
    losses = {
        run(text, tmp_path, name=f"{seed}-{data}", seed=seed, data_seed=data)["final_loss"]
        for seed, data in ((0, 0), (1, 0), (0, 1))
    }
    assert len(losses) == 3


def test_schedules_share_their_trunk_bitwise(text, tmp_path):
    for name, settings in {
        "constant": {"schedule": CONSTANT},
        "wsd": {"schedule": WSD},
        "two": {"schedule": "two_stage:peak=1e-2,warmup=10,steps=60,switch=30,then=1e-3"},
        "longer": {"schedule": "constant:peak=1e-2,warmup=10,steps=90"},
    }.items():
        run(text, tmp_path, name=name, **settings)
    trunk = rows(tmp_path, "constant")
    for name, until in (("wsd", 30), ("two", 30), ("longer", 60)):
        shared = [row for row in rows(tmp_path, name) if int(row["step"]) <= until]
        assert shared == [row for row in trunk if int(row["step"]) <= until]
    assert rows(tmp_path, "wsd")[-1]["val_loss"] != trunk[-1]["val_loss"]


KILLED = """
import sys
from scaling.training import RunSpec, train
train(RunSpec(**{settings!r}), {out!r}, name="run", device="cpu", checkpoint_seconds={seconds})
"""


KILLED_GROUP = """
from scaling.training import RunSpec, train_group
specs = {{name: RunSpec(**one) for name, one in {settings!r}.items()}}
train_group(specs, {out!r}, device="cpu", checkpoint_seconds=0.05)
"""


def written(out):
    """Bytes of all curves in a folder."""
    return sum(path.stat().st_size for path in out.glob("curves/*.csv"))


def kill_and_resume(text, tmp_path, kills, seed, **switch):
    """Curve of a run killed `kills` times while its file grew, and that of one left in peace."""
    settings = {"corpus": text} | TINY | {"schedule": "cosine:peak=1e-2,warmup=10,steps=100", "eval_every": 2} | switch
    run(text, tmp_path / "peace", **settings)
    length, chance = len(curve(tmp_path / "peace")), random.Random(seed)
    path = tmp_path / "war" / "curves" / "run.csv"
    for kill in range(kills):
        target = length * (kill + chance.uniform(0.1, 0.9)) / kills
        code = KILLED.format(settings=settings, out=str(tmp_path / "war"), seconds=chance.choice([0.0, 0.1]))
        process = subprocess.Popen([sys.executable, "-c", code])
        while process.poll() is None and (not path.exists() or path.stat().st_size < target):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
        with path.open("ab") as file:  # what a kill in the middle of a write would leave
            file.write(b"99,12")
    run(text, tmp_path / "war", **settings)
    return curve(tmp_path / "war"), curve(tmp_path / "peace")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("switch", [{}, {"vocab": 270}, {"probes": True, "safe_step": 0.1, "merge": "40:0.5 99:0.5"}])
def test_killed_and_resumed_is_byte_identical(text, tmp_path, switch):
    war, peace = kill_and_resume(text, tmp_path, kills=1, seed=0, **switch)
    assert war == peace


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_group_killed_25_times_is_byte_identical(text, tmp_path):
    shapes = ("linear", "1-sqrt")
    schedules = {f"{n}-{s}": f"wsd:peak=1e-2,warmup=10,steps={n},decay=0.3,shape={s}" for n in (100, 200) for s in shapes}
    settings = {name: {"corpus": text, "schedule": s} | TINY | {"eval_every": 2} for name, s in schedules.items()}
    train_group({name: RunSpec(**one) for name, one in settings.items()}, tmp_path / "peace", device="cpu")
    chance, kills = random.Random(1), 0
    code = KILLED_GROUP.format(settings=settings, out=str(tmp_path / "war"))
    while kills < 25:
        process = subprocess.Popen([sys.executable, "-c", code])
        before = written(tmp_path / "war")
        more = chance.uniform(0, 1200)
        while process.poll() is None and written(tmp_path / "war") - before < more:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            break  # all done: nothing is left to kill
        kills += 1
    train_group({name: RunSpec(**one) for name, one in settings.items()}, tmp_path / "war", device="cpu")
    assert kills >= 15
    for name in schedules:
        assert curve(tmp_path / "war", name) == curve(tmp_path / "peace", name)


@pytest.fixture
def interrupted(text, tmp_path, monkeypatch):
    """A folder with the checkpoint of a run that was stopped at step 30."""
    from scaling.training import group

    def stop(self):
        save(self)
        if any(lane.step >= 30 for lane in self.lanes):
            raise KeyboardInterrupt

    save = group.Group._save
    with monkeypatch.context() as patch:
        patch.setattr(group.Group, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(text, tmp_path, checkpoint_seconds=0.0)
    return tmp_path


def test_an_interrupted_run_goes_on_where_it_was(text, interrupted, tmp_path_factory):
    assert rows(interrupted)[-1]["step"] == "30"
    whole = tmp_path_factory.mktemp("whole")
    expected = run(text, whole)
    assert run(text, interrupted)["final_loss"] == expected["final_loss"]
    assert curve(interrupted) == curve(whole)


def test_resuming_another_run_is_refused(text, interrupted):
    before = curve(interrupted)
    with pytest.raises(TrainingError, match=r"(?s)run\.pt belongs to another run: seed was 0, is 7.*another name"):
        run(text, interrupted, seed=7)
    with pytest.raises(TrainingError, match=r"schedule was 'constant:.*', is 'wsd:"):
        run(text, interrupted, schedule=WSD)
    assert curve(interrupted) == before


def test_resuming_on_a_changed_corpus_is_refused(interrupted, text, tmp_path_factory):
    from scaling.training import corpus

    changed = tmp_path_factory.mktemp("changed")
    for i in range(30):
        (changed / f"{i}.py").write_text(f"x = {i}\n" * 400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scaling.training.trainer.read_corpus", lambda *_: corpus.read_corpus(str(changed)))
        with pytest.raises(TrainingError, match=r"corpus_sha256 was '.*', is '"):
            run(text, interrupted)


def test_a_changed_record_is_refused_and_one_of_before_there_were_digests_is_read(text, tmp_path):
    record, path = run(text, tmp_path), tmp_path / "curves" / "run.json"
    written = path.read_text()
    path.write_text(written.replace('"status": "finished"', '"status": "Finished"'))
    with pytest.raises(TrainingDataError, match=r"(?s)run\.json: this record was changed.*remove.*run\.json\n  .*run\.csv"):
        run(text, tmp_path)
    path.write_text(written[:-20])
    with pytest.raises(TrainingDataError, match="changed or damaged"):
        write_run_table(tmp_path)
    path.write_text(json.dumps(record))  # only the digest of the record was taken out
    with pytest.raises(TrainingDataError, match="changed or damaged"):
        run(text, tmp_path)
    old = {key: value for key, value in record.items() if key != "curve_sha256"}
    path.write_text(json.dumps(old))
    assert run(text, tmp_path) == old


def test_a_damaged_checkpoint_is_refused_and_one_of_before_there_were_digests_is_read(text, interrupted):
    path = interrupted / "checkpoints" / "run.pt"
    written = path.read_bytes()
    path.write_bytes(written[:-100] + bytes(100))
    with pytest.raises(TrainingDataError, match=r"(?s)run\.pt: this checkpoint was changed.*run\.pt\n  .*run\.csv"):
        run(text, interrupted)
    path.write_bytes(written[65:])
    assert run(text, interrupted)["status"] == "finished"


def test_lost_rows_are_noticed(text, interrupted):
    path = interrupted / "curves" / "run.csv"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="shorter than its checkpoint says"):
        run(text, interrupted)


def test_a_finished_run_of_another_spec_and_a_foreign_curve_are_not_overwritten(text, tmp_path):
    run(text, tmp_path)
    with pytest.raises(TrainingError, match=r"run\.json belongs to another run: batch was 4, is 5"):
        run(text, tmp_path, batch=5)
    (tmp_path / "curves" / "mine.csv").write_text("step,loss\n1,2.0\n")
    with pytest.raises(TrainingError, match=r"mine\.csv exists without a record or a checkpoint"):
        run(text, tmp_path, name="mine")
    assert curve(tmp_path, "mine") == b"step,loss\n1,2.0\n"


def test_a_diverged_run_ends_early_and_can_be_read_beside_the_others(text, tmp_path):
    """At once, after some rows, and with a loss that is finite and far above that of knowing nothing."""
    plans = {"at-once": "constant:peak=1e30,steps=60", "later": "two_stage:peak=1e-2,steps=60,switch=25,then=1e30"}
    for name, plan in plans.items():
        record = run(text, tmp_path, name=name, schedule=plan)
        assert record["status"] == "diverged" and record["final_loss"] is None
        *before, last = rows(tmp_path, name)
        assert all(float(row["val_loss"]) < 6 for row in before) and last["val_loss"] == last["val_se"] == ""
        assert int(last["step"]) == {"at-once": 1, "later": 30}[name]
    record = run(text, tmp_path, name="far", schedule="constant:peak=3,steps=60")
    *before, last = rows(tmp_path, "far")
    assert record["status"] == "diverged" and int(last["step"]) in (10, 20, 30)
    assert float(last["val_loss"]) > 2 * record["initial_loss"] > 11
    assert run(text, tmp_path, name="good")["status"] == "finished"
    found = scaling.read(tmp_path)
    assert found.facts["status"].to_dict() == {
        "at-once": "diverged",
        "far": "diverged",
        "good": "finished",
        "later": "diverged",
    }
    assert found.frame.groupby("run")["step"].max().to_dict() == {
        "at-once": 1,
        "far": int(last["step"]),
        "good": 60,
        "later": 30,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 10, "n_head": 4}, r"shared among n_head = 4 heads\nchoose n_head from \[1, 2, 5, 10\]"),
        ({"n_layer": 0}, "n_layer = 0: must be 1 or more"),
        ({"weight_decay": float("nan")}, "weight_decay = nan: must be 0 or more"),
        ({"beta2": 1.0}, "beta2 = 1.0: must be 0 or more and below 1"),
        ({"seed": -1}, "seed = -1: must be 0 or more and below"),
        ({"clip": float("nan")}, "clip = nan: must be above 0"),
        ({"eval_tokens": 100}, "eval_tokens = 100: must be a multiple of context = 16"),
    ],
)  # fmt: skip
def test_impossible_settings_name_themselves_and_the_remedy(settings, message):
    with pytest.raises(TrainingError, match=message):
        RunSpec(**({"schedule": CONSTANT} | TINY | settings))


def test_other_bad_input(text, tmp_path):
    with pytest.raises(ScheduleError, match="did you mean 'cosine'"):
        RunSpec(schedule="cosin:peak=1,steps=10")
    with pytest.raises(TrainingError, match="validation tokens need 62500 windows"):
        run(text, tmp_path, val_tokens=1_000_000)
    with pytest.raises(TrainingError, match="needs 1048577 bytes"):
        run(text, tmp_path, context=1 << 20, eval_tokens=1 << 20, val_tokens=1 << 20)
    with pytest.raises(TrainingError, match="device 'tpu': choose 'cpu' or 'cuda'"):
        train(RunSpec(schedule=CONSTANT), tmp_path, device="tpu")
    assert not (tmp_path / "curves").exists()


def test_equal_schedules_written_differently_are_one_spec():
    assert RunSpec(schedule="cosine: steps=2k, peak=0.01") == RunSpec(schedule="cosine:peak=1e-2,steps=2000")


def test_evaluations_are_absolute_and_denser_in_the_cooldown():
    long, short = (schedule(f"wsd:peak=1,steps={n},warmup=10,decay=0.2") for n in (1000, 500))
    steps = evaluation_steps(long.rates, 50)
    assert steps[:9].tolist() == [1, 2, 4, 8, 16, 32, 50, 100, 150]
    assert {801, 802, 810, 820, 1000} <= set(steps.tolist())  # update 800 still has the peak rate
    trunk = [s for s in evaluation_steps(short.rates, 50) if s <= 400]
    assert trunk == [s for s in steps if s <= 400]
    cosine = evaluation_steps(schedule("cosine:peak=1,steps=500,warmup=10").rates, 50)
    assert np.diff(cosine[6:]).tolist() == [50] * 9


def test_settings_need_no_torch_and_training_without_it_names_the_extra():
    code = """
import sys
from scaling.training import RunSpec
spec = RunSpec(schedule="cosine:peak=1e-3,steps=10")
assert "torch" not in sys.modules
sys.modules["torch"] = None
try:
    from scaling.training import train
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtra training needs torch")
    assert "pip install 'scaling-laws[train]'" in done.stdout


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_is_repeatable_and_close_to_the_cpu(text, tmp_path):
    spec = RunSpec(schedule=WSD, corpus=text, **TINY)
    one, two = (train(spec, tmp_path / name, name="run", device="cuda") for name in ("a", "b"))
    assert curve(tmp_path / "a") == curve(tmp_path / "b")
    assert one["final_loss"] == two["final_loss"]
    on_cpu = run(text, tmp_path, schedule=WSD)
    assert one["final_loss"] == pytest.approx(on_cpu["final_loss"], abs=0.02)
