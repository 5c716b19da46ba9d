"""Public tables that a download cut short: refused in our own words, with the path and what to do."""

from pathlib import Path

import pytest

from scaling.errors import DataError
from scaling.logs.formats.table import table


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1" + bytes(40), "damaged .*take it anew"),
        ("a.csv", b"", "damaged .*take it anew"),
        ("a.csv", b"n,d\n1,2\n1,2,3,4\n", "line 3"),
        ("a.csv", b"n,d\n1,2\n\xff\xfe\n", "damaged"),
        ("a.csv", b"n,e\n1,2\n", "no column 'd'"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        table(tmp_path / name, ["n", "d"])
    assert str(tmp_path / name) in str(caught.value)
