"""Every bad input gets an answer: file, line, column, text seen and what to do."""

from pathlib import Path

import pandas as pd
import pytest

from scaling.errors import ArgumentError, DataError
from scaling.logs import Runs, read

GOOD = "step,lr,loss\n100,3e-4,4.5\n200,3e-4,4.1\n300,3e-4,3.9\n"


def lines(count: int = 20) -> list[str]:
    return ["step,lr,loss", *(f"{100 * i},0.0003,{4.5 - 0.013 * i:.4f}" for i in range(1, count + 1))]


BAD = {  # content, what the message must say (regular expressions, all of them)
    "empty file": ("", ["a.csv: the file is empty"]),
    "header only": ("step,lr,loss\n", ["a.csv: no rows below the header"]),
    "only comments": ("# nothing\n", ["only comment lines"]),
    "no header": ("100,3e-4,4.5\n200,3e-4,4.1\n", ["line 1: numbers .* where column names must be"]),
    "missing step": ("lr,loss\n3e-4,4.5\n", ["no column for step", "--map step=COLUMN", "--map N=COLUMN", "lr, loss"]),
    "missing loss": ("step,lr\n1,3e-4\n", ["no column for loss", "train_loss", "the file has step, lr"]),
    "doubled step": ("step,iter,loss\n1,5,4.5\n2,7,4\n", ["2 columns could be step: step, iter", r"columns=\{'step'", "--map"]),
    "doubled loss": ("step,loss,train_loss\n1,4.5,4.4\n", ["2 columns could be train_loss"]),
    "same name twice": ("step,loss,loss\n1,4.5,4.4\n", [r"'loss' \(columns 2, 3\)"]),
    "text": (GOOD + "400,3e-4,oops\n", ["a.csv, line 5, column 'loss': found 'oops'", "expected a number"]),
    "odd commas": (GOOD + '"1,00",3e-4,3.8\n', ["line 5, column 'step': found '1,00'"]),
    "text rate": (GOOD + "400,high,3.8\n", ["line 5, column 'lr': found 'high'"]),
    "empty step": (GOOD + ",3e-4,3.8\n", ["line 5, column 'step': empty cell; every row needs its step"]),
    "half a step": (GOOD + "400.5,3e-4,3.8\n", ["line 5, column 'step': found '400.5'; steps are whole"]),
    "negative step": ("step,loss\n-1,4\n", ["line 2, column 'step': found '-1'"]),
    "negative loss": (GOOD + "400,3e-4,-3.8\n", ["line 5, column 'loss': found '-3.8'", "above 0"]),
    "zero loss": (GOOD + "400,3e-4,0\n", ["line 5, column 'loss': found '0'"]),
    "nan between": (GOOD + "400,3e-4,nan\n500,3e-4,3.8\n", ["line 5, column 'loss': found 'nan'", "diverged", "empty"]),
    "nothing but nan": ("step,lr,loss\n1,3e-4,nan\n2,3e-4,nan\n", ["a.csv: diverged before its first loss"]),
    "negative rate": (GOOD + "400,-3e-4,3.8\n", ["line 5, column 'lr': found '-3e-4'"]),
    "backwards": (
        GOOD + GOOD.split("\n", 1)[1],
        ["line 5, column 'step': step 100 comes after 300, the beginning of the log", "resumed='newest'", "--resumed newest"],
    ),
    "repeated step": (
        GOOD + "".join(f"{s},3e-4,{x}\n" for s in range(400, 900, 100) for x in (3.7, 3.6)),
        ["line 6, column 'loss': found '3.6'; another value than the line above, for one step", "resumed='newest'"],
    ),
    "decimal commas": ("step,loss\n1,3,5\n2,3,4\n", ["lines 2 to 3: every row has 3 fields", "Decimal commas"]),
    "trailing commas": ("step,loss\n1,3.5,\n2,3.4,\n", ["trailing commas"]),
    "extra field": (GOOD + "400,3e-4,3,8\n", ["line 5: 4 fields .* where the header has 3"]),
    "missing field": (GOOD + "400,3e-4\n500,3e-4,3.7\n", ["line 5: 2 fields", "complete it or remove"]),
    "open quote": ('step,loss\n1,"3.5\n' + "2,3.4\n" * 30000, ["line", "quote|fields"]),
    "no loss at all": ("step,loss\n1,\n2,\n", ["column 'loss' is empty in all 2 rows"]),
    "empty run name": ("run,step,loss\n,1,4\n", ["line 2, column 'run': empty cell"]),
    "not text": (b"step,loss\n1,\xff\xff\n", ["line 2: not utf-8 text"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path: Path, case: str) -> None:
    content, words = BAD[case]
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    for word in words:
        assert pd.Series([message]).str.contains(word).all(), f"{word!r} not in {message!r}"
    assert "a.csv" in message and len(message.splitlines()) <= 3


def test_up_to_five_problems_at_once(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.csv").write_text(f"step,lr,loss\n1,3e-4,bad{i}\n2,worse,-{i + 1}\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    told = str(caught.value).splitlines()
    assert len(told) == 6 and "line 2, column 'loss': found 'bad0'" in told[1] and "more problems" in told[5]


def test_the_same_problem_of_many_files_is_told_once(tmp_path: Path) -> None:
    for i in range(9):
        (tmp_path / f"{i}.csv").write_text("step,eval/a/CrossEntropyLoss,eval/b/CrossEntropyLoss\n1,3,4\n")
    with pytest.raises(DataError, match="and 6 more: 2 columns could be val_loss") as caught:
        read(tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert len(read(tmp_path, loss="eval/b/CrossEntropyLoss")) == 9


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ("none.csv", "no such file"),
        ("*.nothing", "no file matches"),
        ("empty", "no log that can be read; it is empty"),
        ("other", "no log that can be read; it has notes.md"),
    ],
)
def test_bad_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").write_text("one, two\n1, 2\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words):
        read(paths)
    with pytest.raises(ArgumentError, match="no paths given"):
        read([])


def test_bad_arguments(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    for arguments, words in [
        ({"columns": {"stp": "step"}}, "nothing is called so here; use one of loss"),
        ({"columns": {"step": "Step"}}, "no column 'Step', asked for as step; did you mean 'step'"),
        ({"loss": "val_loss"}, "no column for loss .looked for val_loss"),
        ({"loss": "los"}, "no column 'los', asked for as loss; did you mean 'loss'"),
        ({"facts": {"b": {"n_params": 1}}}, "no run 'b'"),
        ({"facts": {"a": {"n_params": 1}, "seed": 1}}, "not a mixture"),
        ({"schedule": {"b": "constant:peak=1,steps=9"}}, "no run 'b'"),
    ]:
        with pytest.raises(DataError, match=words):
            read(tmp_path / "a.csv", **arguments)


def test_bad_frames() -> None:
    with pytest.raises(DataError, match="no rows"):
        Runs.from_frame(pd.DataFrame({"step": [], "loss": []}))
    with pytest.raises(DataError, match="DataFrame, row 1, column 'loss': found 'inf'"):
        Runs.from_frame(pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, float("inf"), 2.0]}))
    with pytest.raises(DataError, match="row 7, column 'loss'"):
        Runs.from_frame(pd.DataFrame({"step": [2, 2], "loss": [3.0, 2.0]}, index=[3, 7]))


