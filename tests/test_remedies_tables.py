"""Tables whose columns have names of their own: what is read, and of what is not the remedy as it is printed."""

import re
import shlex
from html import unescape

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import DataError

SIZES, TOKENS = (10e6, 30e6, 90e6, 270e6, 810e6), (1e9, 3e9, 9e9, 27e9)
ROWS = [(N, D, 1.7 + 400 / N**0.34 + 410 / D**0.28) for N in SIZES for D in TOKENS]
PLAIN = pd.DataFrame(ROWS, columns=["N", "D", "loss"])


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Writes the rows under these names, as t.csv in the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(*names, rows=PLAIN):
        rows.set_axis(list(names), axis=1).to_csv("t.csv", index=False)

    return write


def said(capsys):
    return re.sub(r"\s+", " ", capsys.readouterr().err)


@pytest.mark.parametrize("loss", ["val_loss", "final_loss", "final loss", "Eval Loss", "test_loss"])
@pytest.mark.parametrize("size", ["weights_count", "Model capacity"])
@pytest.mark.parametrize("verb", ["fit", "laws --for", "compare", "predict t.csv --N 1B --D 20B"])
def test_a_table_of_an_unknown_size_is_no_log(table, capsys, verb, size, loss):
    if "predict" in verb and loss != "val_loss":
        pytest.skip("one name is enough")
    table(size, "training tokens", loss)
    line = verb if "predict" in verb else f"{verb} t.csv"
    assert main(shlex.split(line)) == 3
    text = said(capsys)
    option = f"--map {shlex.quote(f'N={size}')}"
    assert (
        f"no table of N, D and loss, and no log with a column for step; the file has {size}, training tokens, {loss};" in text
    )
    assert f"name it: {option}, or --map step=COLUMN" in text
    if verb in ("fit", "laws --for"):
        assert main(shlex.split(f"{line} {option}" + " --law chinchilla" * (verb == "fit"))) == 0


def test_tokens_and_a_loss_may_be_a_table_or_a_curve(table, capsys):
    table("weights", "tokens", "val_loss")
    assert main(["fit", "t.csv"]) == 3
    assert "name it: --map N=weights, or of one run whose steps are its tokens: --fact batch_tokens=NUMBER" in said(capsys)
    assert main(["fit", "t.csv", "--map", "N=weights", "--law", "chinchilla"]) == 0
    curve = pd.DataFrame({"tokens": 1e6 * np.arange(1, 40), "val_loss": 2 + 3 * np.arange(1, 40) ** -0.5, "lr": 1e-3})
    table("tokens", "val_loss", "lr", rows=curve)
    assert main(["fit", "t.csv", "--law", "progress", "--fact", "batch_tokens=1000"]) == 0


@pytest.mark.parametrize(
    ("names", "units"),
    [
        (("params (M)", "tokens (B)"), (1e6, 1e9)),
        (("Model size [M]", "D (B)"), (1e6, 1e9)),
        (("params_million", "tokens_in_billions"), (1e6, 1e9)),
        (("n_params_m", "train_tokens_b"), (1e6, 1e9)),
        (("N (B)", "Tokens (T)"), (1e9, 1e12)),
    ],
)
def test_sizes_and_tokens_in_the_unit_of_their_name(table, capsys, names, units):
    table(*names, "loss", rows=PLAIN.assign(N=PLAIN["N"] / units[0], D=PLAIN["D"] / units[1]))
    assert main(["fit", "t.csv", "-o", "fit.json"]) == 0
    assert f"N is column '{names[0]}', times {units[0]:g}" in capsys.readouterr().out
    fit = scaling.load("fit.json")
    assert {*fit.law.inputs} <= {"N", "D", "M"}
    found = fit.predict({"N": 1e9, "D": 2e10, "M": 20})["prediction"].iloc[0]
    assert found == pytest.approx(1.7 + 400 / 1e9**0.34 + 410 / 2e10**0.28, rel=2e-3)


def test_a_unit_that_cannot_be_meant_is_refused_and_the_remedy_works(table, capsys):
    table("params (M)", "D", "loss")
    assert main(["fit", "t.csv", "--law", "chinchilla"]) == 3
    text = said(capsys)
    assert "reach 8.1e+14, more than there are" in text
    (option,) = re.findall(r"--map '[^']*'", text)
    assert main(shlex.split(f"fit t.csv --law chinchilla {option}")) == 0


def test_other_inputs_that_end_like_a_unit_are_none(table):
    frame = pd.DataFrame({"D_t": [1.0, 2], "D_b": [1.0, 2], "loss": [3.0, 2]})
    assert "D" not in scaling.counting.completed(frame, ["D"])[0]


def test_thousands_may_be_grouped_by_underscores(table):
    table("N", "D", "loss", rows=PLAIN.assign(N=[f"{int(N):_}" for N in PLAIN["N"]]))
    assert main(["fit", "t.csv", "--law", "chinchilla", "-o", "fit.json"]) == 0
    assert sorted(set(scaling.load("fit.json").data["N"])) == list(SIZES)
    assert main(["predict", "fit.json", "--N", "12_000_000", "--D", "1_000M"]) == 0
    assert main(["predict", "fit.json", "--N", "12_00", "--D", "1B"]) == 2


