"""Whole curves of the OLMo ladder under one law: what is held out, and how far off it comes."""

import pytest

from benchmarks.forecasts.ladder import PROTOCOLS, finals, late, olmo
from scaling import fit


def test_curves_of_olmo(shared_data, subtests):
    runs = olmo(shared_data)
    # a bar that is missed is held at what it is: two sizes leave E to its prior
    for name, bar in {"A": 0.08, "B": 0.22, "C": 0.12, "D": 0.55}.items():
        with subtests.test(name):
            fitted, asked, _ = PROTOCOLS[name]
            found = fit(runs.select(fitted), "ladder")
            forecast = found.predict(runs.select(asked))
            assert found.ok and finals(forecast).abs().mean() <= bar
            inside = (forecast["lower"] <= forecast["loss"]) & (forecast["loss"] <= forecast["upper"])
            assert inside.mean() >= 0.85
            if name == "A":
                assert late(forecast) <= 0.15 and found.values["r"] == pytest.approx(-0.4, abs=0.15)
