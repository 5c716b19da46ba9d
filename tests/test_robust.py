"""No table takes `compare` down: awkward ones and random parts of them here, public ones in `benchmarks.forecasts robust`."""

import pandas as pd
import pytest

import scaling
from benchmarks.forecasts import robust
from scaling.errors import FitError

pytestmark = pytest.mark.filterwarnings("ignore")
FULL = 200


@pytest.mark.parametrize("seed", range(6))
def test_awkward_tables_get_an_answer(seed):
    """One of each kind: a grid, one budget, one ratio, few rows, one size, a grid with noise."""
    assert robust.failures(robust.made(seed)) == []


@pytest.mark.slow
def test_many_awkward_tables_and_random_parts_of_them_get_an_answer():
    for seed in range(FULL):
        table = robust.made(seed)
        assert robust.failures(table) == [], seed
        assert robust.failures(robust.part(table, seed)) == [], seed


def test_what_is_no_answer_is_found(monkeypatch):
    """A foreign exception, a refusal that does not say what to do, a law without error or reason."""
    table = robust.made(0)

    def compare(answer):
        def stand_in(data, laws):
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(scaling, "compare", stand_in)
        return robust.failures(table, ["chinchilla"])

    rows = pd.DataFrame({"error": [float("nan")], "reason": ["chinchilla cannot"]}, index=["chinchilla"])
    assert compare(KeyError("N")) == ["KeyError: 'N'"]
    assert "without a remedy" in compare(FitError("chinchilla has 3 rows"))[0]
    assert "without a law" in compare(FitError("3 rows are too few; add runs"))[0]
    assert "without a remedy" in compare(rows)[0]
    assert compare(rows.assign(reason="too few rows; add runs")) == [] and compare(rows.assign(error=0.01)) == []
