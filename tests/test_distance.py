"""The laws of the distance that weights travel."""

import numpy as np
import pytest

from scaling.errors import DataError
from scaling.procedures.distance import distance_laws

t = np.geomspace(20, 1600, 30)


def test_the_constants_of_either_law_come_back():
    laws = distance_laws(t, 1.5 + 2.5 * np.log(t))
    assert laws.loc["logarithm", ["a", "b"]].tolist() == pytest.approx([1.5, 2.5], rel=1e-9)
    assert laws["aic"].idxmin() == "logarithm" and laws.loc["power", "rms"] > 0.05
    laws = distance_laws(t, 0.3 * t**0.5)
    assert laws.loc["power", ["a", "b"]].tolist() == pytest.approx([0.3, 0.5], rel=1e-5)
    assert laws["aic"].idxmin() == "power"


def test_aic_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    d = 1 + 2 * np.log(t) + rng.normal(0, 0.1, len(t))
    laws = distance_laws(t, d)
    b, a = np.polyfit(np.log(t), d, 1)
    square = np.mean((d - a - b * np.log(t)) ** 2)
    assert laws.loc["logarithm", "aic"] == pytest.approx(30 * np.log(square) + 4)
    assert laws.loc["logarithm", "rms"] == pytest.approx(square**0.5)


@pytest.mark.parametrize(
    ("step", "distance", "said"),
    [
        ([1, 2, 3], [1, 2, 3], "four or more rows"),
        ([1, 2, 3, 4], [1, 2, 3], "four or more rows"),
        ([0, 1, 2, 3], [0, 1, 2, 3], "positive, rising steps"),
        ([1, 2, 2, 3], [1, 2, 3, 4], "positive, rising steps"),
        ([1, 2, 3, 4], [1, 2, np.nan, 4], "finite distances"),
        ([1, 2, 3, 4], [0, 0, 0, 0], "finite distances"),
    ],
)
def test_rows_that_say_nothing_are_refused(step, distance, said):
    with pytest.raises(DataError, match=said):
        distance_laws(step, distance)
