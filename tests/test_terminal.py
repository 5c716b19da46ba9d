"""What a person at a terminal sees: widths, colours, and how far a long wait is; nothing of it where a program reads."""

import json
import os
import re
import sys

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.waits import heard_by, steps, tell

pty = pytest.importorskip("pty", reason="needs a system with terminals")
AT_ONCE = "import scaling.cli.progress as p; p.PATIENCE = 0.0; from scaling.cli import main; raise SystemExit(main())"
DRAWN = re.compile(r"\x1b\[[?\d;]*[a-zA-Z]")  # colours and moves of the cursor


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    draw, path = np.random.default_rng(1), tmp_path_factory.mktemp("table") / "points.csv"
    N, D = np.exp(draw.uniform(16, 23, 60)), np.exp(draw.uniform(20, 27, 60))
    loss = (1.8 + 480 * N**-0.35 + 2000 * D**-0.37) * np.exp(4e-3 * draw.normal(size=60))
    pd.DataFrame({"N": N, "D": D, "loss": loss}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    folder, step = tmp_path_factory.mktemp("curves"), np.arange(20, 2001, 20)
    for k, fall in enumerate((1.0, 0.8, 0.5)):
        lr = 3e-4 * np.minimum(1, (2000 - step) / (2000 * (1 - fall) + 1) + 0.05)
        area = np.cumsum(lr) * 20
        loss = 2 + 0.5 * (area + 0.02) ** -0.5 - 0.1 * (1 - lr / 3e-4) + 1e-3 * np.sin(37 * step)
        pd.DataFrame({"step": step, "lr": lr, "loss": loss}).to_csv(folder / f"r{k}.csv", index=False)
    return folder


def on_terminal(folder, *argv, columns=100, code=0, **environment):
    """What the command line writes to a terminal so wide, cursor moves and all; waits are shown at once."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        shown = {**kept, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
        os.execve(sys.executable, [sys.executable, "-c", AT_ONCE, *argv], shown)
    said = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end has closed
            break
        if not piece:
            break
        said += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code, said.decode()
    return said.decode().replace("\r\n", "\n")


def test_a_wait_says_how_far_it_is_and_leaves_nothing_behind(table):
    said = on_terminal(table.parent, "compare", table.name, "-q")
    assert "\x1b[" not in said  # -q shows none
    said = on_terminal(table.parent, "compare", table.name)
    bars, result = re.split(r"[\r\n](?=held out)", DRAWN.sub("", said))  # at once a bar may follow the result too, and goes
    assert re.search(r"\d+%, \d[.\d]* s left", bars) and "fitting laws" in bars
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h")  # the cursor is back
    assert result.splitlines()[2].split()[0] in scaling.laws


def test_where_a_program_reads_nothing_is_shown(table, capfd):
    assert main(["compare", str(table)]) == 0
    told = capfd.readouterr()
    assert told.err == f"note: read 60 rows of {table}\n" and "\x1b" not in told.out


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("verb", ["compare", "fit", "laws", "plan", "error"])
def test_lines_fit_the_terminal(verb, columns, table):
    words = {
        "compare": ("compare", "points.csv"), "fit": ("fit", "points.csv", "--law", "farseer"), "laws": ("laws", "chinchilla"),
        "plan": ("plan", "chinchilla/besiroglu2024", "--flops", "1e22", "--flops", "1e24", "--flops", "1e26"),
        "error": ("fit", "points.csv", "--law", "progress"),
    }  # fmt: skip
    code = 3 if verb == "error" else 0
    lines = DRAWN.sub("", on_terminal(table.parent, *words[verb], "-q", columns=columns, code=code)).splitlines()
    assert max(map(len, lines)) <= columns and len(lines) > 1


def test_the_verdict_has_its_colour_where_the_terminal_has(table):
    assert "\x1b[32mOK\x1b[0m" in on_terminal(table.parent, "fit", table.name, "--law", "chinchilla", "-q")
    assert "\x1b[35mNOT TRUSTWORTHY\x1b[0m" in on_terminal(table.parent, "fit", table.name, "--law", "farseer", "-q")
    for plain in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b[" not in on_terminal(table.parent, "fit", table.name, "--law", "farseer", "-q", **plain)


def test_columns_of_the_environment_count_in_a_pipe_but_not_those_that_readline_leaves(table, capsys, monkeypatch):
    def widest():
        assert main(["fit", str(table), "--law", "farseer"]) == 0
        return max(map(len, capsys.readouterr().out.splitlines()))

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)
    whole = widest()
    assert whole > 100
    monkeypatch.setenv("COLUMNS", "60")
    assert widest() <= 60
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    assert widest() == whole


def heard(work):
    """What is said while `work` is done: by what is being done, its shares."""
    found = {}
    with heard_by(lambda what, share: found.setdefault(what, []).append(share)):
        work()
    assert all(0 <= share <= 1 for shares in found.values() for share in shares)
    return found


def test_every_long_piece_of_work_says_how_far_it_is(table, curves, tmp_path):
    rows, runs = pd.read_csv(table), scaling.read(curves)
    assert heard(lambda: scaling.read(curves))["reading logs"] == [0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    fitting = heard(lambda: scaling.fit(runs, "multi_power_5"))
    assert [*fitting] == ["fitting"] and len(fitting["fitting"]) > 10 and max(fitting["fitting"]) > 0.5
    laws = heard(lambda: scaling.compare(rows))
    assert [*laws] == ["fitting laws", "predicting rows held out"]
    assert all(shares == sorted(shares) and len(shares) > 3 for shares in laws.values())
    for found, target, said in (
        (scaling.fit(rows, "chinchilla"), {"N": [1e11], "D": [1e13]}, "calibrating"),
        (scaling.fit(runs, "multi_power_5"), runs, "fitting"),  # all schedules left out in one batch
    ):
        shares = heard(lambda found=found, target=target: found.predict(target))[said]
        assert len(shares) > 2 and (said == "fitting" or shares == sorted(shares))
        assert not heard(lambda found=found, target=target: found.predict(target))  # made once
    written = heard(lambda: scaling.logs.write(runs, tmp_path / "out"))
    assert [*written] == ["writing curves", "reading logs"] and len(written["writing curves"]) == 3


def test_loops_inside_others_are_silent_and_a_single_step_lets_its_own_be_heard():
    def work(outer):
        for _ in steps(range(outer), "outer"):
            for _ in steps(range(4), "inner"):
                tell("innermost", 0.5)

    assert heard(lambda: work(2)) == {"outer": [0, 0.5]}
    assert heard(lambda: work(1)) == {"outer": [0], "inner": [0, 0.25, 0.5, 0.75]}
    with pytest.raises(KeyError):
        heard(lambda: [{}[x] for x in steps(range(2), "failing")])
    assert heard(lambda: tell("after", 1.0)) == {"after": [1.0]}  # a failure leaves no silence behind


def test_tables_have_numbers_as_people_write_them_and_json_has_all_digits(capsys):
    assert main(["plan", "chinchilla/besiroglu2024", "--flops", "1e24"]) == 0
    said = capsys.readouterr().out
    assert (
        re.search(r"^N +96B$", said, re.M) and re.search(r"^D +1.736T$", said, re.M) and re.search(r"^flops +1e24$", said, re.M)
    )
    assert main(["plan", "chinchilla/besiroglu2024", "--flops", "1e24", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["plan"][0]
    assert 6 * row["N"] * row["D"] == pytest.approx(1e24, rel=1e-12) and row["flops"] == 1e24


@pytest.mark.parametrize("verb", ["fit", "compare"])
def test_what_was_read_is_said_before_what_takes_long(verb, tmp_path, capsys, monkeypatch):
    table = tmp_path / "table.csv"
    pd.DataFrame({"N": [1e6, 2e6], "D": [1e8, 2e8], "loss": [3.0, 2.9]}).to_csv(table, index=False)
    said = []
    monkeypatch.setattr(scaling, verb, lambda *_, **__: said.append(capsys.readouterr()) or 1 / 0)
    for quiet, note in (((), f"note: read 2 rows of {table}\n"), (("-q",), "")):
        assert main([verb, str(table), "--json", *quiet]) == 1
        assert tuple(said.pop()) == ("", note) and "ZeroDivisionError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    scaling.samples.write(folder / "s")
    scaling.fit(pd.read_csv(folder / "s/table.csv"), "chinchilla").save(folder / "fit.json")
    return folder


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize(
    "said",
    [
        "fit s/table.csv", "predict fit.json --N 1e6 --D 1e8", "compare s/table.csv", "laws --for s/table.csv",
        "plan fit.json --flops 1e15", "recipe --flops 1e20", "recipe --flops 1e22", "report fit.json", "runs s/ladder",
        "watch s/running --once",
        "fit nothere.csv", "fit s/table.csv --law chinchila", "predict fit.json --N 1e6",
    ],
)  # fmt: skip
def test_no_line_is_wider_than_the_terminal(shown, monkeypatch, capsys, said, columns):
    monkeypatch.chdir(shown)
    monkeypatch.delenv("LINES", raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    main(said.split())
    both = capsys.readouterr()
    lines = f"{both.out}\n{both.err}".split("\n")
    assert len(lines) > 1
    pasted = ("--", "scaling ")  # commands stay whole, to be copied
    assert [line for line in lines if len(line) > columns and not any(mark in line for mark in pasted)] == []
