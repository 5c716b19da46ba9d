"""The 40 points of the script beside arXiv:2408.11029: peak 2e-4, 500 warm-up steps counted at the peak."""

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.formula import Exponent, Positive, Real


def test_annealing_example(shared_data, subtests):
    path = shared_data / "lr-annealing-example/curves.csv"
    with subtests.test("several runs in one file"):
        runs = scaling.read(path)
        assert runs.names == ("constant", "cosine") and len(runs["cosine"].frame) == 20 and not runs.schedules
        with pytest.raises(KeyError, match="did you mean 'cosine'"):
            runs["cosin"]
    with subtests.test("refit"):
        check_refit(pd.read_csv(path))


def check_refit(points):
    steps = np.arange(20001)
    cosine = np.where(steps > 500, 1e-4 * (1 + np.cos(np.pi * (steps - 500) / 19500)), 2e-4)
    tables = {"cosine": scaling.schedule(cosine, first=0), "constant": scaling.schedule(np.full(20001, 2e-4), first=0)}
    law = scaling.laws["annealing"]
    parts = []
    for name, r in points.groupby("curve"):
        made = law.hooks.features(r["step"].to_numpy(), tables[str(name)], **law.conventions)
        parts.append(pd.DataFrame({**made, "loss": r["loss"].to_numpy()}))
    assert max(p["S2"].max() for p in parts) == pytest.approx(0.197474, abs=1e-6)

    @scaling.law("arXiv:2408.11029", name="annealing_table")
    def annealing_table(S1, S2, *, L0: Positive, A: Positive, alpha: Exponent, C: Real):
        """L = L0 + A / S1^alpha - C S2"""
        return L0 + A / S1**alpha - C * S2

    try:
        table = pd.concat(parts).assign(S2=lambda d: d["S2"] + 1e-300)
        fit = scaling.fit(table, annealing_table)
    finally:
        scaling.laws.remove("annealing_table")
    published = law.published["example_refit"]
    for name in ("L0", "A", "alpha", "C"):
        assert fit.values[name] == pytest.approx(published[name], abs=1e-3), name
    assert fit.objective == pytest.approx(1.6292e-5, rel=1e-3)
