"""Pages that come from the code: laws, which law is for what, names of the API, figures, notebooks. None is committed."""

from pathlib import Path

from made import api, cells, choice, docstrings, gallery, laws, measured, plots
from made.checked import ROOT

__all__ = ["api", "cells", "docstrings", "write"]


def write(folder: Path) -> None:
    """Write every made page below `folder`; one that is as it was keeps its time, so that a second build is quick."""
    pages = {
        **laws.pages(),
        "which_law.md": choice.page(),
        "forecasts.md": measured.page(),
        **api.pages(),
        **gallery.pages(ROOT / "notebooks"),
        **plots.pages(),
    }
    for name, content in pages.items():
        path, data = folder / name, content if isinstance(content, bytes) else content.encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in pages:
            path.unlink()
