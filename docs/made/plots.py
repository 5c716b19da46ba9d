"""The page of all figure functions, each drawn by the lines that stand above it."""

import contextlib
import inspect
import tempfile
import warnings
from pathlib import Path

import scaling
from made.checked import ROOT
from made.words import code, escaped

FIRST = """from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from scaling import plots

scaling.samples.write("scaling-demo")  # small real logs, which come with the package
table = pd.read_csv("scaling-demo/table.csv")
fit = scaling.fit(table)
ladder = scaling.fit(scaling.read("scaling-demo/ladder"), "ladder")
curves = scaling.read("runs/curves")  # of the repository
small = scaling.fit(curves.select("n_params < 3e4"), "progress")
"""
PLAN = '"cosine:peak=8e-3,steps=6000,warmup=160,final=0.1"'
ISOFLOP = """law, C = scaling.laws["chinchilla"].published["besiroglu2024"], np.repeat([1e18, 1e19, 1e20], 7)
N = np.sqrt(C / 120) * np.tile(np.geomspace(0.2, 5, 7), 3)
grid = pd.DataFrame({"N": N, "D": C / (6 * N), "loss": law(N, C / (6 * N))})
plots.isoflop(grid)"""
HULL = """law = scaling.laws["chinchilla"].published["besiroglu2024"]
D = np.geomspace(2e7, 3e12, 300)
parts = [pd.DataFrame({"run": f"{N:.2g}", "N": N, "D": D, "loss": law(N, D)}) for N in np.geomspace(1e7, 3e9, 9)]
plots.hull(pd.concat(parts))"""
DECISIONS = """runs = pd.read_csv("runs/corpora/runs.csv").query("steps == 3200")  # on two texts
rows = runs.assign(recipe=runs["corpus"], N=runs["n_params"], D=runs["tokens"], loss=runs["final_loss"])
plots.decisions(scaling.compare_recipes(rows[["recipe", "N", "D", "loss"]]))"""
CONSISTENCY = """from scaling.procedures.consistency import consistency_point

of = scaling.laws["power_law"].published
plots.consistency(consistency_point(of["kaplan2020_Cmin"], of["kaplan2020_D"], (1.3e9, 0.73), overhead=2))"""
HISTORY = """Path("registered").mkdir()
law = scaling.fit(table[table["D"] < 2e6], "chinchilla")
for k, row in enumerate(table[table["D"] > 2e6].itertuples()):
    target = {"N": [row.N], "D": [row.D]}
    record = law.register(target, f"registered/{k}.json")
    scaling.score(record, pd.DataFrame({**target, "loss": [row.loss]})).save(f"registered/{k}-score.json")
plots.history(scaling.registered.history("registered"))"""
DRAWN = {  # function -> the lines that draw its figure
    "frontier": "plots.frontier(fit, 1e14)", "family": "plots.family(fit)", "isoloss": "plots.isoloss(fit)",
    "isoflop": ISOFLOP, "residuals": "plots.residuals(fit)", "compared": "plots.compared(scaling.compare(table))",
    "backtest": 'plots.backtest(scaling.backtest(table, "chinchilla"))', "ladder": "plots.ladder(ladder)",
    "curve": "plots.curve(small)", "forecast": f"plots.forecast(small, {PLAN})", "hull": HULL, "consistency": CONSISTENCY,
    "running": 'plots.running(scaling.forecast(scaling.read("scaling-demo/running"), scaling.read("scaling-demo/finished")))',
    "decisions": DECISIONS, "history": HISTORY,
}  # fmt: skip
NOTEBOOKS = {  # function -> the notebook whose data it needs
    "bowls": "19_bowls", "choices": "06_running_job", "relation": "10_loss_to_loss", "shares": "11_multilingual_ratios",
}  # fmt: skip
HEAD = """# Figures

Every function takes what the program returned and draws it in a new figure, or on the axes it is given (`ax=`). On the command
line `--plot FILE` draws the figure that belongs to a result. All of them hold at the width of a column and of a slide, and
follow a dark style.

"""


def pages() -> dict[str, str | bytes]:
    """Path -> the page and its pictures."""
    import matplotlib as mpl

    mpl.use("Agg")
    made: dict[str, str | bytes] = {}
    names: dict = {}
    text = HEAD + "All that follows begins with\n\n" + code(FIRST, "python")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Path("runs").symlink_to(ROOT / "runs")
        exec(FIRST, names)
        for name, lines in DRAWN.items():
            *before, last = lines.splitlines()
            exec("\n".join(before), names)
            made[f"figures/{name}.png"] = scaling.plots.image(eval(last, names), "png")
            mpl.pyplot.close("all")
            text += part(name) + code(lines, "python") + f"\n![{name}](figures/{name}.png)\n\n"
    for name, notebook in NOTEBOOKS.items():
        text += part(name) + f"In the notebook [{notebook.partition('_')[2].replace('_', ' ')}](gallery/{notebook}.ipynb).\n\n"
    made["figures.md"] = text
    return made


def part(name: str) -> str:
    """Heading and first line of what a function says of itself."""
    doc = inspect.getdoc(getattr(scaling.plots, name)) or ""
    return f"## plots.{name}\n\n{escaped(doc.partition(chr(10))[0])}\n\n"
