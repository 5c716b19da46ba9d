"""`scaling completion`: the words of the command line for a shell."""

from __future__ import annotations

from typing import Literal

from scaling.cli import app


def run(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print what makes a shell complete verbs and options.

    For example:

        eval "$(scaling completion bash)"
        scaling completion fish > ~/.config/fish/completions/scaling.fish

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    print(app.app.generate_completion(prog_name="scaling", shell=shell))
    return 0
