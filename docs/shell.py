"""%%bash for the cells of the guides: what a command prints arrives whole (IPython's own sends it in pieces of 100 bytes)."""

import subprocess
import sys


def bash(line: str, cell: str) -> None:
    """Run a cell, stop at the first command that fails, and show what was printed."""
    done = subprocess.run(["bash", "-e", "-c", cell], capture_output=True, text=True)
    print(done.stdout, end="", flush=True)
    print(done.stderr, end="", file=sys.stderr, flush=True)
    done.check_returncode()


def load_ipython_extension(shell) -> None:
    shell.register_magic_function(bash, "cell", "bash")
