"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tests", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("tests")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Root of the public data sets: SCALING_DATA, else ../shared/data beside the repository."""
    root = Path(__file__).resolve().parent.parent
    candidates = [Path(os.environ["SCALING_DATA"])] if "SCALING_DATA" in os.environ else [
        root.parent / "shared" / "data", root.parent.parent / "shared" / "data",
    ]  # fmt: skip
    for path in candidates:
        if path.is_dir():
            return path
    pytest.skip(f"needs the public data: none at {', '.join(map(str, candidates))}; set SCALING_DATA to its folder")
