"""JSON documents on disk: written whole or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from scaling.version import __version__

SCHEMA = 1


def write(saved: dict[str, Any], path: str | Path) -> None:
    """One JSON document of this version; an interrupted write leaves the old file."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    document = plain({"schema": SCHEMA, "scaling": __version__, **saved})
    temporary.write_text(json.dumps(document, allow_nan=False))
    temporary.replace(path)


def plain(x: Any) -> Any:
    """JSON has no infinities: written as strings."""
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, np.ndarray):
        return plain(x.tolist())
    if isinstance(x, (float, np.floating)) and not math.isfinite(x):
        return str(float(x))
    if isinstance(x, np.generic):
        return x.item()
    return x
