"""Losses as information, frontiers by their convex hull, and where L(C) meets L(D) (arXiv:2010.14701, arXiv:2001.08361)."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import ArgumentError, DataError, FitError
from scaling.procedures import approaches, consistency, information

mpl.use("Agg")
POWER = scaling.laws["power_law"].published
OFFSET = scaling.laws["power_law_offset"].published
IMAGES = {  # arXiv:2010.14701, table 3: tokens per image, C0 and irreducible loss per image; 1.9e3 of the first row is a typo
    "image8": (192, 1.873e4, 602), "image16": (768, 1.7e10, 2026), "image32": (3072, 2.7e26, 6806),
    "image_vq16": (256, 4.7e15, 1047), "image_vq32": (1024, 3.1e19, 3246),
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_losses_per_image(name):
    tokens, C0, entropy = IMAGES[name]
    constants = OFFSET[f"henighan2020_{name}_C"]
    image = information.per_sequence(constants, tokens)
    assert image["x0"] == pytest.approx(C0, rel=0.03) and image["E"] == pytest.approx(entropy, rel=3e-3)
    # at C0 the reducible loss is one nat per image, and `needed` says so back
    assert information.divergence(constants, image["x0"], tokens) == pytest.approx(1.0)
    assert information.needed(constants, 1.0, tokens) == pytest.approx(image["x0"])
    assert information.divergence(constants, [1.0, 10.0]) == pytest.approx(
        [constants["A"], constants["A"] / 10 ** constants["alpha"]]
    )


def test_reducible_loss_is_the_divergence_of_two_distributions():
    """H(P, Q) - H(P) of a table of probabilities is D_KL(P || Q): what a fit's E leaves over is that, in nats per token."""
    rng = np.random.default_rng(0)
    P, Q = (x / x.sum() for x in rng.random((2, 40)))
    cross, entropy = -(P * np.log(Q)).sum(), -(P * np.log(P)).sum()
    left = information.divergence({"E": entropy, "A": cross - entropy, "alpha": 0.3}, 1.0)
    assert left == pytest.approx((P * np.log(P / Q)).sum(), rel=1e-12)


def test_information_gain_as_printed():
    """10 % at a thousand million parameters, 20 % at 3e12; of 80 nats per caption that is 8."""
    gain = scaling.laws["information"].published["henighan2020_gain"]
    with pytest.warns(UserWarning, match="not verified"):
        assert gain(1e9) == pytest.approx(0.1) and gain(3e12) == pytest.approx(0.2)


def test_mutual_information_of_two_modalities():
    N = np.repeat(np.geomspace(1e6, 1e9, 7), 2)
    gain = 0.0125 * np.log(N / 3.3e5)
    alone = 4.0 * (N / 1e6) ** -0.03 * (1 + 0.002 * np.tile([1, -1], 7))
    table = pd.DataFrame({"N": N, "alone": alone, "given": alone * (1 - gain)})
    found = information.mutual_information(table, tokens=30)
    assert len(found.points) == 7 and found.ok
    assert found.gain.values["lam"] == pytest.approx(0.0125, rel=1e-3)
    assert found.gain.values["N_c"] == pytest.approx(3.3e5, rel=1e-2)
    assert found.size_for(0.2) == pytest.approx(3.3e5 * np.exp(16), rel=2e-2)
    first = found.points.iloc[0]
    assert first["information"] == pytest.approx(30 * (first["alone"] - first["given"]), rel=1e-12)
    assert "ln(N / 3.3" in str(found)
    with pytest.raises(DataError, match="no lower than alone"):
        information.mutual_information(table.assign(given=table["alone"]))
    with pytest.raises(FitError, match="2 sizes are too few"):
        information.mutual_information(table[:4])
    with pytest.raises(DataError, match="missing given"):
        information.mutual_information(table[["N", "alone"]])
    with pytest.raises(ArgumentError, match="gain=2"):
        found.size_for(2)


