"""Which laws a table allows, which of them forecasts best, and that no law and no cutoff takes the comparison down."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.design.cuts import cuts, parts
from scaling.document import signed
from scaling.errors import ArgumentError, FitError, ScalingError
from scaling.fits.choice import Choice
from scaling.formula import Exponent, Positive, laws
from scaling.intervals.trials import tried, weights
from scaling.judging.contest import surely

RATIOS = (5.0, 10.0, 20.0, 40.0, 80.0)
TRUTHS = {  # law -> parameters, of losses like those of language models
    "chinchilla": {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.347, "beta": 0.367},
    "chinchilla_outer": {"E": 0.4, "A": 60.0, "B": 100.0, "alpha": 0.3, "beta": 0.3, "gamma": 0.4},
    "kaplan_offset": {"E": 0.9, "A": 8e9, "B": 3e10, "alpha": 0.1, "beta": 0.12},
}


def grid(law="chinchilla", noise=0.002, sizes=10, seed=0):
    N, ratio = (x.ravel() for x in np.meshgrid(np.geomspace(2e7, 1e10, sizes), RATIOS, indexing="ij"))
    D = N * ratio
    loss = laws[law](N, D, **TRUTHS[law]) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_law_behind_the_data_is_chosen_or_one_that_forecasts_as_well(truth):
    table = grid(truth, noise=1e-3)
    small = table["N"] * table["D"] <= (table["N"] * table["D"]).max() / 20
    fit = scaling.fit(table[small])
    best = scaling.fit(table[small], truth)
    large = table[~small].reset_index(drop=True)
    ours, theirs = (np.mean(np.abs(f.predict(large)["prediction"] / large["loss"] - 1)) for f in (fit, best))
    assert ours <= 2 * theirs + 1e-3
    assert fit.choice.chosen == fit.law.name and fit.choice.laws[0] and truth in fit.choice.laws


def test_the_choice_is_told_and_kept(tmp_path):
    table = grid("chinchilla_outer", noise=5e-4)
    fit = scaling.fit(table)
    assert fit.law.name == "chinchilla_outer"
    said = str(fit)
    assert "chinchilla_outer of 6 laws: off by" in said and f"next {fit.choice.rival}" in said
    fit.save(tmp_path / "fit.json")
    assert scaling.load(tmp_path / "fit.json").choice == fit.choice
    assert scaling.fit(table, "chinchilla").choice is None
    again = scaling.fit(table.sample(frac=1.0, random_state=1))
    assert again.choice == fit.choice and again.values == fit.values


def test_a_tie_is_said_to_be_one():
    even = Choice(("a", "b"), (0.010, 0.012), "a", "b", 0.002, 0.0001, "cutoffs")
    clear = Choice(("a", "b"), (0.010, 0.020), "a", "b", 0.010, 0.001, "cutoffs")
    unsure = Choice(("a", "b"), (0.010, 0.020), "a", "b", 0.010, 0.009, "cutoffs")
    assert (even.tie, clear.tie, unsure.tie) == (True, False, True)
    assert "a tie: b may be as good" in even.said()[1][1] and len(clear.said()) == 1
    alone = Choice((), (), "a", "", np.nan, np.nan, "cutoffs")
    assert not alone.tie and "too few rows" in alone.said()[0][1]


def test_the_standard_law_stays_unless_another_is_clearly_better():
    table = grid("chinchilla", noise=0.01, sizes=8)
    found = scaling.compare(table)
    fit = scaling.fit(table)
    sound = found[~found["reason"].str.contains("explodes")]
    if found.loc["chinchilla", "error"] <= 1.25 * sound["error"].iloc[0]:
        assert fit.law.name == "chinchilla"
    assert fit.choice.errors == tuple(found["error"].dropna())
    kept = fit.choice.table()
    pd.testing.assert_frame_equal(kept, found.loc[kept.index, kept.columns], check_exact=True)
    assert kept.attrs["holdout"] == found.attrs["holdout"]


def test_a_choice_kept_before_it_had_a_table_is_read_without(tmp_path):
    scaling.fit(grid()).save(tmp_path / "fit.json")
    saved = json.loads((tmp_path / "fit.json").read_text())
    for name in ("differences", "ses", "reasons"):
        del saved["choice"][name]
    del saved["sha256"]
    (tmp_path / "old.json").write_text(json.dumps(signed(saved)))
    assert scaling.load(tmp_path / "old.json").choice.table() is None
    saved["choice"] |= {"differences": [0.0], "ses": [0.0], "reasons": [""]}
    (tmp_path / "old.json").write_text(json.dumps(signed(saved)))
    with pytest.raises(ScalingError, match=r"choice\.errors.*must be as many as laws"):
        scaling.load(tmp_path / "old.json")


def test_laws_of_what_is_not_a_loss_are_no_candidates():
    found = scaling.candidates(grid())
    assert {law.name for law in found.laws} >= {"chinchilla", "over_training", "farseer"}
    assert "learning rate" in found.absent["lr_batch"] and "needs columns" in found.absent["data_constrained"]
    names = {law.name for law in found.laws}
    assert names.isdisjoint(found.absent) and names | {*found.absent} == {*laws}


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"n_params": "N", "tokens": "D"}, "chinchilla"),
        ({"params": "N", "flops": "C"}, "over_training"),
        ({"N": "N", "M": "M"}, "chinchilla"),
        ({"N": "N"}, "power_law_offset"),
        ({"C": "C"}, "power_law"),
        ({"N": "N", "D": "D", "unique_tokens": "U"}, "data_constrained"),
        ({"N": "N", "experts": "E"}, "routed"),
    ],
)
def test_columns_are_understood(columns, wanted):
    table = grid()
    table = table.assign(
        C=6 * table["N"] * table["D"], M=table["D"] / table["N"], U=table["D"] / 2, E=np.tile([1.0, 8, 2, 16, 4], 10)
    )
    given = table[[*columns.values(), "loss"]].set_axis([*columns, "loss"], axis=1)
    assert wanted in {law.name for law in scaling.candidates(given).laws}
    fit = scaling.fit(given, wanted if len(columns) > 1 else "auto")
    assert set(fit.predict(given.drop(columns="loss")).columns) >= {"prediction", "lower", "upper"}


def test_what_follows_from_other_columns_is_said():
    table = grid()
    fit = scaling.fit(table, "over_training")
    assert "M counted as D / N" in str(fit)
    direct = scaling.fit(table.assign(M=table["D"] / table["N"]), "over_training")
    assert fit.values == direct.values


def test_curves_of_one_size_are_for_laws_of_schedules():
    law, parts_, plans = laws["annealing"], [], {}
    for name in ("constant", "wsd", "cosine"):
        plan = scaling.schedule(f"{name}:peak=3e-4,steps=1000,warmup=50")
        step = np.arange(100, 1001, 20)
        loss = law(*law.hooks.features(step, plan, **law.conventions).values(), L0=3.0, A=0.5, alpha=0.5, C=0.4)
        parts_.append(pd.DataFrame({"run": name, "step": step, "loss": loss}))
        plans[name] = plan
    table = pd.concat(parts_)
    found = scaling.candidates(scaling.Runs.from_frame(table, schedule=plans))
    assert found.laws and all(law.over_schedules for law in found.laws)
    assert "loss curves of one size" in found.absent["chinchilla"]
    sizes = [table.assign(n_params=n, tokens=table["step"] * 1e6) for n in (1e7, 2e7)]
    mixed = pd.concat([f.assign(run=f["run"] + str(k)) for k, f in enumerate(sizes)])
    assert not any(law.over_schedules for law in scaling.candidates(mixed.assign(lr=1e-3)).laws)


def test_curves_of_several_sizes_without_tokens_are_for_the_law_of_a_ladder(tmp_path, capsys):
    rng, step = np.random.default_rng(0), np.arange(100, 2001, 100)
    for N in (1e6, 4e6, 16e6):
        for name, share in (("cosine", 0.1 + 0.45 * (1 + np.cos(np.pi * step / 2000))), ("constant", np.ones(20))):
            loss = 1.7 + 60 / N**0.34 + 3 * step**-0.4 + 0.05 * share + 0.003 * rng.standard_normal(20)
            rows = {"step": step, "lr": 3e-3 * share, "loss": loss, "N": N}
            pd.DataFrame(rows).to_csv(tmp_path / f"{N:.0f}-{name}.csv", index=False)
    fit = scaling.fit(scaling.read(tmp_path), "auto")
    assert fit.law.name == "ladder" and fit.ok
    assert main(["fit", str(tmp_path), "-q"]) == 0
    assert "ladder alone: off by" in capsys.readouterr().out


def test_budgets_are_not_parted_and_empty_cutoffs_are_dropped():
    o = np.log(np.repeat([1.0, 2.0, 4.0, 8.0], [4, 4, 4, 8]))
    found = cuts(o)
    assert [int(c.train.sum()) for c in found] == [8, 12]
    assert all(c.test.any() and c.share == c.train.mean() for c in found)
    near = cuts(o + np.tile([0.0, 0.01], 10))  # the same budget, hit by 1 %
    assert [int(c.train.sum()) for c in near] == [8, 12]
    assert cuts(np.zeros(9)) == []


def test_late_cutoffs_count_most_and_parts_alike():
    o = np.log(np.arange(1.0, 101.0))
    w = weights(cuts(o))
    assert (np.diff(w) > 0).all() and w[-1] / w[0] > 30
    assert len(set(weights(parts(np.arange(10.0))))) == 1


def test_a_fifth_of_the_budgets_may_be_the_largest():
    """An iso-FLOP table in which the largest budget holds a third of the rows: no cutoff is empty, all laws are compared."""
    rows = [(C, C / 6 / N, N) for C, k in ((1e18, 6), (4e18, 6), (1e19, 12)) for N in np.geomspace(3e7, 3e9, k)]
    table = pd.DataFrame(rows, columns=["C", "D", "N"])
    table["loss"] = laws["chinchilla"](table["N"], table["D"], **TRUTHS["chinchilla"]) * np.exp(0.003 * np.cos(np.arange(24)))
    found = scaling.compare(table)
    assert found.loc["chinchilla", "error"] < 0.02 and found["error"].notna().sum() >= 5


def test_laws_with_too_few_rows_for_the_first_cutoffs_are_judged_on_the_others():
    table = grid(sizes=5)
    found = scaling.compare(table, ["chinchilla", "farseer"])
    assert found["error"].notna().all() and found.loc["farseer", "cutoffs"] < found.loc["chinchilla", "cutoffs"]
    assert np.isfinite(found["difference"]).all()


def test_a_law_that_raises_keeps_a_row_with_the_reason():
    @scaling.law("mine", name="choice_raises")
    def raises(N, D, *, E: Positive = 1.0, a: Exponent = 0.3):
        """L = E / N^a, if it feels like it"""
        raise ScalingError("not today")

    @scaling.law("mine", name="choice_svd")
    def svd(N, D, *, E: Positive = 1.0, a: Exponent = 0.3):
        """L = E / N^a, if the decomposition converges"""
        raise np.linalg.LinAlgError("SVD did not converge")

    try:
        table = scaling.compare(grid(), ["chinchilla", "choice_raises", "choice_svd", "data_constrained"])
        assert np.isfinite(table.loc["chinchilla", "error"])
        assert table.loc["choice_raises", "reason"] == "not today" and "SVD" in table.loc["choice_svd", "reason"]
        assert "missing U" in table.loc["data_constrained", "reason"]
        assert scaling.fit(grid()).law.name in ("chinchilla", "over_training")
    finally:
        scaling.laws.remove("choice_raises")
        scaling.laws.remove("choice_svd")


def test_a_law_that_rises_beyond_the_data_is_not_chosen():
    @scaling.law("mine", name="choice_rises")
    def rises(N, D, *, k: Positive = 0.3, a: Exponent = 0.05):
        """L = 4 - k ln(N D / 1e14) + a (ln(N D / 1e14) - 6)^6 / 1e2"""
        x = np.log(N * D / 1e14)
        return 4 - k * x + a * np.abs(x - 6) ** 6 / 1e2

    table = grid(sizes=6)
    x = np.log(table["N"] * table["D"] / 1e14)
    table["loss"] = 4 - 0.1 * x + 1e-3 * np.abs(x - 6) ** 6 / 1e2
    try:
        found = scaling.compare(table)
        assert found.index[0] == "choice_rises" and found["reason"].iloc[0].startswith("explodes")
        fit = scaling.fit(table)
        assert fit.law.name != "choice_rises" and "choice_rises" in str(fit)
    finally:
        scaling.laws.remove("choice_rises")


def falls(x, k, a):
    """Falls to its lowest at x = 10 and rises from there, if a is 0.2 / 6e5 and k is 0.2."""
    return 4 - k * x + a * x**6


@pytest.mark.parametrize(("columns", "turn"), [("C", 1.0), ("NM", 1.0), ("NE", 1.0), ("C", 0.0), ("NM", 0.0), ("NE", 0.0)])
def test_any_law_of_what_grows_is_seen_to_rise_beyond_its_data(columns, turn):
    """Of compute alone, of size and tokens per parameter, of size and experts: the data end where the loss is lowest."""

    def over_C(C, *, k: Positive = 0.2, a: Positive = 1e-7):
        """L = 4 - k x + a x^6, x = ln(C / 1e18)"""
        return falls(np.log(C / 1e18), k, a)

    def over_NM(N, M, *, k: Positive = 0.2, a: Positive = 1e-7):
        """L = 4 - k x + a x^6, x = ln(N N M / 1e15)"""
        return falls(np.log(N / 1e7 * N / 1e7 * M / 10), k, a)

    def over_NE(N, E, *, k: Positive = 0.2, a: Positive = 1e-7):
        """L = 4 - k x + a x^6, x = ln(N / 1e7) + ln(E) / 10"""
        return falls(np.log(N / 1e7) + np.log(E) / 10, k, a)

    x = np.linspace(0.0, 10.0, 40)
    tables = {
        "C": {"C": 1e18 * np.exp(x)},
        "NM": {"N": 1e7 * np.exp(x / 2 - 0.3 * np.cos(x)), "M": 10 * np.exp(0.6 * np.cos(x))},
        "NE": {"N": 1e7 * np.exp(x - 0.1 * np.cos(x)), "E": np.exp(np.cos(x))},
    }
    made_by = {"C": over_C, "NM": over_NM, "NE": over_NE}[columns]
    law = scaling.law("mine", name=f"choice_turns_{columns}")(made_by)
    try:
        noise = 1e-3 * np.cos(7 * np.arange(40))
        table = pd.DataFrame(tables[columns]).assign(loss=falls(x, 0.2, turn * 0.2 / 6e5) + noise)
        fit = scaling.fit(table, law)
        tests = cuts(x)
        assert tried(law, fit.design, fit.loss, tests).explodes == bool(turn)
    finally:
        scaling.laws.remove(law.name)


def test_a_law_of_repeated_tokens_may_rise_with_size_alone():
    """With more tokens of which no more are new, and with more size for the same tokens, losses may rise: no explosion."""
    law, table = laws["data_constrained"], grid(sizes=6, noise=0.0)
    table = table.assign(U=table["D"] / np.tile([1.0, 2.0, 4.0, 8.0, 16.0], 6))
    values = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "R_D": 15.4, "R_N": 5.3}
    table["loss"] = law(table["N"], table["D"], table["U"], **{k: values[k] for k in law.params})
    fit = scaling.fit(table, law)
    assert not tried(law, fit.design, fit.loss, cuts(np.log(table["N"] * table["D"]).to_numpy())).explodes


def test_tables_too_small_to_hold_anything_back_get_the_standard_law():
    table = grid(sizes=2).iloc[:7]
    fit = scaling.fit(table)
    assert fit.law.name == "chinchilla" and "too few rows" in fit.choice.said()[0][1]
    with pytest.raises(FitError, match=r"no law could be compared: .*want"):
        scaling.compare(table)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda t: scaling.fit(t, fixed={"alpha": 0.3}), ArgumentError, "say which"),
        (lambda t: scaling.fit(t[["loss"]]), FitError, "no law of the loss fits these columns"),
        (lambda t: scaling.compare(t[["loss"]]), FitError, "laws --for"),
    ],
)
def test_what_cannot_be_chosen_is_refused(call, error, said):
    with pytest.raises(error, match=said):
        call(grid())


@pytest.mark.parametrize("names", [["n_params", "tokens", "val_loss"], ["N", "C", "loss"]])
def test_a_cell_that_keeps_size_and_tokens_out_is_told_under_any_name(names):
    table = grid(sizes=3)
    table["D"] *= table["N"] * 6 if names[1] == "C" else 1
    table.columns = names
    assert scaling.fit(table).law.inputs != ("x",)
    table.loc[3, names[1]] = np.nan
    with pytest.raises(ScalingError, match="'D', row 3: nan is not a positive number"):
        scaling.fit(table)


def test_a_loss_goes_by_any_name_that_logs_give_it_and_losses_that_rise_warn_of_nothing_foreign():
    table = grid(sizes=4)
    for name in ("val_loss", "Validation Loss", "final_loss"):
        other = table.rename(columns={"loss": name, "N": "Model Size", "D": "Training Tokens"})
        assert scaling.fit(other).values == scaling.fit(table).values
    assert not scaling.fit(table.assign(loss=9 - table["loss"])).ok


def test_a_table_that_no_law_fits_is_told_what_is_missing_not_what_curves_are():
    one = grid().query("N == N.min()")[["N", "loss"]]
    with pytest.raises(FitError, match=r"Add what one of them lacks") as refused:
        scaling.compare(one)
    assert "curves" not in str(refused.value) and ".." not in str(refused.value) and "x=N" in str(refused.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
def test_no_part_of_a_table_takes_the_comparison_down(seed):
    """Random rows, few budgets, copies, outliers: a table of laws, or a refusal that says what to do."""
    rng = np.random.default_rng(seed)
    table = grid(["chinchilla", "kaplan_offset"][seed % 2], noise=rng.choice([1e-4, 0.01, 0.1]), sizes=8, seed=seed)
    table = table.sample(rng.integers(4, 40), replace=seed % 3 == 0, random_state=seed)
    table.loc[table.index[0], "loss"] *= rng.choice([1.0, 5.0])
    try:
        found = scaling.compare(table)
    except FitError as problem:
        assert "add runs" in str(problem) or "Add" in str(problem)
        return
    assert found["error"].notna().any() and (found["reason"].notna() | found["error"].notna()).all()
    assert (found.loc[found["error"].isna(), "reason"].str.len() > 10).all()
    assert np.isfinite(scaling.fit(table).predict(pd.DataFrame({"N": [1e10], "D": [1e11]}))["prediction"]).all()


def test_refits_are_those_of_the_parts():
    table, law = grid(noise=0.01, sizes=6), laws["chinchilla"]
    fit = scaling.fit(table, law)
    tests = cuts(np.log(fit.design.inputs["N"] * fit.design.inputs["D"]))
    found = tried(law, fit.design, fit.loss, tests, warm=fit.t[None])
    cut = tests[-1]
    alone = scaling.fit(fit.design.frame[cut.train], law)
    rows = fit.design.frame[cut.test].reset_index(drop=True)
    np.testing.assert_allclose(
        found.relative[-1, cut.test], alone.predict(rows[["N", "D"]])["prediction"] / rows["loss"] - 1, atol=1e-5
    )


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.csv"
    grid(sizes=6).to_csv(path, index=False)
    return path


def test_the_command_line_chooses_too(points, tmp_path, capsys):
    assert main(["fit", str(points), "-o", str(tmp_path / "fit.json")]) == 0
    assert "chinchilla of 6 laws" in capsys.readouterr().out
    assert main(["predict", str(points), "--N", "7B", "--D", "2T", "--json"]) == 0
    out, notes = capsys.readouterr()
    assert json.loads(out)["law"] == "chinchilla" and "note: chinchilla of 6 laws" in notes
    assert main(["fit", str(points), "--fixed", "alpha=0.3"]) == 2
    assert "say which with --law" in capsys.readouterr().err
    assert main(["fit", str(points), "--law", "chinchilla", "--delta", "mad"]) == 0


def test_the_command_line_compares_what_the_columns_allow(points, tmp_path, capsys):
    assert main(["compare", str(points), "--plot", str(tmp_path / "a.svg"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["laws"]) == 6 and (tmp_path / "a.svg").stat().st_size > 1000
    # a law that reads curves is no reason not to read the table that the others take
    assert main(["compare", str(points), "--law", "annealing", "--law", "chinchilla", "--law", "power_law:x=N", "--json"]) == 0
    rows = {row["law"]: row for row in json.loads(capsys.readouterr().out)["laws"]}
    assert rows["annealing"]["error"] is None and rows["power_law:x=N"]["error"] > rows["chinchilla"]["error"]


def test_the_command_line_lists_what_a_table_allows(points, capsys):
    assert main(["laws", "--for", str(points)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:6]] and all("fits: " in line for line in lines[:6])
    assert any(line.startswith("data_constrained") and "missing U" in line for line in lines[6:])
    place = {line.split()[0]: at for at, line in enumerate(lines)}  # what lacks least comes first
    by_lack = ["power_law", "data_constrained", "vocabulary", "precision", "annealing", "lr_batch"]
    assert sorted(by_lack, key=place.__getitem__) == by_lack
    assert main(["laws", "chinchilla", "--for", str(points)]) == 2
    assert main(["laws", "--where", "N > 1"]) == 2


def test_a_comparison_is_drawn_from_its_table():
    table = scaling.compare(grid(sizes=6))
    axes = scaling.plots.compared(table)
    assert [t.get_text() for t in axes.get_yticklabels()] == list(table.index)
    with pytest.raises(ArgumentError, match="nothing to draw"):
        scaling.plots.compared(table.assign(error=np.nan))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda t: pd.concat([t, t["D"]], axis=1), r"more than one column 'D'"),
        (lambda t: t.assign(N=t["N"].map("{:,.0f}".format)), r"'N', row 0: found '[0-9,]+', not a number \([0-9]+ such rows\)"),
        (
            lambda t: t.astype({"loss": object}).replace({"loss": {t["loss"][2]: "diverged"}}),
            r"'loss', row 2: found 'diverged'",
        ),
        (
            lambda t: t.assign(N="7B"),
            r"'N', row 0: found '7B', not a number \([0-9]+ such rows\); write numbers without units: 7e\+09",
        ),
        (lambda t: t.assign(loss=-t["loss"]), r"^[^:]*: column 'loss', row 0: (?!.*column 'loss').*objective='squares'"),
        (lambda t: t.assign(D=1e20 / 6 / t["N"]), r"holdout='N'$"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_once_with_a_remedy_for_all_laws(spoilt, said):
    with pytest.raises(ScalingError, match=said):
        scaling.compare(spoilt(grid(sizes=3)))


def test_the_remedies_of_compare_work():
    table = grid(sizes=4)
    one = table.assign(D=1e20 / 6 / table["N"])
    assert scaling.compare(one, ["power_law:x=N"], "N")["error"].notna().all()
    words = table.assign(N=table["N"].map("{:,.0f}".format))
    words["N"] = words["N"].astype(str).str.replace(",", "").astype(float)
    assert scaling.fit(words, "chinchilla").values == pytest.approx(scaling.fit(table, "chinchilla").values, rel=1e-3)
    twice = pd.concat([table, table["D"]], axis=1)
    assert scaling.fit(twice.loc[:, ~twice.columns.duplicated()]).values == scaling.fit(table).values


@pytest.mark.parametrize(("rate", "said"), [(0.0, "learning rate is 0 at every step"), (3e-4, "no drop of the learning rate")])
def test_a_curve_from_which_no_law_of_schedules_learns_is_refused_with_the_cause(rate, said):
    step = np.arange(1, 41) * 50
    curve = pd.DataFrame({"run": "a", "step": step, "lr": rate, "loss": 3 + 5 / step**0.4})
    with pytest.raises(ScalingError, match=said):
        scaling.compare(curve)


@pytest.mark.parametrize("name", ["params", "num_params", "Model Size", "N"])
def test_curves_that_carry_their_size_under_a_usual_name_are_compared_by_size(name: str, tmp_path):
    """Once `params` in every file was no size to laws of ends, though laws of curves and tables read it."""
    step = np.arange(50, 2001, 50)
    for size in (2e6, 6e6, 18e6):
        for batch in (1e4, 4e4, 16e4):
            loss = np.round(2 + 95 / size**0.3 + 900 / (step * batch) ** 0.35, 4)
            rows = pd.DataFrame({"step": step, "lr": 1e-3 - 4e-7 * step, "loss": loss, "tokens": step * batch, name: int(size)})
            rows.to_csv(tmp_path / f"{size:.0f}-{batch:.0f}.csv", index=False)
    runs = scaling.read(tmp_path)
    found = scaling.candidates(runs)
    assert "chinchilla" in {law.name for law in found.laws} and found.over_curves == ["ladder"]
    assert found.unused == []
    fit = scaling.fit(runs)
    assert "N" in fit.law.inputs
    assert any("each curve counts by its end" in text for _, text in fit.choice.said())


@pytest.mark.parametrize("copied", [[3], [40] * 5, range(50), [*range(20), *range(10)]])
def test_copied_rows_change_neither_choice_nor_interval(copied):
    table = grid("chinchilla_outer", noise=0.004)
    more = pd.concat([table, table.iloc[[*copied]]], ignore_index=True)
    one, other = scaling.fit(table), scaling.fit(more)
    asked = {"N": [3e10, 1e11], "D": [6e11, 2e12]}
    assert one.choice.laws == other.choice.laws and one.choice.errors == other.choice.errors
    pd.testing.assert_frame_equal(one.predict(asked), other.predict(asked))
    assert "counted once" in str(other) and other.design.weights.sum() == len(table)


def test_runs_measured_several_times_may_agree_by_chance():
    """Seeds of one run that agree count as they are given, as in NIST's Nelson: nothing tells them from copies."""
    table = grid("chinchilla", noise=0.004)
    again = pd.concat([table, table.assign(loss=table["loss"] * 1.001), table.iloc[[3, 5]]], ignore_index=True)
    fit = scaling.fit(again, "chinchilla")
    assert len(fit.design) == len(again) and "counted once" not in str(fit) and "(copies?)" in str(fit)


