"""The command line `scaling`: parse, call, print. Imports of weight wait until a verb runs."""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit code."""
    try:
        from scaling.cli.app import main as run
    except KeyboardInterrupt:  # in half a second of imports, before `run` can answer it
        print("error: interrupted", file=sys.stderr)
        return 130
    return run(argv)
