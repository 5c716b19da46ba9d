"""The 41 layouts of the public log cases, each read or refused as their README says; printed remedies are followed."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import DataError

T = np.arange(20, 2001, 20)
LR = np.where(T <= 100, 0.003 * T / 100, 0.0003 + 0.0027 * 0.5 * (1 + np.cos(np.pi * (T - 100) / 1900)))
CURVE = 2.2 + 4 * (T + 30.0) ** -0.35 + 6 * LR

READ = {  # case -> last evaluated step, planned end, number of train losses, val losses, rates, tokens; words of the notes
    "hf_finished/trainer_state.json": (2000, 2000, 100, 10, 100, 0, "already evaluated"),
    "hf_finished": (2000, 2000, 100, 10, 100, 0, "already evaluated"),
    "hf_running": (1400, 2000, 70, 7, 70, 0, "2 states of one run"),
    "hf_running/checkpoint-*/trainer_state.json": (1400, 2000, 70, 7, 70, 0, "2 states of one run"),
    "trainer_log.jsonl": (1400, 2000, 70, 0, 70, 0, ""),
    "lightning/version_0/metrics.csv": (1999, 1999, 100, 10, 100, 0, ""),
    "lightning": (1999, 1999, 100, 10, 100, 0, ""),
    "lingua/metrics.jsonl": (1600, 1600, 80, 0, 80, 80, ""),
    "lingua": (1600, 1600, 80, 0, 80, 80, ""),
    "wandb_history.json": (2000, 2000, 100, 10, 100, 0, ""),
    "wandb_history.csv": (2000, 2000, 100, 10, 100, 0, ""),
    "tb_csv": (2000, 2000, 100, 0, 100, 0, ""),
    "tb_csv/*.csv": (2000, 2000, 100, 0, 100, 0, ""),
    "tb_csv/run-a-tag-train_loss.csv": (2000, 2000, 100, 0, 100, 0, ""),
    "tb_event": (2000, 2000, 100, 10, 100, 0, "the newest is read"),
    "excel_de.csv": (2000, 2000, 100, 0, 100, 0, "decimal commas"),
    "curve.tsv": (2000, 2000, 100, 0, 100, 0, ""),
    "utf16.csv": (2000, 2000, 100, 0, 100, 0, ""),
    "bom.csv": (2000, 2000, 100, 0, 100, 0, ""),
    "curve.csv.gz": (2000, 2000, 100, 0, 100, 0, ""),
    "iso_time.csv": (2000, 2000, 100, 0, 100, 0, "time"),
    "olmo_core_export.csv": (2000, 2000, 100, 10, 100, 100, ""),
    "trainer_notebook_table.csv": (2000, 2000, 9, 10, 0, 0, ""),
    "mlflow": (2000, 2000, 100, 0, 100, 0, ""),
    "llmc/main.log": (2000, 2000, 100, 11, 100, 0, ""),
    "nanogpt_stdout.log": (2000, 2000, 101, 11, 0, 0, ""),
    "megatron_rank0.out": (1000, 2000, 56, 5, 56, 0, ""),
    "torchtitan.log": (960, 960, 48, 0, 0, 0, ""),
    "torchtune_log.txt": (2000, 2000, 100, 0, 100, 0, ""),
    "maxtext.log": (2000, 2000, 100, 0, 0, 0, ""),
    "deepspeed.log": (1600, 1600, 80, 0, 80, 0, ""),
    "resumed_overlap.csv": (2000, 2000, 100, 0, 100, 0, "3 rows of the first attempt dropped"),
    "torn.jsonl": (980, 980, 49, 0, 49, 0, "line 50 is cut off"),
}
REFUSED = {  # case -> words of the answer
    "hf_stdout.log": ["count epochs", "trainer_state.json beside it", "steps_per_epoch"],
    "wandb_offline": ["wandb sync", "history"],
    "keras_csvlogger.csv": ["count epochs", "steps_per_epoch"],
    "fastai_history.csv": ["count epochs", "steps_per_epoch"],
    "keras_history.json": ["count epochs", "steps_per_epoch"],
    "litgpt_metrics.csv": ["micro-batches", "accumulation", "batch_tokens"],
    "tokens_only.csv": ["count tokens", "batch_tokens"],
    "bits.csv": ["bits per byte", "bytes_per_token"],
    "many_losses.csv": ["eval/c4/loss, eval/pile/loss", "loss="],
}


@pytest.fixture
def cases(shared_data: Path) -> Path:
    return shared_data / "log_cases"


def both(runs: scaling.Runs, kind: str) -> int:
    """How many losses of a kind were read."""
    if kind in runs.frame:
        return int(runs.frame[kind].notna().sum())
    is_val = re.search("val|eval", str(runs.facts["loss_from"].iloc[0]).lower()) is not None
    return int(runs.frame["loss"].notna().sum()) if is_val == (kind == "val_loss") else 0


@pytest.mark.parametrize("case", READ)
def test_read(cases: Path, case: str) -> None:
    last, end, train, val, rates, tokens, words = READ[case]
    runs = scaling.read(str(cases / case))
    table = runs.table()
    assert len(runs) == 1 and not runs.warnings
    assert (table["last_step"].item(), table["steps"].item()) == (last, end)
    assert (both(runs, "train_loss"), both(runs, "val_loss")) == (train, val)
    assert int(runs.frame["lr"].notna().sum() if "lr" in runs.frame else 0) == rates
    assert int(runs.frame["tokens"].notna().sum() if "tokens" in runs.frame else 0) == tokens
    assert words in " ".join(runs.notes) and (table["flags"].item() == "" or last < end)
    frame = runs.frame[runs.frame["loss"].notna() & (runs.frame["step"] > 0)]
    expected = np.interp(frame["step"] + (case.startswith("lightning")), T, CURVE)
    assert np.abs(frame["loss"] - expected).max() < 0.1, "the made-up curve, up to its noise and an offset of evaluation"


@pytest.mark.parametrize("case", REFUSED)
def test_refused(cases: Path, case: str) -> None:
    with pytest.raises(DataError) as caught:
        scaling.read(cases / case)
    for word in REFUSED[case]:
        assert word in str(caught.value)


def test_names_and_facts(cases: Path) -> None:
    assert scaling.read(cases / "hf_finished/trainer_state.json").names == ("hf_finished",)
    assert scaling.read(cases / "hf_running").names == ("hf_running",)
    assert scaling.read(cases / "hf_running").table()["flags"].item() == "unfinished: 1400 of 2000"
    assert scaling.read(cases / "lightning").names == ("version_0",)
    assert scaling.read(cases / "lightning").facts.loc["version_0", ["n_params", "width"]].tolist() == [1.24e8, 768]
    assert scaling.read(cases / "mlflow").facts["n_params"].item() == 124000000
    runs = scaling.read(cases / "wandb_chart.csv")
    assert runs.table()["last_step"].to_dict() == {"brisk-lake-1": 2000, "calm-tree-2": 1500}
    assert scaling.read(cases / "thousands.csv").table()["last_step"].item() == 200000
    assert scaling.read(cases / "nanogpt_stdout.log").facts[["batch_tokens", "n_params"]].iloc[0].tolist() == [491520, 10.65e6]
    assert scaling.read(cases / "megatron_rank0.out").facts["batch_size"].item() == 512
    assert scaling.read(cases / "trainer_log.jsonl").facts["steps"].item() == 2000


@pytest.mark.parametrize(
    ("case", "facts", "last", "evaluated"),
    [
        ("litgpt_metrics.csv", {"accumulation": 4}, 2000, 10),
        ("litgpt_metrics.csv", {"batch_tokens": 32768}, 2000, 10),
        ("tokens_only.csv", {"batch_tokens": 524288}, 2000, 100),
        ("keras_csvlogger.csv", {"steps_per_epoch": 100}, 6000, 60),
        ("fastai_history.csv", {"steps_per_epoch": 100}, 4000, 40),
        ("keras_history.json", {"steps_per_epoch": 100}, 6000, 60),
        ("bits.csv", {"bytes_per_token": 4.2}, 2000, 100),
    ],
)
def test_facts_convert(cases: Path, case: str, facts: dict[str, float], last: int, evaluated: int) -> None:
    table = scaling.read(cases / case, facts=facts).table()
    assert (table["last_step"].item(), table["evaluated"].item()) == (last, evaluated)


def test_units_of_losses(cases: Path) -> None:
    raw = pd.read_csv(cases / "perplexity_only.csv")
    for runs in (scaling.read(cases / "perplexity_only.csv"), scaling.read(cases / "perplexity_only.csv", loss="val_ppl")):
        np.testing.assert_allclose(runs.frame["loss"], np.log(raw["val_ppl"]), rtol=1e-12)
        assert "perplexity" in " ".join(runs.notes)
    with pytest.raises(DataError, match="bits per byte"):
        scaling.read(cases / "bits.csv", columns={"val_loss": "val/bpb"})


def test_a_table_of_finals(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = scaling.logs.read_table([cases / "compute_loss.csv"], needed=["x", "loss"])
    fit = scaling.fit(frame, "power_law_offset")
    assert 2 < fit.predict(pd.DataFrame({"x": [1e23]}))["prediction"].item() < frame["loss"].min()


REMEDIED = [case for case in REFUSED if case != "wandb_offline"]


@pytest.mark.parametrize("case", REMEDIED)
def test_remedies_work(cases: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The code for Python and the command line that an answer prints, with a number where it says NUMBER."""
    path = str(cases / case)
    with pytest.raises(DataError) as caught:
        scaling.read(path)
    found = re.search(r"([a-z]+=(?:\{.*?\}|'.*?')) \(command line: (--.*?)\)", str(caught.value))
    assert found is not None
    code, options = (text.replace("NUMBER", "524288" if "batch_tokens" in text else "4") for text in found.groups())
    assert len(eval(f"scaling.read({path!r}, {code})", {"scaling": scaling})) == 1
    assert main(["runs", path, *shlex.split(options)]) == 0
