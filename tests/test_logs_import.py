"""Checking logs, writing them once as CSV that reads back bit for bit, and cleaning that is asked for."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.cli import main
from scaling.errors import ArgumentError
from scaling.logs import Runs, averaged, check, read, without_spikes, write
from tests import printed
from tests.printed import PROGRAMS

RNG = np.random.default_rng(0)
STEP = np.arange(10, 4001, 10)
CLEAN = 2.2 + 4 * (STEP + 30.0) ** -0.35


def frame(loss: np.ndarray, **more: object) -> pd.DataFrame:
    return pd.DataFrame({"step": STEP, "lr": 1e-3 * (1 - STEP / 5000), "loss": loss, **more})


def same(a: Runs, b: Runs) -> None:
    drop = ["file", "line"]
    pd.testing.assert_frame_equal(
        a.frame.drop(columns=drop, errors="ignore"), b.frame.drop(columns=drop, errors="ignore"), check_exact=True
    )
    pd.testing.assert_frame_equal(a.facts.drop(columns="loss_from"), b.facts.drop(columns="loss_from"), check_like=True)
    for run in a.schedules:
        assert np.array_equal(a.schedules[run].rates, b.schedules[run].rates)


@pytest.mark.parametrize("program", [name for name in PROGRAMS if name not in ("olmo", "composer")])
def test_what_is_written_reads_back_bit_for_bit(tmp_path: Path, program: str) -> None:
    log = PROGRAMS[program]()
    path = tmp_path / "a.log"
    path.write_text(log.text)
    runs = read(path)
    files = write(runs, tmp_path / "out")
    assert [file.name for file in files] == ["a.csv", "runs.csv"]
    same(runs, read(tmp_path / "out"))


def test_names_facts_and_awkward_numbers(tmp_path: Path) -> None:
    rows = pd.concat(
        [frame(CLEAN + i / 3, tokens=STEP * 1e9 / 7).assign(run=name) for i, name in enumerate(("a/b", "a_b", 'ü, "x"', ".c"))]
    )
    facts = {"n_params": 123456789, "note": "with, comma", "batch_tokens": 0.1 + 0.2}
    runs = Runs.from_frame(rows.reset_index(drop=True), facts=facts)
    write(runs, tmp_path / "out")
    same(runs, read(tmp_path / "out"))
    with pytest.raises(ArgumentError, match="there are runs already"):
        write(runs, tmp_path / "out")
    write(runs["a/b"], tmp_path / "out", force=True)
    assert read(tmp_path / "out").names == ("a/b",)


def test_a_chosen_loss_comes_back(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(printed.nanogpt().text)
    for loss in ("train_loss", "val_loss"):
        runs = read(tmp_path / "a.log", loss=loss)
        write(runs, tmp_path / loss)
        assert read(tmp_path / loss).frame["loss"].equals(runs.frame["loss"])


def test_the_command_imports_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text(printed.llmc_file().text)
    out = tmp_path / "runs"
    assert main(["runs", "import", str(tmp_path / "a.log"), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(out / "curves" / "a.csv"), str(out / "runs.csv")]
    same(read(tmp_path / "a.log"), read(out))
    assert main(["runs", "import", str(tmp_path / "a.log"), "-o", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["runs", "import", str(tmp_path / "a.log"), "-o", str(out), "--force", "-q"]) == 0
    assert main(["runs", "import", "--help"]) == 0 and "--decimate" in capsys.readouterr().out


def test_spikes() -> None:
    noisy = CLEAN * np.exp(0.004 * RNG.standard_normal(len(STEP)))
    for loss in (CLEAN, noisy):
        runs = Runs.from_frame(frame(loss))
        assert without_spikes(runs).frame.equals(runs.frame)
    spiked = noisy.copy()
    spiked[[50, 200, 201, 202, 398]] += [0.5, 0.3, 0.8, 0.2, 0.4]
    cleaned = without_spikes(Runs.from_frame(frame(spiked)))
    gone = cleaned.frame["loss"].isna().to_numpy()
    assert list(np.flatnonzero(gone)) == [50, 200, 201, 202, 398]
    assert cleaned.frame["lr"].notna().all(), "the schedule is as it was"
    assert any("5 spikes of loss dropped, as asked: step 510, 2010" in note for note in cleaned.notes)
    lasting = noisy + 0.3 * (STEP > 2000)  # a rise that lasts, as when the rate is raised or the data change
    assert without_spikes(Runs.from_frame(frame(lasting))).frame["loss"].notna().all()


def test_averages() -> None:
    noisy = CLEAN + 0.02 * RNG.standard_normal(len(STEP))
    runs = Runs.from_frame(frame(noisy))
    thin = averaged(runs, 20)
    rows = thin.frame.dropna(subset="loss")
    decades = np.log10(STEP[-1] / STEP[0])
    assert 0.6 * 20 * decades < len(rows) <= 20 * decades + 2
    late = rows[rows["step"] > 300]
    near = np.abs(late["loss"].to_numpy() - np.interp(late["step"], STEP, CLEAN))
    assert near.std() < 0.02 / 2 and len(thin.frame) == len(STEP)
    first = np.log10(STEP) * 20 // 1
    bin_of = first == first[-1]
    assert rows["loss"].iloc[-1] == pytest.approx(noisy[bin_of].mean(), rel=1e-15)
    assert np.array_equal(thin.schedules["run"].rates, runs.schedules["run"].rates)
    bare = averaged(Runs.from_frame(frame(noisy).drop(columns="lr")), 20)
    assert len(bare.frame) == len(rows) and any("values of loss averaged" in note for note in bare.notes)
    with pytest.raises(ArgumentError, match="per_decade=0"):
        averaged(runs, 0)


def test_nothing_is_smoothed_unless_asked(tmp_path: Path) -> None:
    noisy = CLEAN + 0.02 * RNG.standard_normal(len(STEP))
    noisy[100] = 9.0
    frame(noisy).to_csv(tmp_path / "a.csv", index=False)
    assert np.array_equal(read(tmp_path / "a.csv").frame["loss"], noisy)


@pytest.fixture
def troubled(tmp_path: Path) -> Path:
    """Runs with one trouble each."""
    noisy = CLEAN * np.exp(0.004 * RNG.standard_normal(len(STEP)))
    jump = noisy.copy()
    jump[200] += 2
    frame(noisy).to_csv(tmp_path / "healthy.csv", index=False)
    frame(jump).to_csv(tmp_path / "jump.csv", index=False)
    frame(noisy).drop(index=range(100, 160)).to_csv(tmp_path / "gap.csv", index=False)
    frame(noisy).iloc[100:].to_csv(tmp_path / "late.csv", index=False)
    frame(np.where(STEP > 3000, np.nan, noisy)).to_csv(tmp_path / "early.csv", index=False)
    (tmp_path / "damaged.log").write_text(
        printed.anybody().text.replace("Loss=2.", "Loss=x2.", 1).replace("Loss=2.", "Loss=2x", 1)
    )
    return tmp_path


def test_check_lists_everything_worst_first(troubled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = [str(path) for path in sorted(troubled.iterdir())]
    found = check(logs)
    assert list(found) == ["severity", "where", "found", "remedy"]
    said = {row.found.split(" ")[0] + " " + str(row.where).split("/")[-1]: row.severity for row in found.itertuples()}
    assert said["loss jump"] == said["gap gap"] == "warning" and said["unfinished: early"] == said["starts late"] == "note"
    assert not any("healthy" in str(where) for where in found.loc[found["severity"] != "note", "where"])
    assert any("damaged number" in text for text in found.loc[found["severity"] == "warning", "found"])
    assert main(["runs", "--check", *logs]) == 0 and "0 errors" in capsys.readouterr().out
    assert main(["runs", "--check", "--strict", *logs]) == 3
    assert main(["runs", "--check", "--strict", str(troubled / "healthy.csv")]) == 0
    capsys.readouterr()
    broken = troubled / "broken.csv"
    broken.write_text("".join(f"{x}\n" for x in ["step,loss", *(f"{s},x{s}" for s in range(20)), "1.5,3"]))
    assert main(["runs", "--check", "--json", *logs, str(broken)]) == 3
    rows = json.loads(capsys.readouterr().out)["found"]
    assert rows[0]["severity"] == "error" and len([r for r in rows if r["severity"] == "warning"]) >= 3, (
        "a bad file hides nothing"
    )


def test_strict_reading(troubled: Path) -> None:
    assert main(["runs", "-q", str(troubled / "healthy.csv"), "--strict"]) == 0
    assert main(["runs", "-q", str(troubled / "damaged.log"), "--strict"]) == 3
    assert main(["runs", "-q", str(troubled / "damaged.log")]) == 0


def test_remedies_of_check_are_commands_that_work(troubled: Path) -> None:
    """Each remedy is executed on the log it was given for, and its trouble is gone or explained."""
    done = 0
    for row in check([str(path) for path in sorted(troubled.iterdir())]).itertuples():
        log = next((path for path in troubled.iterdir() if path.stem == row.where), None)
        remedy = str(row.remedy)
        if log is None:
            continue
        if command := re.search(r"`scaling ([^`]+)`", remedy):
            words = shlex.split(command[1].replace("LOG", str(log)).replace("DIR", str(troubled / f"out{done}")))
            if words[0] == "forecast" and log.stem == "damaged":
                continue  # five evaluations are too few for one, which it says
            assert main([*words, "-q"] if words[0] == "runs" else words) == 0, words
            if words[0] == "runs":
                again = check(troubled / f"out{done}")
                assert not any(str(text).startswith("loss jumps") for text in again["found"])
        elif "--decimate" in remedy:
            out = troubled / f"out{done}"
            assert main(["runs", "import", str(log), "--decimate", "50", "-o", str(out), "-q"]) == 0
        elif option := re.search(r"--(warmup|where) .*", remedy):
            assert main(["runs", str(log), str(troubled / "healthy.csv"), *shlex.split(option[0]), "-q"]) == 0
        done += 1
    assert done >= 4


@pytest.mark.parametrize("program", PROGRAMS)
def test_healthy_logs_give_no_warning(tmp_path: Path, program: str) -> None:
    (tmp_path / "a.log").write_text(PROGRAMS[program]().text)
    found = check(tmp_path / "a.log", loss="eval/pile/crossentropyloss" if program == "olmo" else None)
    assert not (found["severity"] == "warning").any(), found.to_string()
