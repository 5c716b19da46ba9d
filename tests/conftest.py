"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data beside the repository; tests that need it are skipped where it is absent."""
    root = Path(os.environ.get("SCALING_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not root.is_dir() and (parent := Path(__file__).parents[3] / "shared" / "data").is_dir():
        root = parent
    if not root.is_dir():
        pytest.skip(f"needs the public data sets: no folder {root} (set SCALING_DATA to their place)")
    return root
