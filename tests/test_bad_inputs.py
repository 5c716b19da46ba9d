"""Every verb and every bad input: an exit code of the house, what is wrong and where, in plain words, and nothing is made."""

import re
import shlex

import numpy as np
import pytest

import scaling
from scaling.cli import main
from scaling.cli.app import VERBS

CURVE = [f"{i * 100},{2 + 3 * i**-0.3:.5f},{1e-3 if i < 30 else 3e-4}" for i in range(1, 60)]
OF_TABLES = {  # what is wrong with a table of N, D and loss: the lines below its header
    "header": lambda rows: [], "text": lambda rows: ["many,1e8,3", *rows], "negative": lambda rows: ["-5e6,1e8,3", *rows],
    "zero": lambda rows: ["5e6,0,3", *rows], "nan": lambda rows: ["nan,1e8,3", *rows], "short": lambda rows: ["5e6,1e8", *rows],
}  # fmt: skip
OF_CURVES = {  # likewise of step, loss and lr
    "header": lambda rows: [], "text": lambda rows: ["many,3,1e-3", *rows], "loss": lambda rows: ["10,high,1e-3", *rows],
    "negative": lambda rows: ["10,-2,1e-3", *rows], "backwards": lambda rows: ["-10,3,1e-3", *rows],
}  # fmt: skip
TABLES = [  # {} is the bad file, in every place of every verb that takes a table
    "fit {} --law chinchilla", "fit {}", "compare {}", "compare {} --law chinchilla --law kaplan", "predict fit.json {}",
    "predict {} --N 1e6 --D 1e8", "score record.json {}", "relate --source {} --target s/table.csv",
    "relate --source s/table.csv --target {}", "settings {} --N 1B --D 20B", "laws --for {}",
    "next fit.json --pool {} --target big.csv --budget 1e16", "next fit.json --pool pool.csv --target {} --budget 1e16",
]  # fmt: skip
CURVES = [
    "fit {} --law progress", "runs {}", "runs import {} -o out", "predict curves.json {}", "forecast {}", "watch {} --once",
    "forecast s/running --reference {}", "watch s/running --once --reference {}", "compare {} --law progress --holdout step",
    "next curves.json --pool {} --target cosine:peak=8e-3,steps=20000,warmup=100 --budget 50k",
]  # fmt: skip
RATES = ["predict curves.json --schedule {}", "forecast curve.csv --schedule {}", "search curves.json --steps {}"]
FITS = [
    "report {}", "report {} -o page.html", "report {} --md", "plan {} --flops 1e13", "search {} --steps 2000", "mix a={}",
    "next {} --pool pool.csv --target big.csv --budget 1e16", "register {} --N 1e6 --D 1e8 -o new.json", "score {} s/table.csv",
    "recipe {} --flops 1e22", "merge 1000 2000 --fit {} --schedule constant:peak=8e-3,steps=2000,warmup=100",
    "register fit.json --again {}",
]  # fmt: skip
SWEEPS = ["sweep {} --dry-run", "sweep {} out"]
MADE = [  # {} is what shall be written
    "fit s/table.csv --law chinchilla -o {}", "predict fit.json --N 1e6 --D 1e8 -o {}",
    "register fit.json --N 1e6 --D 1e8 -o {}", "score record.json s/table.csv -o {}",
    "relate --source s/table.csv --target s/table.csv -o {}", "search curves.json --steps 2000 -o {}", "report fit.json -o {}",
    "forecast s/running -o {}", "forecast s/running --register {}", "watch s/running --once -o {}",
    "fit s/table.csv --plot {}", "compare s/table.csv --plot {}", "settings s/table.csv --N 1e6 --D 1e8 --plot {}",
]  # fmt: skip
FOLDERS = ["runs import s/running -o {}", "demo {}", "train {} --schedule cosine:peak=1e-2,steps=20", "sweep ok.toml {}"]
NUMBERS = [  # options whose number is above 0, or whole, or a probability
    "fit s/table.csv --law chinchilla --delta", "fit s/table.csv --seed", "fit curve.csv --law progress --warmup",
    "predict fit.json --N 1e6 --D 1e8 --level", "predict fit.json --D 1e8 --N", "predict curves.json --at",
    "predict curves.json --schedule cosine:peak=8e-3 --steps", "forecast s/running --level", "watch s/running --once --every",
    "watch s/running --once --worse-than", "compare s/table.csv --seed", "plan fit.json --flops", "plan fit.json --loss",
    "plan fit.json --N", "plan fit.json --flops 1e13 --served", "recipe --flops", "recipe --N", "settings grid.csv --D 1 --N",
    "mix a=mix.json --level", "next fit.json --pool pool.csv --target big.csv --budget", "search curves.json --steps",
    "search curves.json --steps 2000 --lowest", "search curves.json --steps 2000 --peak", "merge 1000 2000 --final",
    "sweep ok.toml --lanes", "sweep ok.toml --jobs", "train o --schedule cosine:peak=1e-2,steps=20 --n-layer",
]  # fmt: skip
WORDS = [  # command, and what the answer must hold
    ("fit s/table.csv --law nolaw", "unknown law 'nolaw'"), ("fit s/table.csv --law nofile.py:x", "no such file"),
    ("fit s/table.csv --law chinchilla:x=3", "has no convention x; it has none"),
    ("fit s/table.csv --objective nope", "--objective nope: must be one of log_huber"), ("nope", 'unknown command "nope"'),
    ("fit s/table.csv --map N=Q", "no column 'Q', asked for as N; it has N, D, loss"),
    ("fit s/table.csv --loss Q", "s/table.csv: no column 'Q'"), ("runs s/running --map stp=step", "--map stp=step"),
    ("runs s/running --where 'n_params > 1e99'", "--where 'n_params > 1e99': no row is left"),
    ("compare s/table.csv --recipes nope", "no column nope; the table has N, D, loss: --recipes names"),
    ("compare s/table.csv --holdout nope", "one of D, M, N, loss."), ("completion csh", "must be one of bash, zsh, fish"),
    ("next fit.json --pool pool.csv --target big.csv --budget 1e16 --cost nope", "it has N, D, price."),
    ("predict curves.json --schedule foo", "unknown schedule 'foo'; allowed: constant"),
    ("predict fit.json --tokens 5", "law 'chinchilla' also needs --N"), ("score s", "s: no scored forecast here"),
    ("merge nofile", "argument nofile: must be a whole number"), ("merge 3 2 1", "rising numbers"),
    ("merge 1000 2000 --fit curves.json", "needs both --fit, of a law of schedules, and --schedule"),
    ("plan fit.json --flops 1e13 --loss 2", "--flops and --loss do not go together"), ("plan fit.json --loss 1", "--loss 1"),
    ("plan nolaw/nopreset --flops 1e13", "unknown law 'nolaw'"), ("mix a=mix.json --N 1e6", "leave out --N"),
    ("plan chinchilla/nopreset --flops 1e13", "chinchilla/besiroglu2024"), ("sweep empty.toml", "empty.toml: it has no part"),
    ("register fit.json s/table.csv -o new.json", "`scaling forecast LOG --register FILE`"),
    ("runs import s/running", "`scaling runs import --help` shows"), ("train o", "train needs --schedule"),
    ("sweep norates.toml", 'write schedule = "cosine:peak=1e-2,steps=2000" in base'), ("settings s/table.csv", "needs --N"),
]  # fmt: skip
PYTHON = re.compile(
    r"\b(scaling\.[a-z]|fit\.save|relation\.save|predict\(|plan\(|pandas|numpy|DataFrame|columns=|facts=|where=|gpu_hours=|"
    r"codec|Expecting|str values|__\w+__|NoneType|unexpected|Traceback|\w+Error\b)|\[Errno|\[\]| \.(?![\w.])|, ;|\(1 such"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples, good files, files that are bad in one way each, and saved results."""
    there = tmp_path_factory.mktemp("bad")
    mixed = np.linspace(0.05, 0.95, 18)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(there)
        scaling.samples.write("s")
        rows = (there / "s/table.csv").read_text().splitlines()[1:]
        texts = {
            "curve.csv": "\n".join(["step,loss,lr", *CURVE]), "pool.csv": "N,D,price\n1e5,1e7,3\n2e5,1e7,4\n",
            "big.csv": "N,D\n1e6,2e8\n", "mine.txt": "precious\n", "mine.png": "precious", "empty.csv": "", "empty.json": "",
            "empty.toml": "", "list.json": "[1, 2]", "text.json": "no json", "object.json": '{"a": 1}',
            "text.toml": "hello there", "wrong.toml": '[base]\nn_layer = "two"\nschedule = "constant:peak=1,steps=9"\n',
            "norates.toml": "[base]\nn_layer = 2\n",
            "ok.toml": '[base]\nd_model = 8\nschedule = "constant:peak=1e-2,steps=9"\n', "columns.csv": "a,b,c\n1,2,3\n4,5,6\n",
            "mix.csv": "r_a,r_b,loss\n" + "".join(f"{a:.4f},{1 - a:.4f},{2 + np.exp(-a):.5f}\n" for a in mixed),
        }  # fmt: skip
        texts |= {f"table-{how}.csv": "\n".join(["N,D,loss", *spoil(rows)]) + "\n" for how, spoil in OF_TABLES.items()}
        texts |= {f"curve-{how}.csv": "\n".join(["step,loss,lr", *spoil(CURVE)]) + "\n" for how, spoil in OF_CURVES.items()}
        for name, text in texts.items():
            (there / name).write_text(text)
        for kind in ("csv", "json", "toml"):
            (there / f"binary.{kind}").write_bytes(bytes(range(256)) * 8)
            (there / f"folder.{kind}").mkdir()
        for line in (
            "fit s/table.csv --law chinchilla -o fit.json", "register fit.json --N 1e6 --D 1e8 -o record.json",
            "fit s/ladder --where 'n_params < 30e3 and n_params > 20e3' --law progress -o curves.json",
            "fit mix.csv --law mixture_exponential --objective log_squares -o mix.json",
            "relate --source s/table.csv --target s/table.csv -o relation.json",
        ):  # fmt: skip
            assert main(shlex.split(line)) == 0
        saved = (there / "fit.json").read_text()
        (there / "cut.json").write_text(saved[:900])
        (there / "edited.json").write_text(saved.replace('"seed": 0', '"seed": 1'))
    return there


def files(folder):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def refused(folder, capsys, line, *said):
    """The answer to a command that fails: in plain words, on stderr alone, with nothing written."""
    before = files(folder)
    code = main(shlex.split(line))
    out, err = capsys.readouterr()
    assert code in (2, 3) and out == "", (line, code, out, err)
    assert err.splitlines()[-1].strip() and "error: " in err, line
    assert (found := PYTHON.search(err)) is None, (line, found, err)
    assert all(word in err for word in said), (line, said, err)
    assert files(folder) == before, line
    return err


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COLUMNS", raising=False)
    return folder


@pytest.mark.parametrize("line", [*TABLES, *CURVES, *FITS, *SWEEPS])
def test_what_is_no_file_of_its_kind_is_named(line, here, capsys):
    kind = "toml" if line in SWEEPS else "json" if line in FITS else "csv"
    others = ["mix.csv", "list.json", "text.json", "object.json", "cut.json", "edited.json"] if line in FITS else []
    others += ["relation.json"] if line in FITS else ["columns.csv"] if kind == "csv" else ["text.toml", "wrong.toml"]
    for name in (f"nofile.{kind}", f"empty.{kind}", f"binary.{kind}", f"folder.{kind}", *others):
        refused(here, capsys, line.format(name), name)


@pytest.mark.parametrize("line", [*TABLES, *CURVES])
def test_a_bad_cell_is_named_by_file_line_and_column(line, here, capsys):
    part, ways = ("table", OF_TABLES) if line in TABLES else ("curve", OF_CURVES)
    columns = {"text": "N", "negative": "N", "zero": "D", "nan": "N"} if part == "table" else {
        "text": "step", "loss": "loss", "negative": "loss", "backwards": "step"
    }  # fmt: skip
    if line.startswith(("settings", "laws")):
        ways = {"header": None}  # of a table without rates and batches that is said first; laws are listed for any numbers
    for how in ways:
        name = f"{part}-{how}.csv"
        cell = (f"{name}, line 2, column '{columns[how]}'",) if how in columns else ()
        refused(here, capsys, line.format(name), name, *cell)


@pytest.mark.parametrize("line", RATES[:2])
def test_a_bad_file_of_rates_is_named(line, here, capsys):
    for name in ("nofile.csv", "empty.csv", "binary.csv", "folder.csv", "columns.csv", "curve-text.csv"):
        refused(here, capsys, line.format(name), name)


@pytest.mark.parametrize("line", MADE)
def test_nothing_is_written_where_it_cannot_or_must_not_be(line, here, capsys):
    option, page = line.split()[-2], line.startswith(("report", "watch"))
    endings = ("html",) if page else ("png",) if option == "--plot" else ("json",)
    for name in (*(f"nowhere/x.{ending}" for ending in endings), "mine.png" if option == "--plot" else "mine.txt", "s"):
        refused(here, capsys, line.format(name), f"{option} {name}")


@pytest.mark.parametrize("line", FOLDERS)
def test_a_file_is_no_folder(line, here, capsys):
    refused(here, capsys, line.format("mine.txt"), "mine.txt", "name a folder")


@pytest.mark.parametrize("line", NUMBERS)
def test_what_is_no_number_is_named_with_its_option(line, here, capsys):
    option = line.split()[-1]
    for text in ("abc", "nan", "inf", "-1", "1e400"):
        err = refused(here, capsys, f"{line}={text}", option)
        assert "must be" in err or "positive" in err or "needs" in err, (line, text, err)


@pytest.mark.parametrize(("line", "said"), WORDS)
def test_words_that_mean_nothing_are_answered(line, said, here, capsys):
    refused(here, capsys, line, said)


@pytest.mark.parametrize(
    "words",
    [
        ["demo", ""], ["train", "", "--schedule", "cosine:peak=1e-2,steps=3,warmup=1"],
        ["runs", "import", "s/running", "-o", ""], ["runs", "import", "", "-o", "copied"], ["fit", ""],
        ["fit", "s/table.csv", "-o", " "],
        ["fit", "s/table.csv", "--plot="], ["sweep", "norates.toml", ""], ["watch", ""],
    ],
)  # fmt: skip
def test_an_empty_word_is_no_path(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and "empty" in err and "leave it out" in err, err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_there_is_not_is_named(verb, here, capsys):
    needs = {"fit": "s/table.csv", "predict": "fit.json", "plan": "fit.json", "register": "fit.json", "completion": "bash"}
    refused(here, capsys, f"{verb} {needs.get(verb, '')} --nosuchoption 3")


def test_the_first_checkpoint_of_an_average_has_no_rate(capsys):
    assert main(["merge", "1", "2", "3"]) == 0
    assert "nan" not in capsys.readouterr().out
