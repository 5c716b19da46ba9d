"""The command line: what it prints where, and with which exit code it ends."""

import inspect
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import get_args

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import errors
from scaling.cli import main, options, output
from scaling.cli.app import CODES, EXIT_CODES, VERBS, app
from scaling.cli.options import Objective

mpl.use("Agg")


@pytest.mark.parametrize("names", ["n_params,tokens,val_loss", "Model Size,Tokens,Validation Loss", "N,D,eval_loss"])
def test_a_table_of_runs_is_one_whatever_its_loss_is_called(names, tmp_path, capsys):
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 2e9, 5), (5.0, 20.0, 80.0)))
    D = N * ratio
    rows = np.stack([N, D, 1.8 + 480 / N**0.347 + 2100 / D**0.367], 1)
    np.savetxt(tmp_path / "runs.csv", rows, delimiter=",", header=names, comments="")
    assert main(["fit", str(tmp_path / "runs.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["law"] == "chinchilla"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Logs of three runs that follow multi_power_5 exactly, and a table of 24 points of chinchilla."""
    root = tmp_path_factory.mktemp("cli")
    truth = {"L0": 2.6, "A": 0.6, "alpha": 0.45, "B": 400.0, "C": 2.0}
    law = scaling.laws["multi_power_5"]
    for name, text in {
        "cosine": "cosine:peak=3e-4,steps=2000,warmup=50",
        "wsd": "wsd:peak=3e-4,steps=2000,warmup=50",
        "constant": "constant:peak=3e-4,steps=2000,warmup=50",
        "long": "cosine:peak=3e-4,steps=6000,warmup=50",
    }.items():
        plan = scaling.schedule(text)
        step = np.arange(100, plan.steps + 1, 20)
        loss = law(**law.hooks.features(step, plan, **law.conventions), **truth)
        # rates of every update, so that nothing about the schedule has to be assumed
        every = pd.DataFrame({"step": np.arange(1, plan.steps + 1), "lr": plan.rates})
        noise = 1 + 1e-4 * np.cos(np.arange(len(step)) ** 2)
        every.merge(pd.DataFrame({"step": step, "loss": loss * noise}), how="left").to_csv(root / f"{name}.csv", index=False)
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 6)))
    points = pd.DataFrame({"N": N, "D": D, "loss": scaling.laws["chinchilla"].published["besiroglu2024"](N, D)})
    points.rename(columns={"N": "size"}).to_csv(root / "points.csv", index=False)
    return root


@pytest.fixture(scope="module")
def saved(folder) -> Path:
    path = folder / "fit.json"
    logs = [str(folder / f"{name}.csv") for name in ("cosine", "wsd", "constant")]
    assert main(["fit", *logs, "--law", "multi_power_5", "-o", str(path), "--quiet"]) == 0
    return path


@pytest.fixture(scope="module")
def surface(folder) -> Path:
    path = folder / "surface.json"
    table = str(folder / "points.csv")
    assert main(["fit", table, "--law", "chinchilla", "--map", "N=size", "-o", str(path), "-q"]) == 0
    return path


def strict_json(text: str):
    """Read JSON that has no NaN and no Infinity."""

    def refuse(word):
        raise AssertionError(f"{word} in JSON")

    return json.loads(text, parse_constant=refuse)


def test_runs_prints_one_row_per_run_and_notes_elsewhere(folder, capsys):
    assert main(["runs", str(folder / "cosine.csv"), str(folder / "long.csv")]) == 0
    out, err = capsys.readouterr()
    header, *rows = out.splitlines()
    assert header.split()[:2] == ["run", "steps"]
    assert [row.split()[0] for row in rows] == ["cosine", "long"]
    assert all(line.startswith("note: ") for line in err.splitlines())


