"""Three ways to the optimal size: exact on surfaces made for them, biased where they are known to be."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.errors import DataError, FitError
from scaling.logs import formats
from scaling.planning.budgets import budgets
from scaling.procedures import approaches
from tests import layouts

LAW = scaling.laws["chinchilla"]
HOFFMANN = dict(LAW.published["hoffmann2022_rounded"])
UNEQUAL = {**HOFFMANN, "alpha": 0.465, "beta": 0.155}  # alpha / beta = 3, same sum


def levels(p, spread, budgets=(1e17, 1e18, 1e19, 1e20, 1e21), shift=0.0, n=15):
    """Noiseless runs at sizes from 1/spread to spread times the optimum; `shift` moves the centre with compute."""
    rows = []
    for k, C in enumerate(budgets):
        centre = LAW.hooks.optimum(C, **p)["N"] * np.exp(shift * k)
        N = centre * np.exp(np.linspace(-np.log(spread), np.log(spread), n))
        rows.append(pd.DataFrame({"N": N, "D": C / 6 / N, "loss": LAW(N, C / 6 / N, **p), "budget": C}))
    return pd.concat(rows, ignore_index=True)


@pytest.mark.parametrize(
    ("p", "spread", "off"), [(HOFFMANN, 2, -0.0033), (HOFFMANN, 16, -0.0510), (UNEQUAL, 2, -0.0167), (UNEQUAL, 16, -0.2312)]
)
def test_isoflop_bias(p, spread, off):
    """Without noise the parabola underestimates D* by 0.3 % to 23 %, and says so itself."""
    found = approaches.isoflop(levels(p, spread), 1e24)
    truth = LAW.hooks.optimum(1e24, **p)["D"]
    assert found.at(1e24)["D"] / truth - 1 == pytest.approx(off, abs=2e-4)
    assert found.bias == pytest.approx(off, abs=2e-4)
    assert found.a == pytest.approx(p["beta"] / (p["alpha"] + p["beta"]), abs=1e-6)


def test_the_vertex_of_every_parabola():
    """Losses that are parabolas in ln N, off the centre of the sizes run: the points are their vertices, to rounding."""
    rows = []
    for C, best, least, bend in ((1e18, 3e8, 3.1, 0.02), (1e20, 2e9, 2.6, 0.05), (1e22, 1.7e10, 2.2, 0.03)):
        N = best * np.geomspace(0.3, 8, 7)
        D = C / 6 / N * np.array([1.2, 1, 1 / 1.2, 1, 1.1, 1, 1 / 1.1])  # a budget is the geometric mean of its runs
        rows.append(pd.DataFrame({"N": N, "D": D, "budget": C, "loss": least + bend * np.log(N / best) ** 2}))
    points = approaches.isoflop(pd.concat(rows, ignore_index=True)).points
    np.testing.assert_allclose(points["flops"], [1e18, 1e20, 1e22], rtol=1e-12)
    np.testing.assert_allclose(points["N"], [3e8, 2e9, 1.7e10], rtol=1e-9)
    np.testing.assert_allclose(points["D"], [1e18 / 18e8, 1e20 / 12e9, 1e22 / 10.2e10], rtol=1e-9)
    np.testing.assert_allclose(points["loss"], [3.1, 2.6, 2.2], rtol=1e-12)


@pytest.mark.parametrize(("jitter", "off"), [(0.02, 0.01), (0.05, 0.03), (0.15, 0.1)])
def test_runs_off_their_budget_are_brought_to_it(jitter, off):
    """Compute that scatters around the budgets moves D* by less than half of what it does to plain parabolas."""
    exact, plain, found = levels(HOFFMANN, 4), [], []
    for seed in range(8):
        C = exact["budget"] * np.exp(jitter * np.random.default_rng(seed).standard_normal(len(exact)))
        runs = exact.assign(D=C / 6 / exact["N"], loss=LAW(exact["N"], C / 6 / exact["N"], **HOFFMANN))
        rows = []
        for budget, level in runs.groupby("budget"):
            x = np.log(level["N"])
            c2, c1, _ = np.polyfit(x, level["loss"], 2)
            rows.append((budget, np.exp(-c1 / (2 * c2))))
        slope, height = np.polyfit(np.log([C for C, _ in rows]), np.log([N for _, N in rows]), 1)
        plain.append(np.log(1e24 / 6) - height - slope * np.log(1e24))
        found.append(np.log(approaches.isoflop(runs, 1e24).at(1e24)["D"]))
    truth = np.log(approaches.isoflop(exact, 1e24).at(1e24)["D"])
    errors = [np.sqrt(np.mean((np.array(x) - truth) ** 2)) for x in (plain, found)]
    assert errors[1] < 0.5 * errors[0] and errors[1] < off


def test_budgets_may_be_named_in_words():
    named = levels(HOFFMANN, 4).assign(budget=lambda t: [f"level {np.log10(C):.0f}" for C in t["budget"]])
    few = named[(named["budget"] != "level 17") | (named.index < 2)]
    found = approaches.isoflop(few, 1e24)
    assert found.notes == ("budget level 17: fewer than 3 sizes",) and len(found.points) == 4


def test_one_budget_is_told_and_warns_of_nothing_foreign():
    """Nothing says how the optimum moves: there are no parabolas to join, and laws cannot tell."""
    with pytest.raises(FitError) as told:
        approaches.compare(levels(HOFFMANN, 4, budgets=(1e19,)), 1e21)
    for said in (
        "isoflop left out: fewer than two budgets have",
        "chinchilla and chinchilla_outer left out: where",
        "away from",
    ):
        assert said in str(told.value)


def test_a_drifting_grid_bends_the_exponent():
    found = approaches.isoflop(levels(UNEQUAL, 16, shift=0.2), 1e24)
    assert abs(found.a - 0.25) > 0.005
    assert approaches.parametric(levels(UNEQUAL, 16, shift=0.2)).a == pytest.approx(0.25, abs=1e-4)


def test_parametric_is_exact():
    found = approaches.parametric(levels(HOFFMANN, 4))
    assert found.a == pytest.approx(0.4516129, abs=1e-5)
    assert found.at(1e24)["D"] == pytest.approx(LAW.hooks.optimum(1e24, **HOFFMANN)["D"], rel=1e-4)


def test_envelope():
    """Many sizes, each trained from a hundredth to a hundred times its optimal tokens: a near the true one."""
    rows = []
    for k, N in enumerate(np.geomspace(1e7, 1e10, 60)):
        best = LAW.hooks.optimum(6 * N * 20 * N, **HOFFMANN)
        D = best["D"] * np.geomspace(0.01, 100, 120)
        rows.append(pd.DataFrame({"run": f"r{k}", "N": N, "D": D, "loss": LAW(N, D, **HOFFMANN)}))
    found = approaches.envelope(pd.concat(rows))
    assert found.a == pytest.approx(0.4516, abs=0.01)
    assert found.a + found.b == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(FitError, match="share too little"):
        approaches.envelope(rows[0])


def test_unbracketed_budgets_are_left_out():
    runs = levels(HOFFMANN, 4)
    runs.loc[runs["budget"] == 1e17, "N"] *= 100
    runs["D"] = runs["budget"] / 6 / runs["N"]
    runs["loss"] = LAW(runs["N"], runs["D"], **HOFFMANN)
    found = approaches.isoflop(runs)
    assert len(found.points) == 4 and "not bracketed" in found.notes[0]


def test_bad_tables_are_refused():
    runs = levels(HOFFMANN, 4).assign(run="a")
    hole = runs.assign(loss=runs["loss"].where(runs.index != 3))
    for way in (approaches.isoflop, approaches.envelope, approaches.parametric):
        with pytest.raises(DataError, match="column 'loss' must hold positive numbers; 1 of 75"):
            way(hole)
        with pytest.raises(DataError, match="no rows"):
            way(runs.iloc[:0])


def test_ways_are_compared_side_by_side(tmp_path):
    """Points of three budgets: the surface gives the truth, and the parabolas say by how much they miss it."""
    rows = formats.isoflops(layouts.isoflops(tmp_path / "isoflops.csv"))
    table = approaches.compare(rows.rename(columns={"C": "budget"}), 3.8e25)
    exact = LAW.hooks.optimum(3.8e25, **LAW.published["besiroglu2024"])
    assert table.loc["chinchilla", "D"] == pytest.approx(exact["D"], rel=1e-3)
    found = approaches.isoflop(rows.rename(columns={"C": "budget"}), 3.8e25)
    assert table.loc["isoflop", "D"] == pytest.approx(found.at(3.8e25)["D"], rel=1e-12)
    assert found.at(3.8e25)["D"] / exact["D"] - 1 == pytest.approx(found.bias, abs=1e-4)


def test_budgets_are_parted_by_gaps():
    """Compute known to 4 %, levels 1.7 and 3 times apart; in any order, and named for what they are."""
    rng = np.random.default_rng(0)
    level = np.repeat(np.arange(6), 7)
    C = np.array([6e18, 1e19, 3e19, 6e19, 1e20, 3e20])[level] * np.exp(rng.uniform(-0.04, 0.04, 42))
    mixed = rng.permutation(42)
    assert budgets(C[mixed]).tolist() == level[mixed].tolist()
    assert budgets(np.array([1e18, 1.004e18, 2e18, 2e18])).tolist() == [0, 0, 1, 1]
    assert budgets(np.array([5e18, 5e18])).tolist() == [0, 0]
    for C in (np.geomspace(1e18, 1e20, 12), np.array([1e18, 2e18])):
        with pytest.raises(FitError, match="forms no budgets"):
            budgets(C)


def test_budgets_that_two_digits_would_tear_apart():
    """Runs around 1.05e18 are 1.0e18 and 1.1e18 in two digits, and one budget."""
    runs = levels(HOFFMANN, 4, budgets=(1.05e18, 1.15e19, 1.25e20))
    jitter = np.exp(np.random.default_rng(1).uniform(-0.02, 0.02, len(runs)))
    runs["D"] *= jitter
    runs["loss"] = LAW(runs["N"], runs["D"], **HOFFMANN)
    found = approaches.isoflop(runs.drop(columns="budget"))
    assert len(found.points) == 3 and found.notes == ()
    np.testing.assert_allclose(found.points, approaches.isoflop(runs).points, rtol=1e-12)


def test_what_each_way_is_known_to_do_stands_beside_it():
    table = approaches.compare(levels(HOFFMANN, 4), 1e24)
    assert table["known_error"].to_dict() == {
        "isoflop": 0.18, "chinchilla": 0.29, "chinchilla_outer": 0.30, "over_training": 0.13
    }  # fmt: skip
    assert table.loc["over_training", "a"] == pytest.approx(0.5, abs=1e-6)
    assert "eight real iso-FLOP sets" in table.attrs["note"]


def test_a_way_that_is_not_possible_leaves_the_others():
    rng = np.random.default_rng(2)
    N = np.exp(rng.uniform(np.log(1e8), np.log(1e10), 40))
    C = np.geomspace(1e18, 1e20, 40)
    runs = pd.DataFrame({"N": N, "D": C / 6 / N}).assign(loss=lambda t: LAW(t["N"], t["D"], **HOFFMANN))
    table = approaches.compare(runs, 1e22)
    assert table.loc["isoflop"].drop("known_error").isna().all() and "isoflop left out: the compute" in table.attrs["note"]
    assert table.loc["chinchilla", "D"] == pytest.approx(LAW.hooks.optimum(1e22, **HOFFMANN)["D"], rel=1e-4)


def test_a_plan_says_what_other_ways_say():
    runs = levels(UNEQUAL, 4)
    runs["loss"] *= np.exp(np.random.default_rng(0).normal(0, 1e-3, len(runs)))
    fit = scaling.fit(runs, "chinchilla")
    beside = scaling.plan(fit, [1e22, 1e24], replicates=0).attrs["beside"]
    assert [(row["approach"], row["flops"]) for row in beside] == [
        ("over_training", 1e22), ("over_training", 1e24), ("isoflop", 1e22), ("isoflop", 1e24)
    ]  # fmt: skip
    tied = scaling.fit(runs.assign(M=runs["D"] / runs["N"]), "over_training")
    for row, exact in zip(beside[:2], (tied.law.hooks.optimum(C, **tied.values) for C in (1e22, 1e24)), strict=True):
        assert row["N"] == pytest.approx(float(exact["N"]), rel=1e-8) and row["D"] == pytest.approx(float(exact["D"]), rel=1e-8)
    found = approaches.isoflop(runs[["N", "D", "loss"]])
    assert beside[3]["D"] == pytest.approx(found.at(1e24)["D"], rel=1e-9) and beside[3]["known_error"] == 0.18
    bare = scaling.fit(tied.data[["N", "M", "loss"]], "over_training")
    (row,) = scaling.plan(bare, 1e24, replicates=0).attrs["beside"]  # it is not beside itself
    assert row["approach"] == "isoflop" and row["D"] == pytest.approx(beside[3]["D"], rel=1e-9)
    for options in ({"served": 1e12}, {"N": 1e9}):
        assert "beside" not in scaling.plan(fit, 1e22, replicates=0, **options).attrs
    assert "beside" not in scaling.plan(LAW.published["besiroglu2024"], 1e22).attrs


def test_the_command_line_says_it_too(tmp_path, capsys):
    runs = levels(HOFFMANN, 4)
    runs["loss"] *= np.exp(np.random.default_rng(0).normal(0, 1e-3, len(runs)))
    scaling.fit(runs, "chinchilla").save(tmp_path / "fit.json")
    assert main(["plan", str(tmp_path / "fit.json"), "--flops", "1e23", "--replicates", "0"]) == 0
    out = re.sub(r"\n {2,}", " ", capsys.readouterr().out)  # as long as a terminal is wide
    assert "beside       over_training at 1e23: N " in out and "(D* off by 18% on average, eight to ten times beyond" in out
    assert main(["plan", str(tmp_path / "fit.json"), "--flops", "1e23", "--replicates", "0", "--json"]) == 0
    assert [row["approach"] for row in json.loads(capsys.readouterr().out)["beside"]] == ["over_training", "isoflop"]
