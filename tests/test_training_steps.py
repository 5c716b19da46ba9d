# ruff: noqa: E402  (imports follow the check that torch is there)
"""How far updates go, a limit to it, and averages of checkpoints."""

import csv
import io
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")

from scaling.counting import Shape
from scaling.errors import TrainingDataError, TrainingError
from scaling.planning import merge
from scaling.training import RunSpec, group, losses, train, train_group
from scaling.training.corpus import read_corpus, validation_windows
from scaling.training.evaluation import Judge, evaluate
from scaling.training.grid import read_sweep
from scaling.training.model import Model
from scaling.training.probes import Bench
from scaling.training.records import sealed, unsealed
from scaling.training.steps import gauge
from scaling.training.tree import forest
from tests.tiny import text_in

TINY = {
    "n_layer": 1, "d_model": 8, "n_head": 1, "context": 16, "batch": 4, "eval_every": 10,
    "eval_tokens": 256, "val_tokens": 512,
}  # fmt: skip
CONSTANT = "constant:peak=1e-2,warmup=5,steps=40"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return str(text_in(tmp_path_factory.mktemp("text")))


def run(text, out, name="run", **settings):
    return train(RunSpec(**({"schedule": CONSTANT, "corpus": text} | TINY | settings)), out, name=name, device="cpu")


def rows(out, name="run"):
    return list(csv.DictReader((out / "curves" / f"{name}.csv").read_text().splitlines()))


@pytest.mark.parametrize("cells", [losses.CELLS, 7 * 256])
def test_the_ratio_is_the_largest_spread_of_the_slopes_of_logits(monkeypatch, cells):
    """Slopes by central differences in double precision; two members, and chunks of rows that do not divide them."""
    monkeypatch.setattr(losses, "CELLS", cells)
    model = Model(Shape(n_layer=2, d_model=16, n_head=2, context=8, vocab=256, qk_norm=True))
    flat = torch.stack([model.initial(0), model.initial(1)]).double() * 3
    change = torch.randn(flat.shape, generator=torch.Generator().manual_seed(2)).double() * 0.02
    windows = torch.randint(256, (2, 3, 9), generator=torch.Generator().manual_seed(3))
    ratio, sure = gauge(model, model.views(flat), model.views(change), windows)
    h = 1e-5
    ahead, behind = (model.logits(model.views(flat + s * h * change), windows) for s in (1, -1))
    slopes = (ahead - behind) / (2 * h)
    expected = (slopes.amax(dim=2) - slopes.amin(dim=2)).amax(dim=1) / math.pi
    torch.testing.assert_close(ratio, expected, rtol=1e-6, atol=0)
    assert sure.tolist() == [0, 0]
    assert gauge(model, model.views(flat), model.views(2 * change), windows)[0].tolist() == pytest.approx((2 * ratio).tolist())


def test_beyond_a_ratio_of_one_the_loss_cannot_be_expanded():
    """Two logits moving apart: their log Z in the size of the step has its singularity where the ratio is 1."""
    apart = 0.7
    nearest = complex(0, math.pi / apart)  # of log(1 + exp(t apart)): where the sum is zero
    assert abs(1 + np.exp(nearest * apart)) < 1e-15
    assert abs(nearest) * apart / math.pi == pytest.approx(1)


def test_a_token_without_gradient_is_one_whose_chance_rounds_to_one():
    model = Model(Shape(n_layer=1, d_model=16, n_head=2, context=8, vocab=256))
    windows = torch.randint(256, (1, 30, 9), generator=torch.Generator().manual_seed(0))
    flat = model.initial(0)[None]
    views = model.views(flat)
    with torch.no_grad():
        views["embedding"].mul_(600)  # the next token is nearly sure to be the last one again
        windows[..., 4:] = windows[..., 3:4]
    _, sure = gauge(model, views, model.views(torch.zeros_like(flat)), windows)
    logits = model.logits(views, windows).detach().requires_grad_()
    loss, _ = losses.CrossEntropy.apply(logits, windows)
    (slope,) = torch.autograd.grad(loss.sum(), logits)
    own = slope.gather(2, losses.targets(windows, 240).unsqueeze(2))
    assert 0.2 < float(sure) < 0.9
    assert float(sure) == pytest.approx(float((own == 0).float().mean()))


