"""Recipes: the rules' own checks at published budgets, lines from fits, what leaves its range, what cannot be asked."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.cli import main
from scaling.counting import MACHINES, Shape, machine_flops
from scaling.errors import ArgumentError, DataError, FitError, LawError, ScheduleError
from scaling.papers.configuration import best_settings
from scaling.planning import recipe
from scaling.procedures import settings
from tests.test_ladder import LADDER, made


def line(found, name):
    return next(each for each in found.lines if each.name == name)


def rival(found, name, rule):
    return next(other for other in line(found, name).rivals if other.rule == rule)


def test_step_law_at_its_own_check():
    """arXiv:2503.04715: N = 4e8, D = 2e10 give a rate of 1.91426e-3 and 4.41892e5 tokens; DeepSeek and Moonlight by hand."""
    found = recipe(N=4e8, D=2e10)
    assert found["peak"] == pytest.approx(1.91426e-3, rel=1e-5) and found["batch"] == pytest.approx(4.41892e5, rel=1e-5)
    assert found["flops"] == pytest.approx(4.8e19) and found["updates"] == round(2e10 / found["batch"])
    assert rival(found, "peak", "lr_compute/deepseek2024").value == pytest.approx(0.3118 * 4.8e19**-0.125, rel=1e-12)
    assert rival(found, "batch", "batch_size/moonlight2025").value == pytest.approx(0.0065 * 4.8e19**0.4138, rel=1e-12)
    assert not found.warnings
    assert any(said.startswith("batch: critical_batch/minicpm2024 says") for said in found.disagreements)
    assert not any(said.startswith("peak") for said in found.disagreements)  # 0.56 and 0.5 times are no factor of two
    assert line(found, "peak").said.upper == pytest.approx(1.7 * found["peak"])


def test_deepseek_at_its_own_check():
    """arXiv:2401.02954 at 1e20 FLOP: 9.85998e-4, 1.017145e6 tokens, D* = 1.904530e10; followed where they are named."""
    found = recipe("lr_compute/deepseek2024", "batch_size/deepseek2024", flops=1e20)
    assert found["peak"] == pytest.approx(9.85998e-4, rel=1e-4) and found["batch"] == pytest.approx(1.017145e6, rel=1e-4)
    assert rival(found, "D", "allocation/deepseek2024_D").value == pytest.approx(1.904530e10, rel=1e-4)
    assert not line(found, "peak").said.verified
    assert any("C = 1e20 is 5 times above the 1e17 to 2e19 they were made on" in said for said in found.warnings)
    assert {other.rule for other in line(found, "peak").rivals} == {"lr_batch/li2025", "lr_compute/moonlight2025"}


def test_chinchilla_at_its_own_check():
    """5.76e23 FLOP: 72.3e9 parameters and 1.33e12 tokens by arXiv:2404.10102, 32.2e9 and 2.98e12 by arXiv:2203.15556 as
    rounded; Kaplan's 1.3e9 PF-days^0.73 is eleven times as large, which is said."""
    found = recipe(flops=5.76e23)
    assert (found["N"], found["D"]) == (pytest.approx(72.3e9, rel=2e-3), pytest.approx(1.33e12, rel=3e-3))
    rounded = recipe("chinchilla/hoffmann2022_rounded", flops=5.76e23)
    assert (rounded["N"], rounded["D"]) == (pytest.approx(32.2e9, rel=2e-3), pytest.approx(2.98e12, rel=3e-3))
    kaplan = 1.3e9 * (5.76e23 / 8.64e19) ** 0.73
    assert rival(found, "N", "allocation/kaplan2020_N").value == pytest.approx(kaplan, rel=1e-12)
    assert any(said.startswith("N: allocation/kaplan2020_N says 804B, 11.1 times") for said in found.disagreements)
    costs = rival(found, "N", "chinchilla/hoffmann2022")
    surface = scaling.laws["chinchilla"].published["besiroglu2024"]
    share = surface(costs.value, 5.76e23 / 6 / costs.value) / found["loss"] - 1
    assert costs.notes == (f"costs {share:.2%} of loss",)
    for start in ("chinchilla/besiroglu2024: N = 72.4B is 4.5 times above", "lr_batch/li2025: N = 72.4B is 68 times above"):
        assert any(said.startswith(start) for said in found.warnings)


