"""A job in progress: where its planned schedule will take it."""

from scaling.running.jobs import Forecast as Forecast
from scaling.running.jobs import forecast as forecast
from scaling.running.live import Live as Live
from scaling.running.live import trainer_callback as trainer_callback
from scaling.running.references import References as References
from scaling.running.watched import updates as updates
