"""Figures, checked on their artists: what is drawn, where, and how it is marked."""

from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb

from scaling import plots
from scaling.errors import DataError
from scaling.judging.backtests import Backtest
from scaling.plots import style

pytestmark = pytest.mark.usefixtures("no_trace")


def run(name: str, last: int, every: int = 10, noise: float = 0.0) -> pd.DataFrame:
    step = np.arange(every, last + 1, every)
    return pd.DataFrame(
        {"run": name, "step": step, "lr": 1e-3 * (1 - step / (last + 1)), "loss": 2 + 5 * step**-0.5 + noise * np.cos(step)}
    )


def runs(*frames: pd.DataFrame) -> SimpleNamespace:
    return SimpleNamespace(frame=pd.concat(frames, ignore_index=True))


class FakeFit:
    """The power law behind `run`, known exactly, with a band of +-0.01."""

    law = SimpleNamespace(name="power_law")

    def __init__(self, seen: SimpleNamespace | None) -> None:
        self.runs = seen
        self.data = pd.DataFrame({"x": [1.0]}) if seen is None else seen.frame

    def predict(self, data, interval="delta", level=0.9, steps=None):
        frame = data.frame if hasattr(data, "frame") else run("forecast", int(data), 1)
        frame = frame.drop(columns="loss").assign(prediction=2 + 5 * frame["step"] ** -0.5)
        frame = frame.assign(lower=frame["prediction"] - 0.012, upper=frame["prediction"] + 0.012)
        frame.attrs["interval"] = f"{level:.0%} interval, assumes the law is exact"
        return frame


@pytest.fixture
def fit():
    return FakeFit(runs(run("a", 1000, noise=0.003), run("b", 500)))


def lines(ax, style_="-"):
    return [line for line in ax.lines if line.get_linestyle() == style_]


def test_curve_draws_data_fit_residuals_and_rate_over_one_step_axis(fit):
    axes = plots.curve(fit)
    assert list(axes) == ["loss", "residual", "lr"]
    assert axes["loss"].get_shared_x_axes().joined(axes["loss"], axes["lr"])
    assert axes["lr"].get_xlabel() == "optimiser step"
    assert axes["loss"].get_ylabel() == "loss (nats/token)"
    marks = [line for line in axes["residual"].lines if line.get_marker() in style.MARKERS]
    assert len(marks) == 2
    np.testing.assert_allclose(marks[0].get_ydata(), -3 * np.cos(marks[0].get_xdata()), atol=1e-9)
    np.testing.assert_allclose(marks[1].get_ydata(), 0, atol=1e-9)
    assert {text.get_text() for text in axes["loss"].get_legend().texts} == {"a", "b", "power_law (fit)"}
    assert len({line.get_marker() for line in marks}) == 2 == len({line.get_color() for line in marks})


def test_runs_the_fit_has_not_seen_are_hollow(fit):
    axes = plots.curve(fit, runs(run("a", 1000), run("new", 1000)))
    faces = {line.get_label(): line.get_markerfacecolor() for line in axes["loss"].lines}
    assert faces["new"] == "none" != faces["a"]


def test_curve_without_rates_has_no_rate_panel(fit):
    axes = plots.curve(fit, runs(run("c", 300).drop(columns="lr")))
    assert list(axes) == ["loss", "residual"]
    assert axes["residual"].get_xlabel() == "optimiser step"


def test_curve_draws_on_the_axes_it_is_given(fit):
    _, (left, right) = plt.subplots(1, 2)
    assert plots.curve(fit, ax=left) == {"loss": left}
    assert plots.curve(fit, ax={"residual": right}) == {"residual": right}
    assert len(plt.get_fignums()) == 1
    with pytest.raises(ValueError, match="no panel 'rate'"):
        plots.curve(fit, ax={"rate": right})


def test_many_runs_are_counted_and_not_named():
    many = FakeFit(runs(*(run(f"run {i}", 300) for i in range(44))))
    labels = [text.get_text() for text in plots.curve(many)["loss"].get_legend().texts]
    assert labels == ["44 runs", "power_law (fit)"]


def test_rows_that_are_planned_and_not_measured_are_left_out(fit):
    frame = run("c", 300)
    frame.loc[frame["step"] > 200, "loss"] = np.nan
    axes = plots.curve(fit, runs(frame))
    assert axes["residual"].lines[0].get_xdata().max() == 200
    frame["loss"] = np.nan
    with pytest.raises(DataError, match="none of the runs has a measured loss"):
        plots.curve(fit, runs(frame))


def test_a_fit_of_a_plain_table_asks_for_runs():
    with pytest.raises(DataError, match="Pass the runs to draw"):
        plots.curve(FakeFit(None))


def test_forecast_is_solid_inside_the_data_and_dashed_beyond(fit):
    target = runs(run("long", 3000))
    ax = plots.forecast(fit, target)
    prediction = [line for line in ax.lines if to_rgb(line.get_color()) == to_rgb(style.PREDICTION)]
    solid, dashed = prediction
    assert solid.get_linestyle() == "-" and dashed.get_linestyle() == "--"
    assert solid.get_xdata().max() == 1000 == dashed.get_xdata().min()
    assert dashed.get_xdata().max() == 3000
    assert [text.get_text() for text in ax.texts if "data" in text.get_text()] == ["end of data"]
    truth = [line for line in ax.lines if line.get_label() == "measured, not used in the fit"]
    assert truth[0].get_markerfacecolor() == "none" and truth[0].get_xdata().max() == 3000


