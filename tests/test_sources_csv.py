"""CSV and its dialects: what is read is what was written, whichever road is taken; large files take another than small ones."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError
from scaling.logs import read
from scaling.logs.sources import delimited, large

ROWS = 12_000


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    step = np.arange(10, 10 * ROWS + 1, 10)
    loss = 2 + 4 * (step + 30.0) ** -0.35 + rng.normal(0, 0.01, ROWS)
    return pd.DataFrame({"step": step, "lr": 3e-4, "loss": loss, "tokens": 512.0 * step})


def same(runs: scaling.Runs, table: pd.DataFrame) -> None:
    for name in ("step", "lr", "loss"):
        np.testing.assert_array_equal(runs.frame[name], table[name])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_large_files_are_read_exactly(tmp_path: Path, table: pd.DataFrame, mark: str, end: str) -> None:
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False, sep=mark, lineterminator=end)
    assert large.sheet(path) is not None, "the fast road"
    runs = read(path)
    same(runs, table)
    assert runs.notes == () and runs.placed["line"].tolist() == list(range(2, ROWS + 2))
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    same(read(packed), table)


def test_both_roads_agree(tmp_path: Path, table: pd.DataFrame) -> None:
    table["val_loss"] = np.where(table.index % 50 == 0, table["loss"] + 0.1, np.nan)
    table["note"], table["seed"] = "a b", 7
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    fast = read(path)
    quoted = tmp_path / "quoted" / "a.csv"
    quoted.parent.mkdir()
    table.to_csv(quoted, index=False, quoting=2)  # texts in quotes: the careful road
    assert large.sheet(path) is not None and large.sheet(quoted) is None
    slow = read(quoted)
    pd.testing.assert_frame_equal(fast.frame, slow.frame)
    assert fast.facts.to_dict() == slow.facts.to_dict() and fast.facts["seed"].item() == 7
    assert [n.split(": ")[1] for n in fast.notes] == [n.split(": ")[1] for n in slow.notes]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda lines: [*lines[:500], "5,1", *lines[500:]], "line 501: 2 fields"),
        (lambda lines: [*lines[:500], "5,1,2,3,4", "7,1,2", *lines[500:]], "line 501: 5 fields"),
        (
            lambda lines: [*lines[:500], lines[500].replace(",", ",x", 1), *lines[501:]],
            "line 501, column 'lr': found 'x0.0003'",
        ),
        (lambda lines: [*lines[:500], "nan,1,2,3", *lines[501:]], "line 501, column 'step': found 'nan'"),
    ],
)
def test_damage_in_large_files_is_named(tmp_path: Path, table: pd.DataFrame, damage, said: str) -> None:
    lines = table.to_csv(index=False).splitlines()
    path = tmp_path / "a.csv"
    path.write_text("\n".join(damage(lines)) + "\n")
    with pytest.raises(DataError, match=said):
        read(path)


def test_what_is_irregular_in_a_large_file_is_mended_and_told(tmp_path: Path, table: pd.DataFrame) -> None:
    text = table.to_csv(index=False)
    lines = text.splitlines(keepends=True)
    path = tmp_path / "a.csv"
    for content, note in [
        (text.rstrip() + "\n", None),
        ("# made by hand\n" + text, "1 comment line"),
        (text + lines[0], "1 repeats of the header"),
        ("".join([*lines[:900], "\n", *lines[900:]]), None),
        (text + "130000,0.0003,2.0", "cut off"),
        (text + "120010,0.0003,2.061,6", "looks cut off"),
        (text + "120010,0.00\0\0", "NUL"),
    ]:
        path.write_text(content)
        runs = read(path)
        same(runs, table)
        assert (note is None and not runs.notes) or note in " ".join(runs.notes)


def test_only_the_columns_of_the_curve_are_read(tmp_path: Path, table: pd.DataFrame) -> None:
    for i in range(20):
        table[f"metric{i}"] = np.arange(ROWS) + i
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    sheet = large.sheet(path)
    assert sheet is not None and {*sheet.columns._read} == {"step", "lr", "loss", "tokens", "metric19"}
    runs = read(path)
    same(runs, table)
    assert "columns not read, as no canonical name matches: metric0" in " ".join(runs.notes)
    np.testing.assert_array_equal(read(path, columns={"grad_norm": "metric3"}).frame["grad_norm"], table["metric3"])


DIALECTS = {
    "step;loss;lr\n1;3,5;0,001\n2;3,25;0,0005\n": "decimal commas",
    "step\tloss\tlr\n1\t3,5\t0,001\n2\t3,25\t0,0005\n": "decimal commas",
    "step\tloss\tlr\n1\t3.5\t0.001\n2\t3.25\t0.0005\n": "",
    "step|loss|lr\n1|3.5|0.001\n2|3.25|0.0005\n": "",
    "step loss   lr\n1 3.5 0.001\n2   3.25 5e-4\n": "",
    'step,loss,lr\n"1","3.5","0.001"\n"2","3.25","0.0005"\n': "",
    'step;loss;lr\n1;"3,5";"1,0E-3"\n2;"3,25";"5,0E-4"\n': "decimal commas",
}


@pytest.mark.parametrize("text", DIALECTS)
def test_dialects(tmp_path: Path, text: str) -> None:
    for encoding, name in (("utf-8", "a.csv"), ("utf-16", "b.csv"), ("utf-8-sig", "c.txt")):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        runs = read(path)
        assert runs.frame[["step", "loss", "lr"]].values.tolist() == [[1, 3.5, 1e-3], [2, 3.25, 5e-4]]
        assert DIALECTS[text] in " ".join(runs.notes)


@pytest.mark.parametrize(
    ("text", "step", "loss"),
    [
        ('step,loss\n"1,000",3.5\n"2,000,000",3.25\n', [1000, 2000000], [3.5, 3.25]),
        ("step;loss\n1.000;3,5125\n2.000;3,25\n", [1000, 2000], [3.5125, 3.25]),
        ("step;loss\n500;3,512\n600;0,250\n", [500, 600], [3.512, 0.25]),
    ],
)
def test_thousands(tmp_path: Path, text: str, step: list[int], loss: list[float]) -> None:
    (tmp_path / "a.csv").write_text(text)
    frame = read(tmp_path / "a.csv").frame
    assert frame["step"].tolist() == step and frame["loss"].tolist() == loss


def test_commas_that_may_mean_either_are_refused_with_code_that_works(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for text in ("step;loss\n500;3,512\n600;3,250\n", 'step,loss\n500,"3,512"\n600,"3,250"\n'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"may be 3512 or 3\.512") as caught:
            read(path)
        code = str(caught.value).partition("it is, ")[2].partition(", or with")[0]
        assert eval(code, {"scaling": scaling, "pandas": pd}).frame["loss"].tolist() == [3.512, 3.25]


def test_packed_files(tmp_path: Path) -> None:
    import bz2
    import lzma

    import zstandard

    text = b"step,loss\n1,3.5\n2,3.25\n"
    for name, content in {
        "a.csv.gz": gzip.compress(text), "b.csv.bz2": bz2.compress(text), "c.csv.xz": lzma.compress(text),
        "d.csv.zst": zstandard.ZstdCompressor().compress(text),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name).names == (name[0],)
    bomb = tmp_path / "e.csv.gz"
    bomb.write_bytes(gzip.compress(b"step,loss\n" + b"1,3.5\n" * 10**6))
    with pytest.raises(DataError, match="more than 20 times"):
        read(bomb)
    whole = gzip.compress(text * 50)
    bomb.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"unpacked .*complete"):
        read(bomb)


def test_a_file_without_an_ending_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("step,loss\n1,3.5\n2,3.25\n")
    (tmp_path / "notes.txt").write_text("Dear all, this is a text\nwith lines, of words, and nothing else\n")
    assert read(tmp_path / "run").frame["loss"].tolist() == [3.5, 3.25]
    assert not delimited.claims(tmp_path / "notes.txt", (tmp_path / "notes.txt").read_bytes())


def test_a_frame_that_was_read_can_be_changed(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "a.csv", index=False)
    runs = read(tmp_path / "a.csv")
    frame = runs.frame
    frame.loc[5:10, "loss"] = 9.0
    frame.loc[5:10, "step"] = 0
    same(runs, table)