def test_what_can_be_mended_is_mended_and_told(tmp_path: Path) -> None:
    clean = read(write(tmp_path / "clean.csv", "\n".join(lines()) + "\n"))
    assert clean.notes == ()
    text = "\n".join(lines()) + "\n"
    for name, content, note in [
        ("bom", b"\xef\xbb\xbf" + text.encode(), None),
        ("utf16", text.encode("utf-16"), None),
        ("windows", text.replace("\n", "\r\n").encode(), None),
        ("blank lines", text.replace("\n", "\n\n").encode(), None),
        ("no last newline", text.rstrip().encode(), None),
        ("comments", b"# made by hand\n" + text.encode(), "1 comment line skipped"),
        ("nuls", text.encode() + b"\0\0\0", "1 row with NUL bytes"),
        ("header again", text.encode() + lines()[0].encode() + b"\n", "1 repeats of the header"),
        ("row again", text.encode() + lines()[-1].encode() + b"\n", "1 row that repeated the row above"),
        ("cut line", text.encode() + b"2100,0.00", "line 22 is cut off"),
        ("cut number", text.encode() + b"2100,0.0003,4.", "line 22, the last, .* dropped"),
        ("cut exponent", text.encode() + b"2100,0.0003,4e-", "line 22, the last, .* dropped"),
    ]:
        runs = read(write(tmp_path / f"{name}.csv", content))
        pd.testing.assert_frame_equal(runs.frame.drop(columns="run"), clean.frame.drop(columns="run"))
        assert len(runs.notes) == (note is not None)
        if note is not None:
            assert pd.Series(runs.notes).str.contains(note).all(), runs.notes


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("given", [None, 3, [None], pd.DataFrame({"step": [1], "loss": [2.0]})])
def test_what_is_no_path_is_said(given):
    with pytest.raises(DataError, match="takes paths"):
        read(given)


@pytest.mark.parametrize("run", [3, ["a", "b"], None, 2.5])
def test_a_run_that_is_no_name_is_not_there(run):
    runs = Runs.from_frame(pd.DataFrame({"run": "a", "step": [1, 2, 3], "loss": [3.0, 2.9, 2.8], "lr": 1e-3}))
    with pytest.raises(KeyError, match=r"no run .*; the runs are"):
        runs[run]