@pytest.mark.parametrize("more", [{}, {"qat_bits": 3, "qat_from": 20}, {"vocab": 270}, {"optimiser": "muon"}])
def test_rows_say_how_far_the_last_update_and_all_of_them_went(text, tmp_path, more):
    run(text, tmp_path, probes=True, **more)
    spec = RunSpec(schedule=CONSTANT, corpus=text, **TINY, **more)
    bench = Bench(spec, read_corpus(text, spec.vocab))
    first, model = bench.stack.state(0)["flat"], bench.stack.model
    for row, step in zip(rows(tmp_path), (1, 2, 4, 8, 10, 20, 30, 40), strict=True):
        if behind := step - 1 - int(bench.stack.step[0]):
            bench.train(behind)
        before = bench.stack.state(0)["flat"][None]
        bench.train(1)
        after = bench.stack.state(0)["flat"][None]
        places = bench.corpus.places(step - 1, spec.batch, model.span(), 0)
        windows = bench.stack.text[torch.from_numpy(places)[None, :, None] + bench.stack.span].long()
        seen = bench.stack.seen(model.views(before), bench.stack.levels(torch.tensor([0])))
        ratio, _ = gauge(model, seen, model.views(after - before), windows)
        assert float(row["weight_distance"]) == pytest.approx(float((after[0] - first).norm()), rel=1e-6)
        assert float(row["safe_step_ratio"]) == pytest.approx(float(ratio), rel=1e-6)
        assert float(row["no_gradient_share"]) == 0
    distances = [float(row["weight_distance"]) for row in rows(tmp_path)]
    assert distances == sorted(distances)


def test_probes_and_averages_touch_nothing_and_share_all_updates(text, tmp_path):
    plain, probed = (RunSpec(schedule=CONSTANT, corpus=text, **TINY, probes=on) for on in (False, True))
    merged = RunSpec(schedule=CONSTANT, corpus=text, **TINY, merge="13:0.5 40:0.5")
    specs = {"plain": plain, "probed": probed, "merged": merged}
    (tree,) = forest(specs)
    assert tree.steps == 40
    records = train_group(specs, tmp_path, device="cpu")
    assert [{k: v for k, v in row.items() if k in rows(tmp_path, "plain")[0]} for row in rows(tmp_path, "probed")] == rows(
        tmp_path, "plain"
    )
    assert rows(tmp_path, "merged") == rows(tmp_path, "plain")
    assert len({record["final_loss"] for record in records.values()}) == 1
    assert "merged_val_loss" not in records["plain"] and records["merged"]["merge"] == "13:0.5 40:0.5"


def test_an_average_is_what_its_weights_say(text, tmp_path):
    weights = merge([17, 25, 33, 40], "linear").weights
    said = " ".join(f"{step}:{weight:.6f}" for step, weight in zip(weights["step"], weights["weight"], strict=True))
    record = run(text, tmp_path, merge=said)
    spec = RunSpec(schedule=CONSTANT, corpus=text, **TINY)
    bench, total = Bench(spec, read_corpus(text)), 0.0
    for step, weight in zip(weights["step"], weights["weight"], strict=True):
        bench.train(step - int(bench.stack.step[0]))
        total = total + weight * bench.stack.state(0)["flat"].double()
    (source,) = bench.corpus.sources
    judge = Judge("text", 1.0, torch.from_numpy(validation_windows(source.validation, 512, 16)).long())
    expected = evaluate(bench.stack.model, bench.stack.model.views(total.float()[None]), [judge])[0]
    assert record["merged_val_loss"] == pytest.approx(expected.loss, abs=1e-5)
    assert record["merged_val_se"] == pytest.approx(expected.standard_error, rel=1e-3)
    assert record["merged_val_loss"] != record["final_loss"]
    whole = run(text, tmp_path, name="whole", merge="40:1")
    assert whole["merged_val_loss"] == whole["final_loss"] == record["final_loss"]
    early = run(text, tmp_path, name="early", merge="30:1")
    assert early["merged_val_loss"] == run(text, tmp_path, name="30", schedule=CONSTANT.replace("40", "30"))["final_loss"]


def test_an_average_of_rounded_weights_is_rounded(text, tmp_path):
    record = run(text, tmp_path, merge="40:1", qat_bits=3, qat_from=20)
    assert record["merged_val_loss"] == record["final_loss"]


def test_a_run_that_diverges_has_no_average(text, tmp_path):
    record = run(text, tmp_path, schedule="two_stage:peak=1e-2,steps=40,switch=20,then=1e30", merge="10:0.5 40:0.5")
    assert record["status"] == "diverged" and record["merged_val_loss"] is None


