"""Forecasts written down before the run: made once, never changed, and scored when the run is there."""

from scaling.registered.history import History as History
from scaling.registered.history import history as history
from scaling.registered.record import Registration as Registration
from scaling.registered.score import Score as Score
from scaling.registered.score import score as score
