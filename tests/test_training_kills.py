# ruff: noqa: E402  (imports follow the check that torch is there)
"""Kill -9, SIGTERM and Ctrl-C at the worst moments and at any: run again, and every byte is what it would have been."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")
if sys.platform == "win32":
    pytest.skip("SIGKILL is POSIX", allow_module_level=True)

from scaling.training import RunSpec, train_group
from scaling.training.grid import Planned, read_sweep
from scaling.training.group import Group
from scaling.training.records import checkpoint_path, unsealed
from scaling.training.sweep import sweep
from tests.tiny import TREE, text_in

TINY = {"n_layer": 1, "n_head": 1, "context": 16, "batch": 4, "eval_every": 5, "eval_tokens": 256, "val_tokens": 512}

# A process that imports torch once and forks for every kill: starting Python would take most of the time.
DRIVER = """
import json, os, random, select, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from scaling.errors import MachineError
from scaling.training import RunSpec, group, records, train_group, trainer
from scaling.training import sweep as sweeping
from scaling.training.executors import _begin
from scaling.training.grid import Planned
from scaling.training.sweep import sweep

sweeping.WORTH, sweeping.LOOK = 0, 0.05  # every tree is divided
specs = {name: RunSpec(**one) for name, one in json.load(sys.stdin).items()}
trainer.train_group.__kwdefaults__["checkpoint_seconds"] = 0.02

