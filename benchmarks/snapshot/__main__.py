"""`python -m benchmarks.snapshot make OUT.json [--tree DIR] [--only PREFIX]`, `... compare OLD.json NEW.json`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is imported
    os.environ[threads] = "1"
os.environ.update(COLUMNS="120", NO_COLOR="1", TERM="dumb", MPLBACKEND="Agg")
HERE = Path(__file__).resolve().parents[2]


def main() -> int:
    """Make a snapshot or compare two."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.snapshot", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make")
    make.add_argument("out", type=Path)
    make.add_argument("--tree", type=Path, default=HERE, help="the working tree whose package is looked at")
    make.add_argument("--only", action="append", default=[], help="only items whose key begins so; may be repeated")
    compare = verbs.add_parser("compare")
    compare.add_argument("old", type=Path)
    compare.add_argument("new", type=Path)
    compare.add_argument("--only", action="append", default=[], help="as given to make")
    compare.add_argument("--rtol", type=float, default=1e-9)
    compare.add_argument("--show", type=int, default=60, help="differences to print")
    given = parser.parse_args()
    if given.verb == "compare":
        from .compare import report

        return report(given.old, given.new, tuple(given.only), given.rtol, given.show)
    tree, out = given.tree.resolve(), given.out.resolve()
    sys.path.insert(0, str(tree))
    os.chdir(tree)  # paths in messages are then those of the tree, whichever it is
    import scaling

    if not Path(scaling.__file__).resolve().is_relative_to(tree):
        parser.error(f"scaling comes from {scaling.__file__}, not from {tree}; python -P keeps the current folder out")
    from .record import snapshot

    return snapshot(out, tree, tuple(given.only))


sys.exit(main())
