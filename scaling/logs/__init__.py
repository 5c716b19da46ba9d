"""Logs: read loss curves of any training run into `Runs`, or say exactly why not."""

from scaling.logs.reader import read
from scaling.logs.runs import Runs
from scaling.logs.tables import columns_of, read_table

__all__ = ["Runs", "columns_of", "read", "read_table"]