def test_what_a_text_tells_of_its_continuation():
    """The sum over the second half read alone less that in context, position by position."""
    t = np.arange(1, 2049)
    loss = 2.0 + 6.0 / t**0.5
    assert information.context_information(1024, 8.0, 2.0, 0.5) == pytest.approx(
        loss[:1024].sum() - loss[1024:].sum(), rel=1e-10
    )
    assert information.context_information(1, 5.0, 5.0, 1.0) == 0
    for T, alone, limit, p in ((0, 3, 2, 1), (2.5, 3, 2, 1), (True, 3, 2, 1), (5, 2, 3, 1), (5, 3, 2, 0), (5, np.nan, 2, 1)):
        with pytest.raises(ArgumentError):
            information.context_information(T, alone, limit, p)


def test_constants_that_are_none():
    for wrong in ({"A": 1.0}, {"A": 1.0, "alpha": 0.3, "beta": 0.4}, 3.0):
        with pytest.raises(ArgumentError, match=r"constants of power_law_offset \(E, A, alpha\)"):
            information.per_sequence(wrong, 10)
    constants = OFFSET["henighan2020_image8_C"]
    for tokens in (0, -1, np.nan, "192", True):
        with pytest.raises(ArgumentError, match="positive number of tokens"):
            information.per_sequence(constants, tokens)
    with pytest.raises(ArgumentError, match="x=0 must be positive"):
        information.divergence(constants, 0)
    with pytest.raises(ArgumentError, match="nats=0"):
        information.needed(constants, 0)


def test_the_paradox_of_kaplan():
    """arXiv:2001.08361, section 6.3, as remembered: about 1e4 PF-days, 1e12 parameters, 1e12 tokens (to an order of magnitude)
    and 1.7 nats; its D(C_min) is 2 C_min / (6 N), as the critical batch costs twice."""
    found = consistency.consistency_point(POWER["kaplan2020_Cmin"], POWER["kaplan2020_D"], (1.3e9, 0.73), overhead=2)
    assert 1e3 < found.C < 1e5 and 1e11 < found.N < 1e13 and 1e11 < found.D < 1e13
    assert found.loss == pytest.approx(1.7, abs=0.1) and found.lower < found.C < found.upper
    at = found.lines(np.array([found.C / 2, found.C, 2 * found.C]))
    assert at["by_C"][1] == pytest.approx(at["by_D"][1], rel=1e-12) == found.loss
    assert at["by_C"][0] > at["by_D"][0] and at["by_C"][2] < at["by_D"][2]
    assert pytest.approx(2 * found.C * 8.64e19 / 6 / found.N, rel=1e-12) == found.D
    for off, end in ((0.05, found.lower), (-0.05, found.upper)):  # a larger exponent, fewer tokens
        line = found.lines(np.array([end]), off)
        assert line["by_C"][0] == pytest.approx(line["by_D"][0], rel=1e-9)


def test_compute_that_sees_so_many_tokens():
    """arXiv:2010.14701, section 6, 16x16: N_opt = 2.8e8 C^0.74 gives C(D) = 6.35e-42 D^3.846 (printed: 5e-42, 3.9)."""
    constants = OFFSET["henighan2020_image16_C"]
    found = consistency.consistency_point(constants, constants, (2.8e8, 0.74))
    assert found.power == pytest.approx(3.846, rel=1e-3) and found.factor == pytest.approx(6.35e-42, rel=1e-2)


