# ruff: noqa: E402  (imports follow the check that torch is there)
"""Runs that train together: what is shared, and that nobody can tell from the files."""

import csv
import errno
import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.errors import TrainingError
from scaling.training import RunSpec, train, train_group
from scaling.training.spec import OPTIMISERS
from scaling.training.tree import forest
from tests.tiny import text_in

TINY = {
    "n_layer": 1, "d_model": 8, "n_head": 1, "context": 16, "batch": 4, "eval_every": 10,
    "eval_tokens": 256, "val_tokens": 512,
}  # fmt: skip
START = "peak=1e-2,warmup=5"
SWITCHES = {  # with any of them on, a run is the same alone, in a group, or stopped and gone on with
    "plain": {},
    "tokens": {"vocab": 270},
    "odd": {"d_model": 33, "n_head": 3, "context": 7, "batch": 3, "eval_tokens": 252, "val_tokens": 504},
    "steps": {"probes": True, "safe_step": 0.1, "merge": "7:0.25 21:0.25 30:0.5"},
}


OF_ITS_MAKING = {"elapsed_s", "parent_run", "branch_step", "command"}  # what a record says of how a run was made


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return str(text_in(tmp_path_factory.mktemp("text")))


def wsd(steps, shape="linear", decay=0.2):
    return f"wsd:{START},steps={steps},decay={decay},shape={shape}"


def group_of(text, **switch):
    schedules = {
        "w40": wsd(40), "w40c": wsd(40, "cosine"), "w60": wsd(60), "w60c": wsd(60, "cosine"),
        "c60": f"constant:{START},steps=60", "again": f"constant:{START},steps=60",
    }  # fmt: skip
    common = TINY | {"corpus": text} | switch
    specs = {name: RunSpec(schedule=s, **common) for name, s in schedules.items()}
    specs["often"] = replace(specs["w60"], eval_every=7)
    rounded = {f"q{k}": RunSpec(schedule=schedules["c60"], qat_bits=3, qat_from=k, **common) for k in (30, 50)}
    other = RunSpec(schedule=wsd(30), seed=1, clip=0.5, **common)
    return specs | rounded | {"seed1": other}


def test_the_tree_trains_shared_updates_once(text):
    specs = group_of(text)
    trees = forest(specs)
    assert [tree.runs[0] for tree in trees] == ["w40", "seed1"]
    # 60 updates of the constant run, 8 of each short cooldown less a shared first update at the peak, 12 of the long
    # ones likewise, 30 and 10 rounded ones; and 30 of the other seed
    assert sum(tree.steps for tree in trees) == 60 + 2 * 7 + 2 * 11 + (30 + 10) + 30
    for tree in trees:
        for segment in tree.walk():
            tables = [specs[name].updates for name in segment.runs]
            assert all(np.array_equal(table[: segment.end], tables[0][: segment.end]) for table in tables)
            assert sum(len(child.runs) for child in segment.children) <= len(segment.runs)


def test_five_lengths_and_four_cooldowns_cost_less_than_a_third():
    shapes = ("linear", "1-sqrt", "cosine", "1-square")
    specs = {
        f"{n}-{shape}": RunSpec(schedule=f"wsd:peak=1e-2,warmup=50,steps={n},decay=0.2,shape={shape}")
        for n in (500, 1000, 2000, 4000, 8000)
        for shape in shapes
    }
    (tree,) = forest(specs)
    assert tree.steps / sum(len(spec.updates) for spec in specs.values()) <= 0.31


def files(folder, name):
    return (folder / "curves" / f"{name}.csv").read_bytes()


