"""Downstream errors in two steps (arXiv:2403.08540, 2412.04403): readers of their layouts, chains, and what is predictable."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import DataError, FitError
from scaling.logs import formats
from scaling.procedures.chain import Chain, accuracy_points, ladder, predictable, stretched
from tests import layouts

FIVE = [("d=96_l=8_h=4", 20), ("d=512_l=8_h=4", 20), ("d=576_l=24_h=8", 20), ("d=1024_l=24_h=8", 20), ("d=96_l=8_h=4", 320)]
SIX = [*FIVE, ("open_lm_1b", 20)]
FAR = [("open_lm_7b", 20), ("open_lm_1b", 640)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return layouts.over_training(tmp_path_factory.mktemp("gadre") / "exp_data")


@pytest.fixture(scope="module")
def runs(folder):
    return formats.over_training(folder)


def pick(runs, data, wanted):
    runs = runs[runs["data"] == data]
    at = {(m, round(M)): i for i, m, M in zip(runs.index, runs["model"], runs["M"], strict=True)}
    return runs.loc[[at[w] for w in wanted]]


def test_the_table_is_what_it_says(runs, folder):
    assert runs["data"].value_counts().to_dict() == {"rpj": 36, "c4_original": 36}
    assert (6 * runs["N"] * runs["D"]).max() > 2**64 and (runs["loss_lo"] < runs["loss"]).all()
    assert {"c4_val_loss", "rpj_val_loss", "paloma_ptb_loss", "de-en_loss"} == {c for c in runs if c.endswith("_loss")}
    one = runs[runs["run"] == "rpj-open_lm_1b-32.0"].iloc[0]
    assert (one["model"], one["N"], one["M"]) == ("open_lm_1b", 1.44e9, 640.0)
    assert one["loss_hi"] - one["loss_lo"] == pytest.approx(0.02)
    mean = one[[f"err_{t}" for t in formats.gadre.SUBSET]].astype(float).mean()
    assert one["err_17"] == pytest.approx(mean) == pytest.approx(one["err_follows"], abs=1e-12)
    assert one["err_all"] != one["err_17"] and runs["err_17"].isna().sum() == 2  # two runs were not evaluated
    assert formats.over_training(folder, loss="rpj_val")["loss"][0] == pytest.approx(runs["loss"][0] + 0.1)
    with pytest.raises(DataError, match="no loss on 'wiki'; the sets are c4_val, de-en"):
        formats.over_training(folder, loss="wiki")
    with pytest.raises(DataError, match="give the folder exp_data"):
        formats.over_training(folder / "models")


@pytest.mark.parametrize("data", ["c4_original", "rpj"])
def test_chained_error(runs, data):
    """Five runs for the loss and six for the error predict both of two runs far away."""
    first = scaling.fit(pick(runs, data, FIVE), "over_training", objective="squares")
    six = pick(runs, data, SIX)
    second = scaling.fit(six.assign(L=six["loss"], loss=six["err_17"]), "downstream_error", objective="squares")
    for name, value in layouts.CHAIN.items():
        assert abs(second.values[name] - value) < 3 * second.errors()[name], name
    far = pick(runs, data, FAR)
    found = Chain(first, second).predict(far)
    measured = far["err_17"].to_numpy()
    np.testing.assert_allclose(found["prediction"], measured, rtol=0.01)
    # losses of this layout follow their law exactly, errors do not; the interval covers what was measured
    assert (found["from_loss"] < 1e-6).all() and (found["from_error"] > 0).all()
    assert ((found["lower"] < measured) & (measured < found["upper"])).all()
    assert "below the smallest loss" in found.attrs["extrapolation"]


def test_interval_of_a_chain_covers_what_it_says():
    """Both steps fitted to noisy losses and errors: the 80 % interval holds about 80 % of fresh measurements far away."""
    rng = np.random.default_rng(0)
    N, D = (x.ravel() for x in np.meshgrid([1e7, 4e7, 1.6e8, 6e8], [1e9, 4e9, 1.6e10]))
    law = scaling.laws["chinchilla"].published["besiroglu2024"]
    measured = lambda L: 0.85 - 2 * np.exp(-0.75 * L) + rng.normal(0, 2e-3, np.shape(L))
    inside = []
    for _ in range(60):
        rows = pd.DataFrame({"N": N, "D": D, "loss": law(N, D) * np.exp(rng.normal(0, 2e-3, len(N)))})
        first = scaling.fit(rows, "chinchilla", fixed={"alpha": 0.34781, "beta": 0.36585}, objective="log_squares")
        second = scaling.fit(
            pd.DataFrame({"L": rows["loss"], "loss": measured(rows["loss"])}),
            "downstream_error",
            objective="squares",
            fixed={"gamma": 0.75},
        )
        out = Chain(first, second).predict({"N": [2e9], "D": [4e10]}, level=0.8).iloc[0]
        inside.append(out["lower"] < measured(law(2e9, 4e10) * np.exp(rng.normal(0, 2e-3))) < out["upper"])
    assert 0.65 <= np.mean(inside) <= 0.95


def test_single_tasks_that_are_not_predictable_are_said_so(runs):
    rows = runs[(runs["data"] == "rpj") & (runs["N"] < 5e8)].dropna(subset="err_17")
    found = predictable(rows.assign(L=rows["loss"]), ["err_17", "err_follows", "err_coin_toss"])
    assert found["predictable"].to_dict() == {"err_17": True, "err_follows": True, "err_coin_toss": False}
    assert "not predictable: no clear trend" in found.loc["err_coin_toss", "reason"]
    with pytest.raises(FitError, match="missing err_x"):
        predictable(rows.assign(L=rows["loss"]), ["err_x"])


def test_a_chain_needs_a_law_of_the_loss(runs):
    first = scaling.fit(pick(runs, "rpj", FIVE), "over_training", objective="squares")
    with pytest.raises(FitError, match="must take the loss alone"):
        Chain(first, first)


def test_the_ladder_is_read_and_refitted(tmp_path):
    folder = layouts.ladder(tmp_path / "ladder-runs")
    assert len(formats.ladder(folder)) == 20 and len(formats.ladder(folder, reruns=True)) == 21
    rows = formats.ladder(folder, "c4_en", last=1)
    assert rows["D"].max() == pytest.approx(10 * 20 * 1_279_395_840 + layouts.TOO_LONG) and set(rows["xC"]) == {
        0.5,
        1,
        2,
        5,
        10,
    }
    fit = scaling.fit(rows, "chinchilla")
    for name, value in layouts.LADDER.items():
        assert fit.values[name] == pytest.approx(value, rel=1e-4)
    means = formats.ladder(folder)  # of the last five checkpoints, but where the run stood at the end
    one = pd.read_csv(folder / "760M-5xC.csv").tail(5)
    assert means.set_index("run")["loss"]["760M-5xC"] == pytest.approx(one.filter(like="c4_en").to_numpy().mean())
    assert means.set_index("run")["D"]["760M-5xC"] == one["throughput/total_tokens"].iloc[-1]
    weights = np.array(list(formats.bhagia.MMLU.values()))
    mmlu = rows["mmlu_test_bpb"] - rows["hellaswag_val_bpb"]  # the mean over questions, not over categories
    np.testing.assert_allclose(mmlu, (weights**2).sum() / weights.sum() / 1e4, rtol=1e-9)
    with pytest.raises(DataError, match=r"no loss 'wiki'; it has c4_en_loss"):
        formats.ladder(folder, "wiki")
    with pytest.raises(DataError, match="give the folder ladder-runs"):
        formats.ladder(tmp_path)


def test_sizes_of_the_ladder_are_read_and_not_known(tmp_path):
    """N from the tokens of a size's runs, from a column, or from the name."""
    folder = layouts.ladder(tmp_path / "ladder-runs")
    N = formats.ladder(folder).groupby("size")["N"].first()
    assert N.to_dict() == pytest.approx(layouts.SIZES, rel=1e-8)  # tokens are whole numbers
    one = pd.read_csv(folder / "1B-1xC.csv")
    tokens = "throughput/total_tokens"
    new = one.assign(**{tokens: one[tokens] * 5})
    new.to_csv(folder / "7B-1xC.csv", index=False)  # of one run: D / 20
    new.to_csv(folder / "20B-1xC.csv", index=False)  # cut, as its tokens are of another size than its name
    new.assign(n_params_nonemb=6_887_575_552).to_csv(folder / "7.5B-4T.csv", index=False)
    new.to_csv(folder / "13B-5T.csv", index=False)  # tokens in the name, and no column
    (folder / "notes-1xC.csv").write_text("mine")
    rows = formats.ladder(folder).set_index("run")
    assert len(rows) == 24
    assert rows["N"]["7B-1xC"] == pytest.approx(5 * (1_279_395_840 + layouts.TOO_LONG / 20), rel=1e-9)
    assert (rows["N"]["20B-1xC"], rows["N"]["7.5B-4T"], rows["N"]["13B-5T"]) == (20e9, 6_887_575_552, 13e9)
    assert rows["xC"]["13B-5T"] == pytest.approx(5e12 / 20 / 13e9) and rows["xC"]["20B-1xC"] == 1