def test_runs_as_json(folder, capsys):
    assert main(["runs", str(folder / "cosine.csv"), "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    (row,) = found["runs"]
    assert row["run"] == "cosine" and row["steps"] == 2000
    assert row["n_params"] is None  # unknown, and NaN is no JSON


def test_fit_prints_the_report_saves_and_draws(folder, tmp_path, capsys):
    logs = [str(folder / f"{name}.csv") for name in ("cosine", "wsd", "constant")]
    files = ["-o", str(tmp_path / "fit.json"), "--plot", str(tmp_path / "fit.svg")]
    assert main(["fit", *logs, "--law", "multi_power_5", "--where", "step > 200", *files, "--strict"]) == 0
    out, err = capsys.readouterr()
    loaded = scaling.load(tmp_path / "fit.json")
    assert out.strip() == str(loaded)
    assert loaded.data["step"].min() > 200
    assert f"saved {tmp_path / 'fit.json'}" in err and f"drew {tmp_path / 'fit.svg'}" in err
    assert (tmp_path / "fit.svg").read_text().startswith("<?xml")


def test_fit_as_json_with_a_parameter_held(folder, capsys):
    table = str(folder / "points.csv")
    assert main(["fit", table, "--law", "chinchilla", "--map", "N=size", "--fixed", "alpha=0.34781", "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    published = scaling.laws["chinchilla"].published["besiroglu2024"]
    assert found["values"] == pytest.approx(dict(published), rel=1e-6)
    held = next(row for row in found["parameters"] if row["name"] == "alpha")
    assert held["note"] == "fixed" and held["lower"] is None
    assert found["ok"] is True and found["rows"] == 24 and found["saved"] is None


def test_report_tells_a_saved_fit_again(saved, surface, tmp_path, capsys):
    assert main(["report", str(saved)]) == 0
    assert capsys.readouterr().out.strip() == str(scaling.load(saved))
    for file in (saved, surface):
        assert main(["report", str(file), "-o", str(tmp_path / "page.html"), "--json"]) == 0
        page = (tmp_path / "page.html").read_text("utf-8")
        assert strict_json(capsys.readouterr().out)["law"] in page and "verdict" in page
        assert "<figure" in page and "<script" in page
    assert main(["report", str(saved), "-o", str(tmp_path / "page.pdf")]) == 2
    assert "saved as .html" in capsys.readouterr().err


def test_predict_at_inputs_of_the_law(surface, capsys):
    assert main(["predict", str(surface), "--N", "7B", "--D", "2T", "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    (row,) = found["predictions"]
    exact = scaling.laws["chinchilla"].published["besiroglu2024"](7e9, 2e12)
    assert row["prediction"] == pytest.approx(exact, rel=1e-6)
    assert row["lower"] == row["upper"] == pytest.approx(row["prediction"], rel=1e-12) and row["ok"], "the table is exact"
    assert "no scatter" in found["interval"]
    assert row["N"] == 7e9 and "7x beyond the largest parameters seen" in found["extrapolation"]


def test_inputs_go_by_the_names_that_tables_have_for_them(surface, tmp_path, capsys):
    said = []
    for names in ("--N 7B --D 2T", "--params 7B --tokens 2T", "--n-params 7B --train_tokens 2T"):
        assert main(["predict", str(surface), *names.split(), "--json"]) == 0
        said.append(strict_json(capsys.readouterr().out)["predictions"])
    assert said[0] == said[1] == said[2]
    assert main(["predict", str(surface), "--N", "7B", "--params", "8B", "--D", "2T"]) == 2
    assert "--N and --params are one input of law 'chinchilla'; keep one" in capsys.readouterr().err
    assert main(["predict", str(surface), "--N", "7B", "--tokns", "2T"]) == 2
    assert "did you mean '--tokens'?" in capsys.readouterr().err
    x = np.geomspace(1, 1e3, 20)
    for law in ("power_law:x=params", "rectified:D=params"):
        scaling.fit(pd.DataFrame({"params": 1e6 * x, "loss": 2 * x**-0.1 + 1}), law).save(tmp_path / "one.json")
        said = []
        for name in ("x", "params", "N"):
            assert main(["predict", str(tmp_path / "one.json"), f"--{name}", "2B", "--json"]) == 0
            said.append(strict_json(capsys.readouterr().out)["predictions"])
        assert said[0] == said[1] == said[2]


def test_predict_draws_what_it_was_asked_without_a_schedule(surface, tmp_path, capsys):
    rows = tmp_path / "rows.csv"
    rows.write_text("N,D\n7e9,2e12\n1e9,1e11\n")
    for asked, name in ((["--N", "7B", "--D", "2T"], "one.png"), ([str(rows)], "rows.svg")):
        assert main(["predict", str(surface), *asked, "--plot", str(tmp_path / name)]) == 0
        assert f"drew {tmp_path / name}" in capsys.readouterr().err and (tmp_path / name).stat().st_size > 10_000


def test_predict_over_a_schedule(saved, tmp_path, capsys):
    plan = ["--schedule", "wsd:peak=3e-4,warmup=50", "--steps", "6k"]
    files = ["-o", str(tmp_path / "curve.csv"), "--plot", str(tmp_path / "forecast.png")]
    assert main(["predict", str(saved), *plan, "--at", "3k", "--at", "6k", *files, "--json"]) == 0
    out, err = capsys.readouterr()
    rows = strict_json(out)["predictions"]
    assert [row["step"] for row in rows] == [3000, 6000]
    assert rows[1]["prediction"] < rows[0]["prediction"]
    assert pd.read_csv(tmp_path / "curve.csv")["step"].iloc[-1] == 6000
    assert (tmp_path / "forecast.png").read_bytes()[:4] == b"\x89PNG"
    assert err.count("note: ") == 2


def test_predict_logged_runs_shows_what_was_measured(saved, folder, capsys):
    assert main(["predict", str(saved), str(folder / "long.csv"), "--level", "0.8"]) == 0
    out = capsys.readouterr().out
    names = next(line for line in out.splitlines() if line.startswith("run")).split()
    assert names[-2:] == ["measured", "error"]
    assert "80% interval" in out and "3x beyond the largest steps seen" in out
    row = next(line for line in out.splitlines() if line.startswith("long"))
    assert abs(float(row.split()[-2])) < 0.05 and row.endswith("%")


def test_predict_logged_runs_at_a_step_they_did_not_log(saved, folder, capsys):
    assert main(["predict", str(saved), str(folder / "long.csv"), "--at", "3001", "--json"]) == 0
    (row,) = strict_json(capsys.readouterr().out)["predictions"]
    assert row["run"] == "long" and row["step"] == 3001 and row["measured"] is None


def test_laws_lists_all_and_shows_one(capsys):
    assert main(["laws"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == sorted(scaling.laws)
    assert main(["laws", "chinchilla"]) == 0
    shown = capsys.readouterr().out
    assert "E + A / N^alpha + B / D^beta" in shown and "2085.43" in shown and "arXiv:2404.10102" in shown
    assert main(["laws", "chinchilla", "--json"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert found["published"]["besiroglu2024"]["values"]["beta"] == 0.36585
    assert found["parameters"][0]["upper"] is None


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("fitt x.csv", 2, 'Did you mean "fit"?'),
        ("fit x.csv", 3, "x.csv"),
        ("fit x.csv --law chinchila", 2, "did you mean 'chinchilla'?"),
        ("fit x.csv --law chinchilla --objectiv squares", 2, "--objective"),
        ("fit x.csv --law chinchilla --fixed alpha", 2, "--fixed alpha: write --fixed name=value"),
        ("fit x.csv --law chinchilla --fixed alpha=x", 2, "--fixed alpha=x: must be a number"),
        ("fit x.csv --law chinchilla --fixed alph=1", 2, "did you mean 'alpha'?"),
        ("fit x.csv --law chinchilla --delta tiny", 2, "--delta tiny: must be a number"),
        ("fit x.csv --law chinchilla --plot x.bmp", 2, "a figure is saved as .png, .svg, .pdf"),
        ("runs x.csv --warmup 1.5", 2, "--warmup 1.5: must be a whole number"),
        ("runs x.csv --map step", 2, "write --map name=value"),
        ("runs missing.csv", 3, "missing.csv"),
        ("runs", 2, "no paths given"),
        ("predict missing.json --N 1", 3, "missing.json: no such file"),
        ("search a/missing.json --kind wsd --steps 3k", 3, "missing.json: no such file"),
        ("plan a/missing.json --flops 1e20", 3, "missing.json: no such file"),
    ],
)
def test_errors_say_what_to_do_on_stderr_alone(line, code, said, capsys):
    assert main(line.split()) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and said in err
    assert "Traceback" not in err and len(err.splitlines()) <= 4


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("--N 7B", "also needs --D"),
        ("--N 7B --D 2T --levl 0.9", "unknown option --levl; did you mean '--level'?"),
        ("--N many --D 2T", "--N many: must be a number"),
        ("--N 7B --D 2T --at 5", "--at goes with logs or --schedule"),
        ("--N 7B --D 2T --steps 5", "--steps goes with --schedule"),
        ("--N 7B --D 2T --where step>1", "go with logs"),
        ("", "one of: logs or --N --D"),
        ("--level 90", "level"),
    ],
)
def test_predict_refuses_what_does_not_go_together(surface, rest, said, capsys):
    assert main(["predict", str(surface), *rest.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("forecast a.csv --steps 3", "unknown option --steps; a schedule says it: --schedule NAME:steps=VALUE,..."),
        ("forecast a.csv --plto a.png", "unknown option --plto; did you mean '--plot'?"),
        ("laws --peak 3", "unknown option --peak"),
    ],
)
def test_an_unknown_option_is_answered_with_what_is_like_it_in_more_than_its_dashes(line, said, capsys):
    """Once --steps was answered with --then: five of its letters are not there, the dashes are."""
    assert main(line.split()) == 2
    assert f"error: {said}\n" in capsys.readouterr().err


def test_exit_codes_are_the_same_wherever_they_are_listed():
    root = Path(__file__).parents[1]
    table = re.findall(r"^\| (\d+) \|", (root / "docs/conventions.md").read_text("utf-8"), re.M)
    readme = (root / "README.md").read_text("utf-8").partition("exit codes are ")[2].partition(". Files")[0]
    told = re.findall(r"(?:^|[,\s])(\d+) [a-z]", readme)
    helped = re.findall(r"(?:^|[,\s])(\d+) [a-z]", EXIT_CODES.partition("Exit codes: ")[2].partition(". With")[0])
    assert table == told == helped and {"0", "130", "143"} <= {*table} and {*map(str, CODES.values())} <= {*table}


def test_a_schedule_law_takes_no_inputs(saved, capsys):
    assert main(["predict", str(saved), "--N", "7B"]) == 2
    assert "unknown option --N" in capsys.readouterr().err
    assert main(["predict", str(saved), "--schedule", "wdd:peak=1,steps=3"]) == 2
    assert "did you mean 'wsd'?" in capsys.readouterr().err


def test_bad_data_exits_with_3_and_leaves_stdout_to_json(folder, tmp_path, capsys):
    (tmp_path / "bad.csv").write_text("step,loss\n1,2.0\n2,oops\n")
    assert main(["runs", str(tmp_path / "bad.csv"), "--json"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and "bad.csv" in err and "oops" in err


def test_strict_turns_a_doubtful_fit_into_exit_code_4(tmp_path, capsys):
    # losses that have nothing to do with the inputs
    N, rng = np.geomspace(1e7, 1e9, 30), np.random.default_rng(0)
    D = np.tile([5, 20, 80], 10) * N
    pd.DataFrame({"N": N, "D": D, "loss": 3 + rng.random(30)}).to_csv(tmp_path / "line.csv", index=False)
    line = ["fit", str(tmp_path / "line.csv"), "--law", "chinchilla"]
    assert main(line) == 0
    out, err = capsys.readouterr()
    assert "NOT TRUSTWORTHY" in out and "warning: this fit is not trustworthy" in err
    assert main([*line, "--strict", "--json"]) == 4
    assert strict_json(capsys.readouterr().out)["ok"] is False


def test_unexpected_errors_and_interruptions(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("oh no")

    monkeypatch.setattr(scaling, "read", broken, raising=False)
    assert main(["runs", "x.csv"]) == 1
    assert "unexpected RuntimeError: oh no" in capsys.readouterr().err
    assert main(["runs", "x.csv", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(scaling, "read", interrupted, raising=False)
    assert main(["runs", "x.csv"]) == 130


def test_a_missing_extra_exits_with_5(monkeypatch, tmp_path, capsys):
    from scaling import training

    monkeypatch.delitem(vars(training), "train", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("scaling.training.")]:
        if name != "scaling.training.spec":
            monkeypatch.delitem(sys.modules, name)
    assert main(["train", str(tmp_path), "--schedule", "constant:peak=1e-2,steps=2"]) == 5
    assert "pip install 'scaling-laws[train]'" in capsys.readouterr().err


def test_train_hands_its_options_to_the_trainer(monkeypatch, tmp_path, capsys):
    from scaling import training

    seen = {}

    def fake(spec, out_dir, **rest):
        seen.update(spec=spec, out_dir=out_dir, **rest)
        return {"run_id": "tiny", "status": "finished", "final_loss": float("nan"), "steps": 5}

    monkeypatch.setitem(vars(training), "train", fake)
    plan = "wsd:peak=1e-2,steps=5"
    assert main(["train", str(tmp_path), "--schedule", plan, "--d-model", "16", "--label", "role=short", "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["final_loss"] is None
    assert seen["spec"] == training.RunSpec(schedule=plan, d_model=16)
    assert seen["labels"] == {"role": "short"} and seen["out_dir"] == str(tmp_path)
    command = seen["spec"].command("out", "tiny")
    assert main(command.split()[1:]) == 0, "the command a run is recorded with must parse"
    assert seen["spec"] == training.RunSpec(schedule=plan, d_model=16) and seen["name"] == "tiny"


def test_an_interruption_of_the_imports(monkeypatch, capsys):
    class Interrupted:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "scaling.cli.app", Interrupted())
    assert main(["laws"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize("verb", VERBS)
def test_help_puts_examples_first(verb, capsys):
    assert main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert 0 < shown.index(f"scaling {verb} ") < shown.index("For example:") < shown.index("Parameters")


def test_every_option_is_explained():
    for verb in VERBS:
        for argument in app[verb].assemble_argument_collection(parse_docstring=True):
            if argument.show:
                assert argument.parameter.help, f"scaling {verb}: {argument.name} has no help"


def test_help_imports_neither_a_verb_too_many_nor_what_verbs_work_with():
    code = """
import sys
import scaling.cli
def verbs():
    return [name for name in sys.argv[1:] if "scaling.cli." + name in sys.modules]
for verb in ("", *sys.argv[1:]):
    assert scaling.cli.main(f"{verb} --help".split()) == 0
    print("LOADED", f"{verb}:", *verbs())
    for name in verbs():  # so that the next verb has to import it anew
        del sys.modules["scaling.cli." + name]
        delattr(scaling.cli, name)
print("MODULES", *sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *VERBS], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    lines = [line.removeprefix("LOADED ") for line in done.stdout.splitlines() if line.startswith("LOADED ")]
    assert lines == [f"{verb}: {verb}".strip() for verb in ("", *VERBS)]
    assert not {*done.stdout.rpartition("MODULES")[2].split()} & {"pandas", "scipy", "matplotlib", "lmfit", "torch"}


def test_the_overview_says_what_the_page_of_each_verb_says_first(capsys):
    for verb, line in VERBS.items():
        assert import_module(f"scaling.cli.{verb}").run.__doc__.partition("\n")[0] == line
        assert main([verb, "--help"]) == 0
        assert " ".join(capsys.readouterr().out.split()).count(line.rstrip(".")) == 1


def test_defaults_are_those_of_python():
    from scaling import planning

    calls = {
        "fit": scaling.fit, "compare": scaling.compare, "forecast": scaling.forecast, "search": planning.best_schedule,
        "mix": planning.own_shares, "next": planning.plan_next, "plan": scaling.plan,
    }  # fmt: skip
    same = set()
    for verb, call in calls.items():
        here = {x.name: x.default for x in inspect.signature(import_module(f"scaling.cli.{verb}").run).parameters.values()}
        if verb == "plan":
            here |= vars(here["bootstrap"])
        for parameter in inspect.signature(call).parameters.values():
            if here.get(parameter.name) not in (None, (), inspect.Parameter.empty):
                assert here[parameter.name] == parameter.default, (verb, parameter.name)
                same.add(f"{verb} {parameter.name}")
    assert {"fit delta", "compare objective", "forecast level", "search lowest", "mix seed", "plan replicates"} <= same


OLD = [
    ("plan fit.json --pool a.csv --target b.csv --budget 1", "plan --pool", "scaling next FIT --pool"),
    ("plan fit.json --target=b.csv", "plan --target", "scaling next FIT"),
    ("plan fit.json --budget 1", "plan --budget", "scaling next FIT"),
    ("plan fit.json --cost price", "plan --cost", "scaling next FIT"),
    ("plan fit.json --branch", "plan --branch", "scaling next FIT"),
    ("plan --mixture de=de.json --N 1B --D 1B", "plan --mixture", "scaling mix NAME=FIT"),
    ("plan de.json fr.json --N 1B", "plan --mixture", "scaling mix NAME=FIT"),
    ("plan fit.json --floor 0.1", "plan --floor", "scaling mix NAME=FIT"),
    ("plan fit.json --cap 0.1", "plan --cap", "scaling mix NAME=FIT"),
    ("plan fit.json --weight de=2", "plan --weight", "scaling mix NAME=FIT"),
    ("plan fit.json --objective sum", "plan --objective", "scaling mix NAME=FIT"),
    ("plan fit.json --schedule free --steps 3k", "plan --schedule", "scaling search FIT --kind free --steps"),
    ("plan fit.json --steps 3k", "plan --steps", "scaling search FIT"),
    ("plan fit.json --warmup 3k", "plan --warmup", "scaling search FIT"),
    ("plan fit.json --peak 1", "plan --peak", "scaling search FIT"),
    ("plan fit.json --lowest 0.1", "plan --lowest", "scaling search FIT"),
    ("plan fit.json -o best.csv", "plan -o", "scaling search FIT"),
    ("predict live.csv --at-end", "predict --at-end", "scaling forecast LOG"),
    ("predict live.csv --reference small/", "predict --reference", "scaling forecast LOG --reference"),
    ("fit --law loss_to_loss --source a.json --target b.csv", "fit --source", "scaling relate --source"),
    ("fit --target b.csv", "fit --target", "scaling relate --source"),
]


@pytest.mark.parametrize(("line", "was", "now"), OLD)
def test_old_spellings_answer_with_the_new_one(line, was, now, capsys):
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert f"was `scaling {was}`" in err and f"write `{now}" in err


@pytest.mark.parametrize(
    "line",
    [
        "search fit.json --steps 3k --level 0.8",
        "search fit.json --steps 3k --replicates 9",
        "search fit.json --steps 3k --seed 1",
        "search fit.json --steps 3k --objective sum",
        "search fit.json --steps 3k --target x.csv",
        "search fit.json --steps 3k --served 1",
        *(
            f"next fit.json --pool a.csv --target b.csv --budget 1 {option}"
            for option in (
                "--served 1", "--unique 1", "--input x=1", "--rates li2025", "--counts total", "--shape d_model=1",
                "--level 0.8", "--replicates 9", "--floor 0.1", "--flops 1",
            )
        ),
        *(
            f"mix a=a.json --N 1 --D 1 {option}"
            for option in (
                "--served 1", "--unique 1", "--input x=1", "--rates li2025", "--counts total", "--shape d_model=1",
                "--replicates 9", "--flops 1", "--loss 2", "--budget 1",
            )
        ),
        *(
            f"relate --source a.json --target b.csv {option}"
            for option in ("--objective squares", "--delta 0.1", "--seed 1", "--fixed K=1", "--law loss_to_loss")
        ),
        *(f"forecast live.csv {option}" for option in ("--steps 3k", "--at 5", "--N 7B")),
    ],
)  # fmt: skip
def test_an_option_of_another_verb_does_not_exist(line, capsys):
    option = next(word for word in reversed(line.split()) if word.startswith("--"))
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and "nknown option" in err and option in err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plan chinchilla/besiroglu2024 --flops 1e20 --level 0.8", "constants such as chinchilla/besiroglu2024 have no"),
        ("plan chinchilla/besiroglu2024 --flops 1e20 --replicates 9", "--replicates and --seed go with a saved fit"),
        ("plan chinchilla/besiroglu2024 --flops 1e20 --seed 1", "go with a saved fit"),
        ("plan chinchilla/besiroglu2024 --flops 1e20 --shape d_model=1", "goes with --rates"),
        ("plan chinchilla/besiroglu2024 --flops 1e20 --loss 2", "--flops and --loss do not go together"),
        ("plan chinchilla/besiroglu2024 --N 1B --D 1B", "--N and --D do not go together"),
        ("plan chinchilla/besiroglu2024 --loss 2 --N 1B", "--loss and --N do not go together"),
        ("plan", "plan needs FIT"),
        ("search {surface}", "search needs --steps with a value"),
        ("plan chinchilla/besiroglu2024 --served 1", "plan needs --flops, --loss, --N or --D"),
        ("fit {points} --law chinchilla --map N=size --warmup 5", "--warmup goes with loss curves"),
        ("compare {points} --law chinchilla --map N=size --warmup 5", "--warmup goes with loss curves"),
        ("fit {points} --law chinchilla --objective squares --delta 0.1", "least squares have no delta"),
        ("compare {points} --law chinchilla --objective log_squares --delta 0.1", "least squares have no delta"),
        ("relate --source {surface} --target {surface} --where N>1", "go with logs and tables, not with saved fits"),
        ("predict {surface} --N 1B --D 1B --map N=size", "go with logs"),
        ("next {surface} --pool {points} --target {points} --budget 1 --branch", "--branch goes with laws of schedules"),
        ("sweep ladder.toml --dry-run --jobs 2", "--dry-run trains none"),
        ("sweep ladder.toml --dry-run --lanes 2", "--dry-run trains none"),
        ("sweep ladder.toml --dry-run --executor dask:x", "--dry-run trains none"),
        ("sweep ladder.toml --dry-run --device cpu", "--dry-run trains none"),
        ("sweep ladder.toml --executor dask:x --jobs 2", "--jobs counts processes here"),
    ],
)
def test_an_option_that_would_not_be_read_is_refused(line, said, folder, surface, capsys):
    assert main(line.format(points=folder / "points.csv", surface=surface).split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err


def test_a_map_that_names_no_column_of_a_table_is_refused(folder, capsys):
    table = str(folder / "points.csv")
    assert main(["fit", table, "--law", "chinchilla", "--map", "N=size", "--map", "lr=rate"]) == 3
    assert "no column 'rate', asked for as lr" in capsys.readouterr().err


def test_a_table_has_a_figure_too(folder, tmp_path, capsys):
    saved, drawn = tmp_path / "fit.json", tmp_path / "fit.png"
    line = ["fit", str(folder / "points.csv"), "--law", "chinchilla", "--map", "N=size", "-o", str(saved)]
    assert main([*line, "--plot", str(drawn)]) == 0
    assert "drew" in capsys.readouterr().err and drawn.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.ArgumentError, 2), (errors.LawError, 2), (errors.ScheduleError, 2), (errors.TrainingError, 2),
        (errors.DataError, 3), (errors.FitError, 3), (errors.TrainingDataError, 3), (errors.MissingExtra, 5),
        (errors.MachineError, 1), (OSError, 1), (RuntimeError, 1), (KeyboardInterrupt, 130),
    ],
)  # fmt: skip
def test_exit_codes(problem, code, monkeypatch, capsys):
    def broken(*_, **__):
        raise problem("it is so")

    monkeypatch.setattr(scaling, "read", broken, raising=False)
    assert main(["runs", "x.csv"]) == code
    assert ("it is so" in capsys.readouterr().err) == (code != 130)


def test_every_kind_of_error_has_an_exit_code():
    from scaling.cli.app import CODES

    assert {kind for kind in vars(errors).values() if isinstance(kind, type)} == {*CODES, errors.ScalingError}


def test_a_wrong_argument_is_the_same_in_python_and_here(surface, capsys):
    with pytest.raises(errors.ArgumentError):
        scaling.plan(scaling.load(surface), 1e20, level=2)
    assert main(["plan", str(surface), "--flops", "1e20", "--level", "2"]) == 2
    assert "--level 2: must be a probability between 0 and 1" in capsys.readouterr().err


def test_objectives_are_those_of_the_engine():
    from scaling.engine.losses import NAMES

    assert set(get_args(Objective)) == {prefix + name for name in NAMES for prefix in ("", "log_")}


@pytest.mark.parametrize(
    ("text", "value"), [("7e9", 7e9), ("7B", 7e9), ("2T", 2e12), ("1.3M", 1.3e6), ("100k", 1e5), ("0.5", 0.5)]
)
def test_numbers(text, value):
    assert options.parse_number(text) == value


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    output.error("x")
    monkeypatch.setenv("NO_COLOR", "1")
    output.error("x")
    assert capsys.readouterr().err == "\033[31merror:\033[0m x\nerror: x\n"


@pytest.mark.parametrize("line", [["laws", "--json"], ["--help"]])
def test_a_reader_that_stops_is_no_error(line):
    """As in `scaling laws | head -1`."""
    command = [sys.executable, "-m", "scaling", *line]
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert (done.returncode, done.stderr) == (0, "")


def test_the_installed_command_is_main():
    done = subprocess.run(
        [sys.executable, "-m", "scaling", "--version"], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert (done.returncode, done.stdout.strip()) == (0, scaling.__version__)


def test_relation_between_two_data_sets(tmp_path, capsys):
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 4), np.geomspace(1e9, 1e11, 5)))
    joint = {"E": 1.7, "A": 7e7, "B": 9e8, "alpha": 0.41, "beta": 0.45}
    loss = scaling.laws["kaplan_offset"](N, D, **joint)
    web = pd.DataFrame({"N": N, "D": D, "loss": loss})
    code = web.assign(loss=0.8 * (loss - 1.7) ** 1.1 + 0.9)
    code.to_csv(tmp_path / "code.csv", index=False)
    scaling.fit(web, "kaplan_offset").save(tmp_path / "web.json")
    command = ["relate", "--source", str(tmp_path / "web.json"), "--target"]
    assert main([*command, str(tmp_path / "code.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["values"] == pytest.approx({"K": 0.8, "kappa": 1.1, "E0": 1.7, "E1": 0.9}, rel=1e-4)
    assert found["pairs"] == 20 and "E1 estimated" in found["how"]
    saved = str(tmp_path / "relation.json")
    assert main([*command, str(tmp_path / "code.csv"), "-o", saved, "--plot", str(tmp_path / "relation.png")]) == 0
    assert (tmp_path / "relation.png").stat().st_size > 5000
    capsys.readouterr()
    assert main(["predict", saved, "--x", "2.7", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["predictions"][0]
    assert row["prediction"] == pytest.approx(0.8 * 1.0**1.1 + 0.9, rel=1e-4)
    assert row["lower"] <= row["prediction"] <= row["upper"]  # exact pairs: no wider than rounding
    web.to_csv(tmp_path / "web.csv", index=False)
    assert main(["predict", saved, str(tmp_path / "web.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    np.testing.assert_allclose([r["prediction"] for r in found], code["loss"], rtol=1e-4)
    assert main(["predict", saved, "--y", "2"]) == 2 and main(["predict", saved, "--x", "2.7", "--steps", "5"]) == 2
    assert main(["predict", saved, "--x", "1.0"]) == 3
    assert main([*command, str(tmp_path / "code.csv"), "--fixed", "K=1"]) == 2
    assert main(["relate", "--source", str(tmp_path / "web.json")]) == 2


def test_best_schedule_of_a_length(folder, saved, tmp_path, capsys):
    best = tmp_path / "best.csv"
    command = ["search", str(saved), "--steps", "3k", "--warmup", "50"]
    assert main([*command, "-o", str(best), "--json", "-q"]) == 0
    found = strict_json(capsys.readouterr().out)
    assert found["steps"] == 3000 and found["peak"] == pytest.approx(3e-4, rel=1e-6) and 0.05 < found["decay"] < 0.6
    assert any("longest schedule" in text for text in found["warnings"])  # it leaves the data, and says so
    losses = {row["schedule"]: row["loss"] for row in found["compared"]}
    assert losses["free"] == found["loss"] == min(losses.values())
    rates = pd.read_csv(best)["lr"].to_numpy()
    assert len(rates) == 3000 and (np.diff(rates[50:]) <= 0).all()
    predicted = scaling.load(saved).predict(scaling.schedule(rates), interval="delta", steps=[3000])["prediction"]
    assert predicted.iloc[0] == pytest.approx(found["loss"], abs=1e-4)
    assert main([*command, "--lowest", "0.1"]) == 0
    assert "best schedule" in capsys.readouterr().out
    assert main(["search", "multi_power/luo2025_25M", "--kind", "wsd", "--steps", "3k"]) == 2
    assert "pass --peak" in capsys.readouterr().err
    assert main(["search", str(saved)]) == 2
    assert main(["search", str(saved), "--steps", "3k", "--kind", "cosine"]) == 2
    assert main([*command, "--flops", "1e20"]) == 2
    capsys.readouterr()
    assert main(["predict", str(saved), "--schedule", str(best), "--json"]) == 0
    row = strict_json(capsys.readouterr().out)["predictions"][0]
    assert row["step"] == 3000 and row["prediction"] == pytest.approx(found["loss"], abs=1e-4)
    assert main(["predict", str(saved), str(best)]) == 3
    assert "rates alone are a schedule" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb",
    [
        "fit x.csv --law chinchilla",
        "predict x.json",
        "forecast x.csv",
        "search x.json --steps 3k",
        "relate --source a --target b",
        "report x.json",
    ],
)
def test_a_file_that_cannot_be_saved_is_told_before_the_work(verb, tmp_path, capsys):
    (tmp_path / "dir.html").mkdir()
    assert main([*verb.split(), "-o", str(tmp_path / "nodir" / "x.html")]) == 2
    assert f"there is no folder {tmp_path / 'nodir'}" in capsys.readouterr().err
    assert main([*verb.split(), "-o", str(tmp_path / "dir.html")]) == 2
    assert "this is a folder" in capsys.readouterr().err


def test_rows_of_a_job_are_picked_without_its_references(folder, tmp_path, capsys):
    done = pd.read_csv(folder / "wsd.csv").assign(run="live")
    done.loc[done["step"] > 1200, "loss"] = np.nan
    pd.concat([done, done.assign(run="other")]).to_csv(tmp_path / "jobs.csv", index=False)
    line = ["forecast", str(tmp_path / "jobs.csv"), "--where", "run == 'live'", "--reference"]
    assert main([*line, str(folder / "cosine.csv"), "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["run"] == "live"
    pd.read_csv(folder / "cosine.csv").drop(columns="lr").dropna().to_csv(tmp_path / "bare.csv", index=False)
    assert main([*line, str(tmp_path / "bare.csv")]) == 3
    said = capsys.readouterr().err
    assert "reference 'bare': its learning rates are unknown" in said and "--map lr=COLUMN" in said and "give sch" not in said


def test_schedules_to_come_are_forecast_and_compared(folder, tmp_path, capsys):
    done = pd.read_csv(folder / "wsd.csv")
    done[done["step"] <= 1200].to_csv(tmp_path / "live.csv", index=False)
    peak = done["lr"].max()
    plans = [f"wsd:peak={peak:g},steps=3000,warmup=100,decay={share}" for share in ("0.2", "0.5")]
    line = ["forecast", str(tmp_path / "live.csv")]
    files = ["-o", str(tmp_path / "curves.csv"), "--plot", str(tmp_path / "choices.png")]
    assert main([*line, "--then", plans[0], "--json"]) == 0
    alone = strict_json(capsys.readouterr().out)
    assert main([*line, "--then", plans[0], "--then", plans[1], *files, "--json"]) == 0
    both = strict_json(capsys.readouterr().out)
    assert both["forecasts"][plans[0]]["end"] == alone["end"] and alone["last"] == 3000
    assert set(pd.read_csv(tmp_path / "curves.csv")["then"]) == set(plans)
    assert (tmp_path / "choices.png").read_bytes()[:4] == b"\x89PNG"
    assert main([*line, "--then", plans[0], "--then", plans[1], "--register", str(tmp_path / "r.json")]) == 2
    assert main([*line, "--schedule", f"cosine:peak={2 * peak:g},steps=3000,warmup=100"]) == 3
    assert "--then" in capsys.readouterr().err


def test_shares_of_a_mixture(tmp_path, capsys):
    rng = np.random.default_rng(0)
    law = scaling.laws["multilingual"]
    for name, gamma in (("de", 0.08), ("fr", 0.15)):
        rows = pd.DataFrame(law.hooks.sample(rng, 60))
        values = {"E": 0.9, "A": 300, "B": 400, "alpha": 0.34, "beta": 0.28, "gamma": gamma}
        noise = np.exp(1e-3 * rng.normal(size=60))
        scaling.fit(rows.assign(loss=law(*rows.to_numpy().T, **values) * noise), law).save(tmp_path / f"{name}.json")
    command = ["mix", *(f"{n}={tmp_path}/{n}.json" for n in ("de", "fr"))]
    assert main([*command, "--N", "1.2B", "--D", "50B", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    shares = {row["name"]: row["share"] for row in found["shares"]}
    assert shares["de"] + shares["fr"] == pytest.approx(1) and shares["fr"] > 0.6 and found["worth_it"]
    assert main([*command, "--N", "1.2B", "--D", "50B", "--cap", "fr=0.55", "--floor", "0.1"]) == 0
    assert "0.5500" in capsys.readouterr().out
    assert main([*command, "--N", "1.2B"]) == 2
    assert main([*command, "--flops", "1e20"]) == 2
    assert main(["mix"]) == 2 and main(["plan"]) == 2


def test_a_mixture_law_from_tables_to_shares(tmp_path, capsys):
    law = scaling.laws["mixture_additive"].using(domains="web/code")
    rows = pd.DataFrame(law.hooks.sample(np.random.default_rng(0), 60))
    help_ = {f"{k}_{domain}": v for k, v in {"C": 1.0, "gamma": 0.4}.items() for domain in ("web", "code")}
    rows["loss"] = law(*rows.to_numpy().T, E=1.0, A=400.0, B=4000.0, alpha=0.35, beta=0.4, **help_)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    saved = str(tmp_path / "fit.json")
    assert main(["fit", str(tmp_path / "rows.csv"), "--law", "mixture_additive", "-o", saved]) == 0
    command = ["mix", f"web={saved}", "--N", "1B", "--D", "10B"]
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    shares = {row["name"]: row["share"] for row in json.loads(capsys.readouterr().out)["shares"]}
    assert shares == pytest.approx({"web": 0.5, "code": 0.5}, abs=0.01)
    assert main([*command, "--level", "2"]) == 2
    rows.assign(h_web=0.6).to_csv(tmp_path / "rows.csv", index=False)
    capsys.readouterr()
    assert main(["fit", str(tmp_path / "rows.csv"), "--law", "mixture_additive"]) == 3
    assert "h_web, h_code sum to" in capsys.readouterr().err


def test_a_mixture_law_of_shares_alone_takes_no_size(tmp_path, capsys):
    law = scaling.laws["mixture_exponential"].using(domains="a/b")
    rows = pd.DataFrame(law.hooks.sample(np.random.default_rng(0), 30))
    rows["loss"] = law(*rows.to_numpy().T, c=2.0, t_a=-0.5, t_b=0.5)
    scaling.fit(rows, law).save(tmp_path / "a.json")
    command = ["mix", f"a={tmp_path}/a.json"]
    assert main([*command, "--json"]) == 0
    assert strict_json(capsys.readouterr().out)["shares"][0]["share"] == pytest.approx(1, abs=1e-6)
    assert main([*command, "--N", "1B"]) == 2
    assert "none of these laws takes N" in capsys.readouterr().err
    assert main([*command, "--objective", "sum"]) == 2
    assert main(["mix", f"{tmp_path}/a.json"]) == 2
    assert "write mix name=" in capsys.readouterr().err


def test_plan_of_the_next_runs(folder, surface, capsys):
    pool, target = folder / "pool.csv", folder / "target.csv"
    pool.write_text("size,N,D,price\nsmall,10M,1B,1\nwide,100M,1B,8\nlong,10M,20B,15\nlarge,300M,20B,400\n")
    target.write_text("N,D\n7B,200B\n")
    command = ["next", str(surface), "--pool", str(pool), "--target", str(target)]
    assert main([*command, "--budget", "30", "--cost", "price", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["spent"] == sum(run["cost"] for run in document["runs"]) <= 30
    assert main(["next", "chinchilla", *command[2:], "--budget", "1e20"]) == 0
    out = capsys.readouterr().out
    assert "expected after" in out and "of 1e20" in out and re.search(r"^(small|wide|long) +\d+M +\d+B ", out, re.M), out
    assert main(command) == 2 and "--budget" in capsys.readouterr().err
    assert main(["next", str(surface), "--budget", "3"]) == 2
    target.write_text("N,D\n7B,many\n")
    assert (
        main([*command, "--budget", "1e20"]) == 3 and "target.csv, line 2, column 'D': found 'many'" in capsys.readouterr().err
    )


def test_plan_of_the_next_curves(folder, saved, capsys):
    text = "cosine:peak=3e-4,steps=8k,warmup=50"
    table = folder / "schedules.csv"
    table.write_text(
        'run,schedule,hours\nshort,"cosine:peak=3e-4,steps=3k,warmup=50",2\nflat,"constant:peak=3e-4,steps=4k,warmup=50",3\n'
        'known,"wsd:peak=3e-4,steps=2k,warmup=50",1\n'
    )
    command = ["next", str(saved), "--target", text, "--budget", "9k"]
    assert main([*command, "--pool", str(table), "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["unit"] == "updates" and {run["run"] for run in document["runs"]} <= {"short", "flat"}
    assert "'known' is left out: it has been run already, as 'wsd'" in said.err
    assert main([*command[:-1], "5", "--pool", str(table), "--cost", "hours", "--branch"]) == 0
    assert "of 5 hours" in capsys.readouterr().out
    assert main([*command, "--pool", "wsd:peak=3e-4,steps=4k", "--pool", str(folder / "long.csv")]) == 3
    assert main([*command, "--pool", "wsd:peak=3e-4,steps=4k", "--pool", "linear:peak=3e-4,steps=4k,warmup=50"]) == 0
    assert main([*command, "--pool", str(folder / "long.csv")]) == 0
    capsys.readouterr()
    assert main([*command, "--pool", "wsdd:peak=3e-4,steps=4k"]) == 2
    assert "did you mean 'wsd'" in capsys.readouterr().err
    assert main(["next", str(saved), "--branch"]) == 2


def test_a_saved_relation_is_no_fit(tmp_path, capsys):
    from scaling.transfer import Relation

    Relation(1.0, 1.0, 0.5, 0.5).save(tmp_path / "relation.json")
    saved = str(tmp_path / "relation.json")
    for command in (["plan", saved, "--flops", "1e20"], ["report", saved], ["mix", f"a={saved}"]):
        assert main(command) == 2
        assert "holds a relation between two data sets" in capsys.readouterr().err
    (tmp_path / "bad.json").write_text('{"schema": 1, "kind": "relation", "values": {}}')
    assert main(["predict", str(tmp_path / "bad.json"), "--x", "2"]) == 3
    assert "damaged" in capsys.readouterr().err
