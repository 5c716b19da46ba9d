"""CPU of reading logs beside pandas.read_csv of the same columns, in turns: `python -m benchmarks.logs` (bars: 2 each)."""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import scaling


def write(path: Path, rows: int, seed: int = 0) -> Path:
    """A curve of so many rows."""
    step = np.arange(1, rows + 1)
    loss = 2 + 4 * (step + 30.0) ** -0.35 + np.random.default_rng(seed).normal(0, 0.01, rows)
    pd.DataFrame({"step": step, "lr": 3e-4, "loss": loss.round(6)}).to_csv(path, index=False)
    return path


def ratio(ours: Callable[[], object], theirs: Callable[[], object], pairs: int) -> float:
    """The median of our CPU over theirs, measured in turns."""

    def cpu(do: Callable[[], object]) -> float:
        start = time.process_time()
        do()
        return time.process_time() - start

    ours()
    return statistics.median(cpu(ours) / cpu(theirs) for _ in range(pairs))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        large, many = write(Path(folder) / "large.csv", 10**6), Path(folder) / "many"
        many.mkdir()
        files = [write(many / f"run{i}.csv", 50, i) for i in range(3000)]
        one = ratio(lambda: scaling.read(large), lambda: pd.read_csv(large, usecols=["step", "lr", "loss"]), 15)
        print(f"1,000,000 rows: {one:.2f} times pandas")
        print(
            f"3,000 files: {ratio(lambda: scaling.read(many), lambda: pd.concat(map(pd.read_csv, files)), 3):.2f} times pandas"
        )
        rows = len(scaling.read(write(Path(folder) / "huge.csv", 10**7)).frame)
        print(
            f"{rows:,} rows: at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB, writing them included"
        )


if __name__ == "__main__":
    main()
