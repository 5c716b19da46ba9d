"""Logs that hold in rows what others hold in columns: losses told apart by a word, metrics written one a row."""

import json
from pathlib import Path

import pytest

from scaling.errors import DataError
from scaling.logs import read

TRAIN = {0: 9.5, 10: 7.25, 20: 6.5, 30: 6.0}
VAL = {1: 9.75, 21: 6.75}


def losses(runs) -> tuple[dict[int, float], dict[int, float]]:
    """Of training and of evaluation, by step."""
    frame = runs.frame.set_index("step")
    return tuple(frame[kind].dropna().to_dict() for kind in ("train_loss", "val_loss"))


@pytest.mark.parametrize("column", ["split", "phase", "Log Type"])
@pytest.mark.parametrize("words", [("train", "eval"), ("Training", "Validation"), ("train", "dev")])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_word_tells_losses_apart(tmp_path: Path, column: str, words: tuple[str, str], ending: str) -> None:
    rows = sorted([(s, words[0], x) for s, x in TRAIN.items()] + [(s, words[1], x) for s, x in VAL.items()])
    rows.append((40, "test", 5.0))
    path = tmp_path / f"run.{ending}"
    if ending == "csv":
        path.write_text(f"step,{column},loss\n" + "".join(f"{s},{word},{x}\n" for s, word, x in rows))
    else:
        path.write_text("".join(json.dumps({"step": s, column: word, "loss": x}) + "\n" for s, word, x in rows))
    runs = read(path)
    assert losses(runs) == (TRAIN, VAL)
    assert runs.frame.dropna(subset=["loss"]).set_index("step")["loss"].to_dict() == VAL
    assert any("the loss of 1 row of a test set is not read" in note for note in runs.notes)
    assert read(path, loss="loss").frame.dropna(subset=["loss"]).set_index("step")["loss"].to_dict() == TRAIN


def test_both_at_one_step_are_one_row(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,split,loss,lr\n0,train,9.5,0.1\n10,train,7.5,0.1\n10,val,7.75,\n20,train,6.5,0.1\n20,val,6.75,\n")
    assert losses(read(path)) == ({0: 9.5, 10: 7.5, 20: 6.5}, {10: 7.75, 20: 6.75})


@pytest.mark.parametrize("word", ["train", "eval"])
def test_one_word_throughout(tmp_path: Path, word: str) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,split,loss\n" + "".join(f"{s},{word},{x}\n" for s, x in TRAIN.items()))
    assert read(path).frame.set_index("step")["loss"].to_dict() == TRAIN


def test_other_words_are_no_parts(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,type,loss\n0,dense,9.5\n10,moe,7.5\n")
    assert read(path).frame["loss"].tolist() == [9.5, 7.5]


@pytest.mark.parametrize("header", ["step,metric,value", "step,key,value", "step,tag,value"])
def test_metrics_one_a_row(tmp_path: Path, header: str) -> None:
    path = tmp_path / "run.csv"
    rows = "".join(f"{s},train/loss,{x}\n{s},lr,0.001\n" for s, x in TRAIN.items())
    path.write_text(f"{header}\n{rows}" + "".join(f"{s},eval/loss,{x}\n" for s, x in VAL.items()))
    runs = read(path)
    assert losses(runs) == (TRAIN, VAL)
    assert runs.frame.set_index("step")["lr"].dropna().to_dict() == dict.fromkeys(TRAIN, 0.001)


def test_a_torn_last_number_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,metric,value\n0,loss,9.5\n0,lr,0.1\n10,loss,7.5\n10,lr,0.1\n20,loss,6")
    assert read(path).frame.dropna(subset=["loss"])["loss"].tolist() == [9.5, 7.5]
    path.write_text("step,split,loss\n0,train,9.5\n10,train,7.5\n10,val,7.75\n20,val,6.")
    assert losses(read(path)) == ({0: 9.5, 10: 7.5}, {10: 7.75})


def test_metrics_without_a_loss_are_told(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("step,metric,value\n0,accuracy,0.5\n10,accuracy,0.6\n")
    with pytest.raises(DataError, match=r"no column for loss.*accuracy"):
        read(path)
