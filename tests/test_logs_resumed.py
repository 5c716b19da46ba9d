"""Steps written again by a resumed run: the newest count, told in a note; what may be something else is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.cli import main
from scaling.errors import ArgumentError, DataError
from scaling.logs import Runs, read

FIRST = [(s, 4 - s / 1000) for s in range(20, 1001, 20)]
AGAIN = [(s, 4.1 - s / 1000) for s in range(920, 1501, 20)]


def csv(rows: list[tuple[int, float]], path: Path) -> Path:
    path.write_text("step,loss\n" + "".join(f"{s},{x!r}\n" for s, x in rows))
    return path


def log(rows: list[tuple[int, float]], path: Path) -> Path:
    path.write_text("".join(f"step {s} loss {x!r}\n" for s, x in rows))
    return path


@pytest.mark.parametrize("write", [csv, log])
def test_the_newest_rows_count(tmp_path: Path, write: object) -> None:
    runs = read(write(FIRST + AGAIN, tmp_path / "a.log"))  # type: ignore[operator]
    wanted = dict(FIRST[:45] + AGAIN)
    assert dict(zip(runs.frame["step"], runs.frame["loss"], strict=True)) == wanted
    (note,) = [n for n in runs.notes if "first attempt" in n]
    assert "5 rows of the first attempt dropped" in note and "goes back from step 1000 to 920" in note


def test_what_the_first_attempt_logged_beyond_the_second_goes_too(tmp_path: Path) -> None:
    """A run that fell back to 920 and is now at 960 has no step 980."""
    runs = read(csv(FIRST + AGAIN[:3], tmp_path / "a.csv"))
    assert runs.frame["step"].iloc[-1] == 960 and runs.frame["loss"].iloc[-1] == 4.1 - 0.96


def test_another_stride_and_several_restarts(tmp_path: Path) -> None:
    rows = FIRST + [(s, 3.0) for s in range(905, 1201, 50)] + [(s, 2.9) for s in range(1100, 1301, 20)]
    frame = read(csv(rows, tmp_path / "a.csv")).frame
    assert frame["step"].is_monotonic_increasing
    assert list(frame.loc[frame["step"] > 880, "step"]) == [900, 905, 955, 1005, 1055, *range(1100, 1301, 20)]
    assert set(frame.loc[frame["step"] >= 1100, "loss"]) == {2.9}


def test_one_wrong_step_costs_one_row(tmp_path: Path) -> None:
    for wrong in (9, 90, 99_000):
        rows = [(wrong if s == 900 else s, x) for s, x in FIRST]
        runs = read(csv(rows, tmp_path / "a.csv"))
        assert list(runs.frame["step"]) == [s for s, _ in FIRST if s != 900]
        assert any("1 lines dropped whose step is out of line: line 46" in text for text in runs.warnings)


def test_late_evaluations_are_no_restart(tmp_path: Path) -> None:
    text = "".join(f"step {s} loss {x!r}\n" + (f"step {s - 40} val loss {x!r}\n" if s % 100 == 0 else "") for s, x in FIRST)
    (tmp_path / "a.log").write_text(text)
    frame = read(tmp_path / "a.log").frame
    assert frame["train_loss"].notna().sum() == 50 and frame["val_loss"].notna().sum() == 10


def test_an_evaluation_before_the_first_row_of_the_restart_is_of_the_restart(tmp_path: Path) -> None:
    rows = [f"step {s} loss {x!r}" for s, x in FIRST]
    rows.insert(45, "step 920 val loss 3.5")
    again = ["step 920 val loss 3.25", *(f"step {s} loss {x!r}" for s, x in AGAIN)]
    (tmp_path / "a.log").write_text("\n".join(rows + again) + "\n")
    frame = read(tmp_path / "a.log").frame
    assert frame["val_loss"].dropna().tolist() == [3.25] and len(frame) == 75


def test_rows_from_last_to_first(tmp_path: Path) -> None:
    runs = read(csv(FIRST[::-1], tmp_path / "a.csv"))
    assert list(runs.frame["step"]) == [s for s, _ in FIRST] and any("turned round" in note for note in runs.notes)


def test_what_may_be_two_runs_or_no_order_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = csv(FIRST + [(s, x + 0.1) for s, x in FIRST], tmp_path / "a.csv")
    with pytest.raises(
        DataError, match=r"line 52, column 'step': step 20 comes after 1000, the beginning of the log.*resumed='newest'"
    ):
        read(twice)
    assert read(twice, resumed="newest").frame["loss"].iloc[0] == 4.1 - 0.02
    assert main(["runs", str(twice)]) == 3 and "--resumed newest" in capsys.readouterr().err
    assert main(["runs", str(twice), "--resumed", "newest"]) == 0
    shuffled = csv([FIRST[i] for i in np.random.default_rng(0).permutation(50)], tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"such places, too many for restarts.*sort by step"):
        read(shuffled)


def test_values_of_one_step(tmp_path: Path) -> None:
    runs = read(csv([*FIRST, (1000, 2.5)], tmp_path / "a.csv"))
    assert runs.frame["loss"].iloc[-1] == 2.5 and any("1 step twice" in note for note in runs.notes)
    ranks = csv([row for s, x in FIRST for row in ((s, x), (s, x + 0.01))], tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"another value than the line above, for one step \(50 such steps"):
        read(ranks)


def test_frames_have_no_order_of_writing_unless_it_is_said() -> None:
    frame = pd.DataFrame(FIRST + AGAIN, columns=["step", "loss"])
    with pytest.raises(DataError, match="resumed='newest'"):
        Runs.from_frame(frame)
    assert Runs.from_frame(frame, resumed="newest").frame["loss"].iloc[-30] == 4.1 - 0.92
    with pytest.raises(ArgumentError, match="resumed='oldest'"):
        Runs.from_frame(frame, resumed="oldest")


def test_runs_of_one_file_are_told_apart(tmp_path: Path) -> None:
    text = "run,step,loss\n" + "".join(f"{r},{s},{x!r}\n" for r in "ab" for s, x in (FIRST + AGAIN if r == "a" else FIRST))
    (tmp_path / "c.csv").write_text(text)
    runs = read(tmp_path / "c.csv")
    assert len(runs["a"].frame) == 75 and len(runs["b"].frame) == 50


def test_steps_that_begin_anew_in_every_epoch_are_no_resumed_run(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("epoch,step,loss\n" + "".join(f"{s // 50},{s % 50},{4 - s / 1000}\n" for s in range(0, 150, 10)))
    with pytest.raises(DataError, match="line 7, column 'step': step 0 comes after 40 as epoch 1 begins") as caught:
        read(path)
    assert str(caught.value).count("line ") == 1
    path.write_text("epoch,step,loss\n" + "".join(f"{s // 50},{s},{4 - s / 1000}\n" for s in range(0, 150, 10)))
    assert read(path).frame["step"].tolist() == list(range(0, 150, 10))  # the remedy
    path.write_text(
        "epoch,step,loss\n" + "".join(f"{s // 50},{s},{4 - s / 1000}\n" for s in [*range(0, 90, 10), 60, 70, 80, 90])
    )
    assert len(read(path).frame) == 10  # within an epoch it is one


def test_fewer_tokens_than_updates_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("step,tokens,loss\n0,0,9\n1000,0.524,4\n2000,1.049,3.5\n")
    with pytest.raises(DataError, match=r"line 3, column 'tokens': found '0\.524'; an update reads at least one token"):
        read(path)
    path.write_text("step,tokens,loss\n0,0,9\n1000,0.524B,4\n2000,1.049B,3.5\n")
    assert read(path).frame["tokens"].tolist() == pytest.approx([0, 0.524e9, 1.049e9], rel=1e-12)
