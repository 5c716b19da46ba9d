"""Rows know the file and line they were read from, at no cost per row, and the verdict names them so."""

import re

import numpy as np
import pandas as pd
import pytest

import scaling
from benchmarks.verdict import families
from scaling.engine.verdict.examine import called
from scaling.logs import Runs, read_table


def spoilt(rows, seed=0, n=40):
    table = families.surface(np.random.default_rng(seed), n, "grid", 0.003)
    table.loc[rows, "loss"] *= 1.3
    return table


def leaves_out(fit):
    return re.search(r'where="([^"]*)"', "; ".join(fit.warnings)).group(1)


def test_rows_of_a_table_are_named_by_file_and_line_and_left_out_by_line(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("# two comments\n#\n" + spoilt([5, 9]).to_csv(index=False))
    fit = scaling.fit(read_table([path]), "chinchilla")
    assert "points.csv:9 (" in fit.warnings[0] and "points.csv:13 (" in fit.warnings[0]
    assert sorted(re.findall(r"\d+", leaves_out(fit))) == ["13", "9"] and "points.csv:9 (" in str(fit.to_dict())
    assert "points.csv:9 (" in fit._repr_html_()
    again = scaling.fit(read_table([path]), "chinchilla", where=leaves_out(fit))
    assert not again.warnings and len(again.design) == len(fit.design) - 2
    assert not scaling.fit(read_table([path], where=leaves_out(fit)), "chinchilla").warnings


def test_of_several_files_the_remedy_says_which(tmp_path):
    whole = spoilt([5, 30])
    for name, part in (("a.csv", whole[:20]), ("b.csv", whole[20:])):
        part.to_csv(tmp_path / name, index=False)
    rows = read_table([tmp_path / "a.csv", tmp_path / "b.csv"])
    fit = scaling.fit(rows, "chinchilla")
    assert "a.csv:7 (" in fit.warnings[0] and "b.csv:12 (" in fit.warnings[0]
    again = scaling.fit(rows, "chinchilla", where=leaves_out(fit))
    assert not again.warnings and len(again.design) == len(fit.design) - 2


@pytest.mark.parametrize("column", ["file", "line"])
def test_columns_of_the_table_that_are_called_so_are_the_users(tmp_path, column):
    path = tmp_path / "points.csv"
    spoilt([5]).assign(**{column: 7.0}).to_csv(path, index=False)
    rows = read_table([path])
    assert set(rows[column]) == {7.0}
    fit = scaling.fit(rows, "chinchilla")
    assert "row 5 (" in fit.warnings[0] and not scaling.fit(rows, "chinchilla", where=leaves_out(fit)).warnings


def log(tmp_path, runs=4, n=30):
    """Logs of power laws in the step, one with a spike on line 12; rows that repeat the row above count once."""
    step = np.arange(100, 100 * n + 1, 100)
    for k in range(runs):
        loss = (2 + 30 / step**0.5) * np.exp(0.001 * np.random.default_rng(k).normal(size=n))
        loss[9] *= 1.2 if k == 2 else 1
        table = pd.DataFrame({"step": step, "lr": 1e-3, "loss": loss})
        pd.concat([table[:1], table]).to_csv(tmp_path / f"r{k}.csv", index=False)
    return scaling.read(tmp_path)


def test_rows_of_logs_are_named_by_file_line_run_and_step(tmp_path):
    runs = log(tmp_path)
    assert "line" not in runs.frame and "line" not in runs.to_saved()["frame"]
    fit = scaling.fit(runs, "power_law_offset:x=step")
    said = "; ".join(fit.warnings)
    assert "r2.csv:12, run r2, step 1000 (" in said, said
    again = scaling.fit(runs, "power_law_offset:x=step", where=leaves_out(fit))
    assert not again.findings.strange.size and len(again.design) == len(fit.design) - 1
    part = runs.select("step > 500")["r2"]  # rows keep their places
    assert part.placed["line"].tolist() == [*range(8, 33)] and set(part.placed["file"]) == {f"{tmp_path}/r2.csv"}
    assert Runs.from_frame(part.placed).placed["line"].tolist() == [*range(8, 33)]
    assert runs.select("line == 12 and run == 'r2'").frame["step"].tolist() == [1000]


def test_no_row_has_a_text_of_its_own(tmp_path):
    runs = log(tmp_path)
    assert len({id(x) for x in runs.placed["file"].to_numpy()}) == len(runs)
    assert runs.placed["line"].dtype == np.int64


def test_rows_without_a_place_have_their_run_and_step_or_number():
    made = scaling.fit(spoilt([5]).set_index(pd.Index(range(100, 142))), "chinchilla").design
    assert called(made, np.array([0])) == [f"row {made.frame.index[0]}"]
