"""A job in progress: where its planned schedule will take it."""

from scaling.running.jobs import Forecast as Forecast
from scaling.running.jobs import forecast as forecast
from scaling.running.references import References as References
