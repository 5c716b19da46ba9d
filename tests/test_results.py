"""Every kind of result says itself in the same way: lines and a table, as text, HTML and plain data."""

import importlib
import json
import pkgutil
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.judging import Backtest, compare_recipes
from scaling.planning import BestPeak, Mixture
from scaling.planning.merging import merge
from scaling.planning.recipes.recipe import recipe
from scaling.planning.schedules import BestSchedule
from scaling.procedures.approaches import Optima
from scaling.procedures.bowls import settings
from scaling.procedures.chain import Chain
from scaling.procedures.consistency import consistency_point
from scaling.procedures.families import family
from scaling.procedures.independence import Independence
from scaling.procedures.information import mutual_information
from scaling.procedures.sensitivity import Growth
from scaling.procedures.step_law import StepLaw
from scaling.procedures.trajectory import Trajectory
from scaling.registered import History
from scaling.rendering import COLOURS, Result, html, plain, text
from scaling.report import page
from scaling.running import Choices, Forecast
from scaling.transfer import relate
from scaling.words import amount, digits, parse_number

BAD = "<script>alert(1)</script>"
N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 5)))


def surface(E=1.7, A=400.0, noise=2e-3, seed=0):
    rng = np.random.default_rng(seed)
    loss = E + A / N**0.34 + 410 / D**0.28
    return pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(noise * rng.standard_normal(N.size))})


@cache
def fitted(E=1.7, law="chinchilla"):
    return scaling.fit(surface(E), law)


def fit():
    found = fitted()
    return replace(found, law=replace(found.law, name=BAD))


def runs():
    step = np.arange(10, 400, 10)
    rows = {"run": BAD, "step": step, "lr": 1e-3, "loss": 2 + 5 / step**0.5}
    return scaling.Runs.from_frame(pd.DataFrame(rows).assign(extra=0.5), loss="loss")


def backtest():
    n = 40
    rows = pd.DataFrame({"cutoff": "1", "horizon": np.geomspace(1.2, 6, n), "truth": 2.0, "prediction": 2.0173})
    return Backtest(rows.assign(lower=1.95, upper=2.05), BAD, "compute", 0.9)


def forecast():
    frame = pd.DataFrame({"step": [600, 1000], "lr": 1e-3, "prediction": [2.5, 2.34567], "lower": 2.2, "upper": 2.56789})
    frame = frame.assign(mean_lower=2.21, mean_upper=2.55)
    constants = pd.DataFrame({"value": [2.1, 0.4567], "within": [0.01234, 1.2]}, index=["L0", "A"])
    log = pd.DataFrame({"step": [600], "loss": [2.5], "fitted": [2.5]})
    check = {"from": 400.0, "prediction": 2.51, "lower": 2.4, "upper": 2.6, "measured": 2.52}
    rest = (frame, "own log", constants.rename_axis("constant"), 0.9, 0.004, ("a spike",), check, log)
    return Forecast(BAD, 600, 1000, *rest, ok=False)


def choices():
    frame = pd.DataFrame(
        {"last": [1000], "prediction": [2.34567], "lower": [2.2], "upper": [2.5], "lowest": [0.625]}, index=[BAD]
    )
    return Choices(BAD, 600, 0.9, frame, {BAD: forecast()}, ("a spike",), ok=False)


def mixture():
    frame = pd.DataFrame({"share": [0.6123, 0.3877], "reference": 0.5, "bound": ["", "cap"]}, index=[BAD, "code"])
    losses = pd.DataFrame({"loss": [2.0, 1.5], "reference": [2.1, 1.6]}, index=["a", "b"])
    rest = (3.51234, 3.7, 0.1, 0.3, 0.9, 1e-9, pd.DataFrame({"sum": [0.55432, 0.44568]}, index=frame.index), ("flat",))
    return Mixture(frame, losses, "sum of losses", *rest)


def best_schedule():
    plan = scaling.schedule("wsd:peak=1e-3,steps=200,warmup=10")
    compared = pd.DataFrame({"schedule": ["free", BAD], "loss": [2.123456, 2.234567]})
    return BestSchedule(plan, 2.123456, 0.387, 1.61, compared, ("rates below the data",))


def peaks():
    peak = np.geomspace(1e-3, 4e-3, 9)
    loss = 2.1 + 0.01 * np.log(peak / 2e-3) ** 2
    table = pd.DataFrame({"peak": peak, "loss": loss, "lower": loss - 0.0123, "upper": loss + 0.0123, "ok": True})
    return BestPeak(2e-3, 2.1, (1.5e-3, 2.7e-3), table, (BAD,))


@cache
def relation():
    return relate(fitted(law="kaplan_offset"), fitted(2.0, "kaplan_offset"))


