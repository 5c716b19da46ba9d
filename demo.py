"""The main job, end to end: fit the short runs of runs/, forecast the long ones, and show what happened.

`make demo` runs this. For each model size, `progress` is fitted to five short runs under five learning-rate schedules; it
then predicts a run three times as long that it has not seen.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import scaling

HERE = Path(__file__).parent
OUT = HERE / "demo_output"
# leaving out short runs, it predicts the others with a third less error than multi_power_5 (benchmarks.forecasts.schedules)
LAW = "progress"
SETTLED = 0.25  # of a short run: rows before it are not fitted, as the law describes what follows the first transient


def main() -> None:
    OUT.mkdir(exist_ok=True)
    runs = scaling.read(HERE / "runs")
    sizes = runs.facts["n_params"].drop_duplicates().sort_values()
    figure, axes = plt.subplots(1, len(sizes), figsize=(6 * len(sizes), 4.6), layout="constrained")
    print(f"{'run':<12} {'parameters':>10} {'predicted':>10} {'90 % interval':>18} {'measured':>9} {'error':>8}  inside")
    for n_params, ax in zip(sizes, axes, strict=True):
        mine = runs.select(f"n_params == {n_params}")
        short, long = mine.select("role == 'short'"), mine.select("role == 'long'")
        # delta follows the residuals: the validation noise of such small models is several times the usual 1e-3
        fit = scaling.fit(short, LAW, min_step=int(SETTLED * short.frame["step"].max()), delta="mad")
        fit.save(OUT / f"{long.names[0]}.json")
        end = fit.predict(long).iloc[-1]
        error, inside = end["prediction"] / end["loss"] - 1, end["lower"] <= end["loss"] <= end["upper"]
        interval = f"{end['lower']:.4f} - {end['upper']:.4f}"
        print(f"{long.names[0]:<12} {n_params:>10,.0f} {end['prediction']:>10.4f} {interval:>18} {end['loss']:>9.4f} "
              f"{error:>+8.2%}  {'yes' if inside else 'no'}")  # fmt: skip
        for warning in fit.warnings:
            print(f"{'':<12} note: {warning}")
        scaling.plots.forecast(fit, long, ax=ax)
    path = OUT / "forecast.png"
    figure.savefig(path, dpi=150)
    print(f"\nfigure: {path.relative_to(HERE)}; fits: {OUT.relative_to(HERE)}/*.json")


if __name__ == "__main__":
    main()