def test_no_update_goes_beyond_the_limit_and_those_within_stay_as_they_are(text, tmp_path):
    run(text, tmp_path, name="free", probes=True)
    run(text, tmp_path, name="never", probes=True, safe_step=1e6)
    run(text, tmp_path, name="held", probes=True, safe_step=0.02)
    free, never, held = (rows(tmp_path, name) for name in ("free", "never", "held"))
    assert [{k: v for k, v in row.items() if k != "step_share"} for row in never] == free
    assert {row["step_share"] for row in never} == {"1"}
    assert max(float(row["safe_step_ratio"]) for row in free) > 0.03
    assert all(float(row["safe_step_ratio"]) <= 0.02 * (1 + 1e-3) for row in held)
    assert min(float(row["step_share"]) for row in held) < 0.7
    # the first update is the same but for its length
    share = float(held[0]["step_share"])
    assert float(held[0]["weight_distance"]) == pytest.approx(share * float(free[0]["weight_distance"]), rel=1e-4)


@pytest.mark.parametrize(
    ("merge", "said"),
    [
        ("10", r"'10' is no checkpoint with its weight; write 2400:0\.25"),
        ("10:x 20:1", "'10:x' is no checkpoint with its weight"),
        ("10:0.5 10:0.5", "checkpoints rise, from 1 to the 40 updates"),
        ("20:0.5 10:0.5", "checkpoints rise"),
        ("0:0.5 10:0.5", "checkpoints rise"),
        ("10:0.5 41:0.5", "checkpoints rise"),
        ("10:0.5 20:0.6", r"sum to 1, and these to 1\.1"),
        ("10:1e400 20:-1e400", "sum to 1, and these to nan"),
        ("-3:0.5 20:0.5", "'-3:0.5' is no checkpoint"),
    ],
)
def test_averages_that_are_none_are_refused(merge, said):
    with pytest.raises(TrainingError, match=said):
        RunSpec(schedule=CONSTANT, merge=merge)


def test_bad_settings_in_a_sweep_are_named(tmp_path):
    for setting, said in {
        "probes = 1": "probes = 1: must be true or false",
        "safe_step = -1.0": "safe_step = -1.0: must be 0 or more",
        'merge = "8:1 9:1"': "merge = '8:1 9:1': weights of an average sum to 1",
        "merge = [8, 9]": r"merge = \[8, 9\]|merge = 8: must be text",
    }.items():
        (tmp_path / "sweep.toml").write_text(f'[axes]\nschedule = "constant:peak=1,steps=10"\n{setting}\n')
        with pytest.raises(TrainingDataError, match=said):
            read_sweep(tmp_path / "sweep.toml")


def test_checkpoints_of_a_sweep_are_those_of_its_horizon(tmp_path):
    path, grid = (
        tmp_path / "sweep.toml",
        '[axes]\nschedule = "constant:peak=1"\nhorizon = {{steps = {}}}\nmerge = "8:0.5 20:0.5"\n',
    )
    path.write_text(grid.format(20))
    (planned,) = read_sweep(path).values()
    assert planned.spec.merged == {8: 0.5, 20: 0.5} and planned.spec.table.steps == 20
    path.write_text(grid.format(19))
    with pytest.raises(TrainingDataError, match="from 1 to the 19 updates of the run"):
        read_sweep(path)


def test_equal_averages_written_differently_are_one_spec():
    one, two = (RunSpec(schedule=CONSTANT, merge=text) for text in ("10:.5, 20:5e-1", "10:0.5 20:0.50"))
    assert one == two and one.merge == "10:0.5 20:0.5"


def test_a_checkpoint_of_before_a_setting_has_its_default(text, tmp_path, monkeypatch):
    """It is gone on from as that, and refused where more is asked for than it has kept."""
    save = group.Group._save

    def stop(self):
        save(self)
        if any(lane.step >= 20 for lane in self.lanes):
            raise KeyboardInterrupt

    spec, path = RunSpec(schedule=CONSTANT, corpus=text, **TINY), tmp_path / "checkpoints" / "run.pt"
    with monkeypatch.context() as patch:
        patch.setattr(group.Group, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, name="run", device="cpu", checkpoint_seconds=0.0)
    state = torch.load(io.BytesIO(unsealed(path.read_bytes())), weights_only=True)
    del state["averages"]
    for key in ("merge", "probes", "safe_step", "vocab"):
        del state["identity"]["run"][key]
    older = io.BytesIO()
    torch.save(state, older)
    path.write_bytes(sealed(older.getvalue()))
    with pytest.raises(TrainingDataError, match=r"merge was '', is '10:0\.5 40:0\.5'"):
        run(text, tmp_path, merge="10:0.5 40:0.5")
    run(text, tmp_path)
    run(text, tmp_path, name="whole")
    assert rows(tmp_path) == rows(tmp_path, "whole")
