"""Nothing is harmed: no text runs code or hangs, no file of somebody else is replaced, no damage goes unseen."""

import copy
import json
import os
import random
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling import document
from scaling.cli import main
from scaling.errors import ArgumentError, DataError, FitError, LawError, ScalingError, ScheduleError
from scaling.expressions import holds
from scaling.formula import Exponent, Positive
from scaling.logs import Runs, read_table
from scaling.rendering import html
from scaling.schedules import MOST_UPDATES, Schedule
from tests.edited import BEFORE, edited

TABLE = pd.DataFrame(
    {
        "N": [1e6, 1e8, 1e9], "step": [1, 200, 300], "run": ["a", "b", "c d"], "Model Size": [1, 2, 3],
        "flag": [True, False, True], "told": [True, None, False],
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 5)))
    loss = scaling.laws["chinchilla"].published["besiroglu2024"](N, D) * np.exp(rng.normal(0, 0.003, len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


@pytest.fixture(scope="module")
def fit(rows):
    return scaling.fit(rows, "chinchilla")


@pytest.fixture
def here(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    rows.to_csv("rows.csv", index=False)
    return tmp_path


# conditions


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("N > 1e6", [1, 2]),
        ("N > 1e6 and step > 200", [2]),
        ("N > 1e6 & step > 200", [2]),  # binds like `and`, as in pandas
        ("run in ['a', 'b']", [0, 1]),
        ("run not in ('a',)", [1, 2]),
        ("run == ['a', 'b']", [0, 1]),
        ("not flag", [1]),
        ("~flag or run == 'a'", [0, 1]),
        ("told", [0]),
        ("`Model Size` >= 2", [1, 2]),
        ("run == 'c d' or N < 2e6", [0, 2]),
        ("1e6 <= N < 1e9", [0, 1]),
        ("step % 100 == 0 and step // 100 + 1 < 4", [1]),
        ("-step < -1", [1, 2]),
        ("step ** 2 > 2 ** 10", [1, 2]),
        ("(N > 1) & ~(run == 'a & b | c')", [0, 1, 2]),
        ("run == 'a' | run == \"b\"", [0, 1]),
        ("step in [1, -1, 3e2]", [0, 2]),
        ("N != N", []),
    ],
)
def test_conditions(condition, kept):
    assert np.flatnonzero(holds(condition, TABLE)).tolist() == kept
    if condition != "told":  # pandas takes no column of objects there
        assert TABLE.query(condition).index.tolist() == kept


NO_CONDITIONS = [
    "N.__class__ == 1", "run.str.startswith('a')", "N[0] > 1", "[x for x in run]", "f'{N}' == 'a'", "N if flag else step",
    "N = 3", "(n := 3) > 1", "N", "N + 1", "1 > 0", "run > 3", "run + 'a' == 'b'", "'a' * 10 ** 10 == run", "nope > 1", "",
    "N > None", "N >", "N > 1; N", "run is 'a'", "'a' in run", "N > 9 ** 9 ** 9 ** 9", "N > 1 / 0", "N > 1j", "`N > 1",
    "N in [N]", "a\0b", "(" * 500 + "N" + ")" * 500 + " > 1", "-" * 3000 + "N > 1", "N" + " + 1" * 3000 + " > 1",
    "N > 1" + " " * 30_000, "b'a' == run", "N > ...", "N @ N > 1", "N << 2 > 1", "*N", "N > 1e400 * 0 ** -1",
]  # fmt: skip


@pytest.mark.parametrize("condition", NO_CONDITIONS, ids=range(len(NO_CONDITIONS)))
def test_what_is_no_condition_is_refused(condition):
    for ask in (lambda: read_table_of(TABLE, condition), lambda: curve().select(condition)):
        with pytest.raises(DataError) as problem:
            ask()
        assert len(str(problem.value)) < 700


def read_table_of(table, condition):
    return scaling.fit(table.assign(loss=1.0), "power_law:x=N", where=condition)


def curve(name="a"):
    step = np.arange(10, 210, 10)
    return Runs.from_frame(pd.DataFrame({"run": name, "step": step, "lr": 1e-3, "loss": 2 + 3 * step**-0.5}))


def code(canary):
    """Texts that would make a file if any of them ran."""
    touch = f"touch {canary}"
    return [
        f"@pd.io.common.os.system('{touch}')", f"@__import__('os').system('{touch}') == 0",
        f"__import__('os').system('{touch}')",
        f"__import__('os').system('{touch}') == 0 or N > 1", f"open('{canary}', 'w')", f"open('{canary}', 'w') == N",
        f"exec(\"open('{canary}', 'w')\")", f"eval(\"open('{canary}', 'w')\") > 0", f"(lambda: open('{canary}', 'w'))()",
        f"[open('{canary}', 'w') for x in [1]]", f"().__class__.__base__.__subclasses__()[0] or open('{canary}', 'w')",
        f"N.to_csv('{canary}')", f"N.map(lambda x: open('{canary}', 'w')) > 0", f"`N`.to_csv('{canary}') == 1",
        f"f\"{{open('{canary}', 'w')}}\" == run", f"N.values.tofile('{canary}')", f"(x := open('{canary}', 'w'))",
        f"alpha + open('{canary}', 'w')", f"exp.__globals__['__builtins__']['open']('{canary}', 'w')",
        f"sqrt(open('{canary}', 'w'))", f"N > 1 if open('{canary}', 'w') else N > 2", f"*open('{canary}', 'w')",
    ]  # fmt: skip


def test_no_text_runs_code(here, fit):
    canary = here / "ran"
    texts = code(canary)
    assert len(texts) >= 20
    saved = json.loads((BEFORE / "chinchilla.json").read_text())
    for text in texts:
        quick = (
            partial(read_table, ["rows.csv"], where=text), partial(curve().select, text),
            partial(scaling.fit, fit.data, "chinchilla", where=text), partial(scaling.laws["chinchilla"].tie, beta=text),
            partial(scaling.fit, fit.data, f"power_law:x={text}"), partial(scaling.fit, fit.data, text),
            partial(scaling.schedule, text), partial(scaling.schedule, f"cosine:peak={text},steps=10"),
            partial(scaling.read, "rows.csv", columns={"step": text}),
        )  # fmt: skip
        for ask in quick:
            with pytest.raises(ScalingError):
                ask()
        (here / "tied.json").write_text(json.dumps({**saved, "ties": {"beta": text}}))
        with pytest.raises(DataError, match="field 'ties'"):
            scaling.load("tied.json")
        lines = (
            ["--law", "chinchilla", "--where", text], ["--law", text], ["--law", "chinchilla", "--map", f"N={text}"],
            ["--law", f"power_law:x={text}"], ["--law", "chinchilla", "--fixed", f"alpha={text}"],
        )  # fmt: skip
        for line in lines:
            assert main(["fit", "rows.csv", *line, "-q"]) in (2, 3)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9", "alpha * 9**9**9**9", "1 / 0", "(-8) ** .5", "log(0)", "exp(alpha, 2)", "exp", "exp(alpha=1)",
        "exp(*alpha)",
        "alpha.real", "'a' * 9", "True", "alpha // 2", "lambda: 1", "1e400", "9" * 400, 3,
        "alpha" + " + alpha" * 100, "(" * 140 + "1 +" + ")" * 140, "alpha if 1 else 2", "",
    ],
)  # fmt: skip
def test_ties_are_bounded(text):
    with pytest.raises(LawError):
        scaling.laws["chinchilla"].tie(beta=text)


