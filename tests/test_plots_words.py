"""Every figure as wide as a column and as a slide, on light and on dark paper: no word is cut, none lies on another."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

import scaling
from scaling import plots
from scaling.errors import DataError
from scaling.planning import Mixture
from scaling.plots import style
from scaling.plots.ticks import logarithmic
from scaling.procedures import consistency, settings
from scaling.transfer import relate

pytestmark = pytest.mark.usefixtures("no_trace")

WIDTHS = (3.3, 6.0, 6.8)  # inches
APART = 3  # pixels, of 110 to an inch, between words side by side


@pytest.fixture(scope="module")
def sizes():
    rows = [(np.sqrt(C / 6) * r, np.sqrt(C / 6) / r) for C in (1e18, 1e19, 1e20) for r in np.geomspace(0.3, 1 / 0.3, 7)]
    N, D = np.array(rows).T
    loss = (1.7 + 400 / N**0.34 + 400 / D**0.34) * (1 + 1e-3 * np.random.default_rng(0).normal(size=len(N)))
    return pd.DataFrame({"N": N, "D": D, "loss": loss})


@pytest.fixture(scope="module")
def surface(sizes):
    return scaling.fit(sizes, "chinchilla")


def rows_of(name, N, noise=1e-3, steps=2000, run="{name} {N:.0e}"):
    plan = scaling.schedule(f"{name}:peak=1e-3,steps={steps},warmup=100")
    step = np.arange(50, steps + 1, 50)
    lr = plan.rates[step - 1]
    loss = 1.5 + (1e8 / N) ** 0.2 * (0.5 * np.cumsum(50 * lr) ** -0.5 - 0.2 * (1 - lr / 1e-3))
    run = run.format(name=name, N=N)
    rows = pd.DataFrame({"run": run, "step": step, "lr": lr, "tokens": step * 1e5, "loss": loss + noise * np.sin(37 * step)})
    return run, plan, rows, {"n_params": N, "batch_tokens": 1e5}


def runs_of(*many):
    found = [rows_of(*one) for one in many]
    plans, facts = {run: plan for run, plan, _, _ in found}, {run: facts for run, _, _, facts in found}
    return scaling.Runs.from_frame(pd.concat([rows for _, _, rows, _ in found]), schedule=plans, facts=facts)


@pytest.fixture(scope="module")
def curves():
    return runs_of(*((name, 1e8) for name in ("cosine", "wsd", "constant")))


@pytest.fixture(scope="module")
def annealed(curves):
    return scaling.fit(curves, "multi_power_5")


@pytest.fixture(scope="module")
def forecasts():
    step = np.arange(10, 1500, 10)
    log = pd.DataFrame({"run": "live", "step": step, "lr": 1e-3, "loss": 2 + 5 * step**-0.5 * (1 + 1e-3 * np.sin(37 * step))})
    plans = ["constant:peak=1e-3,steps=3000", "wsd:peak=1e-3,steps=3000,decay=600"]
    return scaling.running.choose(scaling.Runs.from_frame(log), plans)


def mixture(names=("web", "code", "mathematics")):
    share = np.array([0.61, 0.27, 0.12] + [0.05] * (len(names) - 3))
    frame = pd.DataFrame({"share": share, "reference": 1 / len(names), "bound": ""}, index=list(names))
    frame = frame.assign(lower=frame["share"] - 0.05, upper=frame["share"] + 0.05)
    losses = pd.DataFrame({"loss": [2.0, 1.5], "reference": [2.1, 1.6]}, index=["a", "b"])
    return Mixture(frame, losses, "sum of losses", 3.51, 3.7, 0.1, 0.3, 0.9, 1e-9, frame[["share"]], ())


def bowls(step=1.0):
    """A grid whose neighbours differ by a factor of 2 to the power of `step`."""
    law, draw, rows = scaling.laws["configuration"], np.random.default_rng(0), []
    true = {
        "A": 4e4, "a": 0.37, "B": 2e6, "b": 0.51, "g": 0.24, "K": 0.5, "alpha": 0.57, "beta": 0.23, "r": 0.25, "K_B": 5.0,
        "nu": -0.1, "gamma": 0.55, "c": 0.4, "k": 0.5, "c_B": 0.3, "k_B": 0.1, "s": 0.13,
    }  # fmt: skip
    for N in (6e7, 2e8, 6e8):
        for D in (2e9, 8e9, 3.2e10):
            lr, batch = 0.5 * D**0.23 / N**0.57, 5.0 * D**0.55 * N**-0.1
            rows += [(N, D, lr * 2.0 ** (step * i), batch * 2.0 ** (step * j)) for i in range(-3, 4) for j in range(-2, 3)]
    table = pd.DataFrame(rows, columns=["N", "D", "lr", "batch"])
    loss = law(*table.to_numpy().T, **true) * np.exp(1e-3 * draw.normal(size=len(rows)))
    return settings(table.assign(loss=loss), replicates=2)


def decided():
    draw = np.random.default_rng(0)
    rows = [
        (name, N, 20 * N, (E + A / N**0.3) * np.exp(3e-3 * draw.standard_normal()))
        for name, E, A in (("web", 1.8, 90.0), ("web and code", 1.75, 95.0), ("books", 1.9, 80.0), ("all", 1.7, 99.0))
        for N in (1e6, 1e7, 1e8, 1e9, 1e10) for _ in range(2)
    ]  # fmt: skip
    return scaling.compare_recipes(pd.DataFrame(rows, columns=["recipe", "N", "D", "loss"]))


def logged():
    law, D = scaling.laws["chinchilla"].published["besiroglu2024"], np.geomspace(2e7, 3e12, 300)
    parts = [pd.DataFrame({"run": f"{N:.3g}", "N": N, "D": D, "loss": law(N, D)}) for N in np.geomspace(1e7, 3e9, 9)]
    return pd.concat(parts, ignore_index=True)


def crossing():
    published = scaling.laws["power_law"].published
    return consistency.consistency_point(published["kaplan2020_Cmin"], published["kaplan2020_D"], (1.3e9, 0.73), overhead=2)


def scored(surface):
    target = {"N": [7e9, 8e9], "D": [2e11, 2e11]}
    one = scaling.score(surface.register(target), {**target, "loss": surface.predict(target)["upper"]})
    coverage = pd.DataFrame({"level": [0.9], "forecasts": 2, "inside": 1, "coverage": 0.5}).set_index("level")
    frame = one.frame.assign(made=["2026-01-02", "2026-03-04"], law="chinchilla", level=0.9, coverage=[1.0, 0.5])
    return scaling.registered.History(frame, coverage, 0, ())


@pytest.fixture(scope="module")
def results(sizes, surface, curves, annealed, forecasts):
    """Function -> what draws its figure."""
    doubled = scaling.fit(sizes.assign(loss=1.1 * sizes["loss"] + 0.2), "chinchilla")
    related = relate(surface, doubled)
    compared, tested, left = (
        scaling.compare(sizes),
        scaling.backtest(sizes, "chinchilla"),
        scaling.backtest(curves, "multi_power_5"),
    )
    one, held = next(iter(forecasts.forecasts.values())), runs_of(("wsd", 1e8, 1e-3, 4000))
    planned = "wsd:peak=1e-3,steps=6000,warmup=100"
    narrow, near = bowls(0.35), bowls(0.1)
    found, pairs, table, meeting, past = bowls(), decided(), logged(), crossing(), scored(surface)
    return {
        "backtest": [lambda: plots.backtest(tested), lambda: plots.backtest(left)],
        "bowls": [lambda: plots.bowls(found), lambda: plots.bowls(narrow), lambda: plots.bowls(near)],
        "choices": [lambda: plots.choices(forecasts)],
        "compared": [lambda: plots.compared(compared)],
        "consistency": [lambda: plots.consistency(meeting)],
        "curve": [lambda: plots.curve(annealed)],
        "decisions": [lambda: plots.decisions(pairs)],
        "family": [lambda: plots.family(surface)],
        "forecast": [
            lambda: plots.forecast(annealed, planned), lambda: plots.forecast(annealed, held),
            lambda: plots.forecast(surface, pd.DataFrame({"N": [1e10, 3e10], "D": [2e11, 3e11]})),
        ],
        "frontier": [lambda: plots.frontier(surface, 1e22)],
        "history": [lambda: plots.history(past)],
        "hull": [lambda: plots.hull(table)],
        "isoflop": [lambda: plots.isoflop(sizes)],
        "isoloss": [lambda: plots.isoloss(surface)],
        "ladder": [lambda: plots.ladder(annealed, held), lambda: plots.ladder(annealed)],
        "relation": [lambda: plots.relation(related)],
        "residuals": [lambda: plots.residuals(surface), lambda: plots.residuals(annealed)],
        "running": [lambda: plots.running(one)],
        "shares": [lambda: plots.shares(mixture())],
    }  # fmt: skip


LONG = "exp_2026-11-03_llama3-style-d768-l12-h12_fineweb-edu-100BT_{name}_resumed"


@pytest.fixture(scope="module")
def odd(sizes, surface, annealed):
    """The same of shapes that the usual data do not have: two budgets, a forecast far away, long names, many domains."""
    N, D = (
        np.sqrt(C / 6) * np.geomspace(0.3, 1 / 0.3, 7) ** k for k in (1, -1) for C in [np.geomspace(1e17, 1e22, 30)[:, None]]
    )
    noise = np.exp(1e-3 * np.random.default_rng(1).normal(size=210))
    thirty = pd.DataFrame({"N": N.ravel(), "D": D.ravel()}).assign(
        loss=lambda t: (1.7 + 400 / t.N**0.34 + 400 / t.D**0.34) * noise
    )
    many = scaling.fit(thirty, "chinchilla")
    two = sizes.iloc[:14].assign(D=lambda rows: rows["D"] / np.where(rows.index < 7, 1.0, 5.0))
    long = runs_of(*((name, 1e8, 1e-3, 4000, LONG) for name in ("wsd", "cosine", "constant")))
    step = np.arange(10, 1500, 10)
    log = pd.DataFrame(
        {"run": LONG, "step": step, "lr": 1e-3, "loss": 0.004 * (2 + 5 * step**-0.5 * (1 + 1e-3 * np.sin(step)))}
    )
    plans = ["constant:peak=1e-3,steps=3000", "cosine:peak=1e-3,steps=3000,warmup=10,final=0.1"]
    ahead = scaling.running.choose(scaling.Runs.from_frame(log), plans)
    calm = next(iter(ahead.forecasts.values()))
    return {
        "isoflop": lambda: plots.isoflop(two), "frontier": lambda: plots.frontier(surface, 1e26),
        "curve": lambda: plots.curve(annealed, long),
        "forecast": lambda: plots.forecast(annealed, long), "running": lambda: plots.running(calm),
        "residuals": lambda: plots.residuals(many),
        "choices": lambda: plots.choices(ahead), "shares": lambda: plots.shares(mixture([f"{LONG}{k}" for k in range(20)])),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["isoflop", "frontier", "curve", "forecast", "running", "residuals", "choices", "shares"])
def test_no_word_of_an_odd_shape_is_cut_or_lies_on_another(name, odd):
    for width in (3.3, 6.8):
        figure = plots.figure_of(odd[name]())
        figure.set_size_inches(width, figure.get_size_inches()[1])
        assert faults(figure) == ([], []), f"{width} inches"
        assert max(ax.get_position().width for ax in figure.axes) > 0.45, "legends and bars leave the data no room"
        plt.close(figure)


def test_labels_of_compute_say_where_they_stand(odd):
    """Once every tick between 1e18 and 1.5e18 was called 10¹⁸."""
    figure = plots.figure_of(odd["isoflop"]())
    figure.canvas.draw()
    (bar,) = [ax for ax in figure.axes if ax.get_ylabel() == "compute (FLOP)"]
    low, high = bar.get_ylim()
    shown = [
        (at, label.get_text()) for at, label in zip(bar.get_yticks(), bar.get_yticklabels(), strict=True) if low <= at <= high
    ]
    lowered = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    for at, text in shown:
        factor, _, power = text.rpartition("10")
        assert float(factor.rstrip("·") or 1) * 10.0 ** int(power.translate(lowered)) == pytest.approx(at, rel=5e-3)
    assert len(shown) > 1
    plt.close(figure)


def test_long_names_lose_what_all_begin_with_and_then_their_middle():
    assert style.called(["a", "b"]) == {"a": "a", "b": "b"}
    names = [f"2026/{'x' * 30}-run{k}" for k in (1, 12)]
    assert [*style.called(names).values()] == ["…run1", "…run12"]
    (alone,) = style.called(["x" * 40 + "y" * 40]).values()
    assert len(alone) <= style.LABEL and alone.startswith("xxx") and alone.endswith("yyy")


def test_no_legend_lies_over_errors_or_forecasts_scored(results):
    for name in ("backtest", "history", "relation"):
        figure = plots.figure_of(results[name][0]())
        figure.canvas.draw()
        for ax in figure.axes:
            if (legend := ax.get_legend()) is not None:
                assert legend.get_window_extent().y0 >= ax.get_window_extent().y1 - 1
        plt.close(figure)


FIGURES = sorted(set(plots.__all__) - {"figure_of", "image", "svg"})


def words(figure):
    """The texts that are seen, and where."""
    figure.canvas.draw()
    found = []

    def look(artist):
        if not artist.get_visible() or (isinstance(artist, mpl.axes.Axes) and not artist.axison):
            return
        if isinstance(artist, mpl.text.Text):
            found.append(artist)
        elif isinstance(artist, mpl.axis.Axis):  # of its ticks those inside the view alone
            for tick in artist._update_ticks():
                found.extend(label for label in (tick.label1, tick.label2) if label.get_visible())
            found.extend((artist.label, artist.offsetText))
        else:
            for child in artist.get_children():
                look(child)

    look(figure)
    return {text: text.get_window_extent() for text in dict.fromkeys(found) if text.get_text().strip() and text.get_visible()}


def faults(figure):
    """Words that are cut by the edge, and pairs that lie on each other by more than a pixel, or touch beside each other."""
    seen, paper = words(figure), figure.bbox
    cut = [t.get_text() for t, b in seen.items() if min(b.x0, b.y0) < -1 or b.x1 > paper.width + 1 or b.y1 > paper.height + 1]
    both = [*seen.items()]
    over = [
        (t.get_text(), u.get_text()) for i, (t, b) in enumerate(both) for u, c in both[i + 1 :]
        if min(b.x1, c.x1) - max(b.x0, c.x0) > (-APART if t.axes is u.axes else 1.5)
        and min(b.y1, c.y1) - max(b.y0, c.y0) > 1.5
    ]  # fmt: skip
    return cut, over


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_is_cut_or_lies_on_another(name, results):
    for draw in results[name]:
        for width in WIDTHS:
            figure = plots.figure_of(draw())
            figure.set_size_inches(width, figure.get_size_inches()[1])
            assert faults(figure) == ([], []), f"{width} inches"
            assert len(words(figure)) > 4
            assert max(ax.get_position().width for ax in figure.axes) > 0.45, "legends and bars leave the data no room"
            plt.close(figure)


def test_the_faults_are_found():
    figure, ax = plt.subplots()
    ax.text(0.5, 0.5, "one")
    ax.text(0.5, 0.5, "another")
    ax.text(1.2, 0.5, "a long text that goes on beyond the edge")
    cut, over = faults(figure)
    assert cut == ["a long text that goes on beyond the edge"] and ("one", "another") in over


@pytest.mark.parametrize("name", FIGURES)
def test_figures_follow_dark_paper(name, results):
    with plt.style.context("dark_background"):
        figure = plots.figure_of(results[name][0]())
        paper = np.array(to_rgb(figure.get_facecolor()))
        assert paper.sum() == 0
        for text in words(figure):
            assert np.abs(np.array(to_rgb(text.get_color())) - paper).max() > 0.3, text.get_text()
        for line in (line for ax in figure.axes for line in ax.lines if line.get_linestyle() != "None"):
            assert np.abs(np.array(to_rgb(line.get_color())) - paper).max() > 0.3, line.get_label()
    plt.close(figure)


def test_a_ladder_has_all_curves_the_forecast_and_what_was_held_out(annealed):
    held = runs_of(("wsd", 1e8, 1e-3, 4000))
    ax = plots.ladder(annealed, held)
    want = annealed.predict(held)
    (dashed,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed.get_ydata(), want["prediction"])
    (hollow,) = [line for line in ax.lines if line.get_markerfacecolor() == "none"]
    assert set(hollow.get_ydata()) <= set(held.frame["loss"]) and hollow.get_xdata().max() == 4e8
    solid = [line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata())]
    assert len(solid) == 3 and ax.get_xlabel() == "tokens" and ax.get_xscale() == "log"
    assert len(ax.collections) == 1
    labels = [text.get_text() for text in ax.get_legend().texts]
    assert labels == ["data", "multi_power_5", "measured, not used in the fit", "forecast", "90%"]
    assert len(plots.ladder(annealed).collections) == 0


def test_a_ladder_of_several_sizes_has_a_bar_of_sizes_and_one_of_a_table_is_refused(surface):
    runs = runs_of(("cosine", 1e8), ("cosine", 4e8), ("wsd", 1e8))
    ax = plots.ladder(scaling.fit(runs, "multi_power_5"))
    assert [other.get_ylabel() for other in ax.figure.axes] == ["loss (nats/token)", "parameters"]
    with pytest.raises(DataError, match="no curves to draw"):
        plots.ladder(surface)


def test_palettes_are_readable_on_both_papers():
    assert style.palette(1) == [(0.0, 0.0, 0.0)]
    with plt.style.context("dark_background"):
        assert style.palette(1) == [(1.0, 1.0, 1.0)] and sum(style.palette(4, ordered=True)[0][:3]) > 0.7


@pytest.mark.parametrize("span", [(102.5e6, 5.142e9), (2e6, 3e7), (3e8, 4e9), (1.1e3, 9.9e4)])
def test_an_axis_that_holds_one_power_of_ten_is_labelled_at_round_numbers(span):
    figure, ax = plt.subplots(figsize=(2.2, 2))
    ax.set_xscale("log")
    ax.set_xlim(*span)
    logarithmic(ax.xaxis)
    figure.canvas.draw()
    seen = [x for x in ax.get_xticks() if span[0] <= x <= span[1]]
    assert len(seen) >= 2 and all(f"{x:.0e}"[0] in "1235" and float(f"{x:.0e}") == pytest.approx(x) for x in seen)
    plt.close(figure)