def test_a_law_of_one_column_says_what_may_be_the_size(table, capsys):
    table("weights", "D", "loss")
    assert main(["fit", "t.csv"]) == 0
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "no law compared takes weights, which varies; if weights is the size, say so: --map N=weights" in out
    assert main(["fit", "t.csv", "--map", "N=weights", "-o", "fit.json"]) == 0
    assert "N" in scaling.load("fit.json").law.inputs


def test_settings_names_every_column_that_is_missing(table, capsys):
    grid = pd.DataFrame([(N, 1e9, lr, 64, 3.0) for N in (1e6, 2e6) for lr in (1e-3, 2e-3)])
    table("weights", "tokens", "peak", "bs", "val_loss", rows=grid)
    assert main(["settings", "t.csv", "--N", "1B", "--D", "20B"]) == 3
    assert "missing N, lr, batch; " in (text := said(capsys))
    assert "name them: --map N=COLUMN --map lr=COLUMN --map batch=COLUMN; " in text


def test_a_fault_of_the_data_is_said_once(table, capsys):
    table("N", "D", "loss", rows=PLAIN.assign(loss=[-1, np.nan, *PLAIN["loss"][2:]]))
    assert main(["fit", "t.csv"]) == 3
    assert said(capsys).count("is not a positive number") == 1
    assert main(["laws", "--for", "t.csv"]) == 0
    out = capsys.readouterr().out
    assert out.count("is not a positive number") == 1
    assert re.search(r"^chinchilla +as \w+$", out, re.M)
    assert "pandas" not in out and "law='" not in out
    table("N", "D", "loss", rows=PLAIN.assign(loss=[np.nan, *PLAIN["loss"][1:]]))
    assert main(["fit", "t.csv", "--law", "chinchilla"]) == 0
    assert "1 of 20 rows has no loss and is not fitted: t.csv:2" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_words_in_a_column_of_numbers_are_named_by_cell():
    frame = PLAIN.assign(weight=["one", *[1.0] * 19])
    with pytest.raises(DataError, match=r"column 'weight', row 0: found 'one', not a number"):
        scaling.fit(frame, "chinchilla")
    with pytest.raises(DataError, match=r"column 'N' holds .* not numbers; convert it with pandas"):
        scaling.fit(PLAIN.assign(N=PLAIN["N"].astype(str)), "chinchilla")


def test_a_table_of_one_nameless_column_is_fitted_along_it(table, capsys):
    x = np.geomspace(1e18, 1e21, 9)
    table("x", "loss", rows=pd.DataFrame({"x": x, "loss": 1.7 + 4e3 * x**-0.2}))
    assert main(["fit", "t.csv"]) == 0
    assert "cutoffs along x" in capsys.readouterr().out


def again(page):
    """The commands of a page that make it again."""
    (typed,) = re.findall(r"<h2>Make it again</h2>\s*<pre[^>]*>(.*?)</pre>", page.read_text(), re.S)
    return unescape(typed).splitlines()


def test_the_commands_of_a_page_make_it_again(table, tmp_path, capsys):
    table("Model capacity", "D", "loss")
    lines = [
        ["fit", "t.csv", "--map", "N=Model capacity", "--where", "N > 1e7", "--law", "chinchilla", "-o", "mine.json"],
        ["report", "mine.json", "-o", "page.html"],
    ]
    for line in lines:
        assert main(line) == 0
    commands = again(tmp_path / "page.html")
    assert commands == [shlex.join(["scaling", *line]) for line in lines]
    before = scaling.load("mine.json").values
    for name in ("mine.json", "page.html"):
        (tmp_path / name).unlink()
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
    assert scaling.load("mine.json").values == before and (tmp_path / "page.html").exists()


def test_a_page_made_in_python_names_the_files_that_were_read(table, tmp_path):
    table("N", "D", "loss")
    fit = scaling.fit(scaling.logs.read_table(["t.csv"]), "chinchilla")
    (tmp_path / "page.html").write_text(scaling.report.page(fit))
    commands = again(tmp_path / "page.html")
    assert commands[0].startswith("scaling fit t.csv --law chinchilla ")
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0
    assert scaling.load("fit.json").values == fit.values


def test_a_million_times_the_compute_is_no_forecast():
    fit = scaling.fit(PLAIN, "chinchilla")
    most = PLAIN["N"].max() * PLAIN["D"].max()
    rows = pd.DataFrame(
        {"N": np.sqrt(most * np.array([1, 1e3, 0.9e6, 1.1e6])), "D": np.sqrt(most * np.array([1, 1e3, 0.9e6, 1.1e6]))}
    )
    found = fit.predict(rows)
    assert found["ok"].tolist() == [True, True, True, False]
    assert found.attrs["why"] == [
        "row 3: more than 1e6 times the largest compute fitted: no law was ever seen to hold so far ahead"
    ]
