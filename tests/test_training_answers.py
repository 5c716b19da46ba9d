# ruff: noqa: E402  (imports follow the check that torch is there)
"""Sweeps that cannot go on say what, why and what to do; nothing is lost, and the same command ends the work."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.cli import main
from scaling.errors import MachineError, TrainingDataError, TrainingError
from scaling.training import executors, group, train_group
from scaling.training import sweep as sweeping
from scaling.training.executors import open_executor
from scaling.training.grid import read_sweep
from scaling.training.records import RunFiles, checkpoint_path, sole_curves, sole_writer, unsealed
from scaling.training.sweep import sweep
from tests.tiny import TREE, Inline, text_in


@pytest.fixture
def text(tmp_path):
    return text_in(tmp_path / "text")


@pytest.fixture
def runs(text, tmp_path):
    (tmp_path / "ladder.toml").write_text(TREE.format(corpus=text.as_posix(), eval_every=5, steps=40))
    return read_sweep(tmp_path / "ladder.toml")


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint at every row, and no patience."""
    monkeypatch.setitem(train_group.__kwdefaults__, "checkpoint_seconds", 0.0)
    monkeypatch.setattr(sweeping, "LOST", 0.0)
    monkeypatch.setattr(executors, "PATIENCE", 0.5)


def go(runs, out, lanes=1):
    return sweep(runs, out, executor=Inline(), device="cpu", lanes=lanes)


def same(runs, out, peace):
    for name in runs:
        assert (out / "curves" / f"{name}.csv").read_bytes() == (peace / "curves" / f"{name}.csv").read_bytes()
    assert not [path for path in out.rglob("*") if path.suffix in (".tmp", ".pt", ".sweep", ".lock")]


@contextmanager
def files_up_to(size):
    """No file can grow beyond `size` bytes: a write is cut short there and the next is refused, as on a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_files_that_cannot_grow(runs, tmp_path):
    go(runs, tmp_path / "peace")
    table = (tmp_path / "peace" / "runs.csv").stat().st_size
    curve = (tmp_path / "peace" / "curves" / f"{next(iter(runs))}.csv").stat().st_size
    for size in (10, 100, curve - 50, 1000, 40_000, table - 20):
        said = r"no space left on the device\nnothing is lost: .* run the same again"
        with pytest.raises(MachineError, match=said), files_up_to(size):
            go(runs, tmp_path / "out")
    go(runs, tmp_path / "out")
    same(runs, tmp_path / "out", tmp_path / "peace")


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system of its own (root on Linux)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@contextmanager
def pages_left(disk, pages):
    """A file system that has room for so many pages alone."""
    with (disk / "ballast").open("wb") as ballast:
        ballast.write(bytes(4096 * max(0, os.statvfs(disk).f_bavail - pages)))
    yield
    (disk / "ballast").unlink()


def finished(out, whole):
    """Names of the runs of a folder that have ended; nothing in it is half written, and every row is that of `whole`."""
    for path in out.rglob("*.pt"):
        unsealed(path.read_bytes())
    for name, rows in whole.items():
        assert not (curve := out / "curves" / f"{name}.csv").exists() or rows.startswith(curve.read_bytes())
    return {name for name in whole if RunFiles(out, name).finished()}


@pytest.mark.parametrize(("lanes", "divided"), [(1, False), (2, False), (1, True), (2, True)])
def test_a_disk_that_is_full(runs, disk, tmp_path, monkeypatch, lanes, divided):
    monkeypatch.setattr(sweeping, "WORTH", 0 if divided else sweeping.WORTH)
    go(runs, tmp_path / "peace", lanes)
    whole = {name: (tmp_path / "peace" / "curves" / f"{name}.csv").read_bytes() for name in runs}
    ended, stops, pages = set(), 0, 2
    while len(ended) < len(runs):  # ever a page more, until all have room
        with pages_left(disk, pages):
            try:
                go(runs, disk / "out", lanes)
            except MachineError as problem:
                assert "no space left on the device\nnothing is lost: free some space and run the same again" in str(problem)
                stops += 1
        before, ended = ended, finished(disk / "out", whole)
        assert before <= ended, "a run that had ended was lost"
        pages += 1
    assert stops >= 8 and pages < 40
    go(runs, disk / "out", lanes)
    same(runs, disk / "out", tmp_path / "peace")


def test_a_disk_that_is_full_on_the_command_line(runs, disk, tmp_path, capsys):
    go(runs, tmp_path / "peace")
    arguments = ["sweep", str(tmp_path / "ladder.toml"), str(disk / "out"), "--jobs", "2", "--lanes", "2"]
    with pages_left(disk, 5):
        assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "no space left on the device\nnothing is lost: free some space and run the same again" in said, said
    assert main(arguments) == 0
    same(runs, disk / "out", tmp_path / "peace")


def test_a_folder_that_cannot_be_written(runs, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    arguments = ["sweep", str(tmp_path / "ladder.toml"), str(tmp_path / "file" / "out"), "--jobs", "1"]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "cannot be written: Not a directory\n" in said and "name a folder that this process may write to" in said


def stop_at(step):
    """In place of `Group._save`: a Ctrl-C after the first checkpoint at or behind a step."""
    save = group.Group._save

    def stop(self):
        save(self)
        if any(lane.step >= step for lane in self.lanes):
            raise KeyboardInterrupt

    return stop


def interrupt(runs, out):
    """A sweep that a Ctrl-C ends after some rows of its first group."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group.Group, "_save", stop_at(10))
        with pytest.raises(KeyboardInterrupt):
            go(runs, out)


