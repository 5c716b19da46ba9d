"""scaling: fit neural scaling laws to training logs and predict the loss of runs nobody has made yet."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# public name -> module that holds it; loaded on first use so that `import scaling` stays light
_HOMES = {
    "read": "scaling.logs",
    "Runs": "scaling.logs",
    "schedule": "scaling.schedules",
    "law": "scaling.formula",
    "laws": "scaling.laws",
    "fit": "scaling.fitting",
    "Fit": "scaling.fitting",
    "plan": "scaling.planning",
    "load": "scaling.fitting",
    "backtest": "scaling.forecasting",
    "compare": "scaling.forecasting",
    "forecast": "scaling.forecasting",
    "plots": "scaling.plots",
    "ScalingError": "scaling.errors",
}
__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from scaling import plots as plots
    from scaling.errors import ScalingError as ScalingError
    from scaling.fitting import Fit as Fit
    from scaling.fitting import fit as fit
    from scaling.fitting import load as load
    from scaling.forecasting import backtest as backtest
    from scaling.forecasting import compare as compare
    from scaling.forecasting import forecast as forecast
    from scaling.formula import law as law
    from scaling.laws import laws as laws
    from scaling.logs import Runs as Runs
    from scaling.logs import read as read
    from scaling.planning import plan as plan
    from scaling.schedules import schedule as schedule


def __getattr__(name: str):
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'scaling' has no attribute {name!r}") from None
    module = import_module(home)
    value = module if home == f"scaling.{name}" and name != "laws" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
