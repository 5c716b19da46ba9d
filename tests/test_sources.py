"""Formats of logs: each written by the real library where it is installed, and read back value by value."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import DataError, FitError
from scaling.logs import read

STEP = np.arange(20, 2001, 20)
LR = np.where(STEP <= 100, 0.003 * STEP / 100, 0.0003 + 0.00135 * (1 + np.cos(np.pi * (STEP - 100) / 1900)))
LOSS = np.round(2.2 + 4 * (STEP + 30.0) ** -0.35 + 6 * LR + np.random.default_rng(0).normal(0, 0.01, 100), 5)
EVERY = 10  # rows between evaluations


def check(runs: scaling.Runs, *, lr: bool = True, val: bool = True, shift: int = 0) -> None:
    """Everything that was logged was read, and no warning was given."""
    assert len(runs) == 1 and runs.warnings == ()
    frame = runs.frame
    assert frame["step"].tolist() == (STEP + shift).tolist()
    np.testing.assert_array_equal(frame["train_loss" if val else "loss"], LOSS)
    if lr:
        np.testing.assert_array_equal(frame["lr"], LR)
    if val:
        evaluated = frame.dropna(subset="val_loss")
        assert evaluated["step"].tolist() == (STEP[EVERY - 1 :: EVERY] + shift).tolist()
        np.testing.assert_array_equal(evaluated["val_loss"], LOSS[EVERY - 1 :: EVERY] + 0.05)


def records(step: str = "step", train: str = "loss", lr: str = "learning_rate", val: str = "eval_loss") -> list[dict[str, Any]]:
    """What most trackers hold: a record a log call, evaluations apart."""
    made: list[dict[str, Any]] = []
    for i, s in enumerate(STEP):
        made.append({step: int(s), train: float(LOSS[i]), lr: float(LR[i])})
        if (i + 1) % EVERY == 0:
            made.append({step: int(s), val: float(LOSS[i] + 0.05)})
    return made


def trainer_state(folder: Path, last: int = 2000, change: float = 0.0) -> Path:
    """As transformers saves it; its own class writes it where it is installed."""
    history = [{"epoch": r["step"] / 4000, **r} for r in records() if r["step"] <= last]
    for record in history:
        if change and "loss" in record:
            record["loss"] += change
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    try:
        from transformers import TrainerState

        TrainerState(log_history=history, global_step=last, max_steps=2000, epoch=last / 4000).save_to_json(str(path))
    except ImportError:
        state = {"best_metric": None, "epoch": last / 4000, "global_step": last, "log_history": history, "max_steps": 2000}
        path.write_text(json.dumps(state, indent=2, sort_keys=True) + "\n")
    return path


def test_hugging_face(tmp_path: Path) -> None:
    path = trainer_state(tmp_path / "mine")
    for given in (path, path.parent):
        runs = read(given)
        check(runs)
        assert runs.names == ("mine",) and runs.facts["steps"].item() == 2000
    state = json.loads(path.read_text())
    state["log_history"].append({"step": 2000, "train_loss": 2.9, "train_runtime": 9.0, "total_flos": 1e15})
    state["log_history"].append(
        {"step": 2000, "eval_loss": 2.0, "eval_runtime": 1.0}
    )  # with the best weights, not those of 2000
    path.write_text(json.dumps(state))
    check(read(path))
    assert "1 evaluation of a step already evaluated left out" in " ".join(read(path).notes)


def test_a_folder_of_checkpoints_is_one_run(tmp_path: Path) -> None:
    for last in (400, 1000, 1600):
        trainer_state(tmp_path / "run" / f"checkpoint-{last}", last)
    for given in (tmp_path / "run", str(tmp_path / "run/*/trainer_state.json"), tmp_path):
        runs = read(given)
        assert runs.names == ("run",) and runs.table()["flags"].item() == "unfinished: 1600 of 2000"
    trainer_state(tmp_path / "run")
    check(read(tmp_path / "run"))
    trainer_state(tmp_path / "other" / "checkpoint-400", 400)
    assert read(tmp_path).names == ("other", "run")
    (tmp_path / "run" / "checkpoint-1600" / "trainer_state.json").write_text('{"log_history": [{"step": 1, "lo')
    with pytest.raises(DataError, match=r"checkpoint-1600/trainer_state.json, line 1: no JSON .*another checkpoint"):
        read(tmp_path / "run")


def test_diverged_runs_are_read_up_to_there_and_do_not_hide_others(tmp_path: Path) -> None:
    for name, first in (("late", 50), ("never", 0)):
        path = trainer_state(tmp_path / name)
        state = json.loads(path.read_text())
        for record in state["log_history"][first:]:
            record.update({key: float("nan") for key in record if key in ("loss", "eval_loss", "grad_norm")})
        path.write_text(json.dumps(state))
    trainer_state(tmp_path / "good")
    runs = read(tmp_path)
    assert runs.names == ("good", "late")
    assert any("diverged before its first loss" in text and "never" in text for text in runs.warnings)
    assert any("the run diverged" in text and "late" in text for text in runs.warnings)
    table = runs.table()
    assert table["flags"]["late"].startswith("diverged") and table["last_step"]["late"] < 1000 and table["flags"]["good"] == ""
    with pytest.raises(DataError, match="diverged before its first loss"):
        read(tmp_path / "never")
    state = json.loads((tmp_path / "good" / "trainer_state.json").read_text())
    state["log_history"][4]["grad_norm"] = float("nan")  # a NaN gradient alone is no divergence
    (tmp_path / "good" / "trainer_state.json").write_text(json.dumps(state))
    check(read(tmp_path / "good"))


def test_status_of_a_record_is_honoured(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("step,loss\n1,3\n2,2.5\n")
    (tmp_path / "b.csv").write_text("step,loss\n")
    (tmp_path / "runs.csv").write_text("run_id,status,n_params\na,diverged,7\nb,diverged,7\n")
    runs = read(tmp_path)
    assert runs.names == ("a",) and runs.table()["flags"].item() == "diverged" and len(runs.warnings) == 1


JSONS = {
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows),
    "list": json.dumps,
    "indented": lambda rows: json.dumps(rows, indent=1),
    "wrapped": lambda rows: json.dumps({"history": rows, "config": {"width": 8}}),
    "orient records": lambda rows: pd.DataFrame(rows).to_json(orient="records", double_precision=15),
    "orient lines": lambda rows: pd.DataFrame(rows).to_json(orient="records", lines=True, double_precision=15),
    "orient columns": lambda rows: pd.DataFrame(rows).to_json(double_precision=15),
    "orient index": lambda rows: pd.DataFrame(rows).to_json(orient="index", double_precision=15),
    "orient split": lambda rows: pd.DataFrame(rows).to_json(orient="split", double_precision=15),
    "orient table": lambda rows: pd.DataFrame(rows).to_json(orient="table", double_precision=15),
    "lists": lambda rows: pd.DataFrame(rows).astype(object).where(pd.DataFrame(rows).notna(), None).to_dict("list").__repr__(),
}


@pytest.mark.parametrize("form", JSONS)
def test_json(tmp_path: Path, form: str) -> None:
    text = JSONS[form](records()).replace("'", '"').replace("None", "null").replace(": nan", ": null")
    path = tmp_path / "a.json"
    path.write_text(text)
    runs = read(path)
    assert runs.frame["step"].tolist() == STEP.tolist() and runs.warnings == ()
    np.testing.assert_allclose(runs.frame["train_loss"], LOSS, rtol=1e-14)
    assert runs.frame["val_loss"].notna().sum() == 100 // EVERY


def test_w_and_b(tmp_path: Path) -> None:
    rows = records("trainer/global_step", "train/loss", "train/lr", "val/loss")
    rows = [{"_step": i, "_timestamp": 1.7e9 + i, **row} for i, row in enumerate(rows)]
    random.Random(0).shuffle(rows)  # a sampled history
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv")
    (tmp_path / "b.json").write_text(json.dumps(rows))
    for name in ("a.csv", "b.json"):
        check(read(tmp_path / name))
    (tmp_path / "c.json").write_text(json.dumps([{k: v for k, v in row.items() if k != "trainer/global_step"} for row in rows]))
    with pytest.raises(DataError, match=r"count log calls.*log_every"):
        read(tmp_path / "c.json")


def test_a_w_and_b_chart_with_two_metrics(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"train/global_step": STEP}
    for run in ("calm - tree", "brisk"):
        for metric, values in (("train/loss", LOSS), ("train/lr", LR)):
            columns |= {f"{run} - {metric}{bound}": values for bound in ("", "__MIN", "__MAX")}
    pd.DataFrame(columns).to_csv(tmp_path / "chart.csv", index=False, quoting=1)
    runs = read(tmp_path / "chart.csv")
    assert runs.names == ("brisk", "calm - tree")
    for name in runs:
        check(runs[name], val=False)


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with writer(tmp_path / "run") as first:
        for i in range(60):
            first.add_scalar("train/loss", LOSS[i] + (i >= 50), STEP[i])  # from the 50th on wrong, and written again below
            first.add_scalar("train/lr", LR[i], STEP[i])
    with writer(tmp_path / "run", filename_suffix=".1") as resumed:
        for i in range(50, 100):
            resumed.add_scalar("train/loss", LOSS[i], STEP[i])
            resumed.add_scalar("train/lr", LR[i], STEP[i])
    for given in (tmp_path, tmp_path / "run", str(tmp_path / "run" / "events*")):
        runs = read(given)
        assert runs.names == ("run",) and runs.frame["step"].tolist() == STEP.tolist() and runs.warnings == ()
        np.testing.assert_allclose(runs.frame["loss"], LOSS, rtol=1e-6)  # events hold single precision
        assert "20 values that a resumed run wrote again dropped" in " ".join(runs.notes)


def test_thirty_thousand_points_are_thirty_thousand(tmp_path: Path) -> None:
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with writer(tmp_path / "run") as log:
        for step in range(1, 30_001):
            log.add_scalar("loss", 2 + 4 * step**-0.35, step)
    assert len(read(tmp_path / "run").frame) == 30_000


def test_event_files_of_keras_count_epochs(tmp_path: Path) -> None:
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    with writer(tmp_path / "train") as log:
        for epoch in range(5):
            log.add_scalar("epoch_loss", 3 - 0.1 * epoch, epoch)
    with pytest.raises(DataError, match=r"count epochs.*steps_per_epoch"):
        read(tmp_path)
    assert read(tmp_path, facts={"steps_per_epoch": 10}).frame["step"].tolist() == [10, 20, 30, 40, 50]


def test_tensorboard_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(bytes(12) + b"\x09\0\0\0\0\0\0\0\0\x1a\x0dbrain.Event:2" + bytes(9))
    import sys

    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
    with pytest.raises(DataError, match=r"scaling-laws\[tensorboard\]"):
        read(tmp_path)


def test_tensorboard_downloads(tmp_path: Path) -> None:
    for run in ("a", "b"):
        for tag, values in (("train_loss", LOSS), ("lr", LR)):
            frame = pd.DataFrame({"Wall time": 1.7e9 + STEP, "Step": STEP, "Value": values})
            frame.to_csv(tmp_path / f"run-{run}-tag-{tag}.csv", index=False)
    runs = read(tmp_path)
    assert runs.names == ("a", "b")
    for name in runs:
        check(runs[name], val=False)
    alone = tmp_path / "alone"
    alone.mkdir()
    (tmp_path / "run-a-tag-lr.csv").rename(alone / "run-a-tag-lr.csv")
    with pytest.raises(DataError, match="no column for loss"):
        read(alone)
    saved = alone / "my job.csv"  # a name that tells no tag: the column is called as in the file
    frame.assign(Value=LOSS).to_csv(saved, index=False)
    with pytest.raises(DataError, match=r"the file has step, Value\)\. Name it"):
        read(saved)
    named = read(saved, columns={"loss": "Value"})
    assert named.names == ("my job",) and named.frame["loss"].tolist() == pytest.approx(LOSS)
    saved.rename(alone / "loss.csv")
    assert read(alone / "loss.csv").frame["loss"].tolist() == pytest.approx(LOSS)


def test_lightning(tmp_path: Path) -> None:
    folder = tmp_path / "lightning_logs" / "version_3"
    folder.mkdir(parents=True)
    rows = []
    for i, step in enumerate(STEP):
        rows += [{"lr-AdamW": LR[i], "step": step - 1}, {"epoch": 0, "step": step - 1, "train_loss_step": LOSS[i]}]
        if (i + 1) % EVERY == 0:
            rows.append({"epoch": 0, "step": step - 1, "val_loss": LOSS[i] + 0.05})
    rows.append({"epoch": 0, "step": 1999, "train_loss_epoch": 2.9})
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    (folder / "hparams.yaml").write_text(
        "n_params: 124000000\nmodel:\n  width: 768\ntags: [a, b]\nname: mine # of it\nbatch_tokens: 0.5M\n"
    )
    for given in (tmp_path, folder, folder / "metrics.csv"):
        runs = read(given)
        check(runs, shift=-1)
        assert runs.names == ("version_3",)
        assert runs.facts[["n_params", "width", "batch_tokens"]].iloc[0].tolist() == [124e6, 768, 0.5e6]


@pytest.mark.filterwarnings("ignore")
def test_mlflow(tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "0123abcd"
    for folder in ("metrics/train", "params", "tags"):
        (run / folder).mkdir(parents=True)
    (run / "params" / "n_params").write_text("124M")
    (run / "tags" / "mlflow.runName").write_text("calm-tree")
    (run / "meta.yaml").write_text("run_id: 0123abcd\nstatus: 4\n")
    for metric, values in (("train/loss", LOSS), ("lr", LR)):
        lines = [f"{1700000000000 + s} {float(x)!r} {s}\n" for s, x in zip(STEP, values, strict=True)]
        (run / "metrics" / metric).write_text("".join(lines))
    for given in (tmp_path, run, run / "metrics" / "lr"):
        runs = read(given)
        check(runs, val=False)
        assert runs.names == ("calm-tree",) and runs.facts["n_params"].item() == 124e6
        assert runs.table()["flags"].item() == "failed"


def test_trackio(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "project.db")) as base:  # as trackio 0.43 lays it out
        base.execute(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT, step INTEGER, "
            "metrics TEXT)"
        )
        base.execute("CREATE TABLE configs (id INTEGER PRIMARY KEY, run_id TEXT, run_name TEXT, config TEXT, created_at TEXT)")
        base.execute("INSERT INTO configs VALUES (1, 'x1', 'calm', ?, '')", [json.dumps({"n_params": 7000, "_Group": None})])
        for i, row in enumerate(records("train/global_step", "train/loss", "train/lr", "eval/loss")):
            text = json.dumps(row).encode()
            base.execute("INSERT INTO metrics VALUES (?, 'x1', '2026-01-01T00:00:00', 'calm', ?, ?)", [i + 1, i, text])
        base.commit()
    runs = read(tmp_path)
    check(runs)
    assert runs.names == ("calm",) and runs.facts["n_params"].item() == 7000
    (tmp_path / "project.db").write_bytes((tmp_path / "project.db").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"damaged|database"):
        read(tmp_path / "project.db")


def table_of_runs() -> pd.DataFrame:
    N = np.repeat([125e6, 350e6, 1.3e9], 4)
    D = np.tile([2e9, 5e9, 10e9, 30e9], 3)
    return pd.DataFrame({"Model Size": N, "Tokens": D, "Final Loss": 1.7 + 400 / N**0.34 + 410 / D**0.28})


@pytest.mark.parametrize("kind", ["xlsx", "parquet", "csv", "csv;", "jsonl"])
def test_tables_of_finals(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    table, path = table_of_runs(), tmp_path / f"finals.{kind.rstrip(';')}"
    if kind == "xlsx":
        table.to_excel(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True, double_precision=15)
    else:
        table.to_csv(path, index=False, **({"sep": ";", "decimal": ","} if kind == "csv;" else {}))
    names = {"N": "Model Size", "D": "Tokens", "loss": "Final Loss"}
    frame = scaling.logs.read_table([path], columns=names, needed=names)
    for name, column in names.items():
        np.testing.assert_allclose(frame[name], table[column], rtol=1e-14)
    options = [word for name, column in names.items() for word in ("--map", f"{name}={column}")]
    assert main(["fit", str(path), "--law", "chinchilla", *options, "--json", "-q"]) == 0
    assert abs(json.loads(capsys.readouterr().out)["values"]["alpha"] - 0.34) < 1e-3


def test_logs_in_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(records())
    frame["note"] = "x"
    frame.to_parquet(tmp_path / "a.parquet")
    check(read(tmp_path / "a.parquet"))
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match="cut or damaged"):
        read(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pkl", b"\x80\x04\x95" + bytes(40), "pickle"),
        ("a.npy", b"\x93NUMPY" + bytes(40), "save the history as CSV"),
        ("a.pt", b"PK\x03\x04" + bytes(40), "zip archive or a checkpoint"),
        ("a.wandb", b":W&B" + bytes(40), "wandb sync"),
        ("a.json", b'{"log_history": 3}', "no list of records"),
        ("a.json", b"[1, 2, 3]", "no known format|no names"),
        ("a.json", b'[{"step": 1, "loss": 3}, 4]', "record 2: a list of ints"),
        ("a.jsonl", b'{"step": 1, "loss": 3}\n{"step": 2, "los\n{"step": 3, "loss": 2}\n', "line 2: no JSON"),
        ("a.json", b"[" * 100_000, "no known format|no JSON"),
        ("a.json", b'{"a":' * 100_000, "no JSON|no known"),
        ("a.json", b'{"step": 1, "loss": ' + b"9" * 10_000 + b"}\n" * 2, "no JSON|no known|line"),
        ("a.parquet", b"PAR1" + bytes(40), "cut or damaged"),
        ("a.xlsx", b"PK\x03\x04" + bytes(40), "damaged|zip"),
        ("a.db", b"SQLite format 3\0" + bytes(200), "database"),
    ],
)
def test_what_is_no_log_is_answered(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)


def test_sums_over_accumulation_are_flagged(tmp_path: Path) -> None:
    pd.DataFrame({"step": STEP, "loss": 8 * LOSS}).to_csv(tmp_path / "a.csv", index=False)
    assert "a sum over accumulation steps?" in " ".join(read(tmp_path / "a.csv").warnings)
    pd.DataFrame({"step": STEP, "loss": 2 * LOSS}).to_csv(tmp_path / "a.csv", index=False)
    assert not read(tmp_path / "a.csv").warnings
    assert "guessing among 50 tokens" in " ".join(read(tmp_path / "a.csv", facts={"vocab": 50}).warnings)


@pytest.mark.parametrize(
    "loss",
    [
        np.linspace(25, 30, len(STEP)),
        np.r_[25.0, 900.0, np.linspace(400, 20, len(STEP) - 2)],
        np.r_[8e3, 1e6, np.full(len(STEP) - 2, np.nan)],
        np.r_[8e3, np.full(len(STEP) - 1, np.inf)],
    ],
    ids=["rises", "spikes", "ends", "at once"],
)
def test_a_run_that_diverged_is_not_asked_about_sums(tmp_path: Path, loss: np.ndarray) -> None:
    """Its losses are above what guessing costs, too, and once it was said to be summed over accumulation steps."""
    pd.DataFrame({"step": STEP, "loss": loss}).to_csv(tmp_path / "a.csv", index=False, na_rep="nan")
    said = " ".join(read(tmp_path / "a.csv").warnings)
    assert "the run diverged; leave it out" in said and "accumulation" not in said


def test_a_fit_with_few_rows_left_says_that_the_run_diverged(tmp_path: Path) -> None:
    pd.DataFrame({"step": STEP, "loss": np.geomspace(4, 900, len(STEP)), "lr": 1e-3}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(FitError, match=r"need at least 6 rows .*; got \d \(run 'a': its loss rises from 4.*did it diverge"):
        scaling.fit(read(tmp_path / "a.csv"), "multi_power_5")


@pytest.mark.parametrize(
    "export",
    [
        {"Step": STEP, "c - train/loss": LOSS, "c - train/loss__MIN": LOSS, "c - train/loss__MAX": LOSS},
        {"_step": STEP, "_runtime": STEP / 7, "train/loss": LOSS},
        {"run": "c", "step": STEP, "loss": LOSS},
    ],
    ids=["chart", "history", "runs"],
)
def test_a_log_that_is_called_runs_csv_is_no_table_of_facts(tmp_path: Path, export: dict[str, Any]) -> None:
    pd.DataFrame({"step": STEP, "loss": LOSS}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(export).to_csv(tmp_path / "runs.csv", index=False)
    assert [*read(tmp_path / "a.csv")] == ["a"]
    own = [*read(tmp_path / "runs.csv")]
    assert [*read(tmp_path)] == [*read(tmp_path / "*.csv")] == sorted(["a", *own]) and len(own) == 1
    np.testing.assert_allclose(read(tmp_path / "runs.csv").frame["loss"], LOSS)
    # a table of facts is one by its columns, also where one of the facts is how many steps a run has
    pd.DataFrame({"run_id": ["a", "b"], "steps": [2000, 3000], "n_params": [1e6, 2e6]}).to_csv(
        tmp_path / "runs.csv", index=False
    )
    assert [*read(tmp_path)] == ["a"] and read(tmp_path).facts["n_params"].tolist() == [1e6]


def test_what_this_program_saved_is_no_log(tmp_path: Path) -> None:
    """Once a saved fit given to `fit` was refused by a list of its fields."""
    rows = pd.DataFrame({"x": [1.0, 2, 4, 8, 16, 32], "loss": [3.0, 2.5, 2.2, 2.0, 1.9, 1.85]})
    scaling.fit(rows, "power_law_offset").save(tmp_path / "fit.json")
    with pytest.raises(DataError, match=r"it is a fit that this program saved, and data are wanted here; `scaling report`"):
        read(tmp_path / "fit.json")
    assert scaling.logs.columns_of(tmp_path / "fit.json") == []
    (tmp_path / "own.json").write_text('[{"schema": 2, "step": 1, "loss": 3}, {"schema": 2, "step": 2, "loss": 2}]')
    assert read(tmp_path / "own.json").frame["loss"].tolist() == [3, 2]
