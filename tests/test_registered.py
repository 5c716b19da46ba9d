"""Forecasts registered before the run: dated, hashed, never replaced, made again to the last bit, scored, and counted."""

import json
import re
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import document
from scaling.cli import main
from scaling.errors import ArgumentError, DataError, LawError
from scaling.registered import Registration, history
from scaling.registered.scoring import judged

mpl.use("Agg")
TRUTH = scaling.laws["chinchilla"].published["besiroglu2024"]
README = Path(__file__).parents[1] / "README.md"
FAR = {"N": [7e9, 2e10], "D": [2e11, 4e11]}


def table(seed=0):
    rng = np.random.default_rng(seed)
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 5)))
    return pd.DataFrame({"N": N, "D": D, "loss": TRUTH(N, D) * np.exp(rng.normal(0, 3e-3, len(N)))})


@pytest.fixture(scope="module")
def fit():
    return scaling.fit(table(), "chinchilla")


def curve(text, until=None, seed=0, run="live"):
    """A run that follows multi_power_5, with losses up to a step; rows to come are planned."""
    plan, law = scaling.schedule(text), scaling.laws["multi_power_5"]
    step = np.arange(100, plan.steps + 1, 50)
    loss = law(**law.hooks.features(step, plan, **law.conventions), L0=2.6, A=0.6, alpha=0.45, B=400.0, C=2.0)
    loss = loss * np.exp(np.random.default_rng(seed).normal(0, 2e-3, len(step)))
    frame = pd.DataFrame({"run": run, "step": step, "lr": plan.rates[plan.index(step)], "loss": loss, "schedule": text})
    return frame if until is None else frame.assign(loss=frame["loss"].where(frame["step"] <= until))


SHORT = (
    "cosine:peak=3e-4,steps=2000,warmup=50",
    "wsd:peak=3e-4,steps=2000,warmup=50",
    "constant:peak=3e-4,steps=2000,warmup=50",
)
LONG = "cosine:peak=3e-4,steps=4000,warmup=50"


@pytest.fixture(scope="module")
def curves():
    rows = pd.concat([curve(text, seed=k, run=f"short-{k}") for k, text in enumerate(SHORT)])
    return scaling.fit(scaling.Runs.from_frame(rows), "multi_power_5")


# the record


def test_a_registration_says_what_was_forecast_from_what_by_what_and_when(fit, tmp_path):
    before = datetime.now(UTC) - timedelta(seconds=1)
    made = fit.register(FAR, tmp_path / "forecast.json", level=0.8)
    assert before <= datetime.fromisoformat(made.made) <= datetime.now(UTC)
    expected = fit.predict(FAR, level=0.8)
    for name in ("N", "D", "prediction", "lower", "upper"):
        assert (made.frame[name] == expected[name]).all()
    assert made.law["name"] == "chinchilla" and made.law["values"] == fit.values
    assert made.code["scaling"] == scaling.__version__ and len(made.code["sources"]) == 64
    assert made.words["interval"] == expected.attrs["interval"] and made.data["rows"] == 30
    read = scaling.load(tmp_path / "forecast.json")
    assert isinstance(read, Registration) and str(read) == str(made) and read.sha256 == made.sha256
    assert json.loads((tmp_path / "forecast.json").read_text())["sha256"] == made.sha256
    pd.testing.assert_frame_equal(read.frame, made.frame, check_dtype=False)


def test_it_is_made_again_to_the_last_bit(fit, curves, tmp_path):
    fit.save(tmp_path / "fit.json")
    record = fit.register(FAR)
    shuffled = scaling.fit(table().sample(frac=1, random_state=1), "chinchilla")
    for again in (fit, scaling.load(tmp_path / "fit.json"), scaling.fit(table(), "chinchilla"), shuffled):
        assert record.differences(again.register(**record.asked)) == []
    curves.save(tmp_path / "curves.json")
    plan = curves.register(LONG, tmp_path / "curve.json", steps=[1000, 4000])
    assert plan.frame["step"].tolist() == [1000, 4000]
    runs = scaling.Runs.from_frame(curve(LONG, until=0))
    for record in (scaling.load(tmp_path / "curve.json"), curves.register(runs), curves.register(scaling.schedule(LONG))):
        assert record.differences(curves.register(**record.asked)) == []
    assert plan.differences(scaling.load(tmp_path / "curves.json").register(**plan.asked)) == []


