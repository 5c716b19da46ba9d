"""From a Fit to predictions with intervals."""

from scaling.forecasting.predict import predict as predict