def test_another_corpus_on_resume(runs, text, tmp_path):
    go(runs, tmp_path / "peace")
    interrupt(runs, tmp_path / "out")
    original = (text / "3.py").read_text()
    (text / "3.py").write_text(original + "# more\n")
    with pytest.raises(TrainingDataError, match=r"1 of 2 groups failed; .*: corpus_sha256 was '.*', is '"):
        go(runs, tmp_path / "out")
    (text / "3.py").write_text(original)
    # the group that had not begun was trained on the changed text: its records tell
    with pytest.raises(TrainingDataError, match=r"has changed since other runs in .* were trained on it"):
        go(runs, tmp_path / "out")
    for path in (tmp_path / "out" / "curves").glob("*seed2*"):
        path.unlink()
    go(runs, tmp_path / "out")
    same(runs, tmp_path / "out", tmp_path / "peace")


def test_too_little_text(runs, text, tmp_path, capsys):
    for path in list(text.iterdir()):
        path.write_text("short")
    assert main(["sweep", str(tmp_path / "ladder.toml"), str(tmp_path / "out"), "--jobs", "1"]) == 3
    said = capsys.readouterr().err
    assert "2 of 2 groups failed; that of" in said and "use a larger corpus, or lower val_tokens" in said


def test_a_dry_run_sees_what_is_wrong_with_the_text(runs, text, tmp_path, capsys, monkeypatch):
    file, out = tmp_path / "ladder.toml", tmp_path / "out"
    original = file.read_text()

    def said(settings=""):
        file.write_text(original.replace("[axes]", settings + "[axes]"))
        code = main(["sweep", str(file), str(out), "--dry-run", "--quiet"])
        return code, capsys.readouterr().err

    assert said() == (0, "")
    code, why = said("vocab = 60000\n")
    assert code == 3 and "vocab = 60000: this text has pairs to merge for" in why
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tokenizers", None)
        code, why = said("vocab = 266\n")
    assert code == 5 and "scaling-laws[vocabulary]" in why
    go({name: run for name, run in runs.items() if run.spec.seed == 1}, out)
    (text / "3.py").write_text("# other\n")
    assert "has changed since finished runs in" in said()[1]
    for path in list(text.iterdir()):
        path.write_text("short")
    shutil.rmtree(out)
    assert "use a larger corpus, or lower val_tokens" in said()[1]
    shutil.rmtree(text)
    assert "no such folder" in said()[1] and not out.exists()


def test_another_spec_under_the_same_name(runs, tmp_path):
    interrupt(runs, tmp_path / "out")
    file = tmp_path / "ladder.toml"
    before = file.read_text()
    file.write_text(before.replace("batch = 4", "batch = 5"))
    with pytest.raises(TrainingDataError, match=r"\.pt belongs to another run: batch was 4, is 5\n.*another name"):
        go(read_sweep(file), tmp_path / "out")
    file.write_text(before)
    for path in (tmp_path / "out" / "curves").glob("*seed2*"):
        path.unlink()  # of the group that had not begun, and was trained with the other batch
    go(runs, tmp_path / "out")
    file.write_text(before.replace("batch = 4", "batch = 5"))
    with pytest.raises(TrainingDataError, match=r"\.json belongs to another run: batch was 4"):
        go(read_sweep(file), tmp_path / "out")
    go(runs, tmp_path / "peace")
    same(runs, tmp_path / "out", tmp_path / "peace")


def test_a_worker_that_does_not_see_the_folder(runs, tmp_path, monkeypatch):
    class Elsewhere(Inline):
        def submit(self, fn, unit, mark, settings):
            return super().submit(fn, unit, (mark[0] + ".not", mark[1]), settings)

    with pytest.raises(MachineError, match=r"worker on .* does not see .*\n.*mount it on all machines"):
        sweep(runs, tmp_path / "out", executor=Elsewhere(), device="cpu")
    assert not (tmp_path / "out" / "curves").exists()


