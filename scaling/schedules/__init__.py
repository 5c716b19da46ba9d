"""Learning-rate schedules: pure functions of the update index, materialised once into one table of rates."""

from scaling.schedules.shapes import DECAYS, MOST_UPDATES, SHAPES, WARMUPS
from scaling.schedules.table import Blocks, Schedule, schedule

__all__ = ["DECAYS", "MOST_UPDATES", "SHAPES", "WARMUPS", "Blocks", "Schedule", "schedule"]
