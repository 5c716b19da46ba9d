"""The command line `scaling`: parse, call, print. Imports of weight wait until a verb runs."""

from scaling.cli.app import main

__all__ = ["main"]
