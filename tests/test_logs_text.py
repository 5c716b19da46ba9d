"""Text logs: what each program prints is read exactly, whatever stands around it; damage costs the damaged lines alone."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from scaling.errors import DataError
from scaling.logs import read
from scaling.logs.findings import Findings
from scaling.logs.sources import source_of, text
from scaling.logs.sources.dialects import DIALECTS
from scaling.logs.sources.printed import resolution
from tests import printed
from tests.printed import PROGRAMS, STEPS, Log

CASES = Path(__file__).parents[2] / "shared" / "data" / "log_cases"


def series(path: Path) -> dict[str, dict[int, float]]:
    """Column -> step -> value, as the source reads it."""
    findings = Findings()
    (sheet,) = text.sheets(path, findings)
    step = sheet.columns["step"].values
    return {
        name: {int(s): x for s, x, gone in zip(step, cells.values, cells.missing, strict=True) if not gone}
        for name, cells in sheet.columns.items()
    } | {"facts": sheet.facts, "notes": (*findings.notes, *findings.warnings)}


def check(path: Path, log: Log) -> None:
    found = series(path)
    near = 0.51 * 10.0**-log.digits
    val = found.get("val_loss") or next((x for name, x in found.items() if name.startswith("eval/")), {})
    for got, wanted in ((found.get("train_loss", {}), log.train), (val, log.val)):
        assert list(got) == list(wanted)
        np.testing.assert_allclose([*got.values()], [*wanted.values()], rtol=0, atol=near)
    if log.lr:
        assert list(found["lr"]) == list(STEPS)
        np.testing.assert_allclose([*found["lr"].values()], [printed.rate_at(s) for s in STEPS], rtol=6e-3, atol=6e-7)
    else:
        assert "lr" not in found
    assert found["facts"] == log.facts
    for said in log.notes:
        assert any(said in note for note in found["notes"]), found["notes"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs(tmp_path: Path, program: str) -> None:
    log = PROGRAMS[program]()
    path = tmp_path / "run.txt"
    path.write_text(log.text)
    assert source_of(path) is text
    check(path, log)
    if program != "composer" and "eval/" not in log.text:
        runs = read(path, loss="train_loss" if log.train else None)
        assert runs.frame["loss"].notna().sum() == len(log.train or log.val)
        assert len(runs) == 1


AROUND = {
    "colours": lambda t: t.replace("loss", "\x1b[32mloss\x1b[0m"),
    "windows": lambda t: t.replace("\n", "\r\n"),
    "warnings between": lambda t: "".join(
        f"{line}\nUserWarning: lr_scheduler.step() called 12 times\n" for line in t.splitlines()
    ),
    "torchrun": lambda t: "".join(f"[default0]:{line}\n" for line in t.splitlines()),
    "slurm": lambda t: "".join(f"0: {line}\n" for line in t.splitlines()),
    "other ranks": lambda t: "".join(f"{rank}: {line}\n" for line in t.splitlines() for rank in (0, 3)),
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("program", ["nanogpt", "megatron", "torchtitan", "llmc_file", "fairseq", "speedrun_old", "deepspeed"])
def test_what_stands_around(tmp_path: Path, program: str, around: str) -> None:
    log = PROGRAMS[program]()
    path = tmp_path / "run.log"
    path.write_text(AROUND[around](log.text))
    found = series(path)
    assert list(found.get("train_loss", {})) == list(log.train) and list(found.get("val_loss", {})) == list(log.val)


def test_ranks_that_differ(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text(printed.torchtitan(4).text)
    check(path, printed.torchtitan(4))
    path.write_text("".join(f"[rank{r}]: step {s} loss {3 + r / 100 - s / 1e4}\n" for s in STEPS for r in (1, 2)))
    found = series(path)
    assert found["train_loss"] == {s: 3.01 - s / 1e4 for s in STEPS}
    assert any("read from rank 1; they differ by up to 0.01" in note for note in found["notes"])
    path.write_text("".join(f"{i}:step {s} loss {3 - s / 1e4}\n" for i, s in enumerate(STEPS, 40)))  # grep -n
    assert len(series(path)["train_loss"]) == len(STEPS)


def test_fields_by_key(tmp_path: Path) -> None:
    """Any order, any separator, losses of other kinds, numbers with units and thousands, nan told from nothing."""
    path = tmp_path / "run.log"
    path.write_text(
        "lr: 1e-3, balance loss: 0.5, loss=3.5, step=1,000\n"
        "[step 1,010] grad norm 0.25 | loss: nan | lr 1.5e-3\n"
        "tokens = 1.25M; step = 1020; loss = 3.25\n"
        "step 1030 val loss: 3.125 total_loss 9 train_loss_ema 8 loss_scale 65536\n"
    )
    found = series(path)
    assert found["step"] == {1000: 1000, 1010: 1010, 1020: 1020, 1030: 1030}
    assert list(found["train_loss"]) == [1000, 1010, 1020] and np.isnan(found["train_loss"][1010])
    assert found["train_loss"][1020] == 3.25 and found["val_loss"] == {1030: 3.125}
    assert found["lr"] == {1000: 1e-3, 1010: 1.5e-3} and found["grad_norm"] == {1010: 0.25}
    with pytest.raises(DataError, match=r"line 2.*diverged"):
        read(path, loss="train_loss")


def test_a_damaged_header_is_no_fact(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    text = printed.megatron().text
    for damaged in ("0x10", "20a8", "2,0,48", "2{48", "1e999", "0"):
        path.write_text(text.replace(" 2048\n", f" {damaged}\n"))
        found = series(path)
        assert "context" not in found["facts"] and "tokens" not in found
    for damaged in ("nan", "1e999", "inf", "5x2"):
        path.write_text(text.replace("global batch size:   512", f"global batch size:   {damaged}"))
        assert "batch_tokens" not in series(path)["facts"] or damaged == "5x2"


def test_lines_of_evaluations(tmp_path: Path) -> None:
    """A bare `loss` is that of the evaluation its line speaks of; a loss that says it is of training stays that."""
    path = tmp_path / "run.log"
    path.write_text(
        "[Train] step 10: loss=3.5\n[Eval] step 10: loss=3.75\n[Test] step 10: loss=9\nstep 20 train loss 3.25, valid in 5 s\n"
        "[train] step 30 loss 3.125\n[dev] step 30 loss 3.5\ntest step 30 loss 9\nval: step 40 loss 3.0\n"
    )
    found = series(path)
    assert found["train_loss"] == {10: 3.5, 20: 3.25, 30: 3.125} and found["val_loss"] == {10: 3.75, 30: 3.5, 40: 3.0}


DAMAGE = {
    "a letter in a number": ("loss 3.4", "loss 3.x4", "with a damaged number"),
    "a byte in a number": ("loss 3.4", "loss 3.\udcff4", "damaged number"),
    "NUL": ("loss 3.4", "loss 3.4\0\0", "damaged number"),
    "NUL before": ("step 300 ", "\0\0step 300 ", "bytes that are no text"),
    "two lines in one": ("step 300 loss 3.4\n", "step 300 loss 3.4 step 320 loss 3.3\n", "two values under one key"),
    "a comma in a step": ("step 300", "step 3,00", "damaged number"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage(tmp_path: Path, damage: str) -> None:
    old, new, why = DAMAGE[damage]
    lines = [f"step {s} loss {3.7 - s / 1e3:.1f}\n" for s in range(0, 600, 20)]
    path = tmp_path / "run.log"
    path.write_bytes("".join(lines).replace(old, new, 1).encode(errors="surrogateescape"))
    found = series(path)
    assert len(found["train_loss"]) in (len(lines) - 1, len(lines) - 5)
    assert all(x == round(3.7 - s / 1e3, 1) for s, x in found["train_loss"].items())
    assert any(why in note for note in found["notes"]), found["notes"]


@pytest.mark.parametrize("program", ["nanogpt", "llmc_file", "torchtune", "megatron", "maxtext", "olmo_core", "anybody"])
def test_torn_at_every_byte(tmp_path: Path, program: str) -> None:
    """A file cut anywhere in its last rows never gives a number that was not printed."""
    whole = PROGRAMS[program]().text
    path = tmp_path / "run.log"
    path.write_text(whole)
    good = series(path)
    for cut in range(len(whole) - 250, len(whole)):
        path.write_text(whole[:cut])
        found = series(path)
        for column in ("train_loss", "val_loss", "lr", "tokens"):
            assert found.get(column, {}).items() <= good.get(column, {}).items(), whole[cut - 40 : cut]
            assert len(found.get(column, {})) >= len(good.get(column, {})) - 8


def test_steps_of_an_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text(
        "".join(f"Epoch {e}, step {s}/100, loss {4 - e - s / 200:.4f}\n" for e in (1, 2) for s in range(10, 101, 10))
    )
    found = series(path)
    assert list(found["train_loss"]) == list(range(10, 201, 10)) and any("counted through" in note for note in found["notes"])
    path.write_text(path.read_text().replace("/100", ""))
    with pytest.raises(DataError, match=r"line 11: steps begin anew in this epoch.*'step 20/1000'"):
        read(path)


def test_the_remedy_of_a_text_without_losses(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text("step 1\nstep 2\nloss 3.25\ndone\n")
    with pytest.raises(DataError, match=r"no line holds a step and a loss.* 2 lines with a step and 1 with a loss") as caught:
        read(path)
    line = str(caught.value).split("such as '")[1].split("'")[0]
    path.write_text(f"{line}\n{line.replace('100', '200')}\n")
    assert read(path).frame["loss"].tolist() == [3.25, 3.25]


def test_packed_and_utf16(tmp_path: Path) -> None:
    log = printed.nanogpt()
    packed = tmp_path / "run.log.gz"
    packed.write_bytes(gzip.compress(log.text.encode()))
    check(packed, log)
    powershell = tmp_path / "run.txt"
    powershell.write_text(log.text, encoding="utf-16")
    check(powershell, log)


def test_tables_and_records_are_not_claimed(tmp_path: Path) -> None:
    for name, content in {
        "a.csv": "step,loss,lr\n1,3.5,1e-3\n2,3.4,1e-3\n",
        "b.txt": "step\tloss\n1\t3.5\n2\t3.4\n",
        "c.jsonl": '{"step": 1, "loss": 3.5}\n{"step": 2, "loss": 3.4}\n',
        "d.md": "# Notes\n\nAt step 100 loss 3.25 was seen, a good value.\n",
    }.items():
        (tmp_path / name).write_text(content)
        assert source_of(tmp_path / name) is not text, name


def test_a_dialect_is_a_few_lines() -> None:
    source = (Path(text.__file__).parent / "dialects.py").read_text()
    rows = source.split("DIALECTS = (")[1].split(")  # fmt: skip")[0].split("    Dialect(")[1:]
    assert len(rows) == len(DIALECTS) > 15
    for row, dialect in zip(rows[:-1], DIALECTS[:-1], strict=True):  # the last is anybody's
        assert row.count("\n") <= 5, dialect.name


WANTED = {  # train, val, lr, last step, facts, as README of the cases says
    "nanogpt_stdout.log": (101, 11, 0, 2000, {"batch_tokens": 491520, "n_params": 10.65e6}),
    "llmc/main.log": (100, 11, 100, 2000, {}),
    "megatron_rank0.out": (56, 5, 56, 1120, {"max_steps": 2000, "batch_size": 512}),
    "torchtitan.log": (48, 0, 0, 960, {"n_params": 6139136}),
    "torchtune_log.txt": (100, 0, 100, 2000, {}),
    "maxtext.log": (100, 0, 0, 2000, {}),
    "deepspeed.log": (80, 0, 80, 1600, {}),
}


@pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize("case", WANTED)
def test_cases(case: str) -> None:
    train, val, lr, last, facts = WANTED[case]
    runs = read(CASES / case)
    frame = runs.frame
    both = "train_loss" in frame
    counts = frame[["train_loss", "val_loss"]].notna().sum().tolist() if both else [frame["loss"].notna().sum(), 0]
    assert counts == [train, val]
    assert ("lr" in frame and frame["lr"].notna().sum()) == lr
    assert frame["step"].iloc[-1] == last and frame["step"].is_monotonic_increasing and frame["step"].is_unique
    assert facts.items() <= series(CASES / case)["facts"].items()


def test_times_are_no_columns(tmp_path: Path) -> None:
    """Lines of Python's logging have a comma each, in their time; the step of the whole run goes before that of an epoch."""
    path = tmp_path / "run.log"
    head = [
        f"2025-03-01 10:00:0{i},123 - root - INFO - {said}"
        for i, said in enumerate(("Starting", "Tokenizer", "Model", "Mesh", "Go"))
    ]
    told = [
        f"2025-03-01 10:01:0{i},123 - root - INFO - epoch {i // 2} step {i % 2} global_step {i} loss {9 - i}.5"
        for i in range(6)
    ]
    path.write_text("\n".join(head + told) + "\n")
    assert series(path)["train_loss"] == {i: 9.5 - i for i in range(6)}


