# ruff: noqa: E402  (imports follow the check that torch is there)
"""The benchmark of a GPU, as far as a CPU can run it: every part on tiny runs, and what it says when time is up."""

import json
import time

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from benchmarks.training import gpu
from benchmarks.training.speed import sample_text
from scaling.training import RunSpec
from scaling.training.grid import read_sweep
from scaling.training.stack import Stack
from scaling.training.sweep import sweep
from tests.tiny import TREE, Inline, text_in

CPU = torch.device("cpu")


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree.toml"
    path.write_text(TREE.format(corpus=text_in(tmp_path / "text").as_posix(), eval_every=5, steps=24))
    return path


def test_members_and_anchor_are_timed(monkeypatch):
    monkeypatch.setattr(gpu, "SIZE", {"n_layer": 1, "d_model": 16, "n_head": 1, "context": 16, "batch": 4})
    found = gpu.stacked(CPU, members=(1, 3), seconds=0.05, updates=2)
    assert found["tokens_a_second"].keys() == {"anchor", "K=1", "K=3"} and found["ratio"]["anchor"] == 1
    assert all(rate > 0 for rate in found["tokens_a_second"].values())


def test_the_ladder_is_compared_with_its_records(tree):
    sweep(read_sweep(tree), tree.with_suffix(""), executor=Inline(), device="cpu")
    found = gpu.ladder(CPU, time.perf_counter() + 100, tree, lanes=2)
    assert (found["runs"], found["ended"], found["compared"]) == (4, 4, 4) and found["most_apart"] == 0
    late = gpu.ladder(CPU, time.perf_counter() - 1, tree, lanes=2)
    assert late["ended"] == 0 and "compared" not in late


def test_products_in_bfloat16_learn_nearly_the_same(tree):
    found = gpu.bf16(CPU, time.perf_counter() + 100, tree, lanes=2)
    assert found["float32"]["ended"] == found["bfloat16"]["ended"] == 4
    assert 0 < found["most_apart"] < 0.1


def test_one_json_comes_out(tree, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "stacked", lambda device: {"ratio": {}})
    for part in gpu.bf16, gpu.ladder:
        monkeypatch.setattr(gpu, part.__name__, lambda device, end, part=part: part(device, end, tree))
    assert gpu.main(str(tmp_path / "out.json"), "cpu") == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found.keys() == {"device", "torch", "stack", "bf16", "ladder", "seconds"} and found["device"] == "cpu"
    assert json.loads(capsys.readouterr().out) == found


def test_a_part_that_fails_says_why_and_the_others_go_on(tree, tmp_path, monkeypatch, capsys):
    def out_of_order(device):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(gpu, "stacked", out_of_order)
    monkeypatch.setattr(gpu, "bf16", lambda device, end: {"ended": 4})
    monkeypatch.setattr(gpu, "ladder", lambda device, end: json.loads((tmp_path / "out.json").read_text()))  # as it was then
    assert gpu.main(str(tmp_path / "out.json"), "cpu") == 1
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["stack"] == {"failed": "RuntimeError: no kernel image"} and found["bf16"] == {"ended": 4}
    assert found["ladder"]["bf16"] == {"ended": 4}


def test_more_members_than_there_is_room_for(monkeypatch):
    def full(spec, members, *rest):
        if members == 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Stack(spec, members, *rest)

    monkeypatch.setattr(gpu, "SIZE", {"n_layer": 1, "d_model": 16, "n_head": 1, "context": 16, "batch": 4})
    monkeypatch.setattr(gpu, "Stack", full)
    found = gpu.stacked(CPU, members=(1, 8, 32), seconds=0.05, updates=2)
    assert found["no_room_for"] == 8 and found["ratio"].keys() == {"anchor", "K=1"}


def test_products_alone_are_in_bfloat16():
    spec = RunSpec(schedule="constant:peak=1e-3,steps=9", n_layer=1, d_model=16, n_head=1, context=16, batch=4)
    stack, seen = Stack(spec, 1, 9, sample_text(), CPU), {}
    stack.start(0, spec)
    windows = stack.text[:68].view(1, 4, 17).long()
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        stack.model.features(stack.weights, windows, lambda name, get: seen.update({name: get()}))
    assert seen["blocks.0"].dtype == torch.float32  # what blocks add to keeps its digits
    assert seen["blocks.0.attention.scores"].dtype == torch.bfloat16
