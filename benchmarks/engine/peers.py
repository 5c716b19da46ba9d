"""Installable peers, each in a virtual environment of its own under benchmarks/results, run as a script that prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd

from benchmarks.engine.measure import RESULTS

# name -> what pip gets; simple-scaling-laws asks for Python 3.12 but runs on 3.11, its dependencies must not ignore theirs
ENVIRONMENTS = {
    "chinchilla": [["chinchilla"]],
    "simple-scaling-laws": [
        ["numpy", "scipy", "polars", "pyyaml", "pandas"],
        ["--no-deps", "--ignore-requires-python", "simple-scaling-laws"],
    ],
    "autograd": [["autograd", "scipy", "pandas"]],
}

_HEAD = """
import json, resource, sys
import numpy as np, pandas as pd
frame = pd.read_csv(sys.argv[1])
N, D, y = (frame[c].to_numpy() for c in ("N", "D", "loss"))
def cpu():
    both = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in both)
"""

SCRIPTS = {
    # the grid of its README, 5 values of each of 5 parameters, and the objective all others use
    "chinchilla": """
import functools, tempfile
from pathlib import Path
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber
with tempfile.TemporaryDirectory() as folder:
    frame.assign(C=6 * N * D)[["C", "N", "D", "loss"]].to_csv(Path(folder) / "df.csv", index=False)
    grid = dict(E=np.linspace(1, 2, 5), a=np.linspace(1, 10, 5), b=np.linspace(1, 10, 5),
                alpha=np.linspace(0.1, 0.7, 5), beta=np.linspace(0.1, 0.7, 5))
    cc = Chinchilla(folder, param_grid=grid, loss_fn=functools.partial(log_huber, delta=1e-3), log_level=50)
    start = cpu()
    cc.fit()
    spent = cpu() - start
print(json.dumps({"cpu": spent, "values": {k: float(v) for k, v in cc.params.items()}}))
""",
    # its own fit and bootstrap of raw least squares
    "simple-scaling-laws": """
from simple_scaling_laws.fitting import fit_curve, parameter_bounds
from simple_scaling_laws.laws import build_law
from simple_scaling_laws.uncertainty import bootstrap
law = build_law("separable-power", ["model_size__n"], ["dataset_size__d"])
x = np.log(np.stack([N / N.mean(), D / D.mean()], axis=1))
weights, bounds = np.ones(len(y)), parameter_bounds(law, y, signed_amplitude=False)
fit_curve(law, x, y, weights, bounds)
start = cpu()
params = fit_curve(law, x, y, weights, bounds).params
one = cpu() - start
draws, start = 200, cpu()
bootstrap(law, x, y, weights, bounds, params, np.arange(len(y)), np.zeros(len(y)), run_sd=0.0, n_draws=draws)
print(json.dumps({"cpu": one, "bootstrap": (cpu() - start) / draws,
                  "rss": float(((law.evaluate(params, x) - y) ** 2).sum())}))
""",
    # the replication's bootstrap: one BFGS from the published values per resample, gradient by autograd
    "autograd": """
import autograd.numpy as anp
from autograd import grad
from scipy.optimize import minimize
def huber_sum(p, x, z, y):
    a, b, e, alpha, beta = p
    terms = anp.stack([a - alpha * x, b - beta * z, e + 0 * x])
    top = anp.max(terms, axis=0)
    r = anp.abs(anp.log(anp.sum(anp.exp(terms - top), axis=0)) + top - y)
    return anp.sum(anp.where(r <= 1e-3, 0.5 * r**2, 1e-3 * (r - 0.5e-3)))
x, z, logs = np.log(N), np.log(D), np.log(y)
start = np.array([6.0073404, 6.0179186, 0.5267228, 0.33917084, 0.2849083])
np.random.seed(42)
picks = [np.random.choice(len(y), len(y)) for _ in range(60)]
solve = lambda rows: minimize(huber_sum, start, args=(x[rows], z[rows], logs[rows]), jac=grad(huber_sum), method="BFGS").fun
solve(picks[0])
begin = cpu()
found = [solve(rows) for rows in picks]
print(json.dumps({"cpu": (cpu() - begin) / len(picks), "objectives": found}))
""",
}


def run(name: str, frame: pd.DataFrame, limit: float = 1800) -> dict | str:
    """What the peer reports for these rows, or in words why it cannot be run."""
    folder = RESULTS / f"peer-{name}"
    python = folder / "bin" / "python"
    try:
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            for wanted in ENVIRONMENTS[name]:
                install = [python, "-m", "pip", "install", "--quiet", *wanted]
                subprocess.run(install, check=True, capture_output=True, timeout=limit)
            (folder / "ready").touch()
        table = RESULTS / "epoch.csv"
        frame.to_csv(table, index=False)
        script = [python, "-W", "ignore", "-c", _HEAD + SCRIPTS[name], table]
        done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=limit)
    except subprocess.CalledProcessError as error:
        tail = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
        return f"not run: {(tail.strip().splitlines() or ['failed'])[-1][:80]}"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not run: {error}"
    return json.loads(done.stdout.strip().splitlines()[-1])