def test_a_bomb_in_a_saved_fit_is_refused_at_once(tmp_path):
    saved = json.loads((BEFORE / "chinchilla.json").read_text())
    path = tmp_path / "bomb.json"
    path.write_text(json.dumps({**saved, "ties": {"beta": "9**9**9**9"}}))
    with pytest.raises(DataError, match=r"bomb.json: field 'ties' .* no finite number"):
        scaling.load(path)


# steps


@pytest.mark.parametrize("step", ["1e15", "1e300", "9223372036854775808", "99999999999999999999", str(MOST_UPDATES + 1)])
def test_steps_beyond_any_run_are_refused_with_line_and_column(step, tmp_path):
    (tmp_path / "a.csv").write_text(f"step,lr,loss\n100,1e-3,3\n200,1e-3,2.9\n{step},1e-3,2.8\n")
    with pytest.raises(DataError, match=r"a.csv, line 4, column 'step': found .* at most 100,000,000 updates"):
        scaling.read(tmp_path / "a.csv")
    with pytest.raises(ScheduleError, match=r"a.csv, line 4, column 'step'"):
        scaling.schedule(str(tmp_path / "a.csv"))


def test_schedules_are_bounded_before_anything_is_allocated():
    texts = (
        "cosine:peak=1,steps=1e15", "cosine:peak=1,steps=1000,warmup=1e15", "table:steps=1e15,at=0/1,rates=1/2",
        "wsd_s:peak=1,steps=10,periods=1e18/5", "cosine_restarts:peak=1,steps=1e7,period=1",
        "constant:peak=1,steps=100000001", "cosine:peak=1,steps=100,horizon=1e17",
    )  # fmt: skip
    asked = [lambda text=text: scaling.schedule(text) for text in texts] + [
        lambda: Schedule(np.broadcast_to(1.0, (10**10,))),
        lambda: Schedule.from_rows([1, 1e15], [1, 1]),
        lambda: Schedule.from_rows([1, 2**63], [1, 1]),
        lambda: scaling.planning.best_schedule("multi_power/luo2025_25M", 10**15, peak=3e-4),
        lambda: scaling.planning.best_schedule("multi_power/luo2025_25M", 1000, peak=3e-4, warmup=10**15),
    ]
    for ask in asked:
        with pytest.raises(ScheduleError, match=r"at most|too many|over 100000 restarts|leave 0|beyond any run"):
            ask()


