"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

import scaling
from scaling import synthetic

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # of the processes that tests start, the first compiles what all import
settings.register_profile("tests", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("tests")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Root of the public data sets: SCALING_DATA, else ../shared/data beside the repository.

    Only tests/public asks for it; what the package does with data is tested on tables of our own everywhere else.
    """
    root = Path(__file__).resolve().parent.parent
    candidates = [Path(os.environ["SCALING_DATA"])] if "SCALING_DATA" in os.environ else [
        root.parent / "shared" / "data", root.parent.parent / "shared" / "data",
    ]  # fmt: skip
    for path in candidates:
        if path.is_dir():
            return path
    pytest.skip(f"needs the public data: none at {', '.join(map(str, candidates))}; set SCALING_DATA to its folder")


@pytest.fixture
def no_trace() -> Iterator[None]:
    """No figure may show itself or change a global setting."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    plt.close("all")  # what other tests in this process left open
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    plt.close("all")


@pytest.fixture(scope="session")
def points() -> pd.DataFrame:
    """240 rows (N, D, loss) at nine budgets, drawn from published constants with noise that has heavy tails."""
    rng = np.random.default_rng(8)
    C = np.repeat(np.geomspace(6e18, 3e21, 9), 27)[:240]
    N = np.clip(C**0.5 / 11 * np.exp(rng.normal(0, 0.9, 240)), 4.4e7, 1.6e10)
    grid = pd.DataFrame({"N": N, "D": C / (6 * N)})
    truth = scaling.laws["chinchilla"].published["besiroglu2024"]
    rows = synthetic.runs_of("chinchilla", truth, grid, noise="student", size=0.006, seed=2)
    return rows[["N", "D", "loss"]]


@pytest.fixture(autouse=True)
def figures_are_closed():
    """A figure left open by one test is none that another made."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
