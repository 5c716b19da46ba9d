"""A job in progress: where its planned schedule will take it."""

from scaling.running.choices import Choices as Choices
from scaling.running.choices import choose as choose
from scaling.running.choices import then as then
from scaling.running.jobs import Forecast as Forecast
from scaling.running.jobs import forecast as forecast
from scaling.running.live import Live as Live
from scaling.running.references import References as References
from scaling.running.trainer import trainer_callback as trainer_callback
from scaling.running.watched import Update as Update
from scaling.running.watched import updates as updates
