"""Running jobs on lr-scheduling, with what is known beforehand taken from the other sources alone."""

import numpy as np
import pytest

from benchmarks.forecasts.family import family, models
from scaling.running.beliefs import FAMILY
from scaling.running.jobs import made
from scaling.running.prefix import Prefix

STOPS = {0.25: 0.014, 0.5: 0.016, 0.75: 0.010, 0.9: 0.0055}  # mean |error| of the final loss, a little above what is measured


@pytest.mark.slow
def test_lr_scheduling(shared_data, subtests):
    with subtests.test("the shipped family is that of all sources"):
        found = family(shared_data)
        assert found.mean[1:] == pytest.approx(FAMILY.mean[1:], abs=0.006)
        assert found.sd[1:] == pytest.approx(FAMILY.sd[1:])
    others = family(shared_data, "lr-scheduling")
    runs = [Prefix.of(runs, name) for (source, _), runs in models(shared_data).items() for name in runs if source != "runs"]
    runs = [run for run in runs if run.name.startswith("lr")]
    for share, most in STOPS.items():
        with subtests.test("own log", known=share):
            ends = [made(run.until(share * run.done).measured(), None, 0.9, others).end for run in runs]
            truth = np.array([run.loss[-1] for run in runs])
            assert len(runs) == 27 and np.mean(np.abs([e["prediction"] for e in ends] - truth)) < most
            inside = [e["lower"] < x < e["upper"] for e, x in zip(ends, truth, strict=True)]
            assert np.mean(inside) > 0.8