def test_mixtures_of_sizes_that_no_table_lists(tmp_path):
    path = layouts.slimpajama(tmp_path / "mixtures.csv")
    raw = pd.read_csv(path)
    listed = raw["model_size"].max()
    assert listed == 1235e6
    larger = raw[raw["model_size"] == listed].assign(model_size=8e9)
    pd.concat([raw, larger]).to_csv(path, index=False)
    rows = formats.slimpajama_mixtures(path)
    assert (rows["N"] == 8e9).sum() == (rows["N"] == 1235e6).sum() == 40 and rows["N"].min() == 310e6
    assert rows[rows["N"] == 8e9]["D"].min() == 14e9


def test_mixture_groups_of_any_size(tmp_path):
    pytest.importorskip("pyarrow")
    folder = layouts.scalebench(tmp_path / "scalebench")
    path = folder / "domain_mixture_scaling_law/train-00000-of-00001.parquet"
    raw = pd.read_parquet(path)
    pd.concat([raw, raw[raw["group"] == "410M"].assign(group="1.2B")]).to_parquet(path)
    assert formats.scalebench_mixtures(path).groupby("group")["N"].first().to_dict() == pytest.approx(
        {"70M": 70e6, "160M": 160e6, "305M": 305e6, "410M": 410e6, "1.2B": 1.2e9}
    )