def test_a_step_beyond_a_schedule_says_how_to_reach_it(tmp_path):
    text = "wsd:peak=3e-3,steps=300,warmup=10"
    rng, step = np.random.default_rng(0), np.arange(1, 301)
    loss = (3 + np.exp(-step / 50)) * np.exp(rng.normal(0, 0.003, 300))
    found = scaling.fit(pd.DataFrame({"step": step, "lr": scaling.schedule(text).rates, "loss": loss}), "annealing:lam=0.99")
    with pytest.raises(ScheduleError, match=r"step 400 .* write steps=400 in 'wsd:.* --steps 400"):
        found.predict(text, steps=[400])
    assert len(found.predict(text.replace("300", "400"), steps=[400])) == 1
    with pytest.raises(ScheduleError, match=r"'constant:peak=0.003,steps=400'"):
        found.predict(Schedule(scaling.schedule(text).rates), steps=[400])
    found.save(tmp_path / "fit.json")
    line = ["predict", str(tmp_path / "fit.json"), "--schedule", "wsd:peak=3e-3,warmup=10", "--steps", "400", "--at", "400"]
    assert main([*line, "-q"]) == 0


# writers


def replaced(path, line, code, capsys, before):
    """Was the file at `path` left as it was? The exit code must be as said."""
    assert main([*line, "-q"]) == code, capsys.readouterr().err
    assert Path(path).read_bytes() == before
    return capsys.readouterr().err