def test_what_differs_is_named(fit):
    record = fit.register(FAR)
    other = scaling.fit(table().assign(loss=lambda t: t["loss"].where(t.index != 3, t["loss"] * (1 + 1e-12))), "chinchilla")
    told = record.differences(other.register(**record.asked))
    assert told[0].startswith("the data differ: 30 rows then, 30 now") and any("the forecast differs by" in one for one in told)
    fewer = scaling.fit(table().iloc[1:], "chinchilla").register(**record.asked)
    assert "30 rows then, 29 now" in record.differences(fewer)[0]
    squares = scaling.fit(table(), "chinchilla", objective="log_squares").register(**record.asked)
    assert any(one.startswith("objective: log_huber then, log_squares now") for one in record.differences(squares))
    assert record.differences(fit.register({"N": [7e9], "D": [2e11]})) == ["another level, or other rows were asked for"]
    assert record.differences(fit.register(FAR, level=0.5)) == ["another level, or other rows were asked for"]
    newer = replace(record, code={**record.code, "numpy": "9.9"})
    assert record.differences(newer) == [f"numpy: {np.__version__} then, 9.9 now"]


def test_weights_and_counts_are_part_of_the_data(tmp_path):
    rows = table().assign(weight=np.linspace(0.5, 2, 30), params_counted="total")
    weighted = scaling.fit(rows, "chinchilla")
    weighted.save(tmp_path / "fit.json")
    record = weighted.register(FAR)
    assert record.data["counts"] == {"params_counted": "total"}
    plain = scaling.fit(rows.drop(columns="weight"), "chinchilla").register(FAR)
    assert record.data["sha256"] == scaling.load(tmp_path / "fit.json").register(FAR).data["sha256"] != plain.data["sha256"]