def chain():
    L = np.linspace(1.9, 4, 20)
    table = pd.DataFrame({"L": L, "loss": 0.8 - 2 * np.exp(-0.8 * L) + 2e-3 * np.cos(20 * L)})
    return Chain(fit(), scaling.fit(table, "downstream_error"))


@cache
def families():
    table = pd.concat([surface(seed=k).assign(p=p) for k, p in enumerate((0.2, 0.5, 0.9))])
    return family(table.assign(loss=table["loss"] * table["p"] ** -0.08))


def registration():
    return replace(fitted().register({"N": [7e9], "D": [2e11]}), words={"interval": BAD, "extrapolation": "", "why": [BAD]})


def score():
    measured = {"N": [7e9], "D": [2e11], "loss": [2.2]}
    return replace(scaling.score(fitted().register({"N": [7e9], "D": [2e11]}), measured), notes=(BAD,))


def history():
    one = score()
    names = ["level", "forecasts", "inside", "coverage", "lower", "upper", "error", "score"]
    coverage = pd.DataFrame([(0.9, 1, 1, 1.0, 0.146, 1.0, 0.0123, 0.0456)], columns=names).set_index("level")
    return History(one.frame.assign(made="2026-01-02", law=BAD, level=0.9, coverage=1.0), coverage, 3, (BAD,))


def settings_of_a_grid():
    rng = np.random.default_rng(0)
    keys = [(n, 20 * n * x) for n in (6e7, 1.2e8, 2.4e8, 5e8) for x in (0.5, 1, 2)]
    rows = [(n, d, lr, b) for n, d in keys for lr in np.geomspace(2e-4, 8e-3, 6) for b in np.geomspace(3e4, 1e6, 5)]
    grid = pd.DataFrame(rows, columns=["N", "D", "lr", "batch"])
    best = 1.8 * grid["N"] ** -0.713 * grid["D"] ** 0.307
    bowls = 0.02 * np.log(grid["lr"] / best) ** 2 + 0.01 * np.log(grid["batch"] / (0.58 * grid["D"] ** 0.571)) ** 2
    loss = (1.7 + 400 / grid["N"] ** 0.34 + 400 / grid["D"] ** 0.28) * (1 + bowls)
    return settings(grid.assign(loss=loss * np.exp(1e-3 * rng.standard_normal(len(grid)))), replicates=20)


def decisions():
    rows = [
        (f"{BAD}{k}", n, 2 + 0.01 * k + (300 + 3 * k) / n**0.34 + 1e-3 * seed)
        for k in range(5) for n in (1e7, 1e8, 1e9, 1e10) for seed in (0, 1)
    ]  # fmt: skip
    return compare_recipes(pd.DataFrame(rows, columns=["recipe", "N", "loss"]))


def known_of_another():
    size = np.geomspace(1e7, 1e10, 6)
    table = pd.DataFrame({"N": size, "alone": 3.0, "given": 3.0 - 0.02 * np.log(size / 1e5)})
    found = mutual_information(table, tokens=1.0)
    return replace(found, information=replace(found.information, law=replace(found.information.law, name=BAD)))


KINDS = {
    "Recipe": lambda: replace(recipe(flops=1e21), warnings=(BAD,)),
    "Settings": settings_of_a_grid,
    "Decisions": decisions,
    "Information": known_of_another,
    "Crossing": lambda: consistency_point(
        {"E": 0.0, "A": 2.57, "alpha": 0.048}, {"E": 0.0, "A": 26.5, "alpha": 0.095}, (1.3e9, 0.73)
    ),
    "Registration": registration,
    "Score": score,
    "History": history,
    "Runs": runs,
    "Fit": fit,
    "Backtest": backtest,
    "Choices": choices,
    "Forecast": forecast,
    "Mixture": mixture,
    "BestSchedule": best_schedule,
    "BestPeak": peaks,
    "Relation": lambda: replace(relation(), how=BAD),
    "Translated": lambda: replace(relation(), how=BAD).translate(fitted(law="kaplan_offset")),
    "Chain": chain,
    "Family": lambda: replace(families(), warnings=(BAD,)),
    "Independence": lambda: Independence("coupled", 0.00123, 1.789, f"{BAD} moves it, p = 0.00123", fitted(), None),
    "Optima": lambda: Optima(
        0.49123, 0.50877, 1.2345, -2.3456, pd.DataFrame({"flops": [1e20, 1e21], "N": [3.1e9, 9.7e9]}), (BAD,), 0.0423
    ),
    "StepLaw": lambda: StepLaw(
        {"K": 1.79123, "alpha": 0.713}, {"K": 0.3, BAD: 0.1}, {"K": 0.1}, (0.987, 0.954), pd.DataFrame({"N": [1.0]}), 2
    ),
    "Trajectory": lambda: Trajectory({"N_c": 8.81234e13, BAD: 0.076}, pd.DataFrame({"L": [3.2], "B_crit": [98765.4]})),
    "Merge": lambda: replace(merge([100, 200, 300]), loss=2.3456, lower=2.3123, upper=2.3789, unmerged=2.4567, trusted=False),
    "Growth": lambda: Growth(0.0123, 0.456, -7.89, np.inf),
}


