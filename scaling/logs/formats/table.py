"""Read one table and say which of its columns are missing."""

from pathlib import Path
from typing import Any

import pandas as pd

from scaling.errors import DataError
from scaling.words import first_line


def table(path: str | Path, needed: list[str], **settings: Any) -> pd.DataFrame:
    """The CSV (or parquet) file at `path` with at least the columns `needed`."""
    path = Path(path)
    try:
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        frame = read(path, **settings)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; give the path inside your clone of the authors' repository.") from error
    except (IsADirectoryError, PermissionError) as error:
        if not path.is_dir():
            raise
        raise DataError(f"{path} is a folder; give the path of the file in it.") from error
    except (ValueError, OSError) as error:  # what pandas and pyarrow raise for damage
        raise DataError(
            f"{path}: the table is damaged ({first_line(error)}); take it anew from the authors' repository."
        ) from error
    if missing := [c for c in needed if c not in frame]:
        raise DataError(
            f"{path}: no column {', '.join(map(repr, missing))}, so this is another format. It has "
            f"{', '.join(map(str, frame.columns[:8]))}, ..."
        )
    return frame