def test_the_ladders_accuracies_follow_the_sigmoid(tmp_path):
    rows = formats.ladder(layouts.ladder(tmp_path / "ladder-runs"), last=None)
    points = rows[["hellaswag_val_bpb", "hellaswag_val_acc"]].dropna().set_axis(["L", "loss"], axis=1)
    assert len(points) == 100  # every other checkpoint was evaluated
    fit = scaling.fit(points, "downstream_sigmoid_free", objective="squares")
    for name, value in layouts.SIGMOID.items():
        assert fit.values[name] == pytest.approx(value, rel=1e-4)


def test_the_ceiling_is_1_unless_it_is_asked_to_be_free():
    L = np.linspace(0.4, 1.4, 40)
    law, free = scaling.laws["downstream_sigmoid"], scaling.laws["downstream_sigmoid_free"]
    assert list(law.params) == ["a", "L0", "k"] and list(free.params) == ["a", "L0", "k", "b"]
    values = {"a": -0.7, "L0": 0.8, "k": 9.0}
    np.testing.assert_allclose(law(L, **values), free(L, **values, b=1.0))
    assert law(-50.0, **values) == pytest.approx(1.0)
    low = pd.DataFrame({"L": L, "loss": free(L, **values, b=0.9)})
    assert scaling.fit(low, free, objective="squares").values["b"] == pytest.approx(0.9, abs=1e-6)


