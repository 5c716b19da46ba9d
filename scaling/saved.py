"""Read what was saved: fits, and relations between two data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scaling.document import SCHEMA
from scaling.errors import DataError
from scaling.fits import Fit
from scaling.fits.saving import from_dict
from scaling.transfer.relation import Relation


def load(path: str | Path) -> Any:
    """Read a fit written by `Fit.save`, or a relation between two data sets written by `Relation.save`.

    Raises
    ------
    DataError : no such file, or not a fit. LawError : its law is not registered here.
    """
    path = Path(path)
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file. `scaling fit ... -o {path}` writes one.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not a saved fit ({error}). Write it with fit.save or `scaling fit -o`.") from error
    if not isinstance(saved, dict) or "schema" not in saved:
        raise DataError(f"{path}: JSON, but not a saved fit. Write it with fit.save or `scaling fit -o`.")
    if saved["schema"] > SCHEMA:
        raise DataError(
            f"{path}: written by a newer version ({saved.get('scaling')}); upgrade scaling-laws to read it."
        )
    try:
        if saved.get("kind") == "relation":
            return Relation.from_saved(saved, path)
        return Fit.of(from_dict(saved, path))
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: a damaged fit ({error}). Write it again with fit.save or `scaling fit -o`."
        ) from error
