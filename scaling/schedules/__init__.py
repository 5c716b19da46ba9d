"""Learning-rate schedules: pure functions of the update index, materialised once into one table of rates."""

from scaling.schedules.shapes import DECAYS, SHAPES, WARMUPS
from scaling.schedules.table import Blocks, Schedule, schedule

__all__ = ["DECAYS", "SHAPES", "WARMUPS", "Blocks", "Schedule", "schedule"]