def test_only_our_own_regular_files_are_replaced(here, capsys):
    fits = ["fit", "rows.csv", "--law", "chinchilla"]
    assert main([*fits, "-o", "fit.json", "-q"]) == 0 and main([*fits, "-o", "fit.json", "-q"]) == 0  # our own
    at = ["predict", "fit.json", "--N", "1e10", "--D", "1e11"]
    assert main([*at, "-o", "at.csv", "-q"]) == 0 and main([*at, "-o", "at.csv", "-q"]) == 0
    page = ["report", "fit.json"]
    assert main([*page, "-o", "page.html", "-q"]) == 0 and main([*page, "-o", "page.html", "-q"]) == 0
    search = ["search", "multi_power/luo2025_25M", "--steps", "200", "--peak", "3e-4", "--kind", "wsd"]
    assert main([*search, "-o", "best.csv", "-q"]) == 0
    capsys.readouterr()
    for name in ("notes.json", "notes.csv", "notes.html", "notes.svg"):
        Path(name).write_text('{"scores": [1, 2]}\n')
    Path("other.json").write_text('{"schema": 1, "name": "somebody else\'s"}')
    notes = Path("notes.json").read_bytes()
    for line, out in ((fits, "notes.json"), (at, "notes.csv"), (page, "notes.html"), (search, "notes.csv")):
        assert "did not write" in replaced(out, [*line, "-o", out], 2, capsys, notes)
    for line, out in ((fits, "other.json"), (at, "fit.json"), (fits, "at.csv"), (page, "rows.csv"), (search, "best.csv")):
        said = replaced(out, [*line, "-o", out], 2, capsys, Path(out).read_bytes())
        assert "did not write" in said or "reads that file" in said or "saved as .html" in said
    assert main([*fits, "-o", "notes.json", "--force", "-q"]) == 0 and scaling.load("notes.json").law.name == "chinchilla"
    for option in ("-o", "--plot"):  # inputs never, not even by force; --plot has no figure of a table, but is asked first
        out = "rows.csv" if option == "-o" else "rows.png"
        os.link("rows.csv", "rows.png") if option == "--plot" else None
        assert "reads that file" in replaced(out, [*fits, option, out, "--force"], 2, capsys, Path("rows.csv").read_bytes())
    Path("link.json").symlink_to("notes.csv")
    for out, said in (("link.json", "link"), ("/dev/null", "device"), (".", "folder"), ("no/fit.json", "no folder")):
        assert main([*fits, "-o", out, "--force", "-q"]) == 2
        assert said in capsys.readouterr().err
    assert Path("link.json").is_symlink() and Path("notes.csv").read_bytes() == notes
    assert not [*here.glob("*.tmp")]


def test_figures_and_tables_of_logs(here, capsys):
    curve().frame.drop(columns="run").to_csv("a.csv", index=False)
    line = ["fit", "a.csv", "--law", "power_law_offset", "-q"]
    for name in ("a.png", "a.svg", "a.pdf"):
        for _ in range(2):
            assert main([*line, "--plot", name]) == 0, capsys.readouterr().err
        Path(name).write_bytes(b"a picture of mine")
        assert main([*line, "--plot", name]) == 2
        assert Path(name).read_bytes() == b"a picture of mine"
    assert main([*line, "-o", "b.png", "--plot", "b.png"]) == 2
    assert "the same file" in capsys.readouterr().err
    Path("live.json.tmp").write_text("mine")
    assert main([*line, "-o", "live.json"]) == 0 and Path("live.json.tmp").read_text() == "mine"


def test_saving_in_python_spares_what_is_there(here, fit):
    Path("mine.json").write_text("[1]")
    with pytest.raises(ArgumentError, match=r"mine.json: .* force=True"):
        fit.save("mine.json")
    assert Path("mine.json").read_text() == "[1]"
    fit.save("mine.json", force=True)
    with pytest.raises(ArgumentError, match="there is no folder missing"):
        fit.save("missing/x.json")
    with pytest.raises(ArgumentError, match="folder"):
        fit.save(here)
    Path("mine.json").chmod(0o600)
    fit.save("mine.json")
    assert Path("mine.json").stat().st_mode & 0o777 == 0o600


def test_a_table_of_runs_that_somebody_wrote_is_kept(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "runs.csv").write_text("run_id,n_params\nmine,1e9\n")
    line = ["train", str(tmp_path), "--schedule", "constant:peak=1e-3,steps=2", "--corpus", "python"]
    assert main([*line, "-q"]) == 2
    assert (tmp_path / "runs.csv").read_text() == "run_id,n_params\nmine,1e9\n"


