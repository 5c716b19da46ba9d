"""Logs: read loss curves of any training run into `Runs`, or say exactly why not."""

from scaling.logs.beside import parse as fact
from scaling.logs.canonical import write
from scaling.logs.checked import check
from scaling.logs.cleaning import averaged, without_spikes
from scaling.logs.reader import read
from scaling.logs.runs import Runs
from scaling.logs.tables import columns_of, read_table

__all__ = ["Runs", "averaged", "check", "columns_of", "fact", "read", "read_table", "without_spikes", "write"]