@cache
def result(kind):
    return KINDS[kind]()


def every_kind(base=Result):
    kinds = [kind for kind in base.__subclasses__() if kind.__module__.startswith("scaling.")]
    return set().union(*map(every_kind, kinds)) if kinds else {base.__name__}


def test_every_kind_of_result_is_tested_here():
    for module in pkgutil.walk_packages(scaling.__path__, "scaling."):
        if not module.name.startswith(("scaling.training", "scaling.__main__")):
            importlib.import_module(module.name)
    # Told of the command line and Part of a report page: lines and a frame as given, tested there
    assert every_kind() == {*KINDS, "Told", "Part"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_comes_first_and_every_line_is_one(kind):
    found = result(kind)
    labels = [label for label, _ in found.head()]
    assert labels and all("\n" not in label + said and said.strip() for label, said in found.head())
    assert ("verdict" in labels) == (found.ok is not None)
    assert "verdict" not in labels or labels.index("verdict") <= 1  # the law of a fit stands above it


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_the_lines_then_the_table(kind):
    found = result(kind)
    lines = str(found).splitlines()
    assert repr(found) == str(found)
    head = found.head()
    for line, (label, said) in zip(lines, head, strict=False):
        assert line == f"{label:<12} {said}"
    table = found.table()
    assert len(lines) == len(head) + (0 if table is None else 1 + len(table))
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("kind", KINDS)
def test_html_escapes_every_name_and_colours_the_verdict(kind):
    found = result(kind)
    shown = found._repr_html_()
    assert "<script" not in shown and ("&lt;script&gt;" in shown) == (BAD in str(found))
    assert kind in ("Growth", "Merge", "Crossing", "Information", "Settings") or BAD in str(found)  # the test tests something
    assert [colour in shown for colour in COLOURS.values()] == [found.ok is True, found.ok is False]
    assert shown.count("<tr>") == len(str(found).splitlines())


def leaves(x):
    if isinstance(x, dict):
        return [*x, *(leaf for value in x.values() for leaf in leaves(value))]
    return [leaf for value in x for leaf in leaves(value)] if isinstance(x, list) else [x]


@pytest.mark.parametrize("kind", KINDS)
def test_plain_data_holds_every_number_of_the_text(kind):
    found = result(kind)
    told = found.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told  # plain already, lists and not tuples
    known = leaves(told)
    words = " ".join(leaf for leaf in known if isinstance(leaf, str))
    numbers = np.array([leaf for leaf in known if isinstance(leaf, int | float)], float)
    derived = {  # said as shares, ratios and differences of what is there
        "Forecast": lambda: [told["step"] / told["last"], told["last"] / told["step"]],
        "Crossing": lambda: [5.0],  # per cent that the exponent is off
        "Family": lambda: [told["aic"]["multilingual_reducible"] - told["aic"]["multilingual"]],
    }
    numbers = np.append(numbers, derived.get(kind, list)())
    shown = str(found).replace("95 % interval", "")  # the heading
    for token, places, power, unit in re.findall(r"(?<![\w.])([-+]?\d+(?:\.(\d+))?(?:e([-+]?\d+))?)([MBT])?(?!\w)", shown):
        times = {"": 1.0, "M": 1e6, "B": 1e9, "T": 1e12}[unit]
        half = 0.51 * 10.0 ** (int(power or 0) - len(places)) * times
        near = np.abs(np.r_[numbers, 100 * numbers] - float(token) * times) <= half
        assert token in words or near.any(), token


def test_a_fit_prints_as_it_always_did():
    shown = str(fitted())
    assert shown.splitlines()[0] == "chinchilla   L(N, D) = E + A / N^alpha + B / D^beta   arXiv:2203.15556"
    assert re.match(r"verdict      OK: \d+ of \d+ starts agree, condition \S+, no parameter at a bound$", shown.splitlines()[1])
    names = re.compile("^ {12} {10}value {14}95 % interval$(.*)", re.M | re.S)
    rows = names.search(shown)[1].strip("\n").splitlines()
    assert [row.split()[0] for row in rows] == list(fitted().values)
    assert all(re.match(r"^\w+ +\S+ +\S+ to \S+(  tied to \w+ \([+-]\d\.\d{3}\))?$", row) for row in rows)
    assert all(len(row.split("  tied")[0]) == 12 + 15 + 27 for row in rows)


def test_the_page_of_a_fit_of_curves_escapes_the_names_of_runs():
    curves = [runs().frame, runs().frame.assign(run="other", loss=lambda rows: rows["loss"] + 0.01)]
    found = scaling.fit(scaling.Runs.from_frame(pd.concat(curves)), "multi_power_5", fixed={"alpha": 0.5})
    shown = page(found)
    assert "<svg" in shown and BAD not in shown and shown.count("<script") == 1 == shown.count("</script")


class Frame(Result):
    def __init__(self, frame):
        self.frame = frame

    def table(self):
        return self.frame


def test_tables_are_aligned_and_long_ones_show_their_ends():
    frame = pd.DataFrame({"run": ["a", "bb"], "N": [10, 2_000], "loss": [2.0, 1.5], "none": np.nan, "error": ["+1 %", ""]})
    assert str(Frame(frame)).splitlines() == ["run     N    loss  error", "a      10  2.0000   +1 %", "bb   2000  1.5000"]
    assert str(Frame(frame.set_index("run"))) == str(Frame(frame))
    assert str(Frame(frame[:0])) == ""
    many = Frame(pd.DataFrame({"x": range(1000)}))
    lines = str(many).splitlines()
    assert len(lines) == 102 and [lines[k].strip() for k in (1, 51, -1)] == ["0", "...", "999"]
    assert html(many).count("<tr>") == 102
    assert len(text(many, rows=None).splitlines()) == 1001


def test_json_has_no_nan_and_knows_numpy_and_frames():
    frame = pd.DataFrame({"x": [1.0, np.nan]}, index=["a", "b"])
    given = {"a": np.float64("nan"), "b": np.array([1, 2]), "c": pd.NA, "d": (np.inf, True), "e": Path("x"), "f": frame}
    rows = [{"name": "a", "x": 1.0}, {"name": "b", "x": None}]
    assert plain(given) == {"a": None, "b": [1, 2], "c": None, "d": [None, True], "e": "x", "f": rows}
    assert plain(np.int64(3)) == 3 and type(plain(np.int64(3))) is int


def test_large_numbers_in_tables_are_as_people_write_them():
    frame = pd.DataFrame(
        {"N": [64e6, 7.04e9], "D": [1.3e12, 112e9], "flops": [1e22, 4.419e20], "step": [999_999, 10], "x": 1e-5}
    )
    assert str(Frame(frame)).splitlines() == [
        "    N     D     flops    step      x",
        "  64M  1.3T      1e22  999999  1e-05",
        "7.04B  112B  4.419e20      10  1e-05",
    ]
    assert plain(frame)[0]["D"] == 1.3e12  # in full
    mixed = pd.DataFrame({"from": [1.135e7, 2.342, 40.0]})
    assert [line.strip() for line in str(Frame(mixed)).splitlines()] == ["from", "11.35M", "2.342", "40"]
    for x in (1.0, 24e3, 123456.0, 999_999.6, 9.9996e8, 1e9, 112e9, 1.3e12, 9.9999e14, 1e15, -3e9, 1e-7):
        assert parse_number(amount(x)) == pytest.approx(x, rel=5e-4)


def test_text_fits_a_width_and_loses_nothing():
    words = "a sentence of many words that says what is known and why it is so, at some length and to the end"
    frame = pd.DataFrame({"run": ["a", "bb"], **{f"column_{k}": [10.0**k, 1.5] for k in range(9)}, "note": [words, ""]})
    found = replace(result("Backtest"), law=words)
    for width in (60, 80, 120):
        for shown in (text(Frame(frame), width=width), text(found, width=width)):
            assert max(map(len, shown.splitlines())) <= width
    whole, narrow = (re.sub(r"\s+", " ", text(found, width=width)) for width in (None, 60))
    assert whole.split(" horizon")[0] == narrow.split(" horizon")[0]
    cells = text(Frame(frame), width=60).split()
    assert (
        all(cells.count(f"column_{k}") == 1 for k in range(9)) and cells.count("bb") > 1
    )  # blocks begin with the first column
    assert {*words.split()} <= {*cells}
    assert text(Frame(frame), width=10_000) == str(Frame(frame))
    for width in range(1, 60):  # too narrow for some words, which stay whole
        assert {*words.split()} <= {*text(Frame(frame), width=width).split()} and text(found, width=width)


def test_large_numbers_have_two_digits_of_their_error():
    assert digits(3.2e9, 1e8) == "3.20e+09" and digits(2.965778971955e12, 2.2e11) == "2.97e+12"
    assert digits(123456.0, 200.0) == "123456" and digits(1.23456, 0.012) == "1.235"
