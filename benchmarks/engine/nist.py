"""The 27 NIST StRD nonlinear regression problems: certified parameters and standard errors, two starts each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import lmfit
import numpy as np
import pandas as pd

from scaling.formula import Law

FOLDER = Path(__file__).resolve().parents[2] / "tests/data/nist"


@dataclass(frozen=True)
class Problem:
    """formula: text in x, b1, b2, ...; data: columns x, loss; starts (2, p); certified, errors (p,); rss."""

    name: str
    formula: str
    data: pd.DataFrame
    starts: np.ndarray
    certified: np.ndarray
    errors: np.ndarray
    rss: float

    def law(self) -> Law:
        """The formula as a law of free real parameters."""
        names = [f"b{i + 1}" for i in range(len(self.certified))]
        space = {"np": np, "exp": np.exp, "cos": np.cos, "sin": np.sin, "arctan": np.arctan, "pi": np.pi}
        inputs = [c for c in self.data if c != "loss"]
        exec(f"def f({', '.join(inputs)}, *, {', '.join(names)}):\n    return {self.formula}", space)
        return Law.of(space["f"], "doi:10.18434/T43G6C", name=self.name)

    def start(self, which: int) -> lmfit.Parameters:
        params = lmfit.Parameters()
        for i, value in enumerate(self.starts[which]):
            params.add(f"b{i + 1}", value=value)
        return params


def problems(folder: Path) -> list[Problem]:
    """Read every problem of the folder; formulas come from its file Models."""
    formulas = _formulas((folder / "Models").read_text())
    return [_read(path, formulas[path.name]) for path in sorted(folder.glob("*.dat"))]


def _formulas(text: str) -> dict[str, str]:
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"(\w+\.dat)[:-](.*)", line):
            lines.setdefault(match[1], []).append(match[2])
    out = {}
    for name, body in lines.items():
        joined = " ".join(body).split("Parameters", 1)[1]
        right = re.split(r"\by[\])]?\s*=", joined, maxsplit=1)[1]
        right = right[: right.rindex("+")] if re.search(r"\+\s*e\s*$", right.strip()) else right
        out[name] = re.sub(r"\s+", " ", right.replace("[", "(").replace("]", ")")).strip()
    return out


def _read(path: Path, formula: str) -> Problem:
    lines = path.read_text().splitlines()
    rows = []
    for line in lines[40:60]:
        if match := re.match(r"\s*b\d+\s*=\s*(.*)", line):
            rows.append([float(x) for x in match[1].split()])
    table = np.array(rows)
    rss = next(float(line.split(":")[1]) for line in lines if "Residual Sum" in line)
    data = np.array([[float(x) for x in line.split()] for line in lines[60:] if line.strip()])
    y = np.log(data[:, 0]) if path.stem == "Nelson" else data[:, 0]
    inputs = ["x"] if data.shape[1] == 2 else ["x1", "x2"]
    frame = pd.DataFrame(data[:, 1:], columns=inputs).assign(loss=y)
    return Problem(path.stem, formula, frame, table[:, :2].T, table[:, 2], table[:, 3], rss)


def digits(found, certified) -> float:
    """Smallest number of agreeing digits over parameters; signs of widths that enter squared do not count."""
    found, certified = np.abs(np.asarray(found, float)), np.abs(certified)
    with np.errstate(divide="ignore", invalid="ignore"):
        lre = -np.log10(np.abs(found - certified) / certified)
    return float(np.clip(np.nan_to_num(lre, nan=0.0, posinf=11.0), 0, 11).min())