@pytest.mark.parametrize("seed", range(3))
def test_a_small_table_does_not_go_to_the_law_of_fewest_parameters_unasked(seed):
    N = 1e7 * 2.0 ** np.arange(9)  # of one ratio: nine sizes, of which eight are fitted
    loss = 1.7 + 1.2 * (N / 1e7) ** -0.4 + 0.9 * (N / 1e7) ** -0.35
    table = pd.DataFrame({"N": N, "D": 20 * N, "loss": loss * np.exp(0.002 * np.random.default_rng(seed).standard_normal(9))})
    fit = scaling.fit(table)
    assert {*fit.choice.laws} == {"chinchilla", "kaplan", "kaplan_offset", "chinchilla_outer"}
    assert fit.law.name != "kaplan"
    truth = 1.7 + 1.2 * 800**-0.4 + 0.9 * 800**-0.35
    assert abs(fit.predict({"N": 8e9, "D": 1.6e11})["prediction"].item() / truth - 1) < 0.02


def test_a_law_that_could_not_be_judged_is_not_beaten_and_the_verdict_says_where_that_matters():
    N = 1e7 * 2.0 ** np.arange(8)  # seven are fitted, which no law of five parameters is judged by
    loss = 1.7 + 1.2 * (N / 1e7) ** -0.4 + 0.9 * (N / 1e7) ** -0.35
    table = pd.DataFrame({"N": N, "D": 20 * N, "loss": loss * np.exp(0.001 * np.random.default_rng(0).standard_normal(8))})
    fit = scaling.fit(table)
    assert fit.law.name == "chinchilla" and not fit.ok
    (said,) = (text for text in fit.warnings if "choose between laws" in text)
    assert "kaplan say up to" in said and "outside the interval; add runs" in said
    more = scaling.fit(pd.concat([table, pd.DataFrame({"N": [5e9], "D": [1e11], "loss": [1.7 + 2.1 * 500**-0.38]})]))
    assert not any("choose between laws" in text for text in more.warnings)


