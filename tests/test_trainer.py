"""Forecasts inside the Hugging Face Trainer: its own scheduler is read, its own loggers get the numbers."""

import sys
import types

import numpy as np
import pytest

import scaling
from scaling.errors import ArgumentError, MissingExtra
from scaling.running import trainer_callback
from scaling.running.path import Path
from scaling.running.trainer import planned

PLAN = "wsd:peak=3e-4,steps=4000,warmup=200,decay=0.2,shape=linear,final=0.1"
RATES = scaling.schedule(PLAN).rates
X = np.array([2.8, -1.5, -0.6, -1.6, 6.6, 0.8, 0.15, -5.2])
STEPS = np.arange(250, 1501, 50)
LOSSES = Path(scaling.schedule(PLAN), STEPS)(X)[0]


class Trainer:
    """What the callback uses of a Trainer."""

    def __init__(self):
        self.state = types.SimpleNamespace(global_step=0, log_history=[], max_steps=4000)
        optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.0}])
        self.scheduler = types.SimpleNamespace(lr_lambdas=[lambda k: RATES[k] / 3e-4], base_lrs=[3e-4], optimizer=optimizer)

    def add_callback(self, callback):
        self.callback = callback

    def log(self, logs):
        self.state.log_history.append({**logs, "step": self.state.global_step})

    def train(self, steps=STEPS, losses=LOSSES):
        self.callback.on_train_begin(None, self.state, None, lr_scheduler=self.scheduler)
        for step, loss in zip(steps, losses, strict=True):
            self.state.global_step = int(step)
            self.log({"eval_loss": loss})
            self.callback.on_evaluate(None, self.state, None, metrics={"eval_loss": loss})
        return [row for row in self.state.log_history if "forecast" in row]


@pytest.fixture
def trainer(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", types.SimpleNamespace(TrainerCallback=object))
    return Trainer()


def test_the_scheduler_is_the_plan_and_the_numbers_are_logged(trainer):
    callback = trainer_callback(trainer, every=2)
    rows = trainer.train()
    assert (callback.live.plan.rates == RATES).all() and callback.live.plan.first == 1
    assert rows[-1]["forecast_lower"] < rows[-1]["forecast"] < rows[-1]["forecast_upper"]
    assert rows[-1]["forecast"] == callback.live.last.end["prediction"] and len(rows) == 10


def test_it_goes_on_after_a_resume_and_never_stops_the_training(trainer):
    trainer_callback(trainer)
    trainer.state.log_history = [{"step": 1, "loss": 9.0}]
    trainer.state.log_history += [{"step": int(s), "eval_loss": x} for s, x in zip(STEPS, LOSSES, strict=True)]
    with pytest.warns(UserWarning, match="no forecast at step 1550: step 1550: the loss is 'x'"):
        trainer.train([1550], ["x"])
    assert trainer.train([1600], [LOSSES[-1]])[-1]["step"] == 1600
    trainer.scheduler = None
    with pytest.warns(UserWarning, match="no forecasts of this run: the Trainer has no scheduler"):
        assert len(trainer.train([1650], [LOSSES[-1]])) >= 1


def test_wrong_settings_are_told_before_the_training(trainer, monkeypatch):
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        trainer_callback(trainer, level=90)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra):
        trainer_callback(trainer)


def test_any_scheduler_that_follows_the_step_is_read_and_left_as_it_was():
    torch = pytest.importorskip("torch")
    of = torch.optim.lr_scheduler
    makers = (
        lambda o: of.OneCycleLR(o, 1e-3, total_steps=301),
        lambda o: of.SequentialLR(o, [of.LinearLR(o, 0.01, 1, 50), of.CosineAnnealingLR(o, 250)], [50]),
        lambda o: of.LambdaLR(o, lambda k: 1 / (1 + k)),
        lambda o: of.MultiStepLR(o, [100, 200], 0.1),
    )
    for make in makers:
        optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(3))], lr=1e-3)
        scheduler = make(optimizer)
        plan, seen, history = planned(scheduler, 300, []), [], []
        for k in range(300):
            seen.append(optimizer.param_groups[0]["lr"])
            history.append({"step": k + 1, "learning_rate": seen[-1]})
            if k == 120:  # resumed here
                assert planned(scheduler, 300, history).rates == pytest.approx(plan.rates, abs=1e-12)
            optimizer.step()
            scheduler.step()
        assert plan.rates == pytest.approx(seen, abs=1e-12)
    with pytest.raises(scaling.ScalingError, match="ReduceLROnPlateau follows the loss"):
        planned(of.ReduceLROnPlateau(optimizer), 300, [])


@pytest.mark.slow
def test_the_real_trainer_and_its_tensorboard(tmp_path, monkeypatch):
    """A tiny regression: loss falls like a power law by itself; what counts is who gets which numbers."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "tb"))
    torch.manual_seed(0)
    x = torch.randn(512, 8)
    y = x @ torch.randn(8, 1) + 0.5 * torch.randn(512, 1)
    rows = [{"x": a, "labels": b} for a, b in zip(x, y, strict=True)]

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))

        def forward(self, x, labels):
            out = self.layer(x)
            return {"loss": torch.mean((out - labels) ** 2), "logits": out}

    settings = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=200, eval_strategy="steps", eval_steps=5, logging_steps=50, learning_rate=1e-2,
        warmup_steps=20, lr_scheduler_type="cosine", report_to=["tensorboard"], use_cpu=True, disable_tqdm=True,
        save_strategy="no", per_device_train_batch_size=16, per_device_eval_batch_size=512,
    )  # fmt: skip
    trainer = transformers.Trainer(model=Model(), args=settings, train_dataset=rows, eval_dataset=rows)
    callback = trainer_callback(trainer)
    trainer.train()
    told = [row for row in trainer.state.log_history if "forecast" in row]
    assert len(told) > 20 and told[-1]["forecast_lower"] < told[-1]["forecast"] < told[-1]["forecast_upper"]
    rates = [row for row in trainer.state.log_history if "learning_rate" in row]
    assert len(callback.live.plan) == 200 and callback.live.plan.warmup == 21
    assert all(callback.live.plan.rates[row["step"] - 1] == pytest.approx(row["learning_rate"], abs=1e-6) for row in rates)
    (folder,) = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    events = EventAccumulator(str(folder)).Reload()
    for name in ("forecast", "forecast_lower", "forecast_upper"):
        (tag,) = [tag for tag in events.Tags()["scalars"] if tag.split("/")[-1] == name]
        assert [event.value for event in events.Scalars(tag)] == pytest.approx([row[name] for row in told], rel=1e-6)
