"""Fit a law to data: `fit(data, law) -> Fit`."""

from scaling.fitting.estimate import fit as fit
from scaling.fitting.files import load as load
from scaling.fitting.result import Fit as Fit
