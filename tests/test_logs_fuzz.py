"""Logs damaged at random, of every format: right or refused in our own words; memory and time in proportion to the size."""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling.errors import ScalingError
from scaling.logs import read
from tests import printed
from tests.fuzzed import KINDS, Fuzz

UNIT = st.floats(0, 1, exclude_max=True)
OPS = st.lists(st.tuples(st.integers(0, len(KINDS) - 1), UNIT, UNIT, st.integers(0, 999)), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Fuzz:
    return Fuzz(tmp_path_factory.mktemp("fuzz"))


def test_the_fuzzer_sees_a_wrong_number(fuzz: Fuzz) -> None:
    """It must be able to fail: a value that is not the file's is told, a whole file passes."""
    which = next(i for i, file in enumerate(fuzz.files) if file.name == "a.csv")
    assert fuzz.one(which, []) == ""
    key = next(iter(fuzz.whole["a.csv"]))
    was = fuzz.whole["a.csv"][key]
    fuzz.whole["a.csv"][key] = was * 1.001
    try:
        assert "a.csv" in fuzz.one(which, [])
    finally:
        fuzz.whole["a.csv"][key] = was
    fuzz.counts = dict.fromkeys(fuzz.counts, 0)


def check(fuzz: Fuzz, which: int, ops: list[tuple[int, float, float, int]]) -> None:
    said = fuzz.one(which, ops)
    assert not said, said


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 999), ops=OPS)
def test_damaged_files(fuzz: Fuzz, which: int, ops: list[tuple[int, float, float, int]]) -> None:
    check(fuzz, which, ops)


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("a.parquet", [(4, 0.2084544861073041, 0.7775085196193812, 186)]),  # a column shorter than the others
        ("nanochat.log", [(0, 0.4271946327041857, 0.8328998214965682, 807)]),  # a number of 1e400
    ],
)
def test_files_that_were_once_misread(fuzz: Fuzz, name: str, ops: list[tuple[int, float, float, int]]) -> None:
    check(fuzz, next(i for i, file in enumerate(fuzz.files) if file.name == name), ops)


@pytest.mark.slow
@settings(max_examples=8000, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 999), ops=OPS)
def test_many_damaged_files(fuzz: Fuzz, which: int, ops: list[tuple[int, float, float, int]]) -> None:
    check(fuzz, which, ops)


def repeat(text: str, size: int) -> bytes:
    return (text * (size // len(text) + 1))[:size].encode()


RNG = np.random.default_rng(0)
NASTY: dict[str, tuple[str, Callable[[int], bytes]]] = {  # what costs a naive reader most -> file name and content of a size
    "log of short lines": ("a.log", lambda n: "".join(f"s:{i} trl:2.5 lr:0.001\n" for i in range(n // 24)).encode()),
    "megatron": ("a.out", lambda n: repeat(printed.megatron().text, n)),
    "olmo": ("a.log", lambda n: repeat(printed.olmo_core().text, n)),
    "no line ends": ("a.log", lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\n" + repeat("step 5 loss ", n)),
    "bars": ("a.log", lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\n" + repeat("\rstep 5 loss 3.25", n)),
    "keys without numbers": (
        "a.log",
        lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\n" + repeat("eval/eval/eval/loss loss loss: \n", n),
    ),
    "digits": ("a.log", lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\nstep " + repeat("1,", n)),
    "spaces": ("a.log", lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\nstep" + repeat(" ", n)),
    "colours": ("a.log", lambda n: b"step 1 loss 3.5\nstep 2 loss 3.4\n" + repeat("\x1b[1;", n)),
    "csv": ("a.csv", lambda n: b"step,loss\n" + "".join(f"{i},2.5\n" for i in range(n // 8)).encode()),
    "commas": ("a.csv", lambda n: b"step,loss\n" + repeat(",", n)),
    "quotes": ("a.csv", lambda n: b'step,loss\n"' + repeat('""', n)),
    "wide": ("a.csv", lambda n: ",".join(f"c{i}" for i in range(n // 8)).encode() + b"\n"),
    "json": ("a.jsonl", lambda n: repeat('{"step": 1, "loss": 2.5}\n', n)),
    "json keys": ("a.jsonl", lambda n: "".join(json.dumps({"step": i, f"k{i}": 1}) + "\n" for i in range(n // 24)).encode()),
    "open braces": ("a.json", lambda n: repeat("[", n)),
    "noise": ("a.log", lambda n: RNG.integers(0, 256, n, dtype=np.uint8).tobytes()),
    "nothing": ("a.csv", lambda n: bytes(n)),
}


def outcome(path: Path) -> None:
    try:
        read(path)
    except ScalingError as refusal:
        assert str(refusal)


@pytest.mark.parametrize("kind", NASTY)
def test_time_and_memory_in_proportion(tmp_path: Path, kind: str) -> None:
    """At most 20 times its size, and 2 s of CPU a MB, with what any read costs on top."""
    name, make = NASTY[kind]
    path = tmp_path / name
    path.write_bytes(b"step,loss\n1,2.5\n2,2.4\n")
    outcome(path)  # imports
    size = 400_000
    path.write_bytes(make(size))
    start = time.process_time()
    outcome(path)
    assert time.process_time() - start < 2 * size / 1e6 + 0.2
    tracemalloc.start()
    outcome(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * size + 2**20, f"{peak / size:.1f} times its size"