def test_forecast_says_the_last_value_its_interval_the_truth_and_the_assumption(fit):
    ax = plots.forecast(fit, runs(run("long", 2500)), level=0.8)
    said = next(text.get_text() for text in ax.get_legend().get_texts() if "forecast" in text.get_text())
    assert "2.100 (2.088 to 2.112)" in said
    assert "measured 2.100, error +0.00%" in said
    assert ax.get_title(loc="left") == "band: 80% interval, assumes the law is exact"
    assert [band.get_alpha() for band in ax.collections] == [0.2]


def test_forecast_zooms_into_the_end_of_the_run(fit):
    ax = plots.forecast(fit, runs(run("long", 3000)))
    (inset,) = ax.child_axes
    assert inset.get_xlim()[0] > 2500 and inset.get_xlim()[1] > 3000
    assert [band.get_alpha() for band in inset.collections] == [0.2]
    assert inset.get_ylim()[1] - inset.get_ylim()[0] < 0.1 < ax.get_ylim()[1] - ax.get_ylim()[0]


def test_forecast_of_a_run_in_the_fit_does_not_call_it_unseen(fit):
    labels = [text.get_text() for text in plots.forecast(fit, fit.runs).get_legend().texts]
    assert "measured" in labels and "measured, not used in the fit" not in labels


def test_forecast_inside_the_data_has_no_end_of_data(fit):
    ax = plots.forecast(fit, runs(run("short", 800)))
    assert not any("end of data" in text.get_text() for text in ax.texts)
    assert not lines(ax, "--")


def test_forecast_of_a_schedule_has_no_truth(fit):
    ax = plots.forecast(fit, "3000", ax=plt.figure().add_subplot())
    assert not any("measured" in text.get_text() for text in [*ax.texts, *ax.get_legend().texts])


def test_forecasts_of_several_runs_share_the_axes(fit):
    ax = plots.forecast(fit, runs(run("long", 3000), run("longer", 4000)))
    labels = [text.get_text() for text in ax.get_legend().texts]
    assert "longer: 2.079 (2.067 to 2.091)" in labels
    assert labels.count("measured, not used in the fit") == 1
    assert len(ax.collections) == 2


def backtested(by="compute", horizons=(1.2, 300.0)):
    rng = np.random.default_rng(0)
    n = 200
    truth = np.full(n, 2.0)
    prediction = truth * np.exp(0.01 * rng.standard_normal(n))
    frame = pd.DataFrame({
        "cutoff": np.repeat(["1", "2"], n // 2), "horizon": np.geomspace(*horizons, n), "truth": truth,
        "prediction": prediction, "lower": prediction - 0.033, "upper": prediction + 0.033,
    })  # fmt: skip
    return Backtest(frame, "power_law", by, 0.9)


def test_backtest_shows_errors_their_intervals_and_the_coverage():
    found = backtested()
    axes = plots.backtest(found)
    assert set(axes) == {"error", "coverage"}
    inside, outside = (line for line in axes["error"].lines if line.get_marker() == "o")
    missed = (found.frame["truth"] - found.frame["prediction"]).abs() > 0.033
    assert len(outside.get_xdata()) == missed.sum() > 0 and len(inside.get_xdata()) == (~missed).sum()
    assert outside.get_markerfacecolor() == "none"
    assert len(axes["error"].collections) == 10  # a band per range of horizons
    shares = axes["coverage"].lines[-1].get_ydata()
    assert 0.8 < np.mean(shares) < 1 and "compute" in axes["coverage"].get_xlabel()
    assert axes["error"].get_xscale() == "log"


def test_backtest_of_runs_of_one_length_and_on_given_axes():
    ax = plt.figure().add_subplot()
    axes = plots.backtest(backtested("schedule", (1.0, 1.0)), ax=ax)
    assert axes == {"error": ax} and ax.get_xscale() == "linear"
    assert len(ax.collections) == 1  # one range of horizons


def test_svg_is_one_element_for_a_page_and_closes_its_figure(fit):
    drawn = plots.svg(plots.curve(fit))
    assert drawn.startswith("<svg") and drawn.rstrip().endswith("</svg>") and not plt.get_fignums()
    ax = plt.figure().add_subplot()
    assert plots.figure_of(ax) is ax.figure is plots.figure_of({"loss": ax})


def test_decimation_keeps_both_ends_and_is_even_in_log():
    steps = np.arange(1, 100_001)
    kept = style.decimate(steps)
    assert len(kept) <= style.MAX_POINTS and kept[0] == 0 and kept[-1] == len(steps) - 1
    assert (np.diff(kept) > 0).all()
    decades = np.histogram(steps[style.decimate(steps, 50)], [10, 100, 1000, 10_000, 100_000])[0]
    assert decades.max() - decades.min() <= 2
    assert list(style.decimate(np.arange(7))) == list(range(7))
    assert style.decimate(np.arange(20), 5)[0] == 0  # a step 0 has no logarithm


@pytest.mark.parametrize("k", [2, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("blindness", ["none", "deuteranope", "protanope"])
def test_categories_stay_apart_for_colour_blind_readers(k, blindness):
    assert smallest_distance(style.palette(k), blindness) >= 20


def test_many_or_ordered_series_run_through_viridis():
    colours = style.palette(12)
    assert len(set(colours)) == 12
    assert colours[0] == mpl.colormaps["viridis"](0.0) and colours[-1] == mpl.colormaps["viridis"](0.9)
    assert style.palette(3, ordered=True)[-1] == colours[-1]


# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB
BLINDNESS = {
    "none": np.eye(3),
    "deuteranope": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "protanope": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
}


def smallest_distance(colours, blindness: str) -> float:
    """Smallest CIE76 distance between two of the colours as a reader with `blindness` sees them."""
    rgb = np.array([to_rgb(c) for c in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ BLINDNESS[blindness].T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = linear @ to_xyz.T / to_xyz.sum(1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.c_[116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])]
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distance[~np.eye(len(lab), dtype=bool)].min()