@pytest.mark.parametrize(("D", "sequences"), [(40e9, 351.8), (3e9, 130.45)])
def test_power_lines_at_its_own_checks(D, sequences):
    """arXiv:2505.13738: best batch in sequences of 2,048 tokens; the weight decay makes the timescale its best."""
    found = recipe("batch_size/bergsma2025", N=D / 20, D=D)
    assert found["batch"] == pytest.approx(sequences * 2048, rel=2e-4)
    tau = 1.084 * 20**-0.527
    assert found["batch"] / (found["peak"] * found["weight decay"] * D) == pytest.approx(tau, rel=1e-12)
    assert "AdamW averages over 0.224 of the run" in line(found, "weight decay").said.notes


def test_hours_of_a_machine():
    assert machine_flops(1000, "h100", 0.4) == pytest.approx(1000 * 3600 * 989.4e12 * 0.4)
    assert MACHINES["A100"] == 312e12 and machine_flops(1, 1e15, 1.0) == 3.6e18
    assert recipe(gpu_hours=1000, gpu="H100", utilisation=0.4)["N"] == recipe(flops=machine_flops(1000, "H100", 0.4))["N"]


def test_rules_are_fed_what_they_count():
    """With the proportions known, the Step Law gets parameters without embeddings, and nothing is assumed."""
    shape = Shape(d_model=1024, n_layer=24, vocab=50_000, context=2048)
    found = recipe(N=4e8, D=2e10, counts="total", shape=shape)
    assert not any("no shape to convert" in note for note in line(found, "peak").said.notes)
    own = 1.79 * 2e10**0.307
    blocks = (own / found["peak"]) ** (1 / 0.713)
    assert 2e8 < blocks < 4e8
    assert recipe(N=4e8, D=2e10, counts="non_embedding")["peak"] == pytest.approx(own / 4e8**0.713, rel=1e-12)


def test_lines_from_fits(points):
    """A fit says the line its law answers, with its own interval; the rule that it replaces is then a rival."""
    sizes = scaling.fit(points, "chinchilla")
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e8, 1e9, 5), np.geomspace(2e9, 5e10, 5)))
    scatter = np.exp(0.05 * np.random.default_rng(0).standard_normal(25))
    rates = scaling.fit(pd.DataFrame({"N": N, "D": D, "loss": 2 * N**-0.7 * D**0.3 * scatter}), "lr_batch")
    batches = scaling.fit(pd.DataFrame({"tokens": D, "loss": 0.5 * D**0.58 * scatter}), "batch_size")
    found = recipe(sizes, rates, batches, flops=1e20)
    row = scaling.plan(sizes, 1e20).iloc[0]
    assert (found["N"], line(found, "N").said.lower) == (row["N"], row["N_lower"])
    assert line(found, "loss").said.rule == "own fit of chinchilla" and line(found, "loss").said.lower < found["loss"]
    predicted = rates.predict({"N": [found["N"]], "D": [found["D"]]}).iloc[0]
    assert (found["peak"], line(found, "peak").said.upper) == (predicted["prediction"], predicted["upper"])
    assert found["batch"] == pytest.approx(0.5 * found["D"] ** 0.58, rel=0.1)
    assert {"lr_batch/li2025", "lr_compute/deepseek2024"} < {other.rule for other in line(found, "peak").rivals}
    assert "chinchilla/besiroglu2024" in {other.rule for other in line(found, "N").rivals}


def test_a_grid_of_runs_says_peak_and_batch():
    """As `procedures.settings` recommends them, with the intervals of whole groups drawn anew; outside the grid it is said."""
    grid = bowls_of_runs()
    told = settings(grid)
    found = recipe(told.fit, N=2e8, D=1e10)
    row = told.recommend(2e8, 1e10).iloc[0]
    for name, column in (("peak", "lr"), ("batch", "batch")):
        said = line(found, name).said
        assert (found[name], said.lower, said.upper) == pytest.approx(
            (row[column], row[f"{column}_lower"], row[f"{column}_upper"])
        )
        assert said.rule == "own fit of configuration" and line(found, name).rivals
    assert not found.warnings
    assert any(
        "N = 20B lies outside the 100M to 400M of the grid" in said for said in recipe(told.fit, N=2e10, D=1e10).warnings
    )
    with pytest.raises(LawError, match="two sources say the peak"):
        recipe(told.fit, "lr_batch/li2025", N=2e8, D=1e10)
    sequences = settings(grid.assign(batch=grid["batch"] / 2048), replicates=2)
    with pytest.raises(DataError, match="look like sequences"):
        recipe(sequences.fit, N=2e8, D=1e10)


