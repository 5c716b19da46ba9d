"""scaling: fit neural scaling laws to training logs and predict the loss of runs nobody has made yet."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scaling.version import __version__ as __version__

# public name -> module that holds it; loaded on first use so that `import scaling` stays light
_ROOMS = ["counting", "logs", "planning", "plots", "procedures", "registered", "report", "running", "samples", "transfer"]
_HOMES = {
    "read": "scaling.logs",
    "Runs": "scaling.logs",
    "schedule": "scaling.schedules",
    "law": "scaling.formula",
    "laws": "scaling.formula",
    "fit": "scaling.judging",
    "Fit": "scaling.fits",
    "plan": "scaling.planning",
    "load": "scaling.saved",
    "score": "scaling.registered",
    "backtest": "scaling.judging",
    "candidates": "scaling.design.candidates",
    "compare": "scaling.judging",
    "compare_recipes": "scaling.judging",
    "forecast": "scaling.running",
    "ScalingError": "scaling.errors",
    **{room: f"scaling.{room}" for room in _ROOMS},
}
__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from scaling import counting as counting
    from scaling import logs as logs
    from scaling import planning as planning
    from scaling import plots as plots
    from scaling import procedures as procedures
    from scaling import registered as registered
    from scaling import report as report
    from scaling import running as running
    from scaling import samples as samples
    from scaling import transfer as transfer
    from scaling.design.candidates import candidates as candidates
    from scaling.errors import ScalingError as ScalingError
    from scaling.fits import Fit as Fit
    from scaling.formula import law as law
    from scaling.formula import laws as laws
    from scaling.judging import backtest as backtest
    from scaling.judging import compare as compare
    from scaling.judging import compare_recipes as compare_recipes
    from scaling.judging import fit as fit
    from scaling.logs import Runs as Runs
    from scaling.logs import read as read
    from scaling.planning import plan as plan
    from scaling.registered import score as score
    from scaling.running import forecast as forecast
    from scaling.saved import load as load
    from scaling.schedules import schedule as schedule


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'scaling' has no attribute {name!r}") from None
    module = import_module(home)
    value = module if home == f"scaling.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
