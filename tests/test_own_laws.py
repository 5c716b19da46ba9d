"""Laws of the user's own on the command line: file.py:name, saved fits of them, their reports; and what a shell completes."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main

SOURCE = """
import numpy as np
import scaling
from scaling.formula import Exponent, Positive


@scaling.law("mine", name="{name}")
def law(N, D, *, E: Positive = 1.5, A: Positive = 400.0, B: Positive = 400.0, a: Exponent = 0.34):
    "L = E + |(A/N^a, B/D^a)|"
    return E + np.hypot(A / N**a, B / D**a)
"""


@pytest.fixture
def table(tmp_path):
    draw = np.random.default_rng(2)
    N, D = np.exp(draw.uniform(16, 23, 60)), np.exp(draw.uniform(20, 27, 60))
    loss = (1.7 + np.hypot(300 * N**-0.3, 500 * D**-0.3)) * np.exp(2e-3 * draw.normal(size=60))
    pd.DataFrame({"N": N, "D": D, "loss": loss}).to_csv(tmp_path / "points.csv", index=False)
    return tmp_path / "points.csv"


def scale(folder, *argv):
    """The command line in a process of its own, which knows no law but the house's."""
    command = [sys.executable, "-m", "scaling", *map(str, argv)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The command line in a folder; between two calls the house knows its own laws alone, as in a process of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        code = main([*map(str, argv)])
        for name in [name for name in scaling.laws if name.startswith("soft_floor")]:
            scaling.laws.remove(name)
        return code, *capsys.readouterr()

    return run


def test_a_law_of_a_file_is_fitted_saved_loaded_and_reported(table, tmp_path, here):
    (tmp_path / "own.py").write_text(SOURCE.format(name="soft_floor_of_a_file"))
    law = "own.py:soft_floor_of_a_file"
    made = scale(tmp_path, "fit", "points.csv", "--law", law, "-o", "fit.json")
    assert made.returncode == 0 and "soft_floor_of_a_file" in made.stdout, made.stderr
    code, _, said = here("predict", "fit.json", "--N", "1B", "--D", "1T")
    assert code == 2 and "fit.json: the law 'soft_floor_of_a_file' is defined in own.py; add --laws own.py." in said
    (tmp_path / "own.py").rename(tmp_path / "moved.py")
    code, _, said = here("predict", "fit.json", "--N", "1B", "--D", "1T")
    assert f"which {tmp_path / 'own.py'} defined when it was saved, is none that is known here; add --laws" in said
    (tmp_path / "moved.py").rename(tmp_path / "own.py")
    code, _, said = here("predict", "fit.json", "--N", "1B", "--D", "1T", "--laws", "own.py", "--json")
    assert code == 0, said
    code, _, said = here("report", "fit.json", "-o", "page.html", "--laws=own.py")
    assert code == 0, said
    shown = (tmp_path / "page.html").read_text("utf-8")
    assert "Math.hypot" in shown and "--law own.py:soft_floor_of_a_file" in shown and "Left out" not in shown
    code, told, _ = here("compare", "points.csv", "--law", law, "--law", "chinchilla")
    assert code == 0 and "soft_floor_of_a_file" in told.splitlines()[2]  # the truth wins


def test_what_is_wrong_with_a_law_of_a_file_is_said(table, tmp_path, capsys):
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "right.py").write_text(SOURCE.format(name="soft_floor_misspelt"))
    for law, said in (
        (tmp_path / "none.py:x", "no such file"), (tmp_path / "right.py", "say which law of it"),
        (f"{tmp_path / 'broken.py'}:x", "ZeroDivisionError"), (f"{tmp_path / 'right.py'}:soft_flor_misspelt", "did you mean"),
    ):  # fmt: skip
        assert main(["fit", str(table), "--law", str(law)]) == 2
        assert said in capsys.readouterr().err
    try:
        assert main(["laws", f"{tmp_path / 'right.py'}:soft_floor_misspelt"]) == 0
        assert "soft_floor_misspelt" in scaling.laws
    finally:
        scaling.laws.remove("soft_floor_misspelt")  # else every later test has it among its laws


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("scaling", "compare", "forecast", "holdout"))
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)
    assert main(["completion", "csh"]) == 2
