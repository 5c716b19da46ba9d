"""One road, downwards: no module imports upwards or in a circle, deferred and typing imports counted."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
grimp = pytest.importorskip("grimp")


@pytest.fixture(scope="module")
def imports():
    """module -> modules of the package it imports; the root, which is the public face of all, left out."""
    graph = grimp.build_graph("scaling", exclude_type_checking_imports=False, cache_dir=None)
    return {m: graph.find_modules_directly_imported_by(m) - {"scaling"} for m in graph.modules - {"scaling"}}


def circles(imports):
    """Modules that reach themselves, with what they reach: what is left when leaves and roots are taken away."""
    left = dict(imports)
    while True:
        used = set().union(*left.values()) if left else set()
        kept = {m: there & left.keys() for m, there in left.items() if m in used and there & left.keys()}
        if kept == left:
            return left
        left = kept


def test_no_circle_among_modules(imports):
    assert len(imports) > 100
    assert not circles(imports), {m: sorted(there) for m, there in circles(imports).items()}


def test_circles_are_found():
    road = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert not circles(road)
    assert set(circles({**road, "c": {"b"}, "d": {"a"}})) == {"b", "c"}


def test_the_layers_are_kept(monkeypatch, capsys):
    lint = pytest.importorskip("importlinter.cli")
    monkeypatch.chdir(ROOT)
    assert lint.lint_imports(config_filename=".importlinter", no_cache=True) == 0, capsys.readouterr().out
