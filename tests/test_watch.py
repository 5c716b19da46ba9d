"""`scaling watch`: a forecast whenever a growing log, of any format, has new rows; exit code 6 for what is not worth it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import scaling
from scaling.cli import main
from scaling.running import watched
from scaling.schedules import schedule

PLAN = "cosine:peak=1e-2,steps=1000,warmup=50"
RATES = schedule(PLAN).rates.tolist()


def loss_at(step: int) -> float:
    """A loss that follows its rates: lower where they are low."""
    return float(2.2 + 4 * (step + 30) ** -0.45 + 8 * RATES[step - 1])


FORMATS: dict[str, tuple[str, Callable[[int], str]]] = {
    "a.log": (
        "tokens per iteration will be: 491,520\n",
        lambda s: f"iter {s}: loss {loss_at(s):.4f}, time 301.20ms, mfu 17.10%\n",
    ),
    "main.log": ("", lambda s: f"s:{s} trl:{loss_at(s):.4f} lr:{RATES[s - 1]:.6f} norm:0.40\n"),
    "a.csv": ("step,lr,loss\n", lambda s: f"{s},{RATES[s - 1]!r},{loss_at(s)!r}\n"),
    "a.jsonl": ("", lambda s: json.dumps({"step": s, "loss": loss_at(s), "lr": RATES[s - 1]}) + "\n"),
}


class Job:
    """Writes its log while it is being watched: some rows at each wait, the last line torn in between."""

    def __init__(self, path: Path, upto: int = 1000, each: int = 100) -> None:
        self.path, (head, self.line), self.upto, self.each, self.step = path, FORMATS[path.name], upto, each, 0
        path.write_text(head)

    def __call__(self, seconds: float) -> None:
        if self.step >= self.upto:
            raise KeyboardInterrupt
        text = self.path.read_text()
        text = text[: text.rindex("\n") + 1] if "\n" in text else text
        for step in range(self.step + 10, self.step + self.each + 1, 10):
            text += self.line(step)
        self.step += self.each
        torn = self.line(self.step + 10)[:12] if self.step < self.upto else ""
        self.path.write_text(text + torn)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    def run(job: Job, *options: str) -> int:
        monkeypatch.setattr(watched.time, "sleep", job)
        return main(["watch", str(job.path), *options])

    return run


@pytest.mark.parametrize("name", FORMATS)
def test_a_line_an_update_and_nothing_else(
    tmp_path: Path, name: str, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(Job(tmp_path / name), "--schedule", PLAN) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 10
    said = [line for line in err.splitlines() if "waiting" not in line and "rate has not fallen by a quarter yet" not in line]
    assert not said, "healthy runs are quiet, and the assumption of a forecast without references is said once"
    assert err.count("rate has not fallen") <= 1 and err.count("waiting") == err.count("waiting (Ctrl-C ends it)") <= 1
    assert lines[-1].startswith("step 1,000 of 1,000 (100%): ended with loss")
    middle = next(line for line in lines if line.startswith("step 600 of 1,000 (60%): loss "))
    assert abs(float(middle.split("will end at ")[1].split()[0]) - loss_at(1000)) < 0.08


def test_json_is_one_document_an_update(tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(Job(tmp_path / "a.csv"), "--schedule", PLAN, "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [t["step"] for t in told] == list(range(100, 1001, 100)) and told[-1]["state"] == "ended"
    late = told[-2]
    assert late["lower"] <= late["prediction"] <= late["upper"] and abs(late["prediction"] - loss_at(1000)) < 0.02


def test_what_is_not_worth_it(tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(tmp_path / "a.log")
    assert watch(job, "--schedule", PLAN, "--worse-than", "2.0") == 6 and job.step < 1000
    assert "not worth it: the end is worse than 2" in capsys.readouterr().err
    assert watch(Job(tmp_path / "a.log"), "--schedule", PLAN, "--worse-than", "2.9", "-q") == 0


def test_once(tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(tmp_path / "a.log", each=300)
    job(0)
    assert watch(job, "--schedule", PLAN, "--once") == 0 and job.step == 300
    assert capsys.readouterr().out.startswith("step 300 of 1,000 (30%): loss")
    job.path.write_text("tokens per iteration will be: 491,520\niter 10: loss 3.2, time 301.20ms, mfu 17.10%\n")
    assert watch(job, "--schedule", PLAN, "--once") == 0 and "too early" in capsys.readouterr().out


def test_an_interrupted_watch_says_so(tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert watch(Job(tmp_path / "a.csv", upto=500), "--schedule", PLAN) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_run_that_is_over_is_told_and_has_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaling.samples.write(tmp_path / "samples")
    folder = tmp_path / "samples" / "finished"
    assert main(["watch", str(folder), "-o", str(tmp_path / "live.html")]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("step 12,800 of 12,800 (100%): ended with loss 1.3657\n", "")
    assert "ended with loss 1.3657" in (tmp_path / "live.html").read_text()
    assert main(["forecast", str(folder)]) == 3
    assert "is over: it made all of its 12800 updates" in capsys.readouterr().err


def test_what_waiting_does_not_mend(tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    job = Job(tmp_path / "main.log")
    for _ in range(6):
        job(0)
    assert watch(job) == 3, "its rates end where it is: no plan"
    assert "schedule" in capsys.readouterr().err
    assert watch(job, "--schedule", "cosine:peak=1") == 2
    other = tmp_path / "b.csv"
    other.write_text("step,value\n1,2\n2,3\n")
    assert main(["watch", str(other), "--schedule", PLAN, "--once"]) == 3


def test_a_file_that_is_written_anew_is_waited_for(
    tmp_path: Path, watch: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    class Rewritten(Job):
        broken = 0

        def __call__(self, seconds: float) -> None:
            if self.step == 500 and self.broken < 3:
                self.broken += 1
                self.kept = self.kept if self.broken > 1 else self.path.read_text()
                self.path.write_text("step,lr,lo")
                if self.broken == 3:
                    self.path.write_text(self.kept)
                return
            super().__call__(seconds)

    assert watch(Rewritten(tmp_path / "a.csv"), "--schedule", PLAN) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("step 1,000")