def forked(work):
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        work()
        os._exit(0)
    return child

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
"""

WORST = """
def half_a_row(curve, **values):
    if len(curve.seen) == 5:
        file, curve._file = curve._file, None
        class Half:
            write = staticmethod(lambda line: (file.write(line[: len(line) // 2]), die()))
        curve._file = Half
    curve.seen.append(1)
    row(curve, **values)

def half_a_checkpoint(path, content):
    if path.suffix == ".pt":
        saves.append(1)
        if len(saves) == 3:
            path.with_name(path.name + ".tmp").write_bytes(content[: len(content) // 2])
            die()
    write(path, content)

def at_a_part(whole):
    def write_then_die(path, content):
        if path.suffix == ".pt" and path != ours:
            write(path, content) if whole else path.with_name(path.name + ".tmp").write_bytes(content[:100])
            die()
        write(path, content)
    return write_then_die

def before_it_counts(draft, path):
    if path.suffix == ".pt":
        saves.append(1)
        if len(saves) == 3:
            die()
    return replace(draft, path)

def patch(moment):
    if moment == "half a row":
        records.Curve.row, records.Curve.seen = half_a_row, []
    elif moment == "half a checkpoint":
        group.write_atomically = half_a_checkpoint
    elif moment == "half a part":
        group.write_atomically = at_a_part(False)
    elif moment == "one part handed over, of two":
        group.write_atomically = at_a_part(True)
    elif moment == "checkpoint written, not yet in place":
        Path.replace = before_it_counts
    elif moment == "last row, no record":
        records.RunFiles.finish = die
    elif moment == "records, no table":
        trainer.write_run_table = die
    elif moment == "no checkpoint, lock still there":
        Path.unlink = lambda path, **_: (unlink(path, **_), die() if path.suffix == ".pt" else None)
    elif moment == "table, checkpoint still there":
        Path.unlink = lambda path, **_: die() if path.suffix == ".pt" else unlink(path, **_)

row, write, replace, unlink, saves = records.Curve.row, group.write_atomically, Path.replace, Path.unlink, []
parts = json.loads(sys.argv[2])
for moment, out in json.loads(sys.argv[1]).items():
    ours = records.checkpoint_path(out, specs)
    child = forked(lambda: (patch(moment), train_group(specs, out, lanes=2, device="cpu", parts=parts)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, moment
"""

ANY = """
out, kills, lanes, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
runs = {name: Planned(spec, {}) for name, spec in specs.items()}
chance, done, wars = random.Random(seed), 0, []
peace = {path.name: path.read_bytes() for path in Path(out, "peace", "curves").glob("*.csv")}

def work():
    pool = ProcessPoolExecutor(2, mp_context=get_context("fork"), initializer=_begin)
    sweep(runs, wars[-1], executor=pool, lanes=lanes, device="cpu")
    pool.shutdown()

def go():
    "Run the sweep to its end."
    child = forked(work)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "it does not come to its end"

began = time.monotonic()
wars.append(f"{out}/0")
go()
typical = time.monotonic() - began
while done < kills:
    wars.append(f"{out}/{len(wars)}")
    for kill in range(8):
        child = forked(work)
        end = os.pidfd_open(child) if hasattr(os, "pidfd_open") else None
        limit = chance.uniform(0.05, 0.5) * typical
        if end is None:
            time.sleep(limit)
        elif select.select([end], [], [], limit)[0]:
            os.waitpid(child, 0)
            typical *= 0.8  # the machine is less busy than it was: kill sooner
            break
        if chance.random() < 0.5:
            os.kill(child, signal.SIGKILL)  # alone: its workers must go by themselves
        else:
            os.killpg(child, signal.SIGKILL)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        done += killed
        for name, whole in peace.items():
            path = Path(wars[-1], "curves", name)
            assert not path.exists() or whole.startswith(path.read_bytes()), (name, done)
    go()
print(json.dumps({"kills": done, "wars": wars}))
"""

TWO = """
out, sweeping.LOST = sys.argv[1], float(sys.argv[2])
row, finish = records.Curve.row, records.RunFiles.finish
records.Curve.row = lambda curve, **values: (time.sleep(0.01), row(curve, **values))  # they overlap
records.RunFiles.finish = lambda files, record: (finish(files, record), print("made", files.name, flush=True))

def work(names):
    pool = ProcessPoolExecutor(2, mp_context=get_context("fork"), initializer=_begin)
    try:
        sweep({name: Planned(specs[name], {}) for name in names}, out, executor=pool, lanes=2, device="cpu")
    except MachineError as problem:
        print(problem, flush=True)
        os._exit(1)

children = [forked(lambda: work(names)) for names in json.loads(sys.argv[3])]
print(sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return str(text_in(tmp_path_factory.mktemp("text")))


def drive(code, settings, *arguments, seconds=1800):
    command = [sys.executable, "-c", DRIVER + code, *map(str, arguments)]
    done = subprocess.run(command, input=json.dumps(settings), capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stdout


def settings(text, sizes, steps, seeds, **switch):
    return {
        f"{d}-{n}-{shape}-{seed}": TINY
        | {"corpus": text, "d_model": d, "seed": seed}
        | {"schedule": f"wsd:peak=1e-2,warmup=10,steps={n},decay=0.3,shape={shape}"}
        | switch
        for d in sizes
        for n in steps
        for shape in ("linear", "1-sqrt")
        for seed in seeds
    }


def same(out, peace, runs):
    for name in runs:
        curve = f"curves/{name}.csv"
        assert (out / curve).read_bytes() == (peace / curve).read_bytes()
        war, calm = (json.loads((folder / curve).with_suffix(".json").read_text()) for folder in (out, peace))
        assert all(war[key] == calm[key] for key in calm if key.endswith("val_loss"))
    assert not [path for path in out.rglob("*") if path.suffix in (".tmp", ".pt", ".sweep", ".lock")]
    assert (out / "runs.csv").read_text().count("\n") == len(runs) + 1


@pytest.mark.slow
def test_killed_at_the_worst_moments(text, tmp_path):
    # an average begun before a part is handed over and ended after it, and columns that look at the last update
    runs = settings(text, [8], [40], [0, 1], merge="9:0.25 27:0.25 40:0.5", probes=True)
    moments = [
        "half a row", "half a checkpoint", "checkpoint written, not yet in place", "last row, no record",
        "records, no table", "table, checkpoint still there", "half a part", "one part handed over, of two",
        "no checkpoint, lock still there",
    ]  # fmt: skip
    parts = [[f"8-40-1-sqrt-{seed}"] for seed in (0, 1)]
    folders = {moment: tmp_path / moment.replace(" ", "-") for moment in moments}
    drive(WORST, runs, json.dumps(folders, default=str), json.dumps(parts))
    specs = {name: RunSpec(**one) for name, one in runs.items()}
    train_group(specs, tmp_path / "peace", lanes=2, device="cpu")
    for moment, folder in folders.items():
        if moment == "one part handed over, of two":  # it may be through before the group that gave it is
            handed_over = [part for part in parts if checkpoint_path(folder, part).exists()]
            assert len(handed_over) == 1
            train_group({name: specs[name] for name in handed_over[0]}, folder, device="cpu")
        left = sorted(specs.keys() - train_group(specs, folder, lanes=2, device="cpu", parts=parts).keys())
        for part in parts:
            train_group({name: specs[name] for name in part}, folder, device="cpu")
        assert all([name] in parts for name in left)
        same(folder, tmp_path / "peace", runs)


@pytest.mark.parametrize("patience", [0, 60])
def test_two_sweeps_of_different_files_that_share_a_run(text, tmp_path, patience):
    runs = settings(text, [8], [120], [0, 1, 2])
    runs = {name: one for name, one in runs.items() if name.startswith("8-120-linear")}
    shared, *others = runs
    train_group({name: RunSpec(**one) for name, one in runs.items()}, tmp_path / "peace", device="cpu")
    sides = [[shared, other] for other in others]
    said = drive(TWO, runs, tmp_path / "out", patience, json.dumps(sides))
    if patience:  # who waited takes the run as it is
        assert sorted(said.splitlines()) == ["[0, 0]", *(f"made {name}" for name in sorted(runs))]
    else:
        assert f"{tmp_path / 'out' / 'curves' / shared}.csv: another process is training this run, for a sweep of" in said
        assert said.endswith("[0, 1]\n")
        assert drive(TWO, runs, tmp_path / "out", 60, json.dumps(sides)).endswith("[0, 0]\n")
    same(tmp_path / "out", tmp_path / "peace", runs)


SWITCHES = {
    "plain": {},
    "probes and merges": {"vocab": 270, "merge": "9:0.25 27:0.25 60:0.5", "probes": True, "safe_step": 0.1},
    "experts": {"experts": 4, "top_k": 2},
    **{name: {"optimiser": name} for name in ("sgd", "muon", "hyperball", "momo", "frugal")},
}


@pytest.mark.slow
@pytest.mark.parametrize(("lanes", "switch"), [(1, "plain"), *((2, switch) for switch in SWITCHES)])
def test_a_sweep_of_two_processes_killed_25_times(text, tmp_path, lanes, switch):
    runs = settings(text, [8], [60, 120], [0, 1, 2, 3], **SWITCHES[switch])
    planned = {name: Planned(RunSpec(**one), {}) for name, one in runs.items()}
    sweep(planned, tmp_path / "peace", jobs=1, device="cpu")
    said = json.loads(drive(ANY, runs, tmp_path, 25, lanes, random.Random(lanes).randrange(10**6)))
    assert said["kills"] >= 25
    for war in said["wars"]:
        same(tmp_path / war, tmp_path / "peace", runs)


SCALING = [sys.executable, "-c", "from scaling.cli import main; raise SystemExit(main())"]
TOLD = {signal.SIGINT: (130, "error: interrupted"), signal.SIGTERM: (143, "error: told to end (SIGTERM)")}


@pytest.mark.parametrize("number", TOLD)
@pytest.mark.parametrize("verb", ["train", "sweep"])
def test_a_signal_loses_no_update_and_the_same_command_goes_on(text, tmp_path, verb, number):
    file, out = tmp_path / "one.toml", tmp_path / "one"
    base, _, _ = TREE.format(eval_every=5, corpus=text, steps=0).partition("[axes]")
    file.write_text(base + '[axes]\nschedule = ["constant:peak=1e-2,steps=1500"]\n')
    ((name, spec),) = ((name, planned.spec) for name, planned in read_sweep(file).items())
    arguments = spec.command(out, name).split()[1:] if verb == "train" else ["sweep", str(file), "--jobs", "1"]
    curve = out / "curves" / f"{name}.csv"
    with subprocess.Popen([*SCALING, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as going:
        while going.poll() is None and not (curve.exists() and curve.read_bytes().count(b"\n") > 20):
            time.sleep(0.01)
        going.send_signal(number)
        said, answer = going.communicate(timeout=60)
    code, last = TOLD[number]
    assert (going.returncode, said, answer.splitlines()[-1]) == (code, "", last), answer
    assert "nothing is lost: the same command goes on" in answer and "Traceback" not in answer
    state = torch.load(io.BytesIO(unsealed((out / "checkpoints" / f"{name}.pt").read_bytes())), weights_only=True)
    assert state["runs"][name][0] == curve.stat().st_size  # not that of half a minute ago
    ended = subprocess.run([*SCALING, *arguments], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    train_group({name: spec}, tmp_path / "peace", device="cpu")
    same(out, tmp_path / "peace", [name])


def test_a_second_ctrl_c_does_not_wait(text, tmp_path, monkeypatch):
    def impatient(group):
        os.kill(os.getpid(), signal.SIGINT)
        assert (tmp_path / "checkpoints" / "run.pt").read_bytes() == saved[-1]
        os.kill(os.getpid(), signal.SIGTERM)  # told twice by whoever ends it: it still saves
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")

    def save(group):
        saving(group)
        saved.append((tmp_path / "checkpoints" / "run.pt").read_bytes())

    saved, saving = [], Group._save
    monkeypatch.setattr(Group, "_save", save)
    monkeypatch.setattr(Group, "_advance", impatient)
    spec = RunSpec(schedule="constant:peak=1e-2,steps=20", corpus=text, d_model=8, **TINY)
    with pytest.raises(KeyboardInterrupt):
        train_group({"run": spec}, tmp_path, device="cpu")
    assert len(saved) == 1 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.parametrize("number", TOLD)
def test_a_sweep_on_the_command_line_told_to_stop_at_random_moments(text, tmp_path, number):
    file, out = tmp_path / "ladder.toml", tmp_path / "ladder"
    file.write_text(TREE.format(eval_every=5, corpus=text, steps=2000))
    command = [*SCALING, "sweep", str(file), "--jobs", "2"]
    calm = subprocess.run([*command[:-2], str(tmp_path / "peace"), "--jobs", "1"], capture_output=True, text=True, timeout=600)
    assert calm.returncode == 0, calm.stderr
    whole = {path.name: path.read_bytes() for path in (tmp_path / "peace" / "curves").glob("*.csv")}
    assert len(whole) == 4
    chance, stops = random.Random(int(number)), 0
    for _ in range(8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as going:
            time.sleep(chance.uniform(0.5, 4))
            going.send_signal(number)
            said, answer = going.communicate(timeout=60)  # the pipes are shut: its workers have gone too
        if going.returncode == 0:  # it was through before
            continue
        stops += 1
        assert said == "" and "Traceback" not in answer, answer
        assert (going.returncode, answer.splitlines()[-1]) == TOLD[number], answer
        for name, rows in whole.items():
            path = out / "curves" / name
            assert not path.exists() or rows.startswith(path.read_bytes()), name
        for path in out.rglob("*.json"):
            json.loads(path.read_text())
    assert stops >= 2
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    same(out, tmp_path / "peace", [name.removesuffix(".csv") for name in whole])
