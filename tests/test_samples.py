"""Sample logs in the package and `scaling demo`: from an installed wheel, with nothing else, to forecasts and a page."""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import venv
from pathlib import Path

import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.cli.demo import COMMANDS
from scaling.errors import ArgumentError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder in which `scaling demo` ran, and what it said of each command."""
    there, said = tmp_path_factory.mktemp("demo"), io.StringIO()
    with contextlib.chdir(there), contextlib.redirect_stdout(said):
        assert main(["demo", "--json", "-q"]) == 0
    found = json.loads(said.getvalue())
    return there / "scaling-demo", [*found["commands"].values()], found


def test_samples_are_the_runs_of_this_repository():
    made = runpy.run_path(str(ROOT / "runs/samples.py"))["files"]()
    home = scaling.samples.HOME
    there = {str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*.csv")}
    assert there == made
    assert sum(map(len, there.values())) < 150_000  # they travel with every wheel


def test_the_forecast_run_is_in_no_fit():
    ladder, (held,) = scaling.read(scaling.samples.HOME / "ladder"), scaling.read(scaling.samples.HOME / "finished")
    assert len(ladder) == 18 and held not in set(ladder)
    running = scaling.read(scaling.samples.HOME / "running")
    whole = scaling.read(scaling.samples.HOME / "finished")[held].frame
    pd.testing.assert_frame_equal(running.frame, whole[whole["step"] <= 9600].reset_index(drop=True))


def test_every_command_of_the_demo_runs_and_leaves_its_file(demo):
    folder, results, said = demo
    assert len(results) == len(COMMANDS) and said["samples"] == [f"scaling-demo/{n}" for n in
        ("README.md", "finished", "ladder", "running", "table.csv")]  # fmt: skip
    for name in ("fit.json", "fit.png", "report.html", "ladder.json", "forecast.png", "running.png"):
        assert (folder / name).stat().st_size > 1000, name


def test_python_and_shell_say_the_same(demo):
    folder, (by_size, at, _, curves, ahead, job), _ = demo
    fit = scaling.fit(pd.read_csv(folder / "table.csv"))
    assert dict(fit.values) == by_size["values"]
    (row,) = at["predictions"]
    mine = fit.predict({"N": 5e5, "D": 2e7}).iloc[0]
    assert all(row[k] == pytest.approx(mine[k], rel=1e-12) for k in ("prediction", "lower", "upper"))
    ladder = scaling.fit(scaling.read(folder / "ladder"), "ladder")
    assert dict(ladder.values) == curves["values"]
    end = ladder.predict(scaling.read(folder / "finished")).iloc[-1]
    (row,) = ahead["predictions"]
    assert all(row[k] == pytest.approx(end[k], rel=1e-12) for k in ("prediction", "lower", "upper"))
    found = scaling.forecast(scaling.read(folder / "running"), scaling.read(folder / "ladder"))
    assert found.to_dict()["end"] == pytest.approx(job["end"], rel=1e-12)


def test_the_samples_forecast_what_happened(demo):
    """Not a bar, which one run cannot be: the sample is a plain case, and the larger run ends inside both intervals."""
    _, (_, _, _, _, ahead, job), _ = demo
    (row,) = ahead["predictions"]
    assert row["lower"] < row["measured"] < row["upper"] and abs(row["error"]) < 0.03
    assert job["end"]["lower"] < row["measured"] < job["end"]["upper"]


def test_samples_never_replace_what_is_not_theirs(tmp_path):
    written = scaling.samples.write(tmp_path / "new")
    assert [p.name for p in written] == ["README.md", "finished", "ladder", "running", "table.csv"]
    scaling.samples.write(tmp_path / "new")  # the same again
    own = tmp_path / "new/table.csv"
    own.write_text("mine\n")
    with pytest.raises(
        ArgumentError, match=r"table\.csv: there is a file that is not this version's sample; name another folder"
    ):
        scaling.samples.write(tmp_path / "new")
    assert own.read_text() == "mine\n"
    scaling.samples.write(tmp_path / "new", force=True)
    assert own.read_text() != "mine\n"
    for wrong, said in ((own, "this is a file"), (tmp_path / "a/b", "no folder")):
        with pytest.raises(ArgumentError, match=said):
            scaling.samples.write(wrong)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/table.csv").symlink_to(own)
    with pytest.raises(ArgumentError, match="a link or a folder"):
        scaling.samples.write(tmp_path / "linked", force=True)


@pytest.mark.slow
def test_the_wheel_alone_is_enough(tmp_path):
    """Five commands: install, demo, an own table, its forecast, its page; in an empty environment, away from the source."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    run = lambda *line: subprocess.run(line, cwd=tmp_path, env=clean, capture_output=True, text=True, check=True)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT))
    venv.create(tmp_path / "env", with_pip=True)
    (wheel,) = tmp_path.glob("scaling_laws-*.whl")
    run(str(tmp_path / "env/bin/pip"), "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel))
    command = str(tmp_path / "env/bin/scaling")
    assert "chinchilla" in run(command, "demo").stdout
    (tmp_path / "mine.csv").write_bytes((tmp_path / "scaling-demo/table.csv").read_bytes())
    run(command, "fit", "mine.csv", "-o", "fit.json", "--plot", "fit.png")
    assert "prediction" in run(command, "predict", "fit.json", "--N", "500k", "--D", "20M").stdout
    run(command, "report", "fit.json", "-o", "report.html")
    assert (tmp_path / "fit.png").exists() and (tmp_path / "report.html").exists()