def test_lines_that_never_meet_and_laws_that_do_not_compare():
    of_C = {"E": 1.5, "A": 3.0, "alpha": 0.05}
    never = consistency.consistency_point(of_C, {"E": 1.5, "A": 300.0, "alpha": 0.4}, (1e9, 0.5))
    assert np.inf == never.C and str(never).startswith("crossing     none")
    with pytest.raises(DataError, match=r"L\(C\) ends at 1.5 and L\(D\) at 1.6.*fixed=\{'E': 1.5\}"):
        consistency.consistency_point(of_C, {"E": 1.6, "A": 300.0, "alpha": 0.1}, (1e9, 0.5))
    for optimum, said in (((1e9, 1.2), "exponent = 1.2"), ((-1.0, 0.5), "factor = -1.0")):
        with pytest.raises(ArgumentError, match=said):
            consistency.consistency_point(of_C, of_C, optimum)


@pytest.fixture(scope="module")
def curves():
    """Nine sizes whose loss falls along their runs as Chinchilla's law does."""
    law = scaling.laws["chinchilla"].published["besiroglu2024"]
    D = np.geomspace(2e7, 3e12, 300)
    parts = [pd.DataFrame({"run": f"{N:.3g}", "N": N, "D": D, "loss": law(N, D)}) for N in np.geomspace(1e7, 3e9, 9)]
    return pd.concat(parts, ignore_index=True)


def test_the_hull_finds_the_exponent_of_the_law(curves):
    """The truth is beta / (alpha + beta) = 0.5127; the envelope's is 0.502."""
    found = approaches.hull(curves)
    truth = 0.36585 / (0.34781 + 0.36585)
    assert found.a == pytest.approx(truth, abs=3e-3) and found.a + found.b == pytest.approx(1)
    assert abs(found.a - truth) < abs(approaches.envelope(curves).a - truth)
    best = scaling.plan("chinchilla/besiroglu2024", 1e19).iloc[0]
    assert found.at(1e19)["N"] == pytest.approx(best["N"], rel=0.05)
    assert "of 271 corners left out" in found.notes[0]
    # no row of any curve lies below the hull, in ln C and ln L
    points = np.log(found.points[["flops", "loss"]].to_numpy())
    rows = curves[curves["N"].isin(found.points["N"])]
    x, y = np.log(6 * rows["N"] * rows["D"]), np.log(rows["loss"])
    between = (x >= points[0, 0]) & (x <= points[-1, 0])
    assert (y[between] >= np.interp(x[between], points[:, 0], points[:, 1]) - 1e-12).all()


def test_the_hull_of_logs_of_ones_own(curves):
    """The same from Runs whose facts say size and batch, in updates."""
    frame = curves.assign(step=np.round(curves["D"] / 1e5), loss=curves["loss"])
    frame = frame[frame["step"] >= 200].drop_duplicates(["run", "step"])
    facts = {run: {"n_params": part["N"].iloc[0], "batch_tokens": 1e5} for run, part in frame.groupby("run")}
    runs = scaling.Runs.from_frame(frame[["run", "step", "loss"]].astype({"step": int}), facts=facts)
    assert approaches.hull(runs).a == pytest.approx(approaches.hull(curves).a, abs=0.01)
    with pytest.raises(FitError, match="corners on fewer than two sizes"):
        approaches.hull(curves[curves["N"] < 3e7])
    with pytest.raises(DataError, match="missing run"):
        approaches.hull(curves.drop(columns="run"))


def test_figures(curves):
    axes = scaling.plots.hull(curves)
    assert set(axes) == {"loss", "optimum"}
    labels = [text.get_text() for text in axes["optimum"].get_legend().get_texts()]
    assert labels == ["N ∝ C^0.511", "D ∝ C^0.489"]
    corners = next(line for line in axes["loss"].lines if line.get_label() == "convex hull")
    assert len(corners.get_xdata()) == len(approaches.hull(curves).points)
    found = consistency.consistency_point(POWER["kaplan2020_Cmin"], POWER["kaplan2020_D"], (1.3e9, 0.73), overhead=2)
    one = scaling.plots.consistency(found)
    star = one.lines[-1]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (found.C, found.loss)
    assert {line.get_label() for line in one.lines[:2]} == {"L(C)", "L(D(C)), tokens seen once"}