def test_pages_escape_names():
    name = "<script>alert(1)</script>"
    runs = curve(name)
    found = scaling.fit(runs, "power_law_offset")
    mine = scaling.law(name="loud")(lambda x, *, A, alpha: A / x**alpha)
    mine.fn.__doc__ = f"L = {name}"
    try:
        other = scaling.fit(pd.DataFrame({name: np.arange(1.0, 21), "loss": np.arange(1.0, 21) ** -0.3}), mine)
        pages = [html(runs), scaling.report.page(found), html(found), html(other), scaling.report.page(other)]
    finally:
        scaling.laws.remove("loud")
    for page in pages:
        assert "<script>alert" not in page


# saved fits


def damages(saved, seed, count):
    """(place, document) with one thing changed: a field gone, cut, turned, of another type, or another number or text."""
    draw = random.Random(seed)

    def places(node, path=()):
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            yield (*path, key)
            yield from places(node[key], (*path, key))

    kinds = {}
    for place in places(saved):
        kinds.setdefault(tuple(k if isinstance(k, str) else 0 for k in place), []).append(place)
    for _ in range(count):
        changed = copy.deepcopy(saved)
        *above, last = draw.choice(kinds[draw.choice([*kinds])])
        node = changed
        for key in above:
            node = node[key]
        value, kind = node[last], draw.randrange(5)
        if kind == 0:
            del node[last]
        elif kind == 1 and isinstance(value, list):
            node[last] = draw.choice([value[:-1], [*value, *value[:1], 7], value[::-1], value * 2, []])
        elif kind == 2 and isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers = ["nan", "inf", "-inf", 1e308, -1e308, 10**400, 10**15, 2**63, 0, 1e-300]
            node[last] = draw.choice([*numbers, -value, value * 1.5, value * 1e6])
        elif kind == 3 and isinstance(value, str):
            node[last] = draw.choice([value[:-1], value + "x", "", "9**9**9**9", value.upper(), "\0", "a" * 10_000])
        else:
            node[last] = draw.choice([None, "text", 3, -2, [], {}, [[1.0]], {"a": [1]}, True, 1e300, [None], "inf"])
        if changed != saved:
            yield (*above, last), changed


def spoiled(written, seed, count):
    """The bytes of a document, with one flipped, cut, put in, taken out or written twice."""
    draw = random.Random(seed)
    for _ in range(count):
        i = draw.randrange(len(written))
        j = min(len(written), i + draw.choice([1, 1, 8, 300]))
        yield draw.choice(
            [
                written[:i] + bytes([written[i] ^ 1 << draw.randrange(8)]) + written[i + 1 :],
                written[:i], written[:i] + written[j:], written[:j] + written[i:],
                written[:i] + bytes([draw.randrange(256)]) + written[i:],
            ]
        )  # fmt: skip


ASKED = {
    "chinchilla": (pd.DataFrame({"N": [2e9, 7e10], "D": [2e11, 1.4e12]}), {"interval": "delta"}),
    "multi_power_5": ("wsd:peak=3e-3,steps=320,warmup=16,decay=0.2", {"interval": "delta", "steps": [200, 320]}),
    "relation": ([2.2, 2.6], {}),
}


def asked_of(name, path):
    found = scaling.load(path)
    data, options = ASKED[name]
    str(found)
    return found.predict(data, **options)


def check_damages(name, path, count, seed):
    scaling.load(BEFORE / f"{name}.json").save(path)
    written, before = path.read_bytes(), asked_of(name, path)
    saved = json.loads(written)
    for _, changed in damages(saved, seed, count):
        path.write_text(json.dumps(changed))
        with pytest.raises(DataError, match="field '"):  # the digest shows every one
            scaling.load(path)
    for content in spoiled(written, seed, count):
        path.write_bytes(content)
        try:
            made = asked_of(name, path)
        except DataError:
            continue
        pd.testing.assert_frame_equal(made, before)  # blanks may come and go
    del saved["sha256"]
    for place, changed in damages(saved, seed + 1, count):
        try:
            path.write_text(json.dumps(document.signed(changed)))
        except (ValueError, TypeError):
            continue
        try:
            asked_of(name, path)  # by somebody who can sign: it may be another fit, but none that breaks
        except LawError:
            assert place[-1] == "law"
        except FitError:
            assert name == "relation" and place == ("fit",)  # one made by algebra, which has no interval
        except DataError as problem:
            assert "field '" in str(problem), place


