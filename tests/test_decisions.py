"""Do small runs rank recipes as large ones do: shares by hand, noise of seeds, laws, and what cannot be compared."""

import json
import re
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import ArgumentError, DataError

mpl.use("Agg")
# E, A and alpha of recipes whose curves cross: `late` is worst at the smallest size and best at the largest
TRUTH = {"even": (2.0, 60, 0.25), "late": (1.8, 90, 0.25), "good": (1.97, 59, 0.25), "bad": (2.1, 62, 0.25)}
SIZES = (1e6, 1e7, 1e8, 1e9, 1e10)


def ladder(truth=TRUTH, seeds=1, noise=0.0, sizes=SIZES):
    rng = np.random.default_rng(1)
    rows = [
        (name, N, 20 * N, (E + A / N**alpha) * np.exp(noise * rng.standard_normal()))
        for name, (E, A, alpha) in truth.items() for N in sizes for _ in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["recipe", "N", "D", "loss"])


def test_shares_by_hand():
    table = ladder()
    found = scaling.compare_recipes(table)
    loss = table.pivot(index="recipe", columns="N", values="loss")
    rungs = found.frame[found.frame["way"] == "rung"].set_index("up_to")
    assert list(rungs.index) == list(SIZES[:-1]) and found.target == 1e10 and found.recipes == 4
    for N, row in rungs.iterrows():
        pairs = list(combinations(loss.index, 2))
        alike = [(loss.at[a, N] < loss.at[b, N]) == (loss.at[a, 1e10] < loss.at[b, 1e10]) for a, b in pairs]
        assert row["alike"] == pytest.approx(np.mean(alike)) and row["pairs"] == 6
        chosen = loss[N].idxmin()
        assert row["best"] == chosen and row["regret"] == pytest.approx(loss.at[chosen, 1e10] / loss[1e10].min() - 1)
        assert row["cost"] == pytest.approx((N / 1e10) ** 2)
        assert row["lower"] <= row["alike"] <= row["upper"]
    assert rungs["alike"].iloc[0] < 1 and loss[1e10].idxmin() == "late"
    assert found.noise is None and found.ceiling is None and "two at any size" in str(found)


def test_a_law_sees_curves_cross():
    """Fitted to four exact rungs it ranks all pairs as the target does, which no small rung alone can."""
    found = scaling.compare_recipes(ladder(sizes=(1e6, 3e6, 1e7, 3e7, 1e8, 1e10)))
    last = found.frame[found.frame["way"] == "power_law_offset"].iloc[-1]
    alone = found.frame[(found.frame["way"] == "rung") & (found.frame["up_to"] == 3e6)].iloc[0]
    assert last["alike"] == 1 and last["regret"] == 0 and last["best"] == "late"
    assert alone["alike"] < 1 and alone["best"] != "late"
    assert last["cost"] == pytest.approx(sum((N / 1e10) ** 2 for N in (1e6, 3e6, 1e7, 3e7, 1e8)))
    surface = scaling.compare_recipes(ladder(sizes=np.geomspace(1e6, 1e10, 9)), law="kaplan")
    assert surface.frame[surface.frame["way"] == "kaplan"]["up_to"].iloc[0] >= 2e7  # four parameters, five runs


def test_noise_of_seeds():
    """Its size is found again; recipes that differ by nothing else are ranked by a coin."""
    same = {f"r{k}": (2.0, 60, 0.25) for k in range(30)}
    found = scaling.compare_recipes(ladder(same, seeds=3, noise=0.004))
    assert found.noise == pytest.approx(0.004, rel=0.1)
    rungs = found.frame[found.frame["way"] == "rung"]
    assert abs(rungs["alike"].mean() - 0.5) < 0.07 and (rungs["lower"] < 0.5).all() and (rungs["upper"] > 0.5).all()
    assert 0.5 < found.ceiling < 0.8
    apart = scaling.compare_recipes(ladder(seeds=3, noise=1e-6))
    assert apart.ceiling == pytest.approx(1.0, abs=1e-6)
    assert apart.frame["clear"].tolist() == apart.frame["alike"].tolist()
    told = scaling.compare_recipes(ladder(), noise=0.01)
    assert told.noise == 0.01 and told.ceiling < 1
    truth = np.log(ladder().query("N == 1e10")["loss"].to_numpy())
    from scipy.stats import norm

    odds = [norm.cdf(abs(a - b) / (0.01 * 2)) for a, b in combinations(truth, 2)]
    assert told.ceiling == pytest.approx(np.mean(odds))