def test_points_of_the_second_step_by_hand():
    """Means over five evaluations, the first tenth of them left out, and a perfect model."""
    steps = np.arange(1, 13) * 100
    acc = np.where(steps % 200 == 0, steps / 2000, np.nan)  # six evaluations: .1 .2 .3 .4 .5 .6
    rows = pd.DataFrame({"run": "a", "step": steps, "x_bpb": 2 - steps / 1000, "x_acc": acc}).sample(frac=1, random_state=0)
    points = accuracy_points(rows, "x")
    np.testing.assert_allclose(points["loss"], [0.15, 0.2, 0.25, 0.3, 0.4, 1.0])
    np.testing.assert_allclose(points["L"], [1.7, 1.6, 1.5, 1.4, 1.2, 0.0], atol=1e-8)
    assert points["step"].tolist() == [400, 600, 800, 1000, 1200, 0] and points["run"].iloc[-1] == "a perfect model"
    with pytest.raises(DataError, match="needs checkpoints with columns run, step, y_bpb, y_acc"):
        accuracy_points(rows, "y")


def test_the_ladder_in_two_steps(tmp_path):
    """Three sizes predict the accuracy of the fourth, with both laws' intervals around it."""
    rows = formats.ladder(layouts.ladder(tmp_path / "ladder-runs"), last=None)
    rows = rows[rows["xC"] >= 1]
    seen, far = rows[rows["size"] != "1B"], rows[rows["size"] == "1B"]
    chain = ladder(seen, "hellaswag_val")
    assert chain.first.law.name == "chinchilla" and chain.second.law.name == "downstream_sigmoid"
    ends = far.dropna(subset="hellaswag_val_acc").groupby("run").tail(1)
    found = chain.predict(ends[["N", "D"]])
    np.testing.assert_allclose(found["prediction"], ends["hellaswag_val_acc"], rtol=0.03)
    assert "both steps calibrated: loss" in found.attrs["interval"] and "stretched" in found.attrs["interval"]
    assert (found["lower"] <= found["prediction"]).all() and (found["prediction"] <= found["upper"]).all()
    least = chain.second.data["L"].sort_values().iloc[1]  # the perfect model apart
    assert f"the error law has seen ({least:.4g})" in found.attrs["extrapolation"]


def test_an_error_law_is_stretched_by_what_its_backtests_miss():
    """On rows that follow it once; where the rows of low loss leave it, by the root mean square of what is missed."""
    rng = np.random.default_rng(0)
    L = np.linspace(2.0, 4.0, 60)
    rows = pd.DataFrame({"L": L, "loss": 0.85 - 2 * np.exp(-0.75 * L) + rng.normal(0, 2e-3, 60)})
    fixed = {"gamma": 0.75, "eps": 0.85}
    straight = scaling.fit(rows, "downstream_error", objective="squares", fixed=fixed)
    assert stretched(straight) < 1.3
    bent = rows.assign(loss=rows["loss"] + 0.05 * np.maximum(3.0 - L, 0))
    found = scaling.fit(bent, "downstream_error", objective="squares", fixed=fixed)
    by_hand = []
    for share in (0.2, 0.3, 0.4, 0.5):
        ahead = np.quantile(L, share) > L
        x, y = np.exp(-0.75 * L), 0.85 - bent["loss"].to_numpy()
        k = (x[~ahead] @ y[~ahead]) / (x[~ahead] @ x[~ahead])
        noise = np.sqrt(((y - k * x)[~ahead] ** 2).sum() / ((~ahead).sum() - 1))
        sd = noise * np.sqrt(1 + x[ahead] ** 2 / (x[~ahead] @ x[~ahead]))
        by_hand.append(np.sqrt(np.mean(((y - k * x)[ahead] / sd) ** 2)))
    assert stretched(found) == pytest.approx(np.median(by_hand), rel=0.2) and stretched(found) > 2


