"""Wrong arguments are answered as such, in Python and on the command line, with the value that was wrong."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from benchmarks.verdict import families
from scaling import document
from scaling.cli.app import main
from scaling.errors import ArgumentError, DataError, LawError
from scaling.formula import Positive


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("answers")
    table = families.surface(np.random.default_rng(0), 40, "grid", 0.003)
    table.to_csv(root / "t.csv", index=False)
    scaling.fit(table, "chinchilla").save(root / "f.json")
    return root


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("fit --law chinchilla", 2, "no paths given"),
        ("fit t.csv --law chinchilla --fixed alpha=-3", 2, "fixed alpha=-3"),
        ("fit t.csv --law chinchilla --seed 1.5", 2, "--seed 1.5: must be a whole number"),
        ("fit t.csv --law chinchilla --map N=nope", 3, "t.csv: no column 'nope', asked for by --map as N"),
        ("predict f.json --N 0 --D 1e9", 2, "--N 0: must be a number above 0"),
        ("predict f.json --N -7B --D 2T", 2, "a negative one is written --N=-1"),
        ("next f.json --pool t.csv --target t.csv --budget 60k", 2, "budget 6e+04 FLOP"),
    ],
)
def test_the_command_line_answers(folder, monkeypatch, capsys, line, code, said):
    monkeypatch.chdir(folder)
    assert main(line.split()) == code
    assert said in capsys.readouterr().err


def test_a_step_beyond_the_plan_is_refused_before_anything_is_predicted(tmp_path, monkeypatch, capsys):
    step = np.arange(1, 2001)
    for name, rate in (("a", np.full(2000, 1e-3)), ("b", 1e-3 * (1 - 0.9 * (step > 1500) * (step - 1500) / 500))):
        loss = np.where(step % 20 == 0, 2.6 + 3 * (step / 100) ** -0.5 - 0.2 * (1 - rate / 1e-3), np.nan)
        pd.DataFrame({"step": step, "lr": rate, "loss": loss}).to_csv(tmp_path / f"{name}.csv", index=False)
    path = tmp_path / "fit.json"
    scaling.fit(scaling.read(tmp_path), "annealing").save(path)
    asked = []
    real = scaling.Fit.predict
    monkeypatch.setattr(scaling.Fit, "predict", lambda *given, **rest: asked.append(1) or real(*given, **rest))
    assert main(["predict", str(path), str(tmp_path / "b.csv"), "--at", "5000"]) == 2
    assert "--at 5000: the schedule of these logs ends at 2000" in capsys.readouterr().err and not asked


def test_python_answers(folder):
    fit = scaling.load(folder / "f.json")
    with pytest.raises(DataError, match="unequal length: N has 2, D has 3"):
        fit.predict({"N": [1e9, 2e9], "D": [1e10] * 3})
    with pytest.raises(ArgumentError, match="must map parameters to numbers"):
        scaling.fit(fit.data, "chinchilla", fixed={"alpha": True})
    with pytest.raises(LawError, match="held at alpha='x'"):
        scaling.laws["chinchilla"].hold("held_wrong", alpha="x")
    with pytest.raises(LawError, match="held at alpha=-5"):
        scaling.laws["chinchilla"].hold("held_wrong", alpha=-5.0)

    def words(N, *, A: Positive = "x"):  # type: ignore[assignment]
        """A / N"""
        return A / N

    def three(N, *, A: Positive = 1.0, a: Positive = 0.3):
        """A"""
        return np.array([A, a, A])

    with pytest.raises(LawError, match="the default of 'A'"):
        scaling.formula.Law.of(words)
    with pytest.raises(LawError, match=r"values of shape \(3,\) for 42 rows"):
        scaling.fit(fit.data, scaling.formula.Law.of(three))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d["covariance"].update(dof=0.0), "covariance.dof"),
        (lambda d: d["fixed"].update(unknown=1.0), "fixed.unknown"),
        (lambda d: d.update(schema=0), "schema"),
        (lambda d: d.update(ok=False), "ok"),
    ],
)
def test_a_saved_fit_that_was_signed_again_is_still_checked(folder, tmp_path, change, field):
    saved = json.loads((folder / "f.json").read_text())
    change(saved)
    saved["sha256"] = document.digest({k: v for k, v in saved.items() if k != "sha256"})
    path = tmp_path / "f.json"
    path.write_text(json.dumps(saved))
    with pytest.raises(DataError, match=f"field '{field}'"):
        scaling.load(path)