@pytest.mark.parametrize("name", ASKED)
def test_damaged_documents_are_answered(name, tmp_path):
    check_damages(name, tmp_path / "fit.json", 60, seed=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKED)
def test_a_great_many_damaged_documents_are_answered(name, tmp_path):
    check_damages(name, tmp_path / "fit.json", 3800, seed=100)  # 11,400 of each kind in all


def test_weights_from_errors_of_losses_are_saved(rows, tmp_path):
    found = scaling.fit(rows.assign(loss_se=np.where(rows["N"] > 1e8, 0.001, 0.02)), "chinchilla")
    found.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.design.weights, found.design.weights)
    pd.testing.assert_frame_equal(again.predict(rows), found.predict(rows))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("values", "A"), 300.0, r"field 'values.A' is 300, and internal says"),
        (("values", "alpha"), -0.3, r"field 'values.alpha' is outside the domain"),
        (("standard_errors", "E"), 3.0, r"field 'standard_errors.E' is 3, and the covariance says"),
        (("covariance", "root", 0, 0), 1e200, r"field 'covariance.root' has no finite covariance"),
        (("covariance", "root", 0, 0), 1e20, r"field 'standard_errors.E'"),
        (("covariance", "noise"), -1.0, r"field 'covariance.noise' cannot be -1"),
        (("data", "columns", "loss", 3), 9.0, r"field 'objective' is .*, and values and data give"),
        (("internal", "t", 0), 1e3, r"field 'internal.t' is not between lower and upper"),
        (("internal", "params", 0, "start"), -3.0, r"field 'internal.params.0' must have lo <= start <= hi"),
        (("verdict", "agree"), 99, r"field 'verdict' counts more starts"),
        (("ties",), {"beta": 3}, r"field 'ties.beta' must be text"),
        (("conventions",), {"x": "a"}, r"field 'conventions' cannot be those of law"),
    ],
)
def test_numbers_that_contradict_each_other_are_named(place, value, said, tmp_path):
    path = edited(tmp_path / "fit.json", place, value)
    with pytest.raises(DataError, match=said):
        scaling.load(path)


def test_what_is_no_relation_is_not_called_a_fit(tmp_path):
    path = edited(tmp_path / "relation.json", ("r2",), 0.1, "relation")
    with pytest.raises(DataError, match=r"field 'r2' is 0.1, and values and pairs give .* relation.save"):
        scaling.load(path)
    path.write_text('{"schema": 99}')
    with pytest.raises(DataError, match=r"newer version: field 'schema' is 99, this one reads up to 2"):
        scaling.load(path)


# answers where there was a raw exception, or silence


def test_wrong_arguments_are_answered(rows, fit, tmp_path):
    wsd = scaling.schedule("wsd:peak=3e-3,steps=60,warmup=5")
    run = pd.DataFrame({"step": np.arange(1, 61), "lr": wsd.rates, "loss": 3 + np.exp(-np.arange(60) / 20)})
    for ask, kind, said in (
        (lambda: fit.drift((2.0,)), ArgumentError, "cutoffs=.* must be fractions"),
        (lambda: scaling.fit(rows, "chinchilla", seed=-1), ArgumentError, "seed=-1 must be a whole number"),
        (lambda: fit.bootstrap(10, seed=1.5), ArgumentError, "seed=1.5 must be a whole number"),
        (lambda: scaling.compare(rows, "chinchilla", seed=-1), ArgumentError, "seed=-1"),
        (lambda: scaling.fit(run, "multi_power_5:block=0"), ScheduleError, "block=0 must be a whole number"),
        (lambda: scaling.fit(run, "multi_power_5:block=x"), LawError, "convention block='x' must be a number"),
        (lambda: scaling.fit(run, "multi_power_5:warmup_in_ld=3"), LawError, "must be true or false"),
        (lambda: scaling.fit(rows, "power_law:x=3"), LawError, "convention x=3 must be a word"),
        (lambda: fit.eval(N=[1e9, 2e9], D=[1e10, 1e11, 1e12]), ScalingError, "must be numbers, as many of each"),
        (lambda: fit.eval(N=["a"]), ScalingError, "must be numbers"),
        (lambda: scaling.fit(rows, "chinchilla", fixed={"gamma": 1}), LawError, r"no parameter 'gamma'\. It has E"),
        (lambda: scaling.fit("runs/", "chinchilla"), DataError, r"read logs with scaling.read\(path\)"),
        (lambda: scaling.fit("run.csv", "annealing"), DataError, r"read logs with scaling.read\(path\)"),
        (lambda: scaling.fit(tmp_path, "annealing"), DataError, "read logs with scaling.read"),
        (lambda: scaling.fit(rows.assign(loss=np.nan), "chinchilla"), DataError, "column 'loss' is empty in all 30 rows"),
        (lambda: fit.predict("wsd:peak=1,steps=10"), DataError, r"predict\(\{'N': \[...\], 'D': \[...\]\}\)"),
    ):
        with pytest.raises(kind, match=said):
            ask()
    one = fit.eval(N=[1e9], D=[1e10])
    assert one.shape == (1,) and one[0] == fit.eval(N=1e9, D=1e10)
    assert fit.drift(0.9)["cutoff"].tolist() == [0.9]


