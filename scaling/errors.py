"""What can go wrong, one class per cause. Every message says what, where, why, and what to do."""


class ScalingError(ValueError):
    """Base of every error a user can cause and mend."""


class ArgumentError(ScalingError):
    """An argument is wrong: a value that does not exist or does not go together with the others."""


class DataError(ScalingError):
    """A log cannot be read as it stands: names file, line, column and the remedy.

    Parameters
    ----------
    problems : all of them, where the message shows the first.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (message,)


class ScheduleError(ScalingError):
    """A learning-rate schedule cannot be understood or built."""


class LawError(ScalingError):
    """A law is unknown, or its definition breaks the contract of `scaling.law`."""


class FitError(ScalingError):
    """The data cannot determine the law's parameters."""


class TrainingError(ScalingError):
    """A training run cannot be started or resumed."""


class TrainingDataError(TrainingError):
    """A sweep file, a text to train on or the files of an earlier run are not what training needs."""


class MachineError(TrainingError):
    """The machine does not give what is needed: space, a folder, a scheduler."""


class MissingExtra(ScalingError):
    """An optional package is needed; the message names the extra to install."""


# what the formula or a hook of somebody's own law may raise; whoever asks several laws goes on without it and says so
OF_A_FORMULA = (ArithmeticError, AttributeError, LookupError, NameError, NotImplementedError, TypeError, ValueError)
