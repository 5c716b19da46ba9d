# ruff: noqa: E402  (imports follow the check that torch is there)
"""Sweep files, what they cost, and their runs on executors."""

import csv
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.cli import main
from scaling.errors import TrainingError
from scaling.training import RunSpec, train
from scaling.training import sweep as sweeping
from scaling.training.executors import open_executor
from scaling.training.grid import Planned, make_spec, read_sweep
from scaling.training.sweep import costs, groups, sweep
from tests.tiny import Inline, text_in

BASE = """
[base]
n_layer = 1
n_head = 1
context = 16
batch = 4
eval_every = 10
eval_tokens = 256
val_tokens = 512
corpus = "{corpus}"
[schedules]
linear = "wsd:peak=1e-2,warmup=5,decay=0.2"
sqrt = "wsd:peak=1e-2,warmup=5,decay=0.2,shape=1-sqrt"
"""
AXES = """
[[axes]]
size = [{name = "small", d_model = 8}, {name = "wide", d_model = 16}]
schedule = ["linear", "sqrt"]
horizon = [{steps = 20}, {tokens = "2560"}]
[[axes]]
d_model = 8
schedule = "constant:warmup=5"
peak = [1e-3, 1e-2]
horizon = {steps = 30}
labels = {role = "flat"}
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return text_in(tmp_path_factory.mktemp("text")).as_posix()


@pytest.fixture
def file(text, tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(BASE.format(corpus=text) + AXES)
    return path


def test_a_sweep_file_is_the_union_of_its_grids(file):
    runs = read_sweep(file)
    assert list(runs) == [
        "small-linear-20steps", "small-linear-2560tokens", "small-sqrt-20steps", "small-sqrt-2560tokens",
        "wide-linear-20steps", "wide-linear-2560tokens", "wide-sqrt-20steps", "wide-sqrt-2560tokens",
        "peak0.001", "peak0.01",
    ]  # fmt: skip
    spec = runs["wide-sqrt-2560tokens"].spec
    assert (spec.d_model, spec.table.steps, spec.context) == (16, 40, 16)
    assert spec.schedule == "wsd:peak=0.01,steps=40,warmup=5,shape=1-sqrt"
    assert runs["peak0.001"].spec.schedule == "constant:peak=0.001,steps=30,warmup=5"
    assert runs["peak0.001"].labels == {"role": "flat"}


def test_horizons_come_in_four_units():
    def steps(horizon, **settings):
        base = {"schedule": "constant", "peak": 1, "context": 64, "batch": 10, "n_layer": 4, "d_model": 64, "n_head": 4}
        return make_spec(base | {"horizon": horizon} | settings, {}).table.steps

    assert steps({"steps": "2k"}) == 2000
    assert steps({"tokens": "64k"}) == 100
    assert steps({"tokens_per_param": 20}) == round(20 * 217_664 / 640)
    assert steps({"tokens_per_param": 20, "params": "n_params_nonemb"}) == round(20 * 196_608 / 640)
    assert steps({"flops": 1e12}) == round(1e12 / (6 * 217_664) / 640)
    assert steps({"flops": 1e12, "convention": "exact"}) == round(1e12 / 1_377_792 / 640)


def test_the_fraction_of_rounded_updates_sets_where_they_begin():
    def spec(fraction):
        settings = {"schedule": "constant:peak=1,steps=200", "qat_bits": 4, "qat_fraction": fraction}
        return make_spec(settings, {})

    assert [(spec(f).qat_bits, spec(f).qat_from) for f in (0.0, 0.25, 1.0)] == [(0, 0), (4, 150), (4, 0)]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("[axes]\ndmodel = 8", "no setting 'dmodel'; did you mean 'd_model'"),
        ("[axes]\nseed = []", "axis 'seed' has no value"),
        ("[axes]\na = {seed = 1}\nseed = [1, 2]", "setting 'seed' is on two axes"),
        ("[axes]\ncorpus = ['a/b', 'c d']", "makes no file name\nwrite the value as"),
        (
            "[base]\nschedule = 'constant:peak=1,steps=5'\n[[axes]]\nseed = [1, 2]\n[[axes]]\nseed = [2, 3]",
            "two runs are named 'seed2'",
        ),
        ("[axes]\nhorizon = {steps = 5, tokens = 5}", "give one of {steps}"),
        ("[axes]\nhorizon = {tokens = 5}", "less than one update"),
        ("[axes]\nhorizon = {steps = 5}\nschedule = 'cosin:peak=1'", "did you mean 'cosine'"),
        ("[axes]\nd_model = 10\nn_head = 4\nschedule='constant:peak=1,steps=5'", "choose n_head from"),
        ("[axes]\nhorizon = {}\nschedule = 'constant:peak=1'", "give one of {steps}"),
        ("[axes]\nhorizon = {steps = 20.5}\nschedule = 'constant:peak=1'", "must be a whole number of updates"),
        ("[axes]\nd_model = 8.7\nschedule='constant:peak=1,steps=5'", "d_model = 8.7: must be a whole number"),
        ("[base]\nbatch = 2.6\nschedule='constant:peak=1,steps=5'", "batch = 2.6: must be a whole number"),
        ("[base]\nd_model = 2000000\nschedule='constant:peak=1,steps=5'", "d_model = 2000000: must be 1 or more and below"),
        ("[base]\nd_model = 65536\nn_layer = 999\nschedule='constant:peak=1,steps=5'", r"5.15e\+13 parameters; a model has"),
        (f"[base]\nclip = 1{'0' * 400}\nschedule='constant:peak=1,steps=5'", "clip is a number of more than 19 digits"),
        (f"[base]\nseed = 1{'0' * 5000}", "a number of thousands of digits"),
        (f"[axes]\nseed = {list(range(200))}\nbatch = {list(range(200))}", "the axes make 40,000 runs, 10,000 are the most"),
        (f"[axes]\nseed = {'[' * 5000}{']' * 5000}", "nested too deep"),
        ("#" * 2_000_000, "too long for a sweep file"),
        ("[axis]\nseed = 1", "unknown part 'axis'"),
        ("[axes\n", "no valid TOML"),
    ],
)
def test_bad_sweeps_say_where_and_what(tmp_path, axes, message):
    path = tmp_path / "bad.toml"
    path.write_text(axes)
    with pytest.raises(TrainingError, match=message) as caught:
        read_sweep(path)
    assert str(path) in str(caught.value)


def test_the_updates_of_a_sweep_file_have_a_bound(tmp_path, monkeypatch):
    (tmp_path / "long.toml").write_text("[axes]\nseed = [1, 2]\nschedule = 'constant:peak=1,steps=60'")
    assert len(read_sweep(tmp_path / "long.toml")) == 2
    monkeypatch.setattr("scaling.training.grid.MOST_STEPS", 119)
    with pytest.raises(TrainingError, match=r"with run 'seed2' it is 120 updates, a sweep file has 119 at most"):
        read_sweep(tmp_path / "long.toml")


def test_costs_and_groups(file, tmp_path):
    runs = read_sweep(file)
    table = costs(runs, tmp_path).set_index("run")
    # of each size 32 updates at the peak, 4 + 8 of each cooldown less the first at the peak, twice
    small = table.loc[[name for name in table.index if name.startswith("small")], "own_steps"]
    assert small.sum() == 33 + 2 * 3 + 2 * 7
    assert table.loc["wide-linear-20steps", ["steps", "tokens", "status"]].tolist() == [20, 1280, "to do"]
    # peak0.01 goes on along the trunk of the small runs until their long cooldown begins
    units = [sorted(unit.specs) for unit in groups(runs)]
    assert units[0] == sorted(name for name in runs if name.startswith("wide"))
    assert sorted([*(n for n in runs if n.startswith("small")), "peak0.01"]) in units and len(units) == 3
    assert len(groups(runs, lanes=4)) == 2


def ladder(text):
    """Six cooldowns off one trunk, and a seventh from another seed."""
    base = {"n_layer": 1, "n_head": 1, "d_model": 8, "context": 16, "batch": 4, "corpus": text}
    base |= {"eval_every": 10, "eval_tokens": 256, "val_tokens": 512}
    schedules = {f"{n}-{s}": f"wsd:peak=1e-2,warmup=5,steps={n},shape={s}" for n in (40, 60) for s in SHAPES}
    runs = {name: Planned(RunSpec(schedule=s, **base), {}) for name, s in schedules.items()}
    return runs | {"seed1": Planned(RunSpec(schedule=schedules["40-linear"], seed=1, **base), {})}


SHAPES = ("linear", "1-sqrt", "cosine")


@pytest.mark.parametrize(
    ("lanes", "updates", "parts"),
    [
        (1, 0, [["40-linear"], ["40-1-sqrt"], ["40-cosine"], ["60-1-sqrt"], ["60-cosine"]]),
        (2, 0, [["40-linear", "40-1-sqrt"], ["60-1-sqrt", "60-cosine"]]),
        (1, 14, [["40-linear", "40-1-sqrt"], ["60-1-sqrt", "60-cosine"]]),  # 7 updates a cooldown, 11 a long one
        (3, 0, [["40-linear", "40-1-sqrt", "40-cosine"]]),
        (4, 0, []),
        (1, 1000, []),
    ],
)
def test_parts_branch_off_together_and_are_worth_it(text, monkeypatch, lanes, updates, parts):
    runs = ladder(text)
    spec = runs["seed1"].spec
    monkeypatch.setattr(sweeping, "WORTH", updates * spec.flops)
    assert groups(runs, lanes)[0].parts == parts


def test_a_sweep_is_the_same_on_any_executor_and_with_any_lanes(file, tmp_path):
    runs, seen = read_sweep(file), []
    records = sweep(runs, tmp_path / "a", executor=Inline(), device="cpu", notify=seen.append)
    assert [record["run_id"] for record in records] == list(runs)
    assert (seen[0].done, seen[0].share, seen[0].first) == (0, 0.0, True) and seen[-1].share == 1.0
    assert sorted(record["run_id"] for look in seen for record in look.new) == sorted(runs)
    with ThreadPoolExecutor(1) as pool:
        sweep(runs, tmp_path / "b", executor=pool, lanes=3, device="cpu")
    for name in runs:
        assert (tmp_path / "a/curves" / f"{name}.csv").read_bytes() == (tmp_path / "b/curves" / f"{name}.csv").read_bytes()
    table = list(csv.DictReader((tmp_path / "a/runs.csv").read_text().splitlines()))
    assert {row["run_id"]: row["role"] for row in table}["peak0.01"] == "flat"
    assert costs(runs, tmp_path / "a")["own_steps"].sum() == 0


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_tree_divided_among_units_writes_the_same(text, tmp_path, monkeypatch, lanes):
    runs = ladder(text)
    whole = {record["run_id"]: record for record in sweep(runs, tmp_path / "whole", executor=Inline(), device="cpu")}
    monkeypatch.setattr(sweeping, "WORTH", 0)
    monkeypatch.setattr(sweeping, "LOOK", 0.01)
    with ThreadPoolExecutor(2) as pool:
        records = sweep(runs, tmp_path / "parts", executor=pool, lanes=lanes, device="cpu")
    for record in records:
        before = whole[record["run_id"]]
        assert {key for key in record if record[key] != before[key]} <= {"elapsed_s", "command"}
        curve = f"curves/{record['run_id']}.csv"
        assert (tmp_path / "parts" / curve).read_bytes() == (tmp_path / "whole" / curve).read_bytes()
    assert not list((tmp_path / "parts" / "checkpoints").iterdir())


def test_a_tree_of_which_some_runs_are_finished_shares_what_is_left(text, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "WORTH", 0)
    runs, units = ladder(text), []

    class Seen(Inline):
        def submit(self, fn, unit, mark, settings):
            units.append([*unit.specs])
            return super().submit(fn, unit, mark, settings)

    for name in ("60-linear", "40-cosine"):  # the longest path, and a part
        train(runs[name].spec, tmp_path, name=name, device="cpu")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("curves/*.csv")}
    records = sweep(runs, tmp_path, executor=Seen(), device="cpu")
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert {r["run_id"]: r["parent_run"] for r in records if r["run_id"].startswith("60")} == {
        "60-linear": None, "60-1-sqrt": "60-linear", "60-cosine": "60-linear",
    }  # fmt: skip
    assert len(units) == 2 + 5
    sweep(runs, tmp_path / "whole", executor=Inline(), device="cpu")
    for name in runs:
        assert (tmp_path / f"curves/{name}.csv").read_bytes() == (tmp_path / f"whole/curves/{name}.csv").read_bytes()


def test_a_group_that_fails_does_not_stop_the_others(file, tmp_path):
    runs = read_sweep(file)
    (tmp_path / "curves").mkdir()
    (tmp_path / "curves" / "peak0.001.csv").write_text("mine\n")
    with pytest.raises(TrainingError, match=r"1 of 3 groups failed; that of peak0.001: .*peak0.001.csv exists without"):
        sweep(runs, tmp_path, executor=Inline(), device="cpu")
    assert len(list((tmp_path / "curves").glob("*.json"))) == 9


def test_the_command_line(file, tmp_path, capsys):
    file.write_text(
        file.read_text().split("[[axes]]")[0]
        + "[axes]\nd_model = 8\nschedule = 'linear'\nhorizon = [{steps = 10}, {steps = 12}]"
    )
    assert main(["sweep", str(file), str(tmp_path), "--dry-run", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["total"]["requested_steps"] == 22 and said["total"]["executed_steps"] < 22
    assert main(["sweep", str(file), str(tmp_path), "--jobs", "1", "--device", "cpu"]) == 0  # in a spawned process
    assert "2 runs in" in capsys.readouterr().out
    assert main(["sweep", str(file), str(tmp_path), "--executor", "ray"]) == 2
    assert "write dask:tcp://" in capsys.readouterr().err


@pytest.mark.slow
def test_dask_over_tcp_survives_the_loss_of_a_worker(file, tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "WORTH", 0)
    distributed = pytest.importorskip("distributed", reason="needs the extra scaling-laws[cluster]")
    file.write_text(file.read_text().replace("horizon = [{steps = 20}", "horizon = [{steps = 600}"))
    runs = read_sweep(file)
    address = tmp_path / "scheduler.json"
    module = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    scheduler = subprocess.Popen(
        [*module, "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(address), "--no-dashboard"]
    )
    worker = [
        sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(address),
        "--nthreads", "1", "--no-nanny", "--no-dashboard",
    ]  # fmt: skip
    workers = [subprocess.Popen(worker) for _ in range(2)]
    try:
        deadline = time.monotonic() + 120
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        at = json.loads(address.read_text())["address"]
        with distributed.Client(at) as client:
            client.wait_for_workers(2, timeout=120)
        killer = ThreadPoolExecutor(1).submit(_kill_when_busy, workers[0], tmp_path / "dask")
        with open_executor(f"dask:{at}", None) as pool:
            sweep(runs, tmp_path / "dask", executor=pool, device="cpu")
        assert killer.result()
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
    sweep(runs, tmp_path / "here", executor=Inline(), device="cpu")
    for name in runs:
        assert (tmp_path / "dask/curves" / f"{name}.csv").read_bytes() == (
            tmp_path / "here/curves" / f"{name}.csv"
        ).read_bytes()


def _kill_when_busy(process, folder):
    """Kill a worker as soon as two groups have written rows, so that it must have been in the middle of one."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        busy = [path for path in folder.glob("curves/*.csv") if path.stat().st_size > 1000]
        if len(busy) > 1:
            process.kill()
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "option", ["--d-model 8.7", "--batch 2.6", "--seed -1", "--n-layer 1e-3", "--context x", "--qat-bits .5"]
)
def test_whole_numbers_of_the_command_line_are_not_rounded(tmp_path, capsys, option):
    name, value = option.split()
    schedule = ["--schedule", "constant:peak=1,steps=5"]
    assert main(["train", str(tmp_path / "out"), *schedule, f"{name}={value}"]) == 2
    said = capsys.readouterr().err
    assert f"{name} {value}: must be a" in said and "number like" in said
    assert not (tmp_path / "out").exists()


def test_a_seed_of_the_command_line_is_exact(file, tmp_path, capsys):
    settings = [
        "--n-layer=1",
        "--d-model=8",
        "--n-head=1",
        "--context=16",
        "--batch=4",
        "--eval-tokens=256",
        "--val-tokens=512",
    ]
    corpus = next(iter(read_sweep(file).values())).spec.corpus
    seed = 2**53 + 1  # no float holds it
    more = [f"--seed={seed}", f"--corpus={corpus}", "--schedule=constant:peak=1e-2,steps=2", "--name=one", "--device=cpu"]
    assert main(["train", str(tmp_path / "out"), *settings, *more]) == 0
    assert json.loads((tmp_path / "out" / "curves" / "one.json").read_text())["seed"] == seed
