"""Parquet: columns are read when they are asked for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from scaling.errors import DataError
from scaling.logs.cells import Lazy, Numbers
from scaling.logs.findings import Findings
from scaling.logs.opened import GROWTH, LEAST
from scaling.logs.sheet import Sheet, parts_of
from scaling.words import first_line

NAME = "Parquet"
DAMAGED = "the file is cut or damaged ({}); save the table again"


def claims(path: Path, head: bytes) -> bool:
    """The mark at the beginning."""
    return head.startswith(b"PAR1")


class _Columns(Lazy):
    """Name -> cells, read on first use."""

    def __init__(self, path: Path, file: Any, names: list[str]) -> None:
        self._path, self._file, self._names = path, file, names
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._read:
            if name not in self._names:
                raise KeyError(name)
            self._read[name] = cells = self._column(name, lambda: self._file.read(columns=[name]))
            if len(cells) != self._file.metadata.num_rows:
                said = f"{len(cells)} of {self._file.metadata.num_rows} rows"
                raise DataError(f"{self._path}, column {name!r}: {DAMAGED.format(said)}")
        return self._read[name]

    def first(self, name: str, count: int) -> Any:
        """The first cells of a column."""
        return self._column(name, lambda: next(self._file.iter_batches(count, columns=[name])))

    def _column(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            return _cells(read().column(0))
        except (OSError, ValueError, IndexError, StopIteration) as error:  # what pyarrow raises for damage
            raise DataError(f"{self._path}, column {name!r}: {DAMAGED.format(first_line(error))}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _cells(column: Any) -> Any:
    import pyarrow.types as kinds

    if kinds.is_floating(column.type) or kinds.is_integer(column.type) or kinds.is_decimal(column.type):
        missing = column.is_null().to_numpy()
        filled = column.cast("float64", safe=False).fill_null(float("nan"))
        return Numbers(filled.to_numpy().astype(np.float64), missing)
    return column.to_pylist()


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The sheet; none after a problem was recorded."""
    name = str(path)
    try:
        import pyarrow.parquet
    except ImportError:
        findings.problem(name, "Parquet files need an extra: pip install 'scaling-laws[parquet]'; or save the table as CSV")
        return []
    try:
        file = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        findings.problem(name, DAMAGED.format(first_line(error)))
        return []
    names = [field.name for field in file.schema_arrow if not field.name.startswith("__index_level")]
    rows = file.metadata.num_rows
    if 8 * rows > max(GROWTH * path.stat().st_size, LEAST):
        findings.problem(name, f"{rows:,} rows in so small a file are no measurements; save the rows that were logged")
        return []
    if not rows:
        findings.problem(name, "no rows, so there is no curve to read; log at least one step")
        return []
    return [Sheet(name, parts_of(path), _Columns(path, file, names), range(1, rows + 1), "row")]
