"""From a Fit to predictions with intervals, and how they were checked."""

from scaling.forecasting.backtests import Backtest as Backtest
from scaling.forecasting.backtests import backtest as backtest
from scaling.forecasting.comparison import compare as compare
from scaling.forecasting.predict import predict as predict
from scaling.forecasting.running import Forecast as Forecast
from scaling.forecasting.running import forecast as forecast
