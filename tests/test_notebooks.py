"""Every notebook runs from its .py source, and its .ipynb twin is up to date in its sources."""

import json
import runpy
import warnings
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_notebook_runs(source, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(FOLDER.parent)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")
        runpy.run_path(str(source))
    assert plt.get_fignums(), "a notebook shows at least one figure"
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
