"""Predictions with intervals."""
