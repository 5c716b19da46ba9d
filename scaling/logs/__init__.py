"""Logs: read loss curves of any training run into `Runs`, or say exactly why not."""

from scaling.logs.reader import read
from scaling.logs.runs import Runs

__all__ = ["Runs", "read"]