def test_the_loss_may_be_named_by_map(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("step,train_loss,val_loss\n1,5,6\n2,4,5\n3,3,4\n")
    for name, first in (("train_loss", 5), ("val_loss", 6)):
        assert scaling.read(tmp_path / "a.csv", columns={"loss": name}).frame["loss"].iloc[0] == first
    assert main(["runs", str(tmp_path / "a.csv"), "--map", "loss=train_loss", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["final_loss"] == 3
    with pytest.raises(DataError, match="named twice"):
        scaling.read(tmp_path / "a.csv", columns={"loss": "train_loss"}, loss="val_loss")


def test_far_trials_of_a_fit_warn_nobody():
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.full(3, 0.2), 12)
    mixed = pd.DataFrame(shares, columns=["r_a", "r_b", "r_c"]).assign(loss=2 + np.exp(20 * shares @ rng.normal(size=3)))
    many = pd.DataFrame(
        {"K": rng.choice([1, 5, 400], 12), "N": 10 ** rng.uniform(6, 11, 12), "D_t": 10 ** rng.uniform(8, 13, 12)}
    )
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        for objective in ("log_huber", "squares"):
            scaling.fit(mixed, "mixture_exponential", objective=objective)
            scaling.fit(many.assign(loss=rng.lognormal(0, 1, 12)), "multilinguality", objective=objective)


# laws of one input


def one_input(column, low=1e18, count=40):
    x = np.geomspace(low, 1e3 * low, count).round()
    noise = np.exp(np.random.default_rng(1).normal(0, 0.002, count))
    return pd.DataFrame({column: x, "loss": (1.8 + 3 * (x / x[0]) ** -0.3) * noise})


@pytest.mark.parametrize(
    ("law", "column"),
    [
        *(("power_law_offset", column) for column in ("x", "compute", "C", "step", "n_params", "Size")),
        ("power_law", "compute"), ("broken", "C"), ("m4", "step"),
    ],
)  # fmt: skip
def test_the_only_input_is_taken_whatever_it_is_called(law, column, tmp_path):
    table = one_input(column, 100 if column == "step" else 1e18)
    found = scaling.fit(table, law)
    asked = {column: [10 * table[column].max()]}
    made = found.predict(asked)
    pd.testing.assert_series_equal(made["prediction"], found.predict({"x": asked[column]})["prediction"])
    assert column == "x" or any(f"x of law '{law}' is column '{column}'" in note for note in found.design.notes)
    found.save(tmp_path / "fit.json")
    pd.testing.assert_frame_equal(scaling.load(tmp_path / "fit.json").predict(asked), made)


def test_a_users_own_law_of_one_input_too(tmp_path):
    @scaling.law(name="own_of_one")
    def own(z, *, E: Positive = 1.0, A: Positive = 3.0, alpha: Exponent = 0.3):
        return E + A / z**alpha

    try:
        table = one_input("compute")
        found = scaling.fit(table, own)
        found.save(tmp_path / "fit.json")
        again = scaling.load(tmp_path / "fit.json")
        pd.testing.assert_frame_equal(again.predict({"compute": [1e22]}), found.predict({"compute": [1e22]}))
        assert len(scaling.backtest(table, own).frame) and len(scaling.compare(table, [own, "power_law"]).dropna())
    finally:
        scaling.laws.remove("own_of_one")


def test_an_input_that_could_be_several_columns_is_asked_for():
    table = one_input("a").assign(b=lambda t: t["a"] ** 0.5)
    with pytest.raises(DataError, match=r"needs its input x or tokens, .* Say which it is: 'power_law:x=a'"):
        scaling.fit(table, "power_law")
    assert scaling.fit(table, "power_law:x=b").design.inputs["x"].max() == table["b"].max()


def cli(capsys, *line):
    code = main([*line, "--json", "-q"])
    out, err = capsys.readouterr()
    assert code == 0, err
    return json.loads(out)


def test_one_input_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = one_input("compute")
    table.to_csv("t.csv", index=False)
    cli(capsys, "fit", "t.csv", "--law", "power_law_offset", "--where", "compute > 2e18", "-o", "fit.json")
    for option in ("--compute", "--x"):
        (row,) = cli(capsys, "predict", "fit.json", option, "1e22")["predictions"]
        assert row["lower"] < 1.8 + 3 * 1e4**-0.3 < row["upper"]
    rows = cli(capsys, "predict", "fit.json", "t.csv")["predictions"]
    assert len(rows) == 40 and max(abs(row["error"]) for row in rows) < 0.02
    assert len(cli(capsys, "compare", "t.csv", "--law", "power_law_offset", "--law", "power_law")["laws"]) == 2


def test_a_log_of_step_and_loss_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    log = one_input("step", 100)
    log.to_csv("log.csv", index=False)
    log.rename(columns={"step": "global_step", "loss": "train/loss"}).to_csv("other.csv", index=False)
    log.rename(columns={"step": "it"}).to_csv("odd.csv", index=False)
    fits = ["fit", "--law", "power_law_offset"]
    values = cli(capsys, *fits, "log.csv", "--where", "step > 500", "-o", "fit.json")["values"]
    assert values["E"] == pytest.approx(1.8, abs=0.02)
    for line in (
        ["other.csv", "--where", "global_step > 500 and `train/loss` < 9"],
        ["odd.csv", "--map", "step=it", "--where", "it > 500"],
        ["odd.csv", "--map", "x=it", "--where", "it > 500 and x > 500"],
        ["odd.csv", "--where", "it > 500"],
    ):
        assert cli(capsys, *fits, *line)["values"] == pytest.approx(values, rel=1e-6)
    (row,) = cli(capsys, "predict", "fit.json", "--step", "1M")["predictions"]
    assert row["prediction"] == pytest.approx(1.8 + 3 * 1e4**-0.3, abs=0.02)


def test_tables_of_size_and_tokens_are_predicted(here, capsys):
    cli(capsys, "fit", "rows.csv", "--law", "chinchilla", "-o", "fit.json")
    rows = cli(capsys, "predict", "fit.json", "rows.csv", "--where", "N > 1e8")["predictions"]
    assert len(rows) == 15 and all(abs(row["error"]) < 0.02 for row in rows)
    pd.read_csv("rows.csv").drop(columns="loss").to_csv("new.csv", index=False)
    assert len(cli(capsys, "predict", "fit.json", "new.csv", "-o", "out.csv")["predictions"]) == 30
    assert pd.read_csv("out.csv")["prediction"].notna().all()
    assert main(["predict", "fit.json", "new.csv", "--plot", "a.png"]) == 0
    assert Path("a.png").stat().st_size > 10_000
    assert main(["predict", "fit.json", "new.csv", "--plot", "rows.csv"]) != 0 and len(pd.read_csv("rows.csv")) == 30
