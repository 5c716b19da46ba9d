"""The package as a thing to install: light to import, exact in its versions, complete in its metadata."""

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import scaling

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "matplotlib.pyplot", "lmfit", "tensorboard")


def loaded_by(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has after `code`."""
    code = f"import sys\n{code}\nprint('\\nMODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES")[2].split())


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import scaling", (*HEAVY, "pandas", "scipy")),
        ("import scaling; scaling.plots", ("torch", "matplotlib.pyplot", "lmfit")),
        ("from scaling.cli import main; main(['--help'])", (*HEAVY, "pandas", "scipy")),
        ("from scaling.cli import main; main(['fit', '--help'])", (*HEAVY, "pandas", "scipy")),
        ("from scaling.cli import main; main(['fit', 'scaling/samples/table.csv'])", (*HEAVY, "scipy.stats", "scipy.optimize")),
        ("import scaling; scaling.fit(scaling.read('scaling/samples/running'))", (*HEAVY, "scipy.stats", "scipy.signal")),
    ],
)
def test_heavy_modules_wait_until_they_are_needed(code, heavy):
    assert not loaded_by(code) & set(heavy)


@pytest.mark.parametrize("name", scaling.__all__)
def test_every_public_name_is_there(name):
    assert getattr(scaling, name) is not None
    assert name in dir(scaling)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        scaling.fitt  # noqa: B018


def test_constraints_pin_every_dependency_inside_its_range():
    packaging = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M))
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["notebook"], *extras["test"], *extras["dev"], *extras["docs"], *extras["train"]]
    for requirement in map(packaging.Requirement, wanted):
        if requirement.name != "scaling-laws":
            assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_version_is_said_once_and_repeated_right():
    assert f"version: {scaling.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{scaling.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_package_is_typed_and_its_style_sheet_is_inside():
    home = Path(import_module("scaling").__file__).parent
    assert (home / "py.typed").exists()
    assert (home / "plots" / "scaling.mplstyle").exists()
