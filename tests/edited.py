"""What tests of saved results share: a document that was edited by somebody who can sign it."""

import json
from pathlib import Path
from typing import Any

import scaling
from scaling import document

BEFORE = Path(__file__).parent / "saved"  # of version 0.1.0, schema 1, with what it predicted


def edited(path: Path, place: tuple[str | int, ...], value: Any, name: str = "chinchilla") -> Path:
    """The saved result `name`, written anew to `path` with one field changed and a digest that fits."""
    scaling.load(BEFORE / f"{name}.json").save(path)
    saved = json.loads(path.read_text())
    node = saved
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    del saved["sha256"]
    path.write_text(json.dumps(document.signed(saved)))
    return path
