"""Figures of size laws, on their artists: an exact surface, whose optimum is known in closed form."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import scaling
from scaling import plots
from scaling.errors import DataError, FitError, LawError
from scaling.formula import Law
from scaling.plots import style

pytestmark = pytest.mark.usefixtures("no_trace")

TRUE = {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.34}  # equal exponents: N* = (C / 6)^(1/2), D* the same
BUDGETS = (1e18, 1e19, 1e20)


def loss(N, D):
    return TRUE["E"] + TRUE["A"] / N ** TRUE["alpha"] + TRUE["B"] / D ** TRUE["beta"]


@pytest.fixture(scope="module")
def runs():
    rows = [(np.sqrt(C / 6) * r, np.sqrt(C / 6) / r) for C in BUDGETS for r in np.geomspace(0.3, 1 / 0.3, 7)]
    N, D = np.array(rows).T
    noise = 1 + 1e-3 * np.random.default_rng(0).normal(size=len(N))
    return pd.DataFrame({"N": N, "D": D, "loss": loss(N, D) * noise, "exact": loss(N, D)})


@pytest.fixture(scope="module")
def fit(runs):
    return scaling.fit(runs[["N", "D", "loss"]], "chinchilla")


def of_marker(ax, marker):
    return [line for line in ax.lines if line.get_marker() == marker]


def test_isoflop_marks_the_minimum_of_every_budget_and_its_power_laws(runs):
    axes = plots.isoflop(runs[["N", "D"]].assign(loss=runs["exact"]))
    assert list(axes) == ["profiles", "optimum"]
    data, stars = of_marker(axes["profiles"], "o"), of_marker(axes["profiles"], "*")
    assert [len(line.get_xdata()) for line in data] == [7, 7, 7] and len(stars) == 3
    best = [line.get_xdata()[0] for line in stars]
    np.testing.assert_allclose(best, np.sqrt(np.array(BUDGETS) / 6), rtol=1e-6)  # symmetric grids: no bias
    parabolas = [line for line in axes["profiles"].lines if line.get_linestyle() == "--"]
    for parabola, points, star in zip(parabolas, data, stars, strict=True):
        x, y = (np.array(v, float) for v in points.get_data())
        mine = np.polyval(np.polyfit(np.log(x / star.get_xdata()[0]), y, 2), np.log(parabola.get_xdata() / star.get_xdata()[0]))
        np.testing.assert_allclose(parabola.get_ydata(), mine, rtol=1e-9)
    labels = [text.get_text() for text in axes["optimum"].get_legend().texts]
    assert labels == ["N ∝ C^0.500", "D ∝ C^0.500"]
    assert axes["profiles"].get_xscale() == axes["optimum"].get_yscale() == axes["optimum"].get_xscale() == "log"
    assert axes["profiles"].get_xlabel() == "parameters" and axes["optimum"].get_xlabel() == "compute (FLOP)"


def test_isoflop_keeps_the_points_of_a_budget_without_a_minimum_and_refuses_runs_without_budgets(runs):
    exact = runs[["N", "D"]].assign(loss=runs["exact"])
    left = exact[(exact.index >= 7) | (exact["N"] < np.sqrt(BUDGETS[0] / 6) * 0.9)]
    axes = plots.isoflop(left)
    assert len(of_marker(axes["profiles"], "o")) == 3 and len(of_marker(axes["profiles"], "*")) == 2
    with pytest.raises(FitError, match="fewer than two"):
        plots.isoflop(exact.iloc[:7])
    with pytest.raises(DataError, match="missing loss"):
        plots.isoflop(exact[["N", "D"]])


def test_frontier_draws_what_the_plan_says_dashed_past_the_data(fit):
    axes = plots.frontier(fit, 1e22)
    assert list(axes) == ["loss", "allocation"]
    (line,) = [line for line in axes["loss"].lines if line.get_label() == "least loss"]
    np.testing.assert_allclose(line.get_ydata(), [scaling.plan(fit, C, replicates=0)["loss"][0] for C in line.get_xdata()])
    assert line.get_xdata().max() == pytest.approx(1e20)
    (past,) = [line for line in axes["loss"].lines if line.get_linestyle() == "--"]
    assert past.get_xdata()[0] == pytest.approx(1e20) and past.get_xdata()[-1] == pytest.approx(1e22)
    sizes = [line for line in axes["loss"].lines if line.get_label() == "_size"]
    assert len(sizes) == 8 and all((line.get_ydata() >= np.interp(line.get_xdata(), *line_xy(line))).all() for line in sizes)
    assert len(axes["loss"].collections) == 2 == len(axes["allocation"].collections)  # points and band; two bands
    (size,) = [line for line in axes["allocation"].lines if line.get_label().startswith("N ∝")]
    np.testing.assert_allclose(size.get_ydata(), np.sqrt(size.get_xdata() / 6), rtol=0.2)


@pytest.mark.parametrize(
    ("ends", "labels"), [((1e18, 1e22), ["10¹⁸", "10¹⁹", "10²⁰", "10²¹", "10²²"]), ((1e19, 6e19), ["10¹⁹", "2·10¹⁹", "5·10¹⁹"])]
)
def test_compute_is_labelled_in_powers_of_ten(ends, labels):
    ax = style.new_axes(None)
    ax.plot(ends, [1, 2])
    style.label_compute(ax)
    style.figure_of(ax).canvas.draw()
    low, high = ax.get_xlim()
    assert [tick.get_text() for tick in ax.get_xticklabels() if low <= tick.get_position()[0] <= high] == labels


def test_an_asked_run_is_drawn_with_its_interval_and_the_law_that_leads_to_it(fit):
    asked = {"N": 5e9, "D": 3e11}
    ax = plots.forecast(fit, asked, level=0.8)
    told = fit.predict(asked, level=0.8).iloc[0]
    (line,) = [line for line in ax.lines if line.get_label() == "_law" and line.get_xdata()[-1] == pytest.approx(3e11)]
    (bar,) = ax.containers
    point, ends = bar.lines[0], bar.lines[2][0].get_segments()[0]
    assert [*point.get_xdata(), *point.get_ydata()] == [3e11, told["prediction"]]
    assert ends[:, 1] == pytest.approx([told["lower"], told["upper"]], rel=1e-9)
    x, y = line.get_data()
    np.testing.assert_allclose(y, fit.law(5e9, x, **fit.values), rtol=1e-9)
    assert line.get_linestyle() == "--" and x[0] == pytest.approx(fit.design.inputs["D"].max())  # beyond the data
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "tokens"
    assert ax.get_title("left").startswith("chinchilla; band: 80% interval")
    assert any(text.get_text().startswith("N 5B, D 300B: ") for text in ax.get_legend().texts)
    assert "end of data" in [text.get_text() for text in ax.texts]


def test_asked_rows_of_a_table_share_a_line_by_size_and_show_what_was_measured(fit):
    table = pd.DataFrame({"N": [1e9, 1e9, 2e9], "D": [5e9, 9e9, 9e9], "loss": [2.4, np.nan, 2.3]})
    ax = plots.forecast(fit, table)
    assert len(ax.containers) == 2  # a size each
    (measured,) = [line for line in ax.lines if line.get_label() == "measured, not used in the fit"]
    assert list(measured.get_ydata()) == [2.4]
    many = pd.DataFrame({"N": np.geomspace(1e8, 1e9, 12), "D": 1e10})
    drawn = plots.forecast(fit, many)
    assert [line for line in drawn.lines if line.get_label() == "_law"] == [] and len(drawn.get_legend().texts) == 2
    (points,) = {len(c.lines[0].get_xdata()) for c in drawn.containers}
    assert points == 1 and len(drawn.containers) == 12


def test_a_law_of_one_input_is_drawn_along_it(runs):
    alone = scaling.fit(runs[["N", "loss"]], scaling.laws["power_law"].using(x="N"))
    ax = plots.forecast(alone, {"x": 1e11})
    assert ax.get_xlabel() == "parameters" and ax.get_xlim()[1] > 1e11
    assert any(text.get_text().startswith("x 100B: ") for text in ax.get_legend().texts)


def test_isoloss_contours_are_the_least_losses_of_budgets(fit):
    ax = plots.isoloss(fit)
    (contours,) = [c for c in ax.collections if hasattr(c, "levels")]
    want = scaling.plan(fit, np.geomspace(1e18, 1e21, 9).tolist(), replicates=0)
    np.testing.assert_allclose(contours.levels, np.sort(want["loss"]), rtol=1e-9)
    (line,) = [line for line in ax.lines if line.get_label() == "least compute"]
    np.testing.assert_allclose(line.get_ydata(), want["D"][: len(line.get_ydata())], rtol=1e-9)
    for segments, level in zip(contours.allsegs, contours.levels, strict=True):
        for N, D in np.concatenate(segments)[::20]:
            assert fit.law(N, D, **fit.values) == pytest.approx(level, rel=3e-3)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylabel()) == ("log", "log", "tokens")


@pytest.mark.parametrize("width", [3.3, 6.8])
@pytest.mark.parametrize("alpha", [0.34, 0.45])
def test_labels_of_contours_lie_clear_of_the_efficient_line(runs, width, alpha):
    table = runs[["N", "D"]].assign(loss=1.7 + 400 / runs["N"] ** alpha + 400 / runs["D"] ** 0.34)
    figure, ax = plt.subplots(figsize=(width, 0.75 * width), layout="constrained")
    plots.isoloss(scaling.fit(table, "chinchilla"), ax=ax)
    figure.canvas.draw()
    labels = [text.get_window_extent() for text in ax.texts]
    assert len(labels) >= 3
    for line in (line for line in ax.lines if line.get_label() in ("least compute", "_beyond")):
        x, y = ax.transData.transform(np.c_[line.get_xdata(), line.get_ydata()]).T
        points = np.c_[
            np.interp(grid := np.linspace(0, 1, 400), known := np.linspace(0, 1, len(x)), x), np.interp(grid, known, y)
        ]
        assert not any(box.count_contains(points) for box in labels)
    assert all(ax.bbox.contains(*corner) for box in labels for corner in box.corners())
    plt.close(figure)


def test_size_and_tokens_are_both_seen_where_they_are_equal(fit, runs):
    exact = runs[["N", "D"]].assign(loss=runs["exact"])
    for ax in (plots.frontier(fit)["allocation"], plots.isoflop(exact)["optimum"]):
        size, tokens = (next(line for line in ax.lines if line.get_label().startswith(name)) for name in ("N ∝", "D ∝"))
        assert size.get_linewidth() > 2 * tokens.get_linewidth()  # the wider one lies beneath
        assert [*ax.lines].index(size) < [*ax.lines].index(tokens) and size.get_zorder() <= tokens.get_zorder()


def test_family_follows_the_law_and_is_dashed_where_a_size_was_not_run(fit, runs):
    ax = plots.family(fit)
    lines = [line for line in ax.lines if len(line.get_xdata())]
    assert {line.get_linestyle() for line in lines} == {"-", "--"}
    for dashed in (line for line in lines if line.get_linestyle() == "--"):
        assert dashed.get_xdata()[-1] == pytest.approx(runs["D"].max())
        N = sizes_behind(fit, dashed)
        np.testing.assert_allclose(dashed.get_ydata(), fit.law(N, dashed.get_xdata(), **fit.values))
    assert len(ax.collections[0].get_offsets()) == len(runs)


def test_residuals_stand_against_every_input_and_the_prediction(fit, runs):
    axes = plots.residuals(fit)
    assert list(axes) == ["N", "D", "prediction"]
    want = 100 * (runs["loss"] / fit.law(runs["N"], runs["D"], **fit.values) - 1)
    for name, ax in axes.items():
        (points,) = of_marker(ax, "o")
        assert sorted(points.get_ydata()) == pytest.approx(sorted(want))
        assert name == "prediction" or list(points.get_xdata()) == sorted(runs[name])
    assert [ax.get_xlabel() for ax in axes.values()] == ["parameters", "tokens", "predicted loss"]


def test_residuals_with_many_rows_show_a_trend_that_the_law_lacks(fit, runs):
    many = pd.concat([runs[["N", "D", "loss"]]] * 3, ignore_index=True)
    many["loss"] *= 1 + 0.02 * np.log(many["N"] / many["N"].median()) ** 2
    many["loss"] *= 1 + 1e-5 * np.random.default_rng(0).normal(size=len(many))  # rows that repeat each other count once
    axes = plots.residuals(scaling.fit(many, "chinchilla"))
    _, medians = of_marker(axes["N"], "o")
    assert len(medians.get_xdata()) == 8 and np.ptp(medians.get_ydata()) > 1


def test_laws_without_size_and_tokens_are_refused_in_words():
    S = np.geomspace(10, 1e4, 30)
    rows = pd.DataFrame({"x": S, "run": np.arange(30), "loss": 2 + 3 * S**-0.5})
    other = scaling.fit(rows, Law.of(power))
    for figure in (plots.frontier, plots.isoloss, plots.family):
        with pytest.raises(LawError, match="over N and D"):
            figure(other)


def power(x, *, a: float = 2.0, b: float = 3.0):
    return a + b * x**-0.5


def line_xy(line):
    """The exact least loss over the compute of a line."""
    C = line.get_xdata()
    return C, loss(np.sqrt(C / 6), np.sqrt(C / 6)) * 0.98


def sizes_behind(fit, line):
    """The size whose curve a line is, from its first point."""
    v, D, L = fit.values, line.get_xdata()[0], line.get_ydata()[0]
    return (v["A"] / (L - v["E"] - v["B"] / D ** v["beta"])) ** (1 / v["alpha"])


@pytest.mark.parametrize("width", [3.3, 6.8])
@pytest.mark.parametrize("figure", [plots.frontier, plots.isoloss, plots.family, plots.residuals, plots.isoflop])
def test_no_text_is_cut_or_lies_on_other_text_in_a_column_or_on_a_slide(figure, width, fit, runs):
    drawn = plots.figure_of(figure(runs if figure is plots.isoflop else fit))
    drawn.set_size_inches(width, drawn.get_size_inches()[1])
    drawn.canvas.draw()
    boxes = []
    for ax in drawn.axes:
        legend = ax.get_legend()
        texts = [
            ax.xaxis.label,
            ax.yaxis.label,
            *(legend.texts if legend else ()),
            *ax.texts,
            *ticks(ax.xaxis),
            *ticks(ax.yaxis),
        ]
        boxes += [(t.get_text(), t.get_window_extent()) for t in texts if t.get_visible() and t.get_text()]
    page = drawn.bbox
    for text, box in boxes:
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1 and box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1, text
    for k, (text, box) in enumerate(boxes):
        for other, there in boxes[k + 1 :]:
            over = min(box.x1, there.x1) - max(box.x0, there.x0), min(box.y1, there.y1) - max(box.y0, there.y0)
            assert min(over) < 1, f"{text} lies on {other}"


def ticks(axis):
    low, high = sorted(axis.get_view_interval())
    return [
        tick.label1 if tick.label1.get_visible() else tick.label2
        for tick in axis.get_major_ticks()
        if low <= tick.get_loc() <= high
    ]