def test_the_interval_of_a_chain_is_made_of_the_calibrated_loss_and_the_stretched_error():
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 6e8, 5), np.geomspace(1e9, 1.6e10, 4)))
    rng, law = np.random.default_rng(1), scaling.laws["chinchilla"].published["besiroglu2024"]
    rows = pd.DataFrame({"N": N, "D": D, "loss": law(N, D) * np.exp(rng.normal(0, 2e-3, len(N)))})
    errors = 0.85 - 2 * np.exp(-0.75 * rows["loss"]) + rng.normal(0, 2e-3, len(N))
    first = scaling.fit(rows, "chinchilla")
    second = scaling.fit(pd.DataFrame({"L": rows["loss"], "loss": errors}), "downstream_error", objective="squares")
    far = {"N": [2e9], "D": [4e10]}
    found, loss = Chain(first, second).predict(far).iloc[0], first.predict(far).iloc[0]
    ends = second.law(loss[["lower", "prediction", "upper"]].to_numpy(float), **second.values)  # falls and rises with the loss
    assert found["prediction"] == pytest.approx(ends[1]) and found["from_loss"] == pytest.approx((ends[2] - ends[0]) / 2)
    assert found["upper"] - found["prediction"] == pytest.approx(np.hypot(ends[2] - ends[1], found["from_error"]))
    assert found["prediction"] - found["lower"] == pytest.approx(np.hypot(ends[1] - ends[0], found["from_error"]))


def test_what_backtests_miss_stretches_the_noise_of_a_row_too():
    """It is measured against both, so where a row's noise is all there is, the half-width is that many times the noise."""
    rng = np.random.default_rng(0)
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 6e8, 5), np.geomspace(1e9, 1.6e10, 4)))
    loss = scaling.laws["chinchilla"].published["besiroglu2024"](N, D)
    first = scaling.fit(pd.DataFrame({"N": N, "D": D, "loss": loss * np.exp(rng.normal(0, 1e-3, len(N)))}), "chinchilla")
    L = np.linspace(2.0, 4.0, 400)
    wider = rng.normal(0, np.where(L < 3.0, 6e-3, 2e-3))  # errors of the better models scatter more
    rows = pd.DataFrame({"L": L, "loss": 0.85 - 2 * np.exp(-0.75 * L) + wider})
    second = scaling.fit(rows, "downstream_error", objective="squares", fixed={"gamma": 0.75, "eps": 0.85})
    stretch, noise = stretched(second), second.cov.noise
    half = Chain(first, second).predict({"N": [2e9], "D": [4e10]})["from_error"].iloc[0]
    assert stretch > 1.5 and half == pytest.approx(1.65 * stretch * noise, rel=0.02)


def test_percent_is_no_error():
    rows = pd.DataFrame({"L": np.linspace(2, 4, 12)}).assign(task=lambda r: 20 * r["L"])
    with pytest.raises(FitError, match="task do not"):
        predictable(rows, ["task"])


def test_the_point_of_a_perfect_model_is_no_row_that_does_not_belong():
    """A sigmoid of a flat task says less than 1 at loss 0; a run of one row has no neighbours from which it may be apart."""
    rng = np.random.default_rng(4)
    rows = []
    for N in (2e8, 4e8, 8e8, 1.3e9):
        for x in (0.5, 1, 2, 5, 10):
            off = rng.normal(0, 0.004)
            for part in np.linspace(0.1, 1, 20):
                bpb = (0.3 + 20 / N**0.28 + 30 / (20 * N * x * part) ** 0.25) * np.exp(rng.normal(0, 0.002))
                right = 1 - 0.5 / (1 + np.exp(-6 * (bpb - 0.45))) + off + rng.normal(0, 0.002)
                rows.append((f"{N:g}-{x}", int(1000 * x * part), N, 20 * N * x * part, bpb, right))
    table = pd.DataFrame(rows, columns=["run", "step", "N", "D", "t_bpb", "t_acc"])
    second = ladder(table, "t").second
    assert second.ok, second.warnings
    assert 1 - second.law(0.0, **second.values) > 0.02  # so far the point lies from the curve
    raw = table.rename(columns={"t_bpb": "L", "t_acc": "loss"})[["run", "step", "L", "loss"]]
    raw.loc[150, "loss"] += 0.15  # in the middle of a curve
    short = pd.DataFrame({"run": "short", "step": [1, 2, 3], "L": [0.5, 0.5, 0.5], "loss": [0.6, 0.9, 0.6]})
    fit = scaling.fit(pd.concat([raw, short]), "downstream_sigmoid", objective="squares")
    said = " ".join(fit.warnings)
    assert f"run {raw.run[150]}, step {raw.step[150]} " in said and "run short, step 2 " in said, said