def test_sizes_that_are_nearly_alike_are_one_rung_and_gaps_are_told():
    table = ladder()
    table.loc[table["recipe"] == "bad", "N"] *= 1.02  # another vocabulary
    found = scaling.compare_recipes(table)
    assert len(found.frame[found.frame["way"] == "rung"]) == 4 and (found.frame["pairs"] == 6).all()
    gap = table[~((table["recipe"] == "bad") & (table["N"] > 5e9))]
    left = scaling.compare_recipes(gap)
    assert left.recipes == 3 and left.notes == ("1 recipe has no run at the target: left out",)
    few = table[~((table["recipe"] == "even") & (table["N"] < 5e6))]
    assert scaling.compare_recipes(few).frame["pairs"].iloc[0] == 3


def test_units_and_order_do_not_matter():
    table = ladder(seeds=2, noise=0.003)
    base = scaling.compare_recipes(table).frame
    shuffled = table.sample(frac=1, random_state=0).assign(loss=table["loss"] / np.log(2))
    pd.testing.assert_frame_equal(scaling.compare_recipes(shuffled).frame, base, rtol=1e-6)
    renamed = table.rename(columns={"recipe": "data", "N": "params", "D": "tokens"})
    pd.testing.assert_frame_equal(scaling.compare_recipes(renamed, recipe="data").frame, base)


def test_tables_that_cannot_be_compared():
    table = ladder()
    for data, asked, error, said in (
        (table.drop(columns="recipe"), {}, DataError, "no column recipe; the table has N, D, loss"),
        (table, {"by": "size"}, DataError, "no column size"),
        (table[table["N"] == 1e6], {}, DataError, "there is 1 size; two of both are needed"),
        (table[table["recipe"] == "bad"], {}, DataError, "1 recipe has runs at the largest N"),
        (table.assign(loss=-1.0), {}, DataError, "column 'loss' must hold positive numbers"),
        (table.assign(N="big"), {}, DataError, "column 'N' must hold positive numbers"),
        (table.assign(recipe=None), {}, DataError, "column 'recipe' has empty cells"),
        (table, {"law": "chinchilla"}, ArgumentError, "'chinchilla' has 5 parameters and there are 4 sizes below the target"),
        (pd.concat([table, table.assign(D=2 * table["D"])]), {}, DataError, "runs of several lengths at N = 1M"),
        (table[:0], {}, DataError, "must hold positive numbers"),
        ({"loss": 1.0}, {}, DataError, "in a table"),
        (table, {"noise": 2}, ArgumentError, "noise=2 must be a relative sd"),
        (table, {"level": 0}, ArgumentError, "level=0 must lie between"),
    ):
        with pytest.raises(error, match=said):
            scaling.compare_recipes(data, **asked)


def test_figure_and_command_line(tmp_path, capsys):
    table = ladder(seeds=2, noise=0.003).rename(columns={"N": "params", "D": "tokens"})
    table.to_csv(tmp_path / "ladder.csv", index=False)
    line = ["compare", str(tmp_path / "ladder.csv"), "--recipes", "recipe"]
    assert main([*line, "--json", "--plot", str(tmp_path / "alike.png")]) == 0
    told = json.loads(capsys.readouterr().out)
    found = scaling.compare_recipes(table)
    assert told["ways"] == json.loads(json.dumps(found.to_dict()["ways"])) and told["ceiling"] == found.ceiling
    assert (tmp_path / "alike.png").stat().st_size > 10_000
    assert main(line) == 0
    out = capsys.readouterr().out
    assert "another run of the target would rank" in out and "at N = 10B;" in out and re.search(r"^rung +1M ", out, re.M), out
    axes = scaling.plots.decisions(found)
    lines = {each.get_label() for each in axes.containers}
    assert lines == {"the rung alone", "power_law_offset fitted up to it"}
    assert main([*line, "--holdout", "size"]) == 2
    assert "takes one --law at most" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "ladder.csv"), "--by", "N"]) == 2
    assert "--by N: goes with --recipes" in capsys.readouterr().err
