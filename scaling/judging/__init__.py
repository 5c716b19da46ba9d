"""Which law to believe: laws side by side, and how their forecasts did on rows held out."""

from scaling.judging.backtests import Backtest as Backtest
from scaling.judging.backtests import backtest as backtest
from scaling.judging.choice import fit as fit
from scaling.judging.comparison import compare as compare
from scaling.judging.decisions import Decisions as Decisions
from scaling.judging.decisions import compare_recipes as compare_recipes
