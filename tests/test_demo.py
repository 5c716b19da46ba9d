"""The demo runs, and the README shows what it prints."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def rows(text):
    """Runs by name: what the lines of a demo say of them."""
    found = {}
    for line in text.splitlines():
        if line.startswith("d") and "%" in line:
            name, *rest = line.split()
            end = rest[-9:]  # parameters, prediction, interval, measured, error, inside, ok
            numbers = [float(x.replace(",", "").rstrip("%")) for x in (*end[:3], end[4], end[5], end[6])]
            found[name] = numbers, end[7:]
    return found


def test_the_demo_forecasts_what_the_readme_shows(tmp_path, monkeypatch, capsys):
    demo = runpy.run_path(str(ROOT / "demo.py"))
    monkeypatch.setitem(demo["main"].__globals__, "OUT", tmp_path)
    monkeypatch.setitem(demo["main"].__globals__, "HERE", ROOT)
    monkeypatch.setattr(Path, "relative_to", lambda self, other: self)
    demo["main"]()
    printed, shown = rows(capsys.readouterr().out), rows((ROOT / "README.md").read_text())
    assert len(printed) == 14 and printed.keys() == shown.keys()
    for name, (numbers, words) in printed.items():
        assert numbers == pytest.approx(shown[name][0], abs=0.02, rel=2e-3), name  # last digits differ between processors
        assert words == shown[name][1], name
    assert sum(words[0] == "yes" for _, words in printed.values()) >= 12
    assert {path.name for path in tmp_path.iterdir()} == {"ladder.json", "forecast.png"}
