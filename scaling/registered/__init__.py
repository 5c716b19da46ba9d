"""Forecasts written down before the run: made once, never changed, and scored when the run is there."""

from scaling.registered.over_time import History as History
from scaling.registered.over_time import history as history
from scaling.registered.record import Registration as Registration
from scaling.registered.scoring import Score as Score
from scaling.registered.scoring import score as score