def bowls_of_runs():
    """Rates and batches around the best of the law itself, three sizes and three lengths."""
    law, rng = scaling.laws["configuration"], np.random.default_rng(0)
    values = {name: parameter.start for name, parameter in law.params.items()}
    rows = []
    for N in (1e8, 2e8, 4e8):
        for D in (4e9, 1e10, 2.5e10):
            rate, batch = best_settings(N, D, values)
            near = [(rate + x, batch + y) for x in np.linspace(-0.7, 0.7, 5) for y in np.linspace(-0.7, 0.7, 5)]
            rows += [(N, D, np.exp(x), np.exp(y)) for x, y in near]
    grid = pd.DataFrame(rows, columns=["N", "D", "lr", "batch"])
    loss = law(*(grid[c].to_numpy() for c in grid), **values) * np.exp(3e-4 * rng.standard_normal(len(grid)))
    return grid.assign(loss=loss)


def test_a_law_of_whole_runs_says_nearly_all():
    """Batch, peak and schedule as its runs had them, the loss with its interval; the rules become rivals."""
    fit = scaling.fit(made(LADDER, noise=3e-4), "ladder")
    found, row = recipe(fit, flops=1e18), scaling.plan(fit, 1e18).iloc[0]
    asked = {"N": "N", "D": "D", "batch": "batch_tokens", "peak": "lr", "loss": "loss"}
    assert {name: found[name] for name in asked} == {name: row[column] for name, column in asked.items()}
    assert line(found, "loss").said.upper == row["loss_upper"] and found.schedule.steps == row["steps"]
    assert {"lr_batch/li2025", "lr_compute/deepseek2024"} < {other.rule for other in line(found, "peak").rivals}
    whole = recipe(fit, N=row["N"], D=row["D"])
    assert whole["loss"] == pytest.approx(found["loss"], rel=1e-3) and line(whole, "N").said.rule == "as asked"
    with pytest.raises(FitError, match="is for a budget, or for N= and D= together"):
        recipe(fit, N=1e8)
    with pytest.raises(LawError, match="two sources say the size"):
        recipe(fit, "chinchilla/besiroglu2024", flops=1e18)


def test_a_law_of_schedules_says_the_schedule():
    found = recipe("multi_power/luo2025_100M", N=1e8, D=2e9)
    said = line(found, "schedule").said
    assert said.rule == "multi_power/luo2025_100M" and said.value.startswith("constant, then")
    assert found.schedule.steps == found["updates"] and found.schedule.peak == pytest.approx(found["peak"], rel=1e-6)


def test_a_cooldown_that_is_too_short_for_the_size():
    """At 20 tokens per parameter AdamW should average over 22 % of the run, at 500 over 4 %."""
    short = [said for said in recipe(N=1e8, D=2e9, schedule="wsd:decay=0.1").warnings if said.startswith("schedule")]
    assert len(short) == 1 and "falls over the last 10.0% of the run" in short[0] and "22.4%" in short[0]
    for D, text in ((2e9, "wsd:decay=0.3"), (2e9, "linear"), (5e10, "wsd:decay=0.1")):
        assert not [said for said in recipe(N=1e8, D=D, schedule=text).warnings if said.startswith("schedule")]
    assert any("never falls" in said for said in recipe(N=1e8, D=2e9, schedule="constant").warnings)
    assert any("from 20 tokens per parameter on" in said for said in recipe(N=4e8, D=3e9).warnings)


def test_warm_up_is_as_many_tokens_as_parameters_up_to_a_quarter():
    found = recipe(N=4e8, D=2e10)
    assert found["warm-up"] == round(4e8 / found["batch"]) and found.schedule.warmup == found["warm-up"]
    assert recipe(N=1e9, D=2e9)["warm-up"] == pytest.approx(recipe(N=1e9, D=2e9)["updates"] / 4, abs=1)


def test_any_run_has_a_recipe():
    """From a handful of parameters to more updates than anyone makes; what prints is what the numbers say."""
    for asked in ({"N": 1.0, "D": 1.0}, {"flops": 1e3}, {"flops": 1e34}, {"N": 1e6, "D": 1e16}, {"N": 1e15, "D": 1e9}):
        found = recipe(**asked)
        assert found["updates"] >= 1 and 0 <= found["warm-up"] <= found["updates"] and found.schedule.steps == found["updates"]
        assert str(found).count("\n") > 30 and json.dumps(found.to_dict(), allow_nan=False)
    own = recipe(N=1e8, D=2e9, schedule="constant:warmup=7")
    assert own["warm-up"] == 7 and own["schedule"].startswith("constant:warmup=7,peak=")


