"""The version, where the build and saved documents find it."""

__version__ = "0.1.0"
