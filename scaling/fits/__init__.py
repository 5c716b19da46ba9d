"""Fit a law to data: `fit(data, law) -> Fit`, the facade a user holds."""

from scaling.fits.facade import Fit as Fit
from scaling.fits.fitting import fit as fit
from scaling.fits.lmfit_words import guess as guess
from scaling.fits.lmfit_words import lmfit_model as lmfit_model
