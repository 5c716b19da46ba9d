"""Thin CSV tables: numbers as people write them, and an answer with file, line and column for what is not one."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import DataError
from scaling.logs.tables import columns_of, read_table

GOOD = "# sizes\nN,D,val_loss,kind\n7B,2T,2.1,a\n1.3M,26e6,,b\n\n400,8000,5,\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_numbers_words_and_empty_cells(write):
    frame = read_table([write(GOOD)], columns={"loss": "val_loss"}, needed=["N", "D", "loss"])
    assert list(frame) == ["N", "D", "loss", "kind", "file", "line"]
    np.testing.assert_array_equal(frame["N"], [7e9, 1.3e6, 400])
    np.testing.assert_array_equal(frame["D"], [2e12, 26e6, 8000])
    np.testing.assert_array_equal(frame["loss"], [2.1, np.nan, 5])
    assert frame["kind"].tolist()[:2] == ["a", "b"] and pd.isna(frame["kind"][2])
    assert frame.attrs["notes"] == (f"{'/'.join(str(write(GOOD)).split('/')[-2:])}: 1 comment line skipped",)


def test_numbers_are_read_as_pandas_reads_them(write):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"N": rng.integers(1, 10**18, 50), "x": np.exp(rng.normal(size=50)), "run": list("ab") * 25})
    path = write(table.to_csv(index=False))
    frame = read_table([path])
    pd.testing.assert_frame_equal(frame[[*table]], pd.read_csv(path), check_dtype=False, rtol=1e-15)
    assert set(frame["file"]) == {str(path)} and frame["line"].tolist() == [*range(2, 52)]
    assert read_table([path])["N"].dtype == np.int64


def test_several_files_and_a_condition(write):
    paths = [write("N,loss\n1,3\n2,2\n"), write("N,loss\n3,1.5\n", "b.csv")]
    assert read_table(paths)["N"].tolist() == [1, 2, 3]
    some = read_table(paths, where="N > 1")
    assert some["N"].tolist() == [2, 3] and some.index.tolist() == [0, 1]


def test_a_column_named_by_the_user_takes_the_place_of_one_with_its_name(write):
    path = write("N,loss,val_loss\n1,9,3\n")
    assert read_table([path], columns={"loss": "val_loss"})["loss"].tolist() == [3]
    assert columns_of(path, {"loss": "val_loss"}) == ["N", "", "loss"]
    assert "loss" not in columns_of(path, {"loss": "eval_loss"})  # never another loss than the one asked for


def test_columns_of_what_is_no_table(write, tmp_path):
    assert columns_of(write(GOOD)) == ["N", "D", "val_loss", "kind"]
    assert columns_of(tmp_path) == columns_of(tmp_path / "none.csv") == columns_of(write("N\n1\n", "a.txt")) == []


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("N,loss\n1,3\n2,oops\n", {}, r"a\.csv, line 3, column 'loss': found 'oops'; expected a number like 3.25 or 7B"),
        ("# c\nN,loss\n\n1_00,3\n", {}, r"line 4, column 'N': found '1_00'"),
        ("n,loss\n1,3\n", {}, r"a\.csv: no column 'N'; did you mean|a\.csv: no column 'N'; it has n, loss"),
        ("N,val\n1,3\n", {"columns": {"loss": "vall"}}, r"no column 'vall', asked for as loss; did you mean 'val'\?"),
        ("N,loss\n1,3,4\n", {}, "line 2: 3 fields"),
        ("N,loss\n1,3\n", {"where": "M > 1"}, r"where='M > 1': .*; the columns are N, loss"),
        ("N,loss\n1,3\n", {"where": "N + 1"}, r"^where='N \+ 1' is no condition"),
        ("N,loss\n1,3\n", {"where": "N > 1"}, "leaves no row of 1"),
    ],
)
def test_bad_tables_are_answered(write, text, settings, said):
    with pytest.raises(DataError, match=said):
        read_table([write(text)], needed=["N", "loss"], **settings)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_table([tmp_path / "none.csv"])


def test_a_list_of_runs_as_w_and_b_exports_it_is_a_table_and_a_history_is_a_log(tmp_path, capsys):
    """Once val/loss was no loss of a table, and names with config. and summary. before them were nobody's."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5)))
    loss = np.round(1.7 + 300 / N**0.33 + 700 / D**0.31, 5)
    told = {"Name": [f"sweep-{k}" for k in range(25)], "State": "finished", "summary._step": 1000, "_step": 1000}
    for names in (("config.n_params", "summary.tokens_seen", "summary.val/loss"), ("params", "tokens", "eval/loss")):
        path = tmp_path / "export.csv"
        table = pd.DataFrame({**told, **dict(zip(names, (N, D, loss), strict=True))})
        table.to_csv(path, index=False)
        assert main(["fit", str(path), "--law", "chinchilla", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        fit = scaling.fit(table, "chinchilla")
        assert said["values"] == pytest.approx(fit.values) and fit.values["E"] == pytest.approx(1.7, abs=0.02)
    step = np.arange(20, 2000, 20)
    rows = {"_step": step, "val/loss": 2 + 5 * step**-0.5, "tokens": step * 5e5, "n_params": 12_000_000}
    pd.DataFrame(rows).assign(lr=1e-3 - 4e-7 * step).to_csv(tmp_path / "history.csv", index=False)
    assert main(["fit", str(tmp_path / "history.csv"), "--law", "annealing"]) == 0
    assert "read 1 run, 99 rows" in capsys.readouterr().err
