"""Errors a user can cause on the command line, and their remedies: each is provoked, read, and followed as it is printed."""

import re
import shlex

import numpy as np
import pytest

import scaling
from scaling.cli import main

FEW = "N,D,loss\n1e6,1e7,3\n2e6,2e7,2.9\n3e6,3e7,2.8\n"
CURVE = "step,loss,lr\n" + "".join(f"{i * 100},{2 + 3 * i**-0.3:.5f},{1e-3 if i < 30 else 3e-4}\n" for i in range(1, 60))
FILES = {
    "few.csv": FEW,
    "head.csv": "N,D,loss\n",
    "negative.csv": "N,D,loss\n" + "".join(f"{1e6 * i},{1e7 * i * i},{-3 + 5 * i**-0.3:.4f}\n" for i in range(1, 12)),
    "odd.csv": CURVE.replace("step,loss,lr", "it,nll,rate"),
    "curve.csv": CURVE,
    "norates.csv": "\n".join(line.rpartition(",")[0] for line in CURVE.splitlines()),
    "epochs.csv": "epoch,loss,lr\n" + "".join(f"{i},{2 + 3 * i**-0.3:.5f},{1e-3 if i < 20 else 3e-4}\n" for i in range(1, 40)),
    "bits.csv": CURVE.replace("step,loss,lr", "step,val_bpb,lr"),
    "sizes.csv": "Weights,tokens,loss,U\n" + "".join(f"{1e6 * i},{1e7 * j},{1 + i**-0.3 + j**-0.3:.5f},1e7\n"
                                                        for i in range(1, 5) for j in range(1, 5)),
    "mine.txt": "precious\n",
    "pool.csv": "N,D,price\n1e5,1e7,3\n2e5,1e7,4\n",
    "recipes.csv": "data,N,D,loss\n" + "".join(f"{name},{n}e6,{n}e7,{2 + slope * n**-0.3:.4f}\n"
                                               for name, slope in (("a", 1), ("b", 1.2), ("c", 2)) for n in (1, 3, 9)),
    "big.csv": "N,D\n1e6,2e8\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples, small files that are wrong in one way each, and three fits."""
    there = tmp_path_factory.mktemp("errors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(there)
        scaling.samples.write("s")
        for name, text in FILES.items():
            (there / name).write_text(text)
        mixed = np.linspace(0.05, 0.95, 18)
        rows = "".join(f"{a:.4f},{1 - a:.4f},{2 + np.exp(-a):.5f}\n" for a in mixed)
        (there / "mix.csv").write_text("r_a,r_b,loss\n" + rows)
        for line in (
            "fit s/table.csv --law chinchilla -o fit.json", "fit s/ladder --law ladder -o ladder.json",
            "fit s/ladder --where 'n_params < 30e3 and n_params > 20e3' --law progress -o curves.json",
            "fit mix.csv --law mixture_exponential --objective log_squares -o mix.json",
        ):  # fmt: skip
            assert main(shlex.split(line)) == 0
    return there


CASES = [  # command that fails, its exit code, what the answer holds, and the command that the answer leads to
    (
        "fit few.csv --law chinchilla",
        3,
        "fix parameters",
        "fit few.csv --law chinchilla --fixed alpha=.3 --fixed beta=.3 --fixed E=1",
    ),
    (
        "fit negative.csv --law power_law:x=D",
        3,
        "--objective squares",
        "fit negative.csv --law power_law_offset:x=D --objective squares",
    ),
    (
        "fit odd.csv --law progress",
        3,
        "--map step=COLUMN",
        "fit odd.csv --law progress --map step=it --map loss=nll --map lr=rate",
    ),
    ("fit norates.csv --law progress", 3, "pass --schedule cosine:peak=...", None),
    (
        "fit epochs.csv --law progress",
        3,
        "--fact steps_per_epoch=NUMBER",
        "fit epochs.csv --law progress --fact steps_per_epoch=100",
    ),
    (
        "fit bits.csv --law progress",
        3,
        "--fact bytes_per_token=NUMBER",
        "fit bits.csv --law progress --fact bytes_per_token=4.2",
    ),
    ("fit s/table.csv --law chinchila", 2, "did you mean 'chinchilla'?", "fit s/table.csv --law chinchilla"),
    ("fit s/table.csv --law data_constrained", 3, "missing U", "laws --for s/table.csv"),
    ("fit sizes.csv --law chinchilla", 3, "--map N=Weights", "fit sizes.csv --law chinchilla --map N=Weights"),
    ("fit head.csv", 3, "no row below the header", None),
    ("fit s/table.csv --fixed alpha=0.3", 2, "say which with --law", "fit s/table.csv --law chinchilla --fixed alpha=0.3"),
    ("fit s/table.csv --law chinchilla --fixed alhpa=0.3", 2, "did you mean 'alpha'?", None),
    (
        "fit s/table.csv --law chinchilla --delta -1",
        2,
        "--objective log_squares",
        "fit s/table.csv --law chinchilla --objective log_squares",
    ),
    ("fit s/table.csv --where 'Q > 3'", 3, "the columns are N, D, loss.", "fit s/table.csv --where 'N > 3'"),
    ("fit s/table.csv -o mine.txt", 2, "--force", "fit s/table.csv --law chinchilla -o mine.txt --force"),
    ("fit s/table.csv --plot fig.gif", 2, ".png, .svg, .pdf", "fit s/table.csv --law chinchilla --plot fig.svg"),
    (
        "predict nofit.json --N 1M --D 1B",
        3,
        "`scaling fit ... -o nofit.json`",
        "fit s/table.csv --law chinchilla -o nofit.json",
    ),
    ("predict fit.json", 2, "logs or --N --D", "predict fit.json --N 1e6 --D 1e8"),
    ("predict fit.json --N 1e6", 2, "also needs --D", "predict fit.json --N 1e6 --D 1e8"),
    ("predict fit.json --schedule cosine:peak=1e-3,steps=100", 2, "logs or --N --D", "predict fit.json --N 1e6 --D 1e8"),
    (
        "predict curves.json --N 1e6",
        2,
        "give --schedule",
        "predict curves.json --schedule cosine:peak=8e-3,steps=2000,warmup=100",
    ),
    ("predict curves.json --schedule cosin:peak=8e-3,steps=2000", 2, "did you mean 'cosine'?", None),
    (
        "predict curves.json --schedule cosine:peak=8e-3,warmup=100",
        2,
        "missing steps",
        "predict curves.json --schedule cosine:peak=8e-3,warmup=100 --steps 2000",
    ),
    (
        "predict curves.json --schedule cosine:peak=8e-3,steps=1000,warmup=100 --at 2000",
        2,
        "add --steps 2000",
        "predict curves.json --schedule cosine:peak=8e-3,warmup=100 --steps 2000 --at 2000",
    ),
    ("predict curves.json s/finished --at 99999", 2, "ends at 12800", "predict curves.json s/finished --at 12800"),
    (
        "predict ladder.json --N 250k --tokens 13M",
        2,
        "--schedule cosine:final=0.1",
        "predict ladder.json --N 250k --tokens 13M --schedule cosine:final=0.1",
    ),
    ("predict ladder.json --tokens 13M --schedule cosine:final=0.1", 2, "needs --N", None),
    ("forecast s/ladder", 3, "--where \"run == 'd16-cosine'\"", None),
    ("forecast norates.csv", 3, "give --schedule", None),
    (
        "forecast s/running --then cosine:peak=0.008,steps=5000,warmup=100",
        3,
        "give --steps of the whole run",
        "forecast s/running --then cosine:peak=0.008,steps=16000,warmup=100",
    ),
    ("plan fit.json", 2, "--flops, --loss, --N or --D", "plan fit.json --flops 1e13"),
    (
        "plan fit.json --flops 1e13 --unique 1e6",
        2,
        "'data_constrained' with --unique",
        "plan data_constrained/muennighoff2023 --flops 1e20 --unique 1e6",
    ),
    ("plan fit.json --flops 1e13 --rates li2025", 2, "--shape d_model=NUMBER,n_layer=NUMBER,vocab=NUMBER,context=NUMBER", None),
    (
        "plan data_constrained/muennighoff2023 --flops 1e22",
        2,
        "Give --input U=...",
        "plan data_constrained/muennighoff2023 --flops 1e22 --input U=1e11",
    ),
    ("plan chinchilla --flops 1e22", 2, "chinchilla/besiroglu2024", "plan chinchilla/besiroglu2024 --flops 1e22"),
    (
        "next fit.json --pool pool.csv --target big.csv --budget 1",
        2,
        "--cost names a column",
        "next fit.json --pool pool.csv --target big.csv --budget 5 --cost price",
    ),
    ("search curves.json --steps 5", 2, "give --steps 11", "search curves.json --steps 11"),
    (
        "search multi_power/luo2025_25M --steps 2000",
        2,
        "pass --peak",
        "search multi_power/luo2025_25M --steps 2000 --peak 3e-4",
    ),
    ("mix mix.json", 2, "write mix name=value", "mix target=mix.json"),
    ("compare s/table.csv --laws chinchilla", 2, "--law", "compare s/table.csv --law chinchilla --law kaplan"),
    ("compare s/table.csv --holdout nothing", 2, "compute, size, tokens", "compare s/table.csv --holdout compute"),
    ("report fit.json -o x.pdf", 2, "scaling report fit.json --md", "report fit.json"),
    ("register fit.json --N 1e6 --D 1e8", 2, "-o FILE", "register fit.json --N 1e6 --D 1e8 -o record.json"),
    ("runs import s/running", 2, "-o", "runs import s/running -o copied"),
    ("recipe --gpu-hours 1000", 2, "missing --gpu, --utilisation", "recipe --gpu-hours 1000 --gpu H100 --utilisation 0.4"),
    ("recipe --gpu-hours 9 --gpu H1000 --utilisation 0.4", 2, "did you mean 'H100'?", None),
    ("recipe --flops 1e22 --utilisation 0.4", 2, "--flops and --gpu-hours are two budgets", None),
    ("recipe", 2, "needs --flops, --gpu-hours, --N or --D", "recipe --flops 1e22"),
    ("recipe --flops 1e22 --shape width=64", 2, "unknown 'width'", None),
    ("recipe --flops 1e22 --shape d_modl=64", 2, "did you mean 'd_model'?", None),
    ("recipe --flops 1e22 --shape d_model=64", 2, "not all of a model; write d_model=2048", None),
    ("recipe --shape gated=1", 2, "not all of a model", None),
    (
        "score none.json",
        3,
        "no such file; `scaling register FIT ... -o none.json`",
        "register fit.json --N 1e6 --D 1e8 -o none.json",
    ),
    ("plan s --flops 1e20", 3, "s: a folder, where a saved fit", "plan fit.json --flops 1e13"),
    ("plan few.csv --flops 1e20", 3, "few.csv: no JSON", None),
    ("compare recipes.csv --recipes foo", 3, "--recipes names that of the recipes", "compare recipes.csv --recipes data"),
    ("compare recipes.csv --recipes dat", 3, "did you mean 'data'?", "compare recipes.csv --recipes data"),
    (
        "compare recipes.csv --recipes data --by size",
        3,
        "--by names that of the size",
        "compare recipes.csv --recipes data --by N",
    ),
    ("compare s/ladder --recipes run", 3, "These are loss curves; write such a table", None),
    ("demo nowhere/there", 2, "make that first", "demo there"),
]


@pytest.mark.parametrize(("wrong", "code", "said", "right"), CASES, ids=[case[0] for case in CASES])
def test_an_error_says_what_to_do_and_that_works(folder, monkeypatch, capsys, wrong, code, said, right):
    monkeypatch.chdir(folder)
    assert main(shlex.split(wrong)) == code
    _, err = capsys.readouterr()
    assert said in re.sub(r"\s+", " ", err)
    assert not re.search(
        r"\b(scaling\.[a-z]|fit\(|predict\(|plan\(|columns=|facts=|inputs=|where=\"|gpu_hours=|gpu=|utilisation=|__init__)|\[Errno",
        err,
    ), err
    assert "unexpected" not in err
    if right is not None:
        assert main(shlex.split(right)) == 0, capsys.readouterr().err
        capsys.readouterr()


def test_remedies_inside_a_report_are_options_too(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    rows = (folder / "s/table.csv").read_text().splitlines()
    N, _, loss = rows[8].split(",")
    (folder / "wrong.csv").write_text("\n".join([*rows[:8], f"{N},819,{loss}", *rows[9:]]) + "\n")
    assert main(["fit", "wrong.csv", "--law", "chinchilla"]) == 0
    out = capsys.readouterr().out
    (where,) = set(re.findall(r"--where '([^']*)'", out))
    assert main(["fit", "wrong.csv", "--law", "chinchilla", "--where", where, "--strict"]) == 0
    assert main(["search", "curves.json", "--steps", "9600", "--warmup", "100"]) == 0
    assert "--lowest keeps the search inside" in re.sub(r"\s+", " ", "".join(capsys.readouterr()))
