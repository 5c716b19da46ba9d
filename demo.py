"""The main job, end to end: fit a ladder of small runs, forecast the largest and longest, and show what happened.

`make demo` runs this. One law (`ladder`, this project) is fitted to 44 runs of runs/ladder, which differ in size, length,
batch, peak rate and schedule; it then predicts the whole curves of a size, a length and a peak it has not seen.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import scaling

HERE = Path(__file__).parent
OUT = HERE / "demo_output"
SMALL = "d_model < 96 and steps < 12800 and peak_lr < 0.01"  # fitted; every other run is held out
SHOWN = {  # what is drawn and printed: the largest size at the longest length first
    "largest and longest": ("d96-long-cosine", "d96-long-wsd30"),
    "largest": ("d96-cosine", "d96-wsd30", "d96-wsd10", "d96-constant"),
    "longest": ("d48-long-cosine", "d48-long-wsd30", "d24-long-cosine", "d24-long-wsd30"),
    "highest peak": ("d48-cosine-peak0.016", "d48-wsd10-peak0.016", "d24-cosine-peak0.016", "d24-wsd10-peak0.016"),
}


def main() -> None:
    OUT.mkdir(exist_ok=True)
    runs = scaling.read(HERE / "runs/ladder")
    fit = scaling.fit(runs, "ladder", where=SMALL)
    fit.save(OUT / "ladder.json")
    print(f"{fit.law.name}: {fit.design.frame['run'].nunique()} runs of up to {fit.design.frame['N'].max():,.0f} parameters, "
          f"residual {fit.cov.noise:.2%}, {'ok' if fit.ok else 'not trustworthy'}\n")  # fmt: skip
    print(f"{'run':<21} {'held out':<20} {'parameters':>10} {'predicted':>9} {'90 % interval':>16} {'measured':>8} {'error':>7}"
          f"  {'inside':<6} ok")  # fmt: skip
    for what, names in SHOWN.items():
        for name in names:
            end = fit.predict(runs[name]).iloc[-1]
            error, inside = end["prediction"] / end["loss"] - 1, end["lower"] <= end["loss"] <= end["upper"]
            interval = f"{end['lower']:.4f} - {end['upper']:.4f}"
            print(f"{name:<21} {what:<20} {end['N']:>10,.0f} {end['prediction']:>9.4f} {interval:>16} {end['loss']:>8.4f} "
                  f"{error:>+7.2%}  {'yes' if inside else 'no':<6} {'yes' if end['ok'] else 'no'}")  # fmt: skip
    figure, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    for ax, name in zip(axes, SHOWN["largest and longest"], strict=True):
        scaling.plots.forecast(fit, runs[name], ax=ax)
    path = OUT / "forecast.png"
    figure.savefig(path, dpi=150)
    print(f"\nfigure: {path.relative_to(HERE)}; fit: {(OUT / 'ladder.json').relative_to(HERE)}")


if __name__ == "__main__":
    main()