def test_nothing_is_ever_replaced(fit, tmp_path):
    path = tmp_path / "forecast.json"
    fit.register(FAR, path)
    kept = path.read_bytes()
    with pytest.raises(ArgumentError, match="a registered forecast replaces nothing; name a new file"):
        fit.register(FAR, path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="replaces nothing"):
        fit.register(FAR, tmp_path / "notes.txt")
    with pytest.raises(ArgumentError, match="there is no folder"):
        fit.register(FAR, tmp_path / "nowhere" / "f.json")
    for force in (False, True):  # nor by anything else this program writes
        with pytest.raises(ArgumentError, match="it holds a registered forecast; name a new file"):
            fit.save(path, force=force)
        with pytest.raises(ArgumentError, match="it holds a registered forecast"):
            document.put(path, b"x", "figure", force=force)
    assert path.read_bytes() == kept and (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["forecast.json", "notes.txt"]


def test_of_many_writers_one_wins(fit, tmp_path):
    path, made, answers = tmp_path / "forecast.json", fit.register(FAR), []

    def write(level):
        try:
            replace(made, level=level).save(path)
            answers.append(level)
        except ArgumentError:
            pass

    threads = [threading.Thread(target=write, args=(0.5 + k / 100,)) for k in range(16)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(answers) == 1 and scaling.load(path).level == answers[0]
    assert [p.name for p in tmp_path.iterdir()] == ["forecast.json"]


@pytest.mark.parametrize("place", [("rows", "lower", 0), ("made",), ("data", "sha256"), ("level",), ("law", "values", "E")])
def test_damage_is_refused(fit, tmp_path, place):
    path = tmp_path / "forecast.json"
    fit.register(FAR, path)
    saved = json.loads(path.read_text())
    node = saved
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = 1.9 if isinstance(node[place[-1]], float) else "2020-01-01"
    path.write_text(json.dumps(saved))
    with pytest.raises(DataError, match=r"field 'sha256' is not the digest.*a copy was kept"):
        scaling.load(path)
    if place[0] == "rows":
        saved["rows"]["upper"] = [1.0]
        del saved["sha256"]
        path.write_text(json.dumps(document.signed(saved)))
        with pytest.raises(DataError, match=r"field 'rows.upper' must be a list of 2 numbers"):
            scaling.load(path)


def test_what_has_been_measured_is_no_forecast(fit, curves):
    with pytest.raises(DataError, match="1 of 2 rows to be registered has a measured loss"):
        fit.register({**FAR, "loss": [2.1, np.nan]})
    assert len(fit.register({**FAR, "loss": [np.nan, np.nan]}).frame) == 2
    with pytest.raises(DataError, match="a forecast is registered before its run"):
        curves.register(scaling.Runs.from_frame(curve(LONG, until=1000)))


# the score


def test_interval_score_by_hand():
    """Width 0.4; 2 / (1 - .9) = 20 times what lies outside."""
    rows = pd.DataFrame({"prediction": 2.0, "lower": 1.8, "upper": 2.2, "measured": [2.1, 1.7, 2.25, 1.8]})
    found = judged(rows, 0.9)
    np.testing.assert_allclose(found["interval_score"], [0.4, 0.4 + 20 * 0.1, 0.4 + 20 * 0.05, 0.4])
    assert found["inside"].tolist() == [True, False, False, True]
    np.testing.assert_allclose(found["error"], [0.05, -0.15, 0.125, -0.1])
    bare = judged(rows.assign(lower=np.nan), 0.9)
    assert bare["inside"].tolist() == [None] * 4 and bare["interval_score"].isna().all()


def test_runs_are_scored_beside_the_forecast_of_their_size(fit, tmp_path):
    fit.register(FAR, tmp_path / "forecast.json")
    good = float(fit.predict(FAR)["prediction"].iloc[1]) + 1e-3
    runs = pd.DataFrame({"N": [1.99e10, 7.05e9, 1e8], "D": [4e11, 2e11, 2e9], "loss": [good, 2.5, 3.0]})
    found = scaling.score(tmp_path / "forecast.json", runs)
    assert found.frame["N"].tolist() == [7e9, 2e10] and found.frame["measured"].tolist() == [2.5, good]
    assert found.frame["inside"].tolist() == [False, True]
    assert found.frame["prediction"].tolist() == fit.predict(FAR)["prediction"].tolist()
    assert found.notes == ("1 of 3 measured rows are of no registered run, and are left out",)
    one = scaling.score(tmp_path / "forecast.json", runs.iloc[1:2])
    assert one.notes == ("1 of 2 registered rows have not been measured",)
    found.save(tmp_path / "score.json")
    assert str(scaling.load(tmp_path / "score.json")) == str(found)
    found.save(tmp_path / "score.json")  # a score may be made again
    with pytest.raises(ArgumentError):
        fit.save(tmp_path / "score.json")


def test_logs_of_runs_are_scored_by_their_last_loss(fit):
    step = np.arange(1000, 10001, 1000)
    log = pd.DataFrame({"run": "big", "step": step, "loss": np.linspace(3, 2.16, 10)})
    facts = pd.DataFrame({"n_params": [7e9], "batch_tokens": [2e7]}, index=["big"])
    runs = scaling.Runs.from_frame(log.assign(tokens=step * 2e7), facts=facts)
    found = scaling.score(fit.register(FAR), runs)
    assert found.frame["measured"].tolist() == [2.16] and found.frame["D"].tolist() == [2e11]


def test_another_run_is_refused_and_the_closest_is_said(fit):
    said = r"the closest has N = 7.05e\+09 \(registered 7e\+09\), D = 1.2e\+11 \(registered 2e\+11\), and 2% is allowed"
    with pytest.raises(DataError, match=said):
        scaling.score(fit.register(FAR), {"N": [7.05e9], "D": [1.2e11], "loss": [2.2]})


def test_a_law_that_is_not_here_is_named(fit):
    record = fit.register(FAR)
    with pytest.raises(LawError, match="Import the module that defines 'gone'"):
        scaling.score(replace(record, law={**record.law, "name": "gone"}), {**FAR, "loss": [2.0, 2.0]})


def test_curves_are_scored_at_their_end_and_along(curves, tmp_path):
    record = curves.register(LONG, tmp_path / "curve.json")
    run = curve(LONG, seed=7, run="called as you like")
    found = scaling.score(tmp_path / "curve.json", run)
    assert found.frame["step"].tolist() == [4000] and found.as_planned and found.frame["inside"].tolist() == [True]
    assert found.frame["measured"].iloc[0] == run["loss"].iloc[-1]
    ours = record.frame
    low, high = (np.interp(run["step"], ours["step"], ours[name]) for name in ("lower", "upper"))
    assert found.along == pytest.approx(((run["loss"] >= low) & (run["loss"] <= high)).mean())
    with pytest.raises(DataError, match=r"registered for steps 50 to 4000: its last loss is at step 2000, so its end is not"):
        scaling.score(record, curve(LONG, until=2000))


def test_a_run_that_left_its_schedule_is_scored_and_does_not_count(curves, tmp_path):
    record = curves.register(LONG, tmp_path / "f.json")
    found = scaling.score(record, curve("wsd:peak=3e-4,steps=4000,warmup=50"))
    assert not found.as_planned and "left the registered schedule" in found.notes[0]
    found.save(tmp_path / "s.json")
    with pytest.raises(DataError, match="no scored forecast"):
        history(tmp_path)
    scaling.score(curves.register(LONG, tmp_path / "g.json", level=0.8), curve(LONG)).save(tmp_path / "t.json")
    many = history(tmp_path)
    assert len(many.frame) == 1 and many.notes == ("1 scores do not count: those runs left their registered schedule",)


def test_several_curves_go_by_name(curves):
    planned = pd.concat([curve(LONG, until=0, run="a"), curve(SHORT[1], until=0, run="b")])
    record = curves.register(scaling.Runs.from_frame(planned))
    done = pd.concat([curve(LONG, run="a", seed=4), curve(SHORT[1], run="b", seed=5)], ignore_index=True)
    assert scaling.score(record, done).frame["step"].tolist() == [4000, 2000]
    assert scaling.score(record, done[done["run"] == "b"].assign(run="b")).frame["run"].tolist() == ["b"]
    with pytest.raises(DataError, match="run 'c' was not registered; registered are a, b"):
        scaling.score(record, done.assign(run=done["run"].replace("b", "c")))


def test_a_job_in_progress(tmp_path):
    live = scaling.Runs.from_frame(curve(LONG, until=2500, seed=3))
    made = scaling.forecast(live).register(tmp_path / "job.json")
    with pytest.raises(DataError, match="a curve is scored by Runs or a DataFrame, not int"):
        scaling.score(made, 3)
    assert made.asked == {} and made.frame["step"].iloc[[0, -1]].tolist() == [2500, 4000]
    assert made.differences(scaling.forecast(live).register()) == []
    other = scaling.Runs.from_frame(curve(LONG, until=2500, seed=4))
    assert "the data differ" in made.differences(scaling.forecast(other).register())[0]
    found = scaling.score(tmp_path / "job.json", curve(LONG, seed=3))
    assert found.frame["step"].tolist() == [4000] and abs(found.frame["error"].iloc[0]) < 0.05
    with pytest.raises(ArgumentError, match="replaces nothing"):
        scaling.forecast(live).register(tmp_path / "job.json")


# over time


def folder_of(fit, folder, outcomes, level=0.9):
    """Registered forecasts, one score per outcome: measured at so many half-widths above the middle of the interval."""
    for k, outcome in enumerate(outcomes):
        made = replace(fit.register({"N": [7e9], "D": [2e11]}, level=level), made=f"2026-01-{k + 1:02d}T00:00:00+00:00")
        made.save(folder / f"forecast-{level}-{k}.json")
        if outcome is not None:
            low, high = made.frame[["lower", "upper"]].iloc[0]
            measured = (low + high) / 2 + outcome * (high - low) / 2
            scaling.score(made, {"N": [7e9], "D": [2e11], "loss": [measured]}).save(folder / f"score-{level}-{k}.json")


def test_coverage_over_time(fit, tmp_path):
    folder_of(fit, tmp_path, [0.0, 2.0, -0.5, None, 0.9])
    folder_of(fit, tmp_path, [0.5], level=0.5)
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("mine")
    found = history(tmp_path)
    assert found.waiting == 1 and found.notes == (f"{tmp_path}: 1 JSON files are no registered forecasts or scores",)
    assert found.frame["made"].is_monotonic_increasing and len(found.frame) == 5
    nine = found.frame[found.frame["level"] == 0.9]
    np.testing.assert_allclose(nine["coverage"], [1, 1 / 2, 2 / 3, 3 / 4])
    row = found.coverage.loc[0.9]
    assert (row["forecasts"], row["inside"], row["coverage"]) == (4, 3, 0.75)
    # Jeffreys: quantiles of Beta(3.5, 1.5), by integration of its density x^2.5 (1 - x)^.5
    x = np.linspace(0, 1, 2_000_001)
    mass = np.cumsum(x**2.5 * (1 - x) ** 0.5)
    ends = x[np.searchsorted(mass / mass[-1], [0.025, 0.975])]
    np.testing.assert_allclose([row["lower"], row["upper"]], ends, atol=1e-5)
    assert found.coverage.loc[0.5, "upper"] == 1.0
    axes = scaling.plots.history(found)
    assert {"error", "coverage"} == set(axes) and axes["coverage"].lines[3].get_ydata().tolist() == pytest.approx(
        nine["coverage"]
    )


def test_the_last_score_of_a_registration_counts(fit, tmp_path):
    made = fit.register({"N": [7e9], "D": [2e11]}, tmp_path / "f.json")
    for k, loss in enumerate((9.0, float(made.frame["prediction"].iloc[0]))):
        found = scaling.score(made, {"N": [7e9], "D": [2e11], "loss": [loss]})
        replace(found, scored=f"2026-02-0{k + 1}").save(tmp_path / f"{k}.json")
    assert history(tmp_path).coverage.loc[0.9, "inside"] == 1 and len(history(tmp_path).frame) == 1


def test_folders_without_scores_and_damage(fit, tmp_path):
    with pytest.raises(DataError, match="no scored forecast here, and no registration"):
        history(tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        history(tmp_path / "nowhere")
    folder_of(fit, tmp_path, [0.0])
    path = tmp_path / "score-0.9-0.json"
    path.write_text(path.read_text().replace('"inside": [true]', '"inside": [false]'))
    with pytest.raises(
        DataError, match=re.escape(str(path)) + r": field 'sha256' is not the digest.*scaling score FORECAST RUN"
    ):
        history(tmp_path)


# the command line


def run(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def here(fit, curves, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit.save("fit.json")
    curves.save("curves.json")
    pd.DataFrame({"N": [7e9], "D": [2e11], "loss": [2.16]}).to_csv("run.csv", index=False)
    return tmp_path


def test_register_and_score(here, capsys):
    code, out, err = run(capsys, "register", "fit.json", "--N", "7B", "--D", "200B", "-o", "forecast.json", "--json")
    told = json.loads(out)
    assert code == 0 and told["saved"] == "forecast.json" and told["sha256"] == scaling.load("forecast.json").sha256
    assert err == "note: saved forecast.json\n"
    kept = Path("forecast.json").read_bytes()
    code, out, err = run(capsys, "register", "fit.json", "--N", "7B", "--D", "200B", "-o", "forecast.json")
    assert code == 2 and out == "" and "replaces nothing" in err and Path("forecast.json").read_bytes() == kept
    assert run(capsys, "register", "fit.json", "--again", "forecast.json")[:2] == (
        0, "again        made again, the same to the last bit\n"
    )  # fmt: skip
    scaling.fit(table(1), "chinchilla").save("other.json")
    code, out, err = run(capsys, "register", "other.json", "--again", "forecast.json")
    assert code == 3 and out == "" and "other.json does not make this forecast again: the data differ" in err
    code, out, _ = run(capsys, "score", "forecast.json", "run.csv", "-o", "score.json", "--json")
    assert code == 0 and json.loads(out)["frame"][0]["measured"] == 2.16
    code, out, _ = run(capsys, "score", ".", "--plot", "calibration.svg", "--json")
    assert code == 0 and json.loads(out)["coverage"][0]["forecasts"] == 1 and Path("calibration.svg").exists()


def test_register_a_schedule_and_score_its_log(here, capsys):
    words = (
        "register",
        "curves.json",
        "--schedule",
        "cosine:peak=3e-4,warmup=50",
        "--steps",
        "4k",
        "-o",
        "forecast.json",
        "-q",
    )
    assert run(capsys, *words)[0] == 0
    curve(LONG, seed=5).drop(columns="run").to_csv("log.csv", index=False)
    code, out, _ = run(capsys, "score", "forecast.json", "log.csv")
    assert code == 0 and out.startswith("score        1 of 1 inside the 90% interval")


def test_register_a_job(here, capsys):
    curve(LONG, until=2500).drop(columns="run").to_csv("live.csv", index=False)
    code, _, err = run(capsys, "forecast", "live.csv", "--register", "job.json")
    assert code == 0 and "registered job.json" in err
    assert run(capsys, "forecast", "live.csv", "--register", "job.json")[0] == 2
    curve(LONG).drop(columns="run").to_csv("live.csv", index=False)
    assert run(capsys, "score", "job.json", "live.csv")[0] == 0
    code, _, err = run(capsys, "register", "fit.json", "--again", "job.json")
    assert code == 2 and "no fit made" in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("register fit.json --N 7B --D 2T", 2, "needs one of -o FILE"),
        ("register fit.json --N 7B --D 2T -o f.json --again g.json", 2, "needs one of -o FILE"),
        ("register fit.json --N 7B --again f.json", 2, "give nothing but the fit"),
        ("register fit.json --again fit.json", 2, "this is no registered forecast"),
        ("register fit.json --N 7B -o f.json", 2, "law 'chinchilla' also needs --D"),
        ("register fit.json --N 7B --DD 2T -o f.json", 2, "did you mean '--D'?"),
        ("register fit.json run.csv -o f.json", 3, "has a measured loss"),
        ("register fit.json run.csv -o run.csv", 2, "this command reads that file"),
        ("score fit.json run.csv", 2, "this is no registered forecast"),
        ("score fit.json", 2, "no registered forecast; `scaling register FIT ... -o FILE` writes one"),
        ("score run.csv", 2, "no registered forecast; `scaling register FIT ... -o FILE` writes one"),
        ("score . run.csv", 2, "is a folder, whose scores are read as they are"),
        ("score fit.json run.csv --plot x.png", 2, "--plot goes with a folder"),
        ("score none.json run.csv", 3, "no such file"),
        ("score .", 3, "no scored forecast"),
    ],
)
def test_refusals(words, code, said, here, capsys):
    found, out, err = run(capsys, *words.split())
    assert (found, out) == (code, "") and said in err
    assert sorted(p.name for p in here.iterdir()) == ["curves.json", "fit.json", "run.csv"]


def test_a_record_is_no_fit(here, capsys):
    scaling.load("fit.json").register(FAR, "forecast.json")
    for words in ("predict forecast.json --N 7B --D 2T", "plan forecast.json --flops 1e22", "report forecast.json"):
        code, _, err = run(capsys, *words.split())
        assert code == 2 and "holds a registered forecast" in err


def test_the_example_of_the_readme(here, capsys):
    """Both halves as they stand there, one after the other, on a fit and a run of the names they use."""
    text = README.read_text().partition("## Register a forecast")[2].partition("\n## ")[0]
    (python,), (shell,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.S) for kind in ("python", "text"))
    exec(compile(python, "README", "exec"), {"scaling": scaling})
    assert scaling.load("forecast.json").frame["N"].tolist() == [5e5]
    Path("forecast.json").unlink()
    pd.DataFrame({"N": [5e5], "D": [2e7], "loss": [1.31]}).to_csv("run.csv", index=False)
    for line in shell.splitlines():
        command = line.removeprefix("$ scaling ").partition("#")[0].split()
        assert run(capsys, *command)[0] == 0, line