def test_a_decimal_comma_in_a_loss_is_no_thousand(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text("".join(f"step {s} loss {9 - s},125\n" for s in range(5)))
    with pytest.raises(DataError):
        read(path)


@pytest.mark.parametrize(
    ("printed_number", "digit"),
    [("3.236", 1e-3), ("32.36e-1", 1e-3), ("1.2k", 100.0), ("1,234.5", 0.1), ("7", 1.0), ("1e4000", np.inf), ("1e-4000", 0.0)],
)
def test_the_last_digit_of_a_printed_number(printed_number: str, digit: float) -> None:
    assert resolution(printed_number) == pytest.approx(digit)


def test_a_unit_behind_a_loss_and_evaluations_without_a_step(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("".join(f"step {i} train loss {4 - i / 50:.4f} val_loss {0.9 - i / 200:.4f} bpb\n" for i in range(1, 30)))
    runs = read(log)
    assert set(runs.facts["loss_from"]) == {"train_loss"} and any("is in bits per byte" in note for note in runs.notes)
    nats = read(log, facts={"bytes_per_token": 4.0}, loss="val_loss").frame["loss"]
    np.testing.assert_allclose(nats, [(0.9 - i / 200) * 4 * np.log(2) for i in range(1, 30)], rtol=1e-12)
    log.write_text("".join(f"step {i} loss {4 - i / 50:.4f} bpb {1 - i / 100:.4f}\n" for i in range(1, 30)))  # the next key
    assert read(log).frame["loss"].iloc[-1] == pytest.approx(4 - 29 / 50)
    lines = [f"step {i} loss {4 - i / 50:.4f} lr 1e-3\n" + "validation loss 3.1234\n" * (i % 10 == 0) for i in range(1, 30)]
    log.write_text("".join(lines))
    notes = read(log).notes
    assert any("2 lines dropped, with a loss of an evaluation but no step (print both in one line): 11, 22" in n for n in notes)
