# ruff: noqa: E402  (imports follow the check that torch is there)
"""A sweep on a real Slurm of one node, by the very recipe of the documentation."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.training.grid import read_sweep
from scaling.training.sweep import sweep
from tests.tiny import TREE, text_in

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo")


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def _port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def daemon(folder, *command, env=None):
    """A daemon in the foreground, ended by its own id; what it said is in a file of its name."""
    with (folder / f"{command[0]}.out").open("wb") as said:
        process = subprocess.Popen(command, env=env, stdout=said, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(done, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def slurm(tmp_path_factory):
    """Environment of a Slurm of one node that listens on the loopback address alone; its daemons end with the test."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux: slurmd starts jobs in the name of others")
    if _missing() and os.environ.get("CI") and shutil.which("apt-get"):  # nowhere else are packages installed unasked
        quiet = {"check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]
        subprocess.run(install, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, **quiet)
    if missing := _missing():
        pytest.skip(f"needs Slurm: no {', '.join(missing)} here; on Debian: apt-get install slurm-wlm munge")
    at, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    (at / "munge.key").write_bytes(os.urandom(128))
    (at / "munge.key").chmod(0o600)
    (at / "slurm.conf").write_text(
        f"""
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={_port()}
SlurmdPort={_port()}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthInfo=socket={at}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={at}/state
SlurmdSpoolDir={at}/spool
SlurmctldPidFile={at}/slurmctld.pid
SlurmdPidFile={at}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory >> 20}
PartitionName=main Nodes={host} Default=YES OverSubscribe=FORCE:2
"""
    )
    env = os.environ | {"SLURM_CONF": str(at / "slurm.conf")}
    munge = [f"--{what}={at}/munge.{what.split('-')[0]}" for what in ("key-file", "socket", "pid-file", "seed-file")]
    with ExitStack() as daemons:
        daemons.enter_context(daemon(at, "munged", "--foreground", "--force", *munge))
        _until((at / "munge.socket").exists, 20, "munged made no socket")
        daemons.enter_context(daemon(at, "slurmctld", "-D", env=env))
        daemons.enter_context(daemon(at, "slurmd", "-D", env=env))
        state = ["sinfo", "--noheader", "--format=%T"]

        def idle():
            return subprocess.run(state, env=env, capture_output=True, text=True).stdout.strip() == "idle"

        _until(idle, 60, f"the node did not become idle; see {at}")
        yield env
        subprocess.run(["scancel", "--user=root"], env=env, check=True)
        _until(idle, 30, f"jobs did not end; see {at}")


@pytest.mark.slow
def test_the_recipe_of_the_documentation_on_a_slurm_of_one_node(slurm, tmp_path, monkeypatch):
    pytest.importorskip("dask_jobqueue", reason="needs the extra scaling-laws[cluster]")
    text_in(tmp_path / "text")
    (tmp_path / "ladder.toml").write_text(TREE.format(corpus="text", eval_every=10, steps=60))
    (recipe,) = re.findall(r"```python\n([^`]*SLURMCluster[^`]*)```", (ROOT / "docs/guides/clusters.md").read_text())
    (tmp_path / "recipe.py").write_text(recipe)
    done = subprocess.run(
        [sys.executable, "recipe.py"],
        cwd=tmp_path,
        env=slurm | {"PYTHONPATH": str(ROOT), "DASK_JOBQUEUE__SLURM__INTERFACE": "lo"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("slurm-*.out"))  # the workers were jobs
    monkeypatch.chdir(tmp_path)
    runs = read_sweep("ladder.toml")
    sweep(runs, "here", jobs=1, device="cpu")
    for name in runs:
        curve = Path("out", "curves", f"{name}.csv").read_bytes()
        assert curve == Path("here", "curves", f"{name}.csv").read_bytes()
