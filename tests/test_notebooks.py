"""Every notebook runs from its .py source, its .ipynb twin is up to date in its sources, and every figure is there."""

import json
import os
import runpy
import warnings
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))
TWO = ("01_fit_and_predict", "03_batch_and_trajectory", "06_running_job", "11_multilingual_ratios", "17_which_optimiser")
FIGURES = {source.stem: 1 for source in SOURCES} | dict.fromkeys(TWO, 2)
FIGURES |= {"09_small_proxies": 3, "12_translation_and_mixtures": 3}
FIGURES |= {"13_over_training_and_downstream": 2, "15_steps_and_averages": 2}
OF_PUBLIC_RUNS = {"12_translation_and_mixtures": 1, "13_over_training_and_downstream": 1}  # only where the data lie
PUBLIC = any(Path(p).is_dir() for p in (os.environ.get("SCALING_DATA", ""), FOLDER.parents[1] / "shared/data") if str(p))


def shown(notebook):
    """How many figures each code cell of a notebook shows."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [sum("image/png" in output.get("data", {}) for output in cell["outputs"]) for cell in code]


TRAINS = "09_small_proxies"  # 40 s of CPU


@pytest.mark.parametrize(
    "source", [pytest.param(p, marks=pytest.mark.slow) if p.stem == TRAINS else p for p in SOURCES], ids=lambda p: p.stem
)
def test_notebook_runs(source, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(FOLDER.parent)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        runpy.run_path(str(source))
    missing = 0 if PUBLIC else OF_PUBLIC_RUNS.get(source.stem, 0)
    assert len(plt.get_fignums()) == FIGURES[source.stem] - missing
    plt.close("all")


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_notebook_twin_has_the_same_cells_and_was_executed(source):
    jupytext = pytest.importorskip("jupytext")
    twin = json.loads(source.with_suffix(".ipynb").read_text())
    here = jupytext.read(source)
    assert ["".join(c["source"]) for c in twin["cells"]] == [c["source"] for c in here["cells"]]
    code = [c for c in twin["cells"] if c["cell_type"] == "code"]
    assert all(c["execution_count"] for c in code)
    assert not any(o["output_type"] == "error" for c in code for o in c["outputs"])
    assert sum(shown(twin)) == FIGURES[source.stem]


OURS = "axes = plots.compared(pd.DataFrame({'error': [.01, .02], 'difference': [0, .01], 'se': [0, .001]}, index=['a', 'b']))"
THEIRS = "plt.plot([1, 2])\nassert plt.gca().spines['top'].get_visible() and mpl.is_interactive()"


@pytest.mark.parametrize("order", [(OURS, OURS, THEIRS), (THEIRS, OURS, OURS)], ids=["ours first", "theirs first"])
def test_every_figure_shows_whichever_comes_first(order):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    imports = "import pandas as pd, matplotlib as mpl, matplotlib.pyplot as plt\nfrom scaling import plots"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in (imports, *order)])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER.parent)}}).execute()
    assert shown(notebook) == [0, 1, 1, 1]
