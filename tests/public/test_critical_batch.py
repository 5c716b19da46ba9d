"""Steps to a target loss at several batches (arXiv:2410.21676): critical batches by three definitions."""

import numpy as np
import pandas as pd
import pytest

from scaling.errors import DataError
from scaling.logs import formats
from scaling.procedures import batch


def test_critical_batches_of_zhang(shared_data):
    """CBS = 93.1968 N^0.468278, N in millions; other definitions of the same data have exponent 0.619."""
    path = shared_data / "critical-batch-size/steps_to_target.csv"
    read = formats.critical_batch(path)
    assert read["N"].nunique() == 5 and read["steps"].iloc[0] == 46000
    steps = pd.read_csv(path).rename(columns={"batch_sequences": "B"})
    found = batch.critical_batches(steps)
    N = steps.groupby("model", sort=False)["params_million"].first()
    expected = {
        "85M": (1293.8, 2.8343e6, 745.32),
        "151M": (1752.4, 5.6775e6, 955.16),
        "302M": (2095.3, 1.13833e7, 1393.73),
        "604M": (2459.9, 1.94497e7, 1888.52),
        "1.2B": (3897.3, 4.33811e7, 2533.41),
    }
    for (_, row), numbers in zip(found.iterrows(), expected.values(), strict=True):
        np.testing.assert_allclose(row, numbers, rtol=1e-4)
    assert batch.power_of_size(N, found["B_crit"]) == pytest.approx((93.1968, 0.468278), rel=1e-4)
    ratio = batch.critical_batches(steps, "ratio")["B_crit"]
    assert batch.power_of_size(N, ratio) == pytest.approx((146.10, 0.6191), rel=1e-3)
    small = batch.critical_batches(steps, "overhead_small")["B_crit"]
    assert batch.power_of_size(N, small) == pytest.approx((29.22, 0.6191), rel=1e-3)
    with pytest.raises(DataError, match="use one of"):
        batch.critical_batches(steps, "mine")