def test_a_later_sweep_takes_over(runs, tmp_path):
    class Late(Inline):
        def submit(self, fn, unit, mark, settings):
            from pathlib import Path

            Path(mark[0]).write_text("of another sweep") if len(seen) == 1 else None
            seen.append(unit)
            return super().submit(fn, unit, mark, settings)

    seen: list = []
    with pytest.raises(TrainingError, match="another sweep has taken its place"):
        sweep(runs, tmp_path / "out", executor=Late(), device="cpu")
    go(runs, tmp_path / "out")
    go(runs, tmp_path / "peace")
    same(runs, tmp_path / "out", tmp_path / "peace")


def test_two_writers(runs, tmp_path):
    (unit, *_) = sweeping.groups(runs)
    with (
        sole_writer(checkpoint_path(tmp_path / "out", unit.specs)),
        pytest.raises(MachineError, match=r"1 of 2 groups failed; .*another process is training these runs"),
    ):
        go(runs, tmp_path / "out")
    go(runs, tmp_path / "out")


def test_a_sweep_divided_otherwise_than_when_it_was_interrupted(runs, tmp_path):
    unit, part = sweeping.groups(runs)[0].specs, [list(runs)[1]]
    out, name = tmp_path / "out", part[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group.Group, "_save", stop_at(30))
        with pytest.raises(KeyboardInterrupt):
            train_group(unit, out, device="cpu", parts=[part])
    assert checkpoint_path(out, part).exists()
    with pytest.raises(TrainingDataError, match=f"{name} was handed over .*\n.*with the same file and --lanes"):
        train_group(unit, out, device="cpu")
    checkpoint_path(tmp_path / "old", unit).parent.mkdir(parents=True)
    torch.save({"names": list(unit)}, checkpoint_path(tmp_path / "old", unit))
    with pytest.raises(TrainingDataError, match="written by an older version of scaling"):
        train_group(unit, tmp_path / "old", device="cpu")
    train_group(unit, out, device="cpu", parts=[part])
    train_group({name: unit[name]}, out, device="cpu")
    go(runs, out)
    go(runs, tmp_path / "peace")
    same(runs, out, tmp_path / "peace")


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX")
def test_curves_that_are_handed_over_are_nobody_elses(runs, tmp_path, monkeypatch):
    long, short = (planned.spec for planned in list(runs.values())[:2])
    specs = {"long": long, "a": short, "b": replace(short, schedule=short.schedule.replace("linear", "1-sqrt"))}
    part, out, hand_over, seen = ["a", "b"], tmp_path / "out", group.Group._hand_over, []

    def taken(giver):
        def refused(kind, said):
            before = (out / "curves" / "a.csv").read_bytes()
            with pytest.raises(kind, match=said):
                train_group({"a": specs["a"]}, out, device="cpu")
            assert (out / "curves" / "a.csv").read_bytes() == before
            seen.append(said)

        if giver.parts and not giver.checkpoint.exists():  # its curves have just begun
            refused(MachineError, "another process is training this run")
        hand_over(giver)
        if giver.parts and checkpoint_path(out, part).exists():
            refused(TrainingDataError, "exists without a record or a checkpoint of its run: it is not overwritten")
            with sole_curves([out / "curves" / "b.csv"]), pytest.raises(MachineError, match="another process is training this"):
                train_group({name: specs[name] for name in part}, out, device="cpu")
            train_group({name: specs[name] for name in part}, out, device="cpu")  # while the giver has its own still

    monkeypatch.setattr(group.Group, "_hand_over", taken)
    assert {*train_group(specs, out, device="cpu", parts=[part])} == {"long"}
    assert len(seen) == 2
    train_group(specs, tmp_path / "peace", device="cpu")
    same(specs, out, tmp_path / "peace")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--lanes", "0"], 2, "lanes = 0: must be 1 or more"),
        (["--jobs", "0"], 2, "jobs = 0: must be 1 or more"),
        (["--executor", "ray"], 2, "write dask:tcp://ADDRESS:PORT"),
        (["--executor", "dask:"], 2, "write dask:tcp://ADDRESS:PORT"),
    ],
)
def test_wrong_options(runs, tmp_path, capsys, options, code, said):
    assert main(["sweep", str(tmp_path / "ladder.toml"), str(tmp_path / "out"), *options]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x:1"])
def test_a_scheduler_that_does_not_answer(runs, tmp_path, capsys, address):
    pytest.importorskip("distributed", reason="needs the extra scaling-laws[cluster]")
    arguments = ["sweep", str(tmp_path / "ladder.toml"), str(tmp_path / "out"), "--executor", f"dask:{address}"]
    assert main(arguments) == 1
    assert "no Dask scheduler answers there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_processes_end_with_an_interrupt():
    before = set(multiprocessing.active_children())
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), open_executor(jobs=1) as pool:
        pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    for process in set(multiprocessing.active_children()) - before:
        process.join(60)
    assert time.monotonic() - began < 300
