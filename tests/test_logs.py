"""Reading logs into Runs: columns, facts, losses, schedules, selection, saving."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import DataError, ScheduleError
from scaling.logs import Runs, read
from scaling.schedules import Schedule, schedule
from tests import layouts


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """Two runs as our trainer writes them: runs.csv and curves/, a planned end, sparse evaluation."""
    (tmp_path / "curves").mkdir()
    table = ["run_id,n_params,batch_tokens,schedule,seed"]
    for name, n_params in (("small", 1000), ("large", 4000)):
        text = "wsd:peak=0.01,steps=40,warmup=5,decay=0.5,final=0.1"
        table.append(f'{name},{n_params},512,"{text}",0')
        rates = schedule(text).rates
        rows = ["step,tokens,lr,train_loss,val_loss,elapsed_s"]
        for step in range(1, 41):
            train = repr(5 - step / 20) if step <= 30 else ""
            val = repr(5.1 - step / 20) if step <= 30 and step % 10 == 0 else ""
            rows.append(f"{step},{512 * step},{float(rates[step - 1])!r},{train},{val},{step / 8}")
        (tmp_path / "curves" / f"{name}.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "runs.csv").write_text("\n".join(table) + "\n")
    return tmp_path


def test_ladder(ladder: Path) -> None:
    runs = read(ladder)
    assert runs.names == ("large", "small") and len(runs) == 2
    frame, facts = runs.frame, runs.facts
    assert " ".join(frame.columns) == "run step tokens lr loss train_loss val_loss elapsed_s"
    assert facts.loc["large", "n_params"] == 4000 and facts.loc["small", "loss_from"] == "val_loss"
    assert frame["step"].dtype == np.int64 and frame["loss"].notna().sum() == 6
    assert any("loss is val_loss" in n and "loss='train_loss'" in n for n in runs.notes)
    assert any("37 rows with a rate but no loss" in note for note in runs.notes)
    assert read(ladder, loss="train_loss").frame["loss"].notna().sum() == 60

    table = runs.table()
    assert table.loc["small"].to_dict() | {"peak_lr": 0.01, "final_loss": 3.6} == {
        "n_params": 1000, "steps": 40, "last_step": 30, "tokens": 512 * 30, "peak_lr": 0.01,
        "schedule": "wsd", "evaluated": 3, "planned": 37, "final_loss": 3.6, "loss_from": "val_loss",
        "flags": "unfinished: 30 of 40",
    }  # fmt: skip
    assert table.loc["small", "final_loss"] == pytest.approx(3.6)
    assert "2 runs, 80 rows" in repr(runs) and "  note " in repr(runs) and "<table" in runs._repr_html_()


def test_records_of_before_there_was_one_name_for_a_final_loss(tmp_path: Path) -> None:
    curve = "step,train_loss,val_loss\n1,3.2,3.1\n2,2.9,2.8\n"
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(curve)
    (tmp_path / "a.json").write_text('{"final_val_loss": 2.75, "final_val_loss_byte": 2.5}')
    (tmp_path / "b.json").write_text('{"final_loss": 2.75, "final_loss_byte": 2.5}')
    runs = read([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert runs.facts[["final_loss", "final_loss_byte"]].to_numpy().tolist() == [[2.75, 2.5]] * 2
    saved = runs.to_saved()
    saved["facts"]["final_val_loss"] = saved["facts"].pop("final_loss")
    assert Runs.from_saved(saved).facts["final_loss"].tolist() == [2.75] * 2
    (tmp_path / "runs.csv").write_text("run_id,final_val_loss\na,2.75\nb,2.75\n")
    assert read([tmp_path / "a.csv", tmp_path / "b.csv"]).facts["final_loss"].tolist() == [2.75] * 2
    # of the rows that are there, with the column it is
    assert runs.table()[["final_loss", "loss_from"]].loc["a"].tolist() == [2.8, "val_loss"]
    assert read(tmp_path / "a.csv", loss="train_loss").table()[["final_loss", "loss_from"]].loc["a"].tolist() == [
        2.9,
        "train_loss",
    ]


def test_every_way_to_name_files(ladder: Path) -> None:
    curves = ladder / "curves"
    whole = read(ladder).frame
    for paths in (curves, str(curves / "*.csv"), [curves / "large.csv", curves / "small.csv"], str(ladder)):
        pd.testing.assert_frame_equal(read(paths).frame, whole)
    again = read([curves, curves / "small.csv"])
    assert len(again) == 2 and any("given twice" in note for note in again.notes)
    (ladder / "curves" / "other.csv").write_text("step,loss\n1,5\n")
    assert any("not listed in runs.csv" in note for note in read(ladder).notes)


def test_schedules_are_verified_against_the_rows(ladder: Path) -> None:
    runs = read(ladder)
    table = runs.schedules["small"]
    assert table.first == 1 and table.steps == 40 and table.text.startswith("wsd:")
    assert runs.schedules["small"] is table and "none" not in runs.schedules
    with pytest.raises(KeyError, match="no rates"):
        runs.schedules["none"]
    assert runs.select("step < 10").schedules["small"] is table  # the plan survives a selection of rows

    text = (ladder / "runs.csv").read_text()
    (ladder / "runs.csv").write_text(text.replace("decay=0.5", "decay=0.25"))
    with pytest.raises(DataError, match=r"logged rate at step 22 is .* but the schedule .* gives 0.01 there"):
        read(ladder).schedules["small"]
    (ladder / "runs.csv").write_text(text.replace("steps=40", "steps=20"))
    with pytest.raises(DataError, match="schedule"):
        read(ladder).schedules["small"]

    other = read(ladder, schedule="constant:peak=0.01,steps=100").schedules["small"]
    assert other.steps == 100 and "the given schedule is used" in other.notes[0]
    for given_ in (np.full(50, 0.02), schedule(np.full(50, 0.02))):
        assert read(ladder, schedule={"small": given_}).schedules["small"].rates[-1] == 0.02


def test_step_convention_follows_the_rows() -> None:
    text = "wsd:peak=1,steps=100,warmup=10,decay=0.2"
    rates = schedule(text).rates
    for first in (0, 1):
        step = np.arange(first, 100 + first, 3)
        frame = pd.DataFrame({"step": step, "lr": rates[step - first], "loss": 3.0})
        table = Runs.from_frame(frame, facts={"schedule": text}).schedules["run"]
        assert table.first == first and np.array_equal(table.rates[table.index(step)], frame["lr"])


def test_constant_rates_fit_both_step_conventions() -> None:
    frame = pd.DataFrame({"step": [50, 100], "lr": 1.0, "loss": 3.0})
    for form, first in (("linear", 1), ("linspace", 0)):  # a first rate of 0 belongs to step 0, not to an update
        text = f"constant:peak=1,steps=101,warmup=10,warmup_form={form}"
        assert Runs.from_frame(frame, facts={"schedule": text}).schedules["run"].first == first


def test_wrong_schedule_texts() -> None:
    frame = pd.DataFrame({"step": [1, 2], "lr": 1.0, "loss": 3.0})
    with pytest.raises(DataError, match=r"DataFrame: unknown schedule 'cosin'.*or pass schedule"):
        Runs.from_frame(frame, facts={"schedule": "cosin:peak=1"}).schedules["run"]
    with pytest.raises(ScheduleError, match="unknown schedule"):
        Runs.from_frame(frame, schedule="cosin:peak=1")
    label = Runs.from_frame(frame, facts={"schedule": "cosine"})  # a label says nothing the rows do not
    assert label.schedules["run"].rates.tolist() == [1, 1] and label.table()["schedule"]["run"] == "cosine"


def test_curves_whose_size_is_a_folder(tmp_path: Path) -> None:
    folder = layouts.multi_power(tmp_path)
    runs = read([folder / "csv_25", folder / "csv_100"], warmup=2160, facts={"dataset": "own"})
    assert len(runs) == 18 and not runs.notes and set(runs.facts["dataset"]) == {"own"}
    small = read(folder / "csv_25", facts={"n_params": 25e6})
    assert small.names[0] == "constant_24000" and len(small) == 9  # folders only where stems clash
    text = (folder / "csv_25/cosine_24000.csv").read_text()
    assert small.table()["final_loss"]["cosine_24000"] == float(text.split(",")[-1])
    training = small.select("run in ['cosine_24000', 'constant_24000', 'wsdcon_9']")
    assert len(training.frame) == 171 + 171 + 109
    table = runs.schedules["csv_25/wsdcon_9"]
    assert table.first == 0 and table.warmup == 2160 and table.rates[[7999, 8000]].tolist() == [3e-4, 9e-5]
    cosine = "cosine:peak=3e-4,steps=24k,warmup=2160,warmup_form=linspace,final=0.1"
    exact = read(folder / "csv_100" / "cosine_24000.csv", facts={"schedule": cosine}).schedules["cosine_24000"]
    assert exact.first == 0 and not exact.notes


def test_several_runs_in_one_file(tmp_path: Path) -> None:
    rows = [f"{run},{step},{3 + 500 / step}" for run in ("constant", "cosine") for step in range(1000, 20001, 1000)]
    (tmp_path / "curves.csv").write_text("curve,step,loss\n" + "\n".join(rows) + "\n")
    runs = read(tmp_path / "curves.csv")
    assert runs.names == ("constant", "cosine") and len(runs["cosine"].frame) == 20 and not runs.schedules
    with pytest.raises(KeyError, match="did you mean 'cosine'"):
        runs["cosin"]


def test_a_wandb_export_with_many_losses(tmp_path: Path) -> None:
    folder = layouts.ladder(tmp_path / "ladder-runs")
    with pytest.raises(DataError, match="2 columns could be val_loss"):
        read(folder)
    column = "eval/c4_en-validation/CrossEntropyLoss"
    runs = read(folder, columns={"val_loss": column})
    assert len(runs) == 21 and runs.facts["batch_tokens"]["190M-1xC"] == 524288
    assert runs.facts["loss_from"].unique().tolist() == [column]
    assert runs.table()["tokens"]["190M-1xC"] == pytest.approx(3.81e9, rel=1e-2)
    assert any("columns not read" in note for note in runs.notes)
    assert runs.frame.equals(read(folder, loss=column).frame)


def test_facts_of_all_sources(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,loss,n_params,seed,note\n1,5,100,7,x y\n2,4,100,7,\n")
    (tmp_path / "runs.csv").write_text("run_id,n_params,depth\na,100,2\n")
    facts = read(tmp_path).facts.loc["a"]
    assert facts.to_dict() == {"n_params": 100, "depth": 2, "seed": 7, "note": "x y", "loss_from": "loss"}
    frame = pd.DataFrame({"n_params": [99], "width": [8]}, index=["a"])
    assert read(tmp_path, facts=frame).facts.loc["a", "n_params"] == 99
    (tmp_path / "runs.csv").write_text("run_id,n_params\na,101\n")
    with pytest.raises(DataError, match=r"n_params is 100 in the curve file but 101 in runs\.csv"):
        read(tmp_path)
    (tmp_path / "runs.csv").write_text("run_id,n_params\na,100\na,100\n")
    with pytest.raises(DataError, match=r"runs\.csv, line 3, column 'run_id': run id 'a' is empty or repeated"):
        read(tmp_path)
    (tmp_path / "runs.csv").write_text("name,n_params\na,100\n")
    with pytest.raises(DataError, match="no column run_id"):
        read(tmp_path)


def test_equal_names_get_their_folders(tmp_path: Path) -> None:
    for folder in ("x/1", "y/1", "y/2"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.csv").write_text("step,loss\n1,5\n")
    (tmp_path / "b.csv").write_text("step,loss\n1,5\n")
    assert read([tmp_path / "**" / "a.csv", tmp_path / "b.csv"]).names == ("2/a", "b", "x/1/a", "y/1/a")


def test_train_and_eval_rows_of_one_step_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,step,train_loss,val_loss\n0,1,5,\n0,1,,5.5\n0,2,4,\n1,2,,4.5\n")
    runs = read(path)
    assert runs.frame[["train_loss", "val_loss"]].values.tolist() == [[5, 5.5], [4, 4.5]]
    assert any("2 rows joined" in note for note in runs.notes)


def test_planned_rows_alone_are_a_plan(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,lr,loss\n1,0.5,\n2,0.5,\n3,0.1,\n")
    runs = read(tmp_path / "a.csv")
    assert runs.table().loc["a", "flags"] == "nothing evaluated" and runs.schedules["a"].steps == 3


def test_an_empty_val_loss_leaves_the_training_loss(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,train_loss,val_loss\n1,5,\n2,4,\n")
    runs = read(tmp_path / "a.csv")
    assert runs.frame["loss"].tolist() == [5, 4] and "loss is train_loss" in runs.notes[0]


def test_selection(ladder: Path) -> None:
    runs = read(ladder)
    assert runs.select("n_params < 2000 and step > 35").frame["step"].tolist() == [36, 37, 38, 39, 40]
    assert runs.select("run == 'large'").names == ("large",)
    with pytest.raises(DataError, match="columns and facts: run, step"):
        runs.select("nparams > 1")
    with pytest.raises(DataError, match="no row is left"):
        runs.select("step > 1000")


def test_runs_cannot_be_changed(ladder: Path) -> None:
    runs = read(ladder)
    frame, facts = runs.frame, runs.facts
    frame.loc[0, "step"] = 999
    facts.loc["small", "n_params"] = -1
    assert runs.frame.loc[0, "step"] == 1 and runs.facts.loc["small", "n_params"] == 1000
    with pytest.raises(AttributeError):
        runs.notes = ()


def test_saving_round_trip(ladder: Path) -> None:
    runs = read(ladder, warmup=3)
    runs = read(ladder, schedule={"large": schedule(np.linspace(1, 0.5, 40))}, facts={"small": {"mark": "x"}})
    back = Runs.from_saved(json.loads(json.dumps(runs.to_saved())))
    pd.testing.assert_frame_equal(back.frame, runs.frame)
    pd.testing.assert_frame_equal(back.facts, runs.facts)
    assert back.notes == runs.notes and dict(back.schedules) == dict(runs.schedules)
    with pytest.raises(DataError, match="schema"):
        Runs.from_saved({**runs.to_saved(), "schema": "other"})


def test_frames_read_like_files(ladder: Path) -> None:
    runs = read(ladder)
    back = Runs.from_frame(runs.frame, facts=runs.facts.drop(columns="loss_from"))
    pd.testing.assert_frame_equal(back.frame, runs.frame)
    assert back.schedules["small"] == runs.schedules["small"]


@settings(max_examples=50)
@given(st.permutations(range(12)))
def test_rows_of_a_frame_may_come_in_any_order(order: list[int]) -> None:
    rows = pd.DataFrame({"run": ["a"] * 6 + ["b"] * 6, "step": [1, 2, 3, 5, 8, 13] * 2, "loss": np.arange(12) + 1.0})
    shuffled = rows.iloc[order].reset_index(drop=True)
    read_back = Runs.from_frame(shuffled)
    assert read_back.frame.equals(Runs.from_frame(rows).frame)
    rising = all((shuffled["step"][shuffled["run"] == run].diff().dropna() > 0).all() for run in "ab")
    assert any("sorted by step" in note for note in read_back.notes) != rising


@settings(max_examples=50)
@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=30))
def test_interleaved_runs_are_sorted_out(runs: list[str]) -> None:
    rows = pd.DataFrame({"run": runs, "step": np.arange(len(runs)), "loss": 2.0, "lr": 1.0})
    read_back = Runs.from_frame(rows).frame
    assert read_back.equals(rows.sort_values(["run", "step"])[read_back.columns].reset_index(drop=True))


def test_rows_rebuild_the_schedule() -> None:
    rows = pd.DataFrame({"step": [100, 200, 300], "lr": [1.0, 1.0, 0.2], "loss": [3.0, 2.9, 2.5]})
    runs = Runs.from_frame(rows, warmup=11)
    assert runs.schedules["run"] == Schedule.from_rows(rows["step"], rows["lr"], warmup=11)


def test_what_is_joined_is_a_copy() -> None:
    rows = pd.DataFrame({"step": [1, 2], "lr": 1.0, "loss": [3.0, 2.5]})
    runs = Runs.from_frame(rows, facts={"run": {"n_params": 1e6}})
    for give in (runs.joined, lambda: runs.placed, lambda: runs.frame):
        mine = give()
        mine.loc[0, "loss"] = 9.0
        mine["more"] = 1
        assert give()["loss"].tolist() == [3.0, 2.5] and "more" not in give()