def test_what_cannot_be_asked():
    rates = "lr_compute/deepseek2024"
    for sources, asked, error, said in (
        ((), {}, ArgumentError, "a recipe needs flops=, gpu_hours=, N= or D="),
        ((), {"flops": 1e20, "N": 1e9, "D": 1e9}, ArgumentError, "together contradict each other"),
        ((), {"flops": -1.0}, ArgumentError, "flops=-1.0 must be a positive number"),
        ((), {"flops": 1e20, "gpu_hours": 1.0}, ArgumentError, "are two budgets"),
        ((), {"gpu_hours": 5.0, "gpu": "H100"}, ArgumentError, "missing utilisation"),
        ((), {"gpu_hours": 5.0, "gpu": "H10", "utilisation": 0.4}, ArgumentError, "gpu='H10' is unknown; did you mean 'H100'"),
        ((), {"gpu_hours": 5.0, "gpu": "H100", "utilisation": 40}, ArgumentError, "utilisation=40 must be a share"),
        ((), {"gpu_hours": float("nan"), "gpu": "H100", "utilisation": 0.4}, ArgumentError, "gpu_hours=nan must be a positive"),
        ((rates, "lr_batch/li2025"), {"flops": 1e20}, LawError, "two sources say the peak; give one"),
        (("batch_size/zhang2024",), {"flops": 1e20}, LawError, "'batch_size/zhang2024' says no batch of a run; there are"),
        (("data_constrained/muennighoff2023",), {"flops": 1e20}, LawError, "takes its size from a law over N and D"),
        (("pass_at_k/x",), {"flops": 1e20}, LawError, "are no constants"),
        (({"E": 1.0},), {"flops": 1e20}, LawError, "a recipe takes fits, published constants or their names"),
        ((), {"flops": 1e20, "level": 2}, ArgumentError, "level=2 must lie between"),
        ((), {"N": 1e8, "D": 2e9, "schedule": "wsd:decay=3e6"}, ScheduleError, "decay=3e"),
        ((), {"N": 1e8, "D": 2e9, "schedule": "wsd:peak=1e-3"}, ScheduleError, "peak follow from the recipe; leave them out"),
        ((), {"N": 1e8, "D": 2e9, "counts": "most"}, ArgumentError, "counts='most' is unknown; there are non_embedding"),
        ((), {"N": 1e8, "D": 2e9, "shape": "x"}, ArgumentError, "must be a scaling.counting.Shape"),
        ((), {"flops": 1e21, "N": 1e30}, FitError, "less than one of either is none"),
        ((), {"N": 1e8, "D": 2e9, "schedule": "zigzag"}, ScheduleError, "unknown schedule 'zigzag'"),
    ):
        with pytest.raises(error, match=said):
            recipe(*sources, **asked)
    with pytest.raises(KeyError, match="the lines are flops, N, D, batch"):
        recipe(N=4e8, D=2e10)["size"]


def test_the_command_line_says_the_same(capsys):
    assert main(["recipe", "--N", "400M", "--D", "20B", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(recipe(N=4e8, D=2e10).to_dict()))
    assert (
        told["lines"]["peak"]["source"] == "arXiv:2503.04715, eq. 1" and told["lines"]["peak"]["rivals"][0]["verified"] is False
    )
    assert main(["recipe", "--gpu-hours", "1k", "--gpu", "H100", "--utilisation", "0.4", "--schedule", "wsd:decay=0.1"]) == 0
    out = capsys.readouterr().out
    assert (
        "warning      schedule: the rate falls over the last" in out and "disagree     N: allocation/kaplan2020_N says" in out
    )
    assert main(["recipe", "lr_compute/deepseek2024", "--gpu-hours", "5"]) == 2
    assert (
        "GPU hours need --gpu-hours, --gpu and --utilisation together; missing --gpu, --utilisation." in capsys.readouterr().err
    )


def test_a_ladder_of_tiny_runs_is_not_asked_for_eighty_million_updates(tmp_path):
    scaling.samples.write(tmp_path)
    fit = scaling.fit(scaling.read(tmp_path / "ladder"), "ladder")
    for flops in (1e22, 1e24):
        with pytest.raises(FitError, match="over 10,000,000 updates at the batch that is usual for its size in these runs"):
            scaling.planning.recipe(fit, flops=flops)
    assert scaling.plan(fit, flops=1e15)["steps"].iloc[0] < 1e6