@pytest.fixture(scope="module")
def alone(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return folder, {name: train(spec, folder, name=name, device="cpu") for name, spec in group_of(text).items()}


@pytest.fixture(scope="module", params=SWITCHES)
def switched(text, request, tmp_path_factory):
    """A group with a switch on; folder and records of its runs, each made alone."""
    specs, folder = group_of(text, **SWITCHES[request.param]), tmp_path_factory.mktemp(request.param)
    return specs, folder, {name: train(spec, folder, name=name, device="cpu") for name, spec in specs.items()}


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_group_writes_what_its_runs_would_write_alone(switched, tmp_path, lanes):
    specs, folder, alone = switched
    records = train_group(specs, tmp_path, lanes=lanes, device="cpu")
    for name, record in records.items():
        assert files(tmp_path, name) == files(folder, name)
        differs = {key for key, value in record.items() if value != alone[name][key]}
        assert differs <= OF_ITS_MAKING
    assert records["w40c"]["parent_run"] == "w40" and records["w40c"]["branch_step"] == 33
    assert records["w40"]["parent_run"] is None and records["seed1"]["parent_run"] is None
    assert not list((tmp_path / "checkpoints").iterdir())


class Stopped(Exception):
    pass


def stop_after(monkeypatch, saves):
    from scaling.training import group

    count, save = [0], group.Group._save

    def stop(self):
        save(self)
        count[0] += 1
        if count[0] == saves:
            raise Stopped

    monkeypatch.setattr(group.Group, "_save", stop)


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_group_stopped_anywhere_goes_on_bit_by_bit(switched, tmp_path, lanes):
    specs, folder, alone = switched
    stops = 0
    for saves in (2, 4, 7, 3, 9, 5):
        with pytest.MonkeyPatch.context() as patch:
            stop_after(patch, saves)
            try:
                train_group(specs, tmp_path, lanes=lanes, device="cpu", checkpoint_seconds=0.0)
            except Stopped:
                stops += 1
    records = train_group(specs, tmp_path, lanes=lanes, device="cpu")
    assert stops >= 4
    for name in records:
        assert files(tmp_path, name) == files(folder, name)
        assert {k for k, value in records[name].items() if value != alone[name][k]} <= OF_ITS_MAKING


def test_finished_runs_of_a_group_are_left_alone(text, alone, tmp_path):
    specs = group_of(text)
    for name in ("w40", "c60"):
        train(specs[name], tmp_path, name=name, device="cpu")
    written = (tmp_path / "curves" / "w40.csv").stat().st_mtime_ns
    train_group(specs, tmp_path, device="cpu")
    assert (tmp_path / "curves" / "w40.csv").stat().st_mtime_ns == written
    assert all(files(tmp_path, name) == files(alone[0], name) for name in specs)


def test_divergence_ends_a_branch_and_not_its_neighbours(text, tmp_path):
    specs = {
        "good": RunSpec(schedule=wsd(60), corpus=text, **TINY),
        "bad": RunSpec(schedule=f"two_stage:{START},steps=60,switch=20,then=1e30", corpus=text, **TINY),
    }
    records = train_group(specs, tmp_path, device="cpu")
    assert records["good"]["status"] == "finished" and records["bad"]["status"] == "diverged"
    train(specs["bad"], tmp_path / "alone", name="bad", device="cpu")
    assert files(tmp_path, "bad") == files(tmp_path / "alone", "bad")


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_loss_far_above_the_initial_one_ends_a_member_of_a_stack(text, tmp_path, optimiser):
    # momo bounds its own steps: at a thousand it still learns
    wild = f"constant:peak={'1e4' if optimiser == 'momo' else '10'},steps=20"
    common = TINY | {"corpus": text, "eval_every": 5, "optimiser": optimiser}
    specs = {name: RunSpec(schedule=s, **common) for name, s in (("calm", "constant:peak=1e-3,steps=20"), ("wild", wild))}
    records = train_group(specs, tmp_path, lanes=2, device="cpu")
    assert {name: record["status"] for name, record in records.items()} == {"calm": "finished", "wild": "diverged"}
    for name, spec in specs.items():
        train(spec, tmp_path / "alone", name=name, device="cpu")
        assert files(tmp_path, name) == files(tmp_path / "alone", name)
    losses = [float(row["val_loss"]) for row in csv.DictReader((tmp_path / "curves" / "wild.csv").read_text().splitlines())]
    assert all(map(math.isfinite, losses)) and losses[-1] > 2 * records["wild"]["initial_loss"]
    assert records["wild"]["final_loss"] is None


def test_runs_that_share_their_divergence_end_where_they_would_alone(text, tmp_path):
    plan = "two_stage:{START},steps={steps},switch=20,then=1e30".replace("{START}", START)
    specs = {
        f"every{every}-{steps}": RunSpec(schedule=plan.format(steps=steps), corpus=text, **(TINY | {"eval_every": every}))
        for every in (7, 10)
        for steps in (40, 60)
    }
    records = train_group(specs, tmp_path, device="cpu")
    assert {record["status"] for record in records.values()} == {"diverged"}
    for name, spec in specs.items():
        train(spec, tmp_path / "alone", name=name, device="cpu")
        assert files(tmp_path, name) == files(tmp_path / "alone", name)


def test_runs_of_two_kinds_are_no_group(text, tmp_path):
    specs = {str(d): RunSpec(schedule=wsd(30), corpus=text, **(TINY | {"d_model": d})) for d in (8, 16)}
    with pytest.raises(TrainingError, match="runs of one group must agree"):
        train_group(specs, tmp_path)


def test_a_full_disk_loses_nothing(text, alone, tmp_path, monkeypatch):
    from scaling.training import records

    row, rows = records.Curve.row, [0]

    def full(self, **values):
        rows[0] += 1
        if rows[0] > 12:
            self._file.write(b"10,64")  # what fits
            raise OSError(errno.ENOSPC, "No space left on device")
        row(self, **values)

    with monkeypatch.context() as patch:
        patch.setattr(records.Curve, "row", full)
        with pytest.raises(TrainingError, match=r"no space left on the device\nnothing is lost: free some space"):
            train_group(group_of(text), tmp_path, device="cpu")
    train_group(group_of(text), tmp_path, device="cpu")
    assert all(files(tmp_path, name) == files(alone[0], name) for name in group_of(text))


def test_two_processes_never_write_one_curve(text, tmp_path):
    from scaling.training.records import sole_writer

    with (
        sole_writer(tmp_path / "checkpoints" / "run.pt"),
        pytest.raises(TrainingError, match="another process is training these runs"),
    ):
        train(RunSpec(schedule=wsd(30), corpus=text, **TINY), tmp_path, name="run", device="cpu")


def test_a_mixture_reports_each_source(text, tmp_path):
    other = tmp_path / "digits"
    other.mkdir()
    for i in range(30):
        (other / str(i)).write_text("0123456789" * 60)
    spec = RunSpec(schedule=wsd(40), corpus=f"0.5 {text} + 0.5 {other}", **TINY)
    mixed = train(spec, tmp_path, name="mixed", device="cpu")
    judged = train(RunSpec(schedule=wsd(40), corpus=f"1 {text} + 0 {other}", **TINY), tmp_path, name="judged", device="cpu")
    name = text.rsplit("/", 1)[1]
    by_source = [mixed[f"val_loss_{name}"], mixed["val_loss_digits"]]
    assert mixed["final_loss"] == pytest.approx(np.mean(by_source), rel=1e-12)
    assert judged["final_loss"] == judged[f"val_loss_{name}"]
    assert mixed["val_loss_digits"] < judged["val_loss_digits"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_members_on_a_gpu_are_close_to_each_alone(text, tmp_path):
    specs = group_of(text)
    together = train_group(specs, tmp_path, lanes=4, device="cuda")
    for name in ("w60c", "q30", "seed1"):
        single = train(specs[name], tmp_path / "alone", name=name, device="cuda")
        assert together[name]["final_loss"] == pytest.approx(single["final_loss"], abs=0.02)
