"""Every command and every piece of code in the README runs, in order, and prints what stands there; links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

import scaling
from tests.readme import README, ROOT, run, steps

STEPS = list(steps(README.read_text()))
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")


def split(text):
    """Words and numbers of an output."""
    numbers = [float(n.replace(",", "")) for n in NUMBER.findall(text)]
    return NUMBER.sub("#", text).split(), numbers


def test_what_is_run_is_most_of_what_is_shown():
    kinds = [step.kind for step in STEPS]
    assert kinds.count("shell") >= 9 and kinds.count("python") >= 4 and sum(s.shown is not None for s in STEPS) >= 2


def test_the_readme_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    scaling.samples.write("scaling-demo")  # as `scaling demo`, which test_samples runs
    names = {}
    try:
        for step in STEPS:
            if "train" in step.code.split()[:2] and importlib.util.find_spec("torch") is None:
                continue
            code, printed = run(step, names)
            assert code == 0, (step.code, capsys.readouterr().err)
            if step.shown is not None:
                words, numbers = split(printed)
                shown_words, shown = split(step.shown)
                assert words == shown_words, step.code
                assert numbers == pytest.approx(shown, rel=2e-3, abs=2e-3), step.code
    finally:
        plt.close("all")
        if "my_law" in scaling.laws:
            scaling.laws.remove("my_law")
    for made in ("fit.json", "fit.png", "report.html", "running.png", "out/curves/d16-l2-wsd-200.csv"):
        assert Path(made).exists() or ("out" in made and importlib.util.find_spec("torch") is None), made


def test_links_lead_to_files_of_the_repository():
    links = re.findall(r"\]\(([^)]+)\)", README.read_text())
    assert len(links) > 8
    assert not [link for link in links if not link.startswith("http") and not (ROOT / link).exists()]


def test_what_the_package_says_of_itself_has_no_address_that_leads_nowhere():
    """In built metadata: pictures at the repository's raw address where it has one, without their words where not."""
    pytest.importorskip("hatch_fancy_pypi_readme")
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    built = ProjectMetadata(str(ROOT), PluginManager()).core
    text, home = built.readme, built.urls.get("Repository")
    assert text != README.read_text() and "scaling fit scaling-demo/table.csv" in text
    assert not [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text())
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    if home is None:
        assert pictures and not shown and "hollow markers" not in text and "CONTRIBUTING.md has the floors" in text
    else:
        assert "hollow markers" in text and len(shown) == len(pictures)
        assert all(one.startswith(home) and one.endswith(path) for one, path in zip(shown, pictures, strict=True))