@pytest.mark.parametrize(("noise", "seed"), [(0.01, 2), (0.02, 0)])
def test_a_law_of_nine_parameters_is_not_believed_for_few_rows(noise, seed):
    """Of 32 rows of four sizes it errs least at the cutoffs it can be asked at, and by 4 to 7 % on runs ten times larger."""
    N = np.repeat(np.geomspace(1e7, 1e7 * 2.2**3, 4), 8)
    D = np.concatenate([np.geomspace(1e8, 60 * n, 8) for n in np.unique(N)])
    rng = np.random.default_rng([7, 82])
    E, a, b = rng.uniform(0.8, 2.2), *rng.uniform(0.3, 0.8, 2)

    def truth(N, D):
        return E + ((N / 1e7) ** -a + 0.8 * (D / 2e8) ** -b) ** 0.6

    table = pd.DataFrame(
        {"N": N, "D": D, "loss": truth(N, D) * np.exp(noise * np.random.default_rng(seed).standard_normal(32))}
    )
    fit = scaling.fit(table)
    assert fit.law.name != "farseer" and "farseer" in fit.choice.laws
    assert abs(fit.predict({"N": 5e8, "D": 3e10})["prediction"].item() / truth(5e8, 3e10) - 1) < 0.05


@pytest.mark.parametrize(
    ("less", "more", "sure"),
    [
        ([0.01, 0.005, 0.004], [0.02, 0.011, 0.009], True),  # half at one cutoff after the other
        ([0.010, 0.001, 0.001], [0.100, 0.010, 0.010], True),  # by ratios, which the first does not drown
        ([0.01, 0.01, 0.01], [0.03, 0.005, 0.015], False),
        ([np.nan, np.nan, 0.001], [0.1, 0.1, 0.1], False),  # one cutoff is no proof
        ([np.nan, 0.005, 0.004], [0.1, 0.011, 0.009], True),
    ],
)
def test_a_law_is_clearly_better_at_one_cutoff_after_the_other(less, more, sure):
    assert surely(np.array(less), np.array(more), np.array([1.0, 2.0, 4.0])) is sure
