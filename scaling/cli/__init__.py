"""The command line `scaling`: parse, call, print. Imports of weight wait until a verb runs."""

import sys
from collections.abc import Sequence
from importlib import import_module


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit code."""
    try:
        app = import_module("scaling.cli.app")  # here, because its parser is slow to import and may be interrupted
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    code: int = app.main(argv)
    return code
